"""Each part of a clip, computed once and kept under the SHA-256 of the clip's bytes and the part's key."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mer_tasks.files import replacing

if TYPE_CHECKING:
    from mer_tasks.features.parts import Part

DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile)
"""What reading a missing, cut or altered npz file may raise; its checksums find what was altered."""


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """The parts in a folder. Files are written whole or not at all."""

    folder: Path

    def path(self, sha256: str, part_id: str) -> Path:
        """Where the part with this id of the clip with these bytes lies."""
        return self.folder / part_id / sha256[:2] / f"{sha256}.npz"

    def holds(self, sha256: str, part_id: str) -> bool:
        """Whether a part is there; whether it is whole shows when it is read."""
        return self.path(sha256, part_id).is_file()

    def read(self, sha256: str, part_id: str) -> np.ndarray | None:
        """The values of a part, or None when they are not there or damaged."""
        try:
            with np.load(self.path(sha256, part_id)) as stored:
                values: np.ndarray = stored["values"]
        except DAMAGED:
            return None
        return values

    def keep(self, sha256: str, part: "Part", values: np.ndarray) -> None:
        """Write the values of a part."""
        with replacing(self.path(sha256, part.id)) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, values=values)
