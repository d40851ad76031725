"""Each clip's features, computed once and kept under the hash of its bytes, each feature apart."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from threadpoolctl import ThreadpoolController

from mer_tasks.features.clip import ClipFeatures, clip_frames
from mer_tasks.features.frames import blocks_of
from mer_tasks.features.summary import song_summary
from mer_tasks.files import replacing
from mer_tasks.settings import Block, FeatureSettings

FORMAT = 3
"""Goes up when this package computes something else from the same clip and settings."""

LIBRARIES = ("librosa", "numpy", "pyloudnorm", "scipy", "soundfile", "soxr")
"""Whose version may change a number."""

Part = Block | Literal["summary"]
Arrays = dict[str, np.ndarray]

TRANSFORM = ("sr", "n_fft", "hop_length")

DEPENDS_ON: dict[Part, tuple[str, ...]] = dict.fromkeys(get_args(Block), TRANSFORM) | {
    "mfcc": (*TRANSFORM, "n_mels", "n_mfcc"),
    "mel": (*TRANSFORM, "n_mels"),
    "tempogram": (*TRANSFORM, "n_mels"),
    "chroma": (*TRANSFORM, "n_chroma"),
    "cens": ("sr", "hop_length", "n_chroma"),
    "tonnetz": ("sr", "hop_length", "n_chroma"),
    "summary": (*TRANSFORM, "n_mels", "n_mfcc", "n_chroma"),
}
"""The settings that a part's numbers depend on. The others say how an image shows them, in milliseconds."""

DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile)
"""What reading a missing, cut or altered npz file may raise; its checksums find what was altered."""


class FeatureStore:
    """Features by the SHA-256 of a clip, each part apart by its settings and by the versions of libraries.

    So a changed setting or a longer stack computes only what depends on it.
    """

    def __init__(self, folder: Path, settings: FeatureSettings, device: str = "cpu") -> None:
        """Open the parts of the store in `folder` that belong to `settings`; nothing is written yet."""
        self._parts: tuple[Part, ...] = (*settings.stack, "summary")
        self._folders = {part: folder / f"{part}-{_key(part, settings)}" for part in self._parts}
        self._settings, self._device = settings, device

    def path(self, sha256: str, part: Part) -> Path:
        """Where a part of the features of the clip with these bytes lies."""
        return self._folders[part] / sha256[:2] / f"{sha256}.npz"

    def holds(self, sha256: str) -> bool:
        """Whether all parts are there; whether they are whole shows when they are read."""
        return all(self.path(sha256, part).is_file() for part in self._parts)

    def features(
        self, sha256: str, samples: Callable[[], np.ndarray]
    ) -> tuple[ClipFeatures, tuple[Part, ...]]:
        """The features of a clip, and which parts of them were computed now, being missing or damaged.

        `samples` gives the clip's samples, shape (n,); it is called only when a part has to be computed.
        """
        read = {part: self._read(sha256, part) for part in self._parts}
        found = {part: arrays for part, arrays in read.items() if arrays is not None}
        missing = tuple(part for part in self._parts if part not in found)
        if missing:
            found |= self._compute(missing, samples())
        for part in missing:
            self._keep(sha256, part, found[part])
        summary = found["summary"]
        row = dict(zip(summary["names"].tolist(), summary["values"].tolist(), strict=True))
        return ClipFeatures({name: found[name]["rows"] for name in self._settings.stack}, row), missing

    def _keep(self, sha256: str, part: Part, arrays: Arrays) -> None:
        with replacing(self.path(sha256, part)) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def _read(self, sha256: str, part: Part) -> Arrays | None:
        """The arrays of a part, or None when they are not there or damaged."""
        try:
            with np.load(self.path(sha256, part)) as stored:
                expected = ("names", "values") if part == "summary" else ("rows",)
                return {name: stored[name] for name in expected}
        except DAMAGED:
            return None

    def _compute(self, parts: tuple[Part, ...], y: np.ndarray) -> dict[Part, Arrays]:
        with _threads().limit(limits=1):  # a process a core is enough; and the same sums in the same order
            frames, heard = clip_frames(y, self._settings, self._device)
            blocks = blocks_of(frames, tuple(part for part in parts if part != "summary"))
            row = song_summary(heard) if "summary" in parts else {}
        computed: dict[Part, Arrays] = {name: {"rows": rows} for name, rows in blocks.items()}
        if row:
            computed["summary"] = {"names": np.array(list(row)), "values": np.array(list(row.values()))}
        return computed


@lru_cache
def _threads() -> ThreadpoolController:
    """The thread pools of the libraries that compute; looking for them takes milliseconds."""
    return ThreadpoolController()


def _key(part: Part, settings: FeatureSettings) -> str:
    """A short hash of all that a part's numbers depend on."""
    key = {"format": FORMAT} | {name: version(name) for name in LIBRARIES}
    key |= {name: getattr(settings, name) for name in DEPENDS_ON[part]}
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
