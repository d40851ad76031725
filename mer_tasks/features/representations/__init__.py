"""What models read of a clip: one module a representation, found by the name that it has in `params.yaml`.

Every module has three names: `Settings`, the keys that the representation has in `params.yaml`; `KEPT`, how
the data set keeps it; and `names`, of its columns or rows. What else it has depends on `KEPT`:

- `given`: it comes with the songs, no audio gives it. The module has `rows`, which picks it from a snapshot.
- `table`: a float32 row of numbers a clip, which the data set holds itself.
- `array`: float32 of shape (rows, frames) a clip, too large to be copied: the data set names the clips, and
  the values are read from the feature store.

A module of the latter two has `parts`, what is computed from one clip and kept in the store; `assemble`, which
makes the clip's values of them; `n_frames`, how many an array has; `CODE`, the modules of ours in which `assemble` computes; and `NETWORK_FILES`,
without which a representation that is the output of a network cannot be computed elsewhere. Where there are
such files, `check_network` sees early whether they can be had, `write_network` writes them, and `LICENCE` is the notice
of the weights, in Markdown, which goes wherever they go. `NEEDS` names other representations by whose settings this one
is computed, if there are any.

`params.yaml` is read with the modules' `Settings`: a module imports no more than pydantic and NumPy at its top.
docs/features.md shows how to add one.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np

from mer_tasks.errors import InputError
from mer_tasks.settings import Kept, Params, RepresentationSettings

if TYPE_CHECKING:
    import pandas as pd

    from mer_tasks.features.parts import ClipParts, Part

Own = TypeVar("Own", bound=RepresentationSettings)


class Representation(Protocol):
    """What every representation's module offers."""

    Settings: type[RepresentationSettings]
    KEPT: Kept

    @staticmethod
    def names(params: Params) -> tuple[str, ...]:
        """What each column, or each row of an array from the top down, holds."""


class Given(Representation, Protocol):
    """What the module of a representation offers that comes with the songs."""

    @staticmethod
    def rows(songs: "pd.DataFrame") -> "pd.DataFrame":
        """`track_id` and the columns of `names`, for those of a snapshot's songs that have all of them."""


class Computed(Representation, Protocol):
    """What the module of a representation offers that is computed from a clip."""

    CODE: tuple[str, ...]
    NETWORK_FILES: tuple[str, ...]

    @staticmethod
    def parts(params: Params, network: Path | None, device: str) -> "tuple[Part, ...]":
        """What of a clip has to be there before its values can be assembled.

        `network` is the folder with `NETWORK_FILES`, `device` as torch names it.

        Raises:
            InputError: the network's files are missing or damaged.
        """

    @staticmethod
    def assemble(parts: Sequence[np.ndarray], settings: RepresentationSettings) -> np.ndarray:
        """The values of a clip, float32: of shape (len(names),), or (len(names), frames) for an array."""


class Array(Computed, Protocol):
    """What the module of a representation offers that is an array a clip."""

    @staticmethod
    def n_frames(params: Params) -> int:
        """How many frames an array has."""


class WithNetwork(Computed, Protocol):
    """What the module of a representation offers that is the output of a network."""

    LICENCE: str

    @staticmethod
    def check_network(params: Params) -> None:
        """See whether the network can be had, as far as that takes no time.

        Raises:
            InputError: it cannot.
        """

    @staticmethod
    def write_network(params: Params, folder: Path) -> Mapping[str, Any]:
        """Write `NETWORK_FILES` into a folder; the same network gives the same bytes.

        Returns the settings as they were followed, which `MER_*` variables may have changed.

        Raises:
            InputError: the network cannot be had.
        """


class ClipReader:
    """Computes a representation of clips: what building a data set and serving a model both do.

    `names` are those of the columns, or of an array's rows; `parts` what of a clip the store keeps.
    """

    def __init__(self, params: Params, name: str, network: Path | None = None, device: str = "cpu") -> None:
        """Load once what computing takes.

        `network` is a folder with the files that `network_files` names, `device` as torch names it.

        Raises:
            InputError: no audio gives this representation, or the network's files are missing or damaged.
        """
        module = computed(name)
        self.names = module.names(params)
        self.parts = module.parts(params, network, device)
        self._assemble, self._settings = module.assemble, own_settings(params, name)
        self._features, self._device = params.features, device

    def compute(self, y: np.ndarray) -> np.ndarray:
        """The values of one channel `y`, shape (n,), at `params.features.sr` Hz.

        float32 of shape (len(names),), or (len(names), frames) for what a data set keeps as arrays.
        """
        from mer_tasks.features.parts import ClipParts

        return self.read(ClipParts(lambda: y, self._features, self._device))

    def read(self, clip: "ClipParts") -> np.ndarray:
        """The same of a clip whose parts may be in the store."""
        return self._assemble([clip[part] for part in self.parts], self._settings)


def module_of(name: str) -> Representation:
    """The module of a representation."""
    return cast(Representation, import_module(f"{__name__}.{name}"))


def takes_audio(name: str) -> bool:
    """Whether a representation is computed from audio, and can be for a song that the catalog does not know."""
    return module_of(name).KEPT != "given"


def network_files(name: str, folder: Path) -> tuple[Path, ...]:
    """What of a data set's folder of a representation is needed to compute it elsewhere.

    Raises:
        InputError: one of the files is not there.
    """
    module = module_of(name)
    paths = tuple(folder / file for file in getattr(module, "NETWORK_FILES", ()))
    if missing := [path for path in paths if not path.is_file()]:
        raise InputError(f"{missing[0]}: no such file; run mer features")
    return paths


def with_needed(names: Iterable[str]) -> set[str]:
    """These representations, and those whose settings they are computed by."""
    return {one for name in names for one in (name, *getattr(module_of(name), "NEEDS", ()))}


def licence_of(name: str) -> str:
    """The notice of the weights that a representation is computed with; empty where there are none."""
    return str(getattr(module_of(name), "LICENCE", ""))


def check_networks(params: Params) -> None:
    """See early whether the networks whose output is a representation can be had.

    Raises:
        InputError: one cannot.
    """
    for name in params.representations:
        if getattr(module_of(name), "NETWORK_FILES", ()):
            cast(WithNetwork, module_of(name)).check_network(params)


def computed(name: str) -> Computed:
    """The module of a representation that is computed from a clip.

    Raises:
        InputError: no audio gives it.
    """
    if not takes_audio(name):
        raise InputError(f"{name}: comes with the songs, no audio gives it; read another representation")
    return cast(Computed, module_of(name))


def own_settings(params: Params, name: str) -> RepresentationSettings:
    """The settings of a representation.

    Raises:
        InputError: it is not among `representations`.
    """
    if name not in params.representations:
        raise InputError(f"representations.{name}: missing; add it, for others read its settings")
    return params.representations[name]


def settings_of(params: Params, name: str, kind: type[Own]) -> Own:
    """The settings of a representation, as its module's `Settings`.

    Raises:
        InputError: it is not among `representations`.
    """
    settings = own_settings(params, name)
    assert isinstance(settings, kind)
    return settings
