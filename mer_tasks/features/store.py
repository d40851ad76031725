"""Each part of a clip, computed once and kept under the SHA-256 of the clip's bytes and the part's key."""

import zipfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from mer_tasks.objects import ObjectStore

if TYPE_CHECKING:
    from mer_tasks.features.parts import Part

DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile)
"""What reading a missing, cut or altered npz file may raise; its checksums find what was altered."""


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """The parts as objects, each there whole or not at all."""

    objects: ObjectStore

    def place(self, sha256: str, part_id: str) -> str:
        """Where the part with this id of the clip with these bytes lies, for a person."""
        return f"{self.objects}/{_key(sha256, part_id)}"

    def lacking(self, clips: Collection[str], part_ids: Collection[str]) -> dict[str, set[str]]:
        """The ids of the parts that are not there, for each of the clips that lacks some; nothing is read."""
        found: dict[str, set[str]] = {}
        for part_id in part_ids:
            for sha256 in set(clips).difference(PurePath(key).stem for key in self.objects.keys(part_id)):
                found.setdefault(sha256, set()).add(part_id)
        return found

    def fetch(self, clips: Iterable[str], part_ids: Iterable[str]) -> None:
        """Get parts of several clips at a time, which `read` then finds here."""
        self.objects.fetch([_key(sha256, part_id) for sha256, part_id in product(clips, part_ids)])

    def read(self, sha256: str, part_id: str) -> np.ndarray | None:
        """The values of a part, or None when they are not there or damaged."""
        key = _key(sha256, part_id)
        for find in (self.objects.local, self.objects.fresh):  # a copy may be damaged
            try:
                with np.load(find(key)) as stored:
                    values: np.ndarray = stored["values"]
                return values
            except FileNotFoundError:
                return None
            except DAMAGED:
                continue
        return None

    def keep(self, sha256: str, part: "Part", values: np.ndarray) -> None:
        """Write the values of a part."""
        with self.objects.writing(_key(sha256, part.id)) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, values=values)


def _key(sha256: str, part_id: str) -> str:
    return f"{part_id}/{sha256[:2]}/{sha256}.npz"
