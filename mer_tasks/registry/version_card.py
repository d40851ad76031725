"""What a person should know of the version that answers: which it is, what it was trained on, how good it is."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.registry.process import TRAINING


@dataclass(frozen=True)
class VersionCard:
    """A version as answers name it; `accuracy` is out of fold, and what is not known of an old version is None.

    `origin` is `real`, `synthetic` or `mixed`: whether the songs it was trained on are music.
    """

    name: str
    number: str
    model: str | None
    songs: int | None
    origin: str | None
    collections: tuple[str, ...]
    accuracy: float | None

    @classmethod
    def of(cls, registered: RegisteredModel) -> "VersionCard":
        """The card of a version that runs."""
        version, described = registered.version, registered.description
        trained: Mapping[str, Any] = {}
        with suppress(OSError, ValueError):  # a version from before it told that
            trained = json.loads((registered.folder / TRAINING).read_text(encoding="utf-8"))
        return cls(
            version.name,
            version.number,
            described.get("model"),
            len(trained["track_ids"]) if "track_ids" in trained else None,
            trained.get("origin"),
            tuple(trained.get("collections", ())),
            described.get("scores", {}).get("accuracy"),
        )

    @property
    def address(self) -> str:
        """Its address in the registry."""
        return f"models:/{self.name}/{self.number}"

    @property
    def line(self) -> str:
        """The card in one line."""
        which = f"{self.name} version {self.number}" + (f" ({self.model})" if self.model else "")
        right = (
            "" if self.accuracy is None else f"; right on {100 * self.accuracy:.0f} % of them, out of fold"
        )
        return f"{which}, {self._training}{right}"

    @property
    def _training(self) -> str:
        if self.origin is None:
            return "trained on nobody knows which songs"
        collections = ", ".join(self.collections)
        if self.origin == "synthetic":
            return f"trained on {self.songs} synthetic songs ({collections}): what it says of music means nothing"
        kind = "real songs" if self.origin == "real" else "songs, synthetic ones among them"
        return f"trained on {self.songs} {kind} ({collections})"

    def as_json(self) -> dict[str, Any]:
        """The card as JSON."""
        return asdict(self)
