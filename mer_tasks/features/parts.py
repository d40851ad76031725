"""What is computed from a clip and kept apart from the rest: a frame feature, the statistics, a network's output.

A part's id names all that its numbers depend on: the settings that matter to it, the code of ours that
computes it, and the versions of the libraries which that code imports.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mer_tasks.code_identity import code_identity

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

    from mer_tasks.features.clip import ClipFrames
    from mer_tasks.features.store import FeatureStore
    from mer_tasks.settings import Block, FeatureSettings

DECODING = "mer_tasks.audio.decode"

TRANSFORM = ("sr", "n_fft", "hop_length")

DEPENDS_ON: Mapping[str, tuple[str, ...]] = {
    "mfcc": (*TRANSFORM, "n_mels", "n_mfcc"),
    "mel": (*TRANSFORM, "n_mels"),
    "tempogram": (*TRANSFORM, "n_mels"),
    "chroma": (*TRANSFORM, "n_chroma"),
    "cens": ("sr", "hop_length", "n_chroma"),
    "tonnetz": ("sr", "hop_length", "n_chroma"),
    "summary": (*TRANSFORM, "n_mels", "n_mfcc", "n_chroma"),
}
"""The settings of the section `features` that a part's numbers depend on, where they are not `TRANSFORM`."""


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a clip: what its numbers depend on, and the function that computes it.

    `depends_on` holds settings by name, `modules` the modules of ours whose code counts, with all that they
    import. `compute` takes a `ClipParts` and gives an array; it must be picklable.
    """

    name: str
    depends_on: Mapping[str, Any]
    modules: tuple[str, ...]
    compute: Callable[["ClipParts"], np.ndarray] = field(repr=False)

    @property
    def code(self) -> tuple[str, ...]:
        """The modules whose code counts: those of `modules`, and the one of the function that computes."""
        function = self.compute.func if isinstance(self.compute, partial) else self.compute
        return tuple(sorted({*self.modules, function.__module__}))

    @cached_property
    def id(self) -> str:
        """The name, and a short hash of all that the numbers depend on."""
        key = [dict(self.depends_on), code_identity(*self.code)]
        return f"{self.name}-{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]}"


def block_parts(stack: Sequence["Block"], settings: "FeatureSettings", device: str) -> tuple[Part, ...]:
    """A part for each frame feature of a stack: float32 of shape (rows, frames), of the time that an image shows."""
    from mer_tasks.features.clip import clip_block

    return tuple(
        Part(name, _depends_on(name, settings, device), (DECODING,), partial(clip_block, name))
        for name in stack
    )


def summary_part(settings: "FeatureSettings", device: str) -> Part:
    """The statistics of the clip without padding: float32 of shape (n,)."""
    from mer_tasks.features.summary import clip_statistics

    return Part("summary", _depends_on("summary", settings, device), (DECODING,), clip_statistics)


class ClipParts:
    """The parts of one clip, by `clip[part]`: each read from the store, or computed once and kept there.

    What several parts need is computed once as well. Sums keep their order: one thread computes.
    """

    def __init__(
        self,
        samples: Callable[[], np.ndarray],
        settings: "FeatureSettings",
        device: str = "cpu",
        stored: "tuple[FeatureStore, str] | None" = None,
    ) -> None:
        """Compute nothing yet.

        `samples` gives one channel at `settings.sr` Hz, shape (n,), and is called only when something has to
        be computed. `device` as torch names it. `stored` is the store and the clip's SHA-256 in it.
        """
        self._samples, self._settings, self._device, self._stored = samples, settings, device, stored
        self._found: dict[str, np.ndarray] = {}
        self.computed: set[str] = set()
        """Names of the parts that were not in the store."""

    @cached_property
    def y(self) -> np.ndarray:
        """The clip's samples, one channel at the settings' rate, shape (n,)."""
        return self._samples()

    @cached_property
    def frames(self) -> "ClipFrames":
        """The clip's frames."""
        from mer_tasks.features.clip import ClipFrames

        return ClipFrames(self.y, self._settings, self._device)

    def __getitem__(self, part: Part) -> np.ndarray:
        """The values of a part.

        Raises:
            AudioError: it has to be computed, and the clip is missing or cannot be decoded.
        """
        if part.name not in self._found:
            self._found[part.name] = self._read_or_compute(part)
        return self._found[part.name]

    def _read_or_compute(self, part: Part) -> np.ndarray:
        if self._stored:
            store, sha256 = self._stored
            if (values := store.read(sha256, part.id)) is not None:
                return values
        with _threads().limit(limits=1):
            values = part.compute(self)
        self.computed.add(part.name)
        if self._stored:
            store.keep(sha256, part, values)
        return values


@lru_cache
def _threads() -> "ThreadpoolController":
    """The thread pools of the libraries that compute; looking for them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    from mer_tasks.features import clip  # noqa: F401 - pools of libraries that come later would not be found

    return ThreadpoolController()


def _depends_on(name: str, settings: "FeatureSettings", device: str) -> dict[str, Any]:
    """The settings that matter, and the kind of device, on which the last digits depend."""
    values = {key: getattr(settings, key) for key in DEPENDS_ON.get(name, TRANSFORM)}
    return values | {"device": device.partition(":")[0]}
