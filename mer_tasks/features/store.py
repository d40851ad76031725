"""Each clip's features, computed once and kept under the hash of its bytes."""

import hashlib
import json
import zipfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mer_tasks.features.clip import ClipFeatures, describe
from mer_tasks.features.frames import Frames
from mer_tasks.files import replacing
from mer_tasks.settings import Features

VERSION = 1
"""Goes up when this package computes something else from the same clip and settings."""

ONLY_THE_IMAGE = {"stack", "mel", "scale"}
"""Settings that say how frames become an image; an image is made anew each time, in milliseconds."""

DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile)
"""What reading a missing, cut or altered npz file may raise; its checksums find what was altered."""


class FeatureStore:
    """Features by the SHA-256 of a clip, apart for each version, librosa's version and settings."""

    def __init__(self, folder: Path, settings: Features) -> None:
        """Open the part of the store in `folder` that belongs to `settings`; nothing is written yet."""
        key = {"version": VERSION, "librosa": version("librosa")} | settings.model_dump(
            exclude=ONLY_THE_IMAGE
        )
        self._folder = folder / hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        self._settings = settings

    def path(self, sha256: str) -> Path:
        """Where the features of the clip with these bytes lie."""
        return self._folder / sha256[:2] / f"{sha256}.npz"

    def get(self, sha256: str) -> ClipFeatures | None:
        """The features of a clip, or None when they are not there or damaged."""
        try:
            with np.load(self.path(sha256)) as stored:
                arrays = {name: stored[name] for name in stored.files}
            names, values = arrays.pop("names"), arrays.pop("summary")
            return ClipFeatures(Frames(**arrays), dict(zip(names.tolist(), values.tolist(), strict=True)))
        except DAMAGED:
            return None

    def compute(self, sha256: str, y: np.ndarray) -> ClipFeatures:
        """Compute the features of a clip's samples, shape (n,), and keep them."""
        features = describe(y, self._settings)
        names, values = list(features.summary), list(features.summary.values())
        with replacing(self.path(sha256)) as temporary:
            np.savez(temporary, names=names, summary=values, **asdict(features.frames))
        return features
