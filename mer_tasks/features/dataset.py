"""A representation of a whole data set, as `mer features` wrote it."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from mer_tasks.errors import InputError
from mer_tasks.features.folder import MANIFEST, VALUES, part_files, read_csv, read_meta, read_part_file
from mer_tasks.features.representations import Computed, module_of
from mer_tasks.features.store import FeatureStore
from mer_tasks.objects import ObjectStore
from mer_tasks.settings import RepresentationSettings

UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, ImportError, zipfile.BadZipFile)
"""What reading a missing, cut or altered file of the folder may raise."""


class StoredArrays:
    """The arrays of clips, float32 of shape (n, rows, frames), read from the feature store when they are asked for."""

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, clips: tuple[str, ...], meta: dict[str, Any], store: FeatureStore) -> None:
        """Read nothing yet; `meta` as a data set has it."""
        self._clips, self._store = clips, store
        self._parts: list[str] = meta["parts"]
        self.shape: tuple[int, int, int] = (len(clips), *meta["shape"][1:])
        module = cast(Computed, module_of(meta["representation"]))
        keys = module.Settings.model_fields
        self._assemble = module.assemble
        self._settings: RepresentationSettings = module.Settings.model_validate(
            {key: value for key, value in meta["settings"].items() if key in keys}
        )

    def __len__(self) -> int:
        """How many clips there are."""
        return len(self._clips)

    def __getitem__(self, index: int | slice | np.ndarray | list[int]) -> np.ndarray:
        """The array of one clip, or of several, as NumPy indexes the first axis.

        Raises:
            InputError: one is missing or damaged in the store.
        """
        places = np.arange(len(self))[index]
        if places.ndim == 0:
            return self._array(self._clips[places])
        found = np.empty((len(places), *self.shape[1:]), np.float32)
        for row, place in enumerate(places):
            found[row] = self._array(self._clips[place])
        return found

    def _array(self, sha256: str) -> np.ndarray:
        parts = []
        for part_id in self._parts:
            values = self._store.read(sha256, part_id)
            if values is None:
                place = self._store.place(sha256, part_id)
                raise InputError(f"{place}: missing or damaged; run mer features again")
            parts.append(values)
        return self._assemble(parts, self._settings)


@dataclass(frozen=True, eq=False)
class Features:
    """A representation of a data set: `values[i]` belongs to the song `track_ids[i]`, which are in order.

    `values` is float32: an array of shape (n, len(names)), or of shape (n, len(names), frames) what
    behaves like one that is indexed by its first axis. `names` are those of the columns, or of an array's rows.
    """

    kind: str
    track_ids: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray | StoredArrays


def load_features(folder: Path, store: ObjectStore | None = None) -> Features:
    """The representation in a data set's `folder`; arrays are read from the feature `store` as they are used.

    Raises:
        InputError: the folder's files are not there or damaged, or arrays are asked for without a store.
    """
    try:
        meta = read_meta(folder)
        kept = module_of(meta["representation"]).KEPT
        if kept == "given":
            return _given(folder, meta)
        manifest = read_csv(folder / MANIFEST)
        track_ids, clips = tuple(manifest["track_id"]), tuple(manifest["clip_sha256"])
        values = _rows(folder, clips, meta) if kept == "table" else _arrays(folder, clips, meta, store)
        return Features(meta["representation"], track_ids, tuple(meta["names"]), values)
    except UNREADABLE as error:
        raise InputError(
            f"{folder}: holds no {folder.name} that can be read; run mer features again"
        ) from error


def _given(folder: Path, meta: dict[str, Any]) -> Features:
    table, names = read_csv(folder / VALUES), tuple(meta["names"])
    values = table[list(names)].to_numpy(np.float32)
    return Features(meta["representation"], tuple(table["track_id"]), names, values)


def _rows(folder: Path, clips: tuple[str, ...], meta: dict[str, Any]) -> np.ndarray:
    """A row for each of `clips`, whose files are read one after the other."""
    rows: dict[str, np.ndarray] = {}
    for name, alike in part_files(clips):
        there, values = read_part_file(folder / name)
        of_clip = dict(zip(there, values, strict=True))
        rows |= {clip: of_clip[clip] for clip in alike}
    found = np.empty((len(clips), len(meta["names"])), np.float32)
    for place, clip in enumerate(clips):
        found[place] = rows[clip]
    return found


def _arrays(
    folder: Path, clips: tuple[str, ...], meta: dict[str, Any], store: ObjectStore | None
) -> StoredArrays:
    if store is None:
        raise InputError(f"{folder}: its values lie in the feature store, which was not given")
    return StoredArrays(clips, meta, FeatureStore(store))
