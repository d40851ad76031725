"""What the gate says of a version: every condition with what was measured, kept as `verdict.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Check:
    """One condition of the gate: what was measured, what is needed, and whether that holds."""

    name: str
    measured: str
    needed: str
    passed: bool

    def __str__(self) -> str:
        """How a reason tells of it."""
        return f"{self.name} ({self.measured}; {self.needed})"


@dataclass(frozen=True)
class Verdict:
    """Whether a version passes, and why; `checks` is empty where nothing was compared.

    `scores` and `n_songs` are those of the comparison, `earlier` a line a former champion. `answers` are tables by
    the version's name, a row a song, as `gate.answers` gives them; they are not kept.
    """

    passed: bool
    reason: str
    checks: tuple[Check, ...] = ()
    scores: Mapping[str, float] | None = None
    n_songs: int | None = None
    earlier: tuple[str, ...] = ()
    answers: Mapping[str, pd.DataFrame] = field(default_factory=dict, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Plain values, without the answers."""
        values = asdict(self)
        del values["answers"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Verdict":
        """The verdict whose plain values these are."""
        checks, earlier = (Check(**check) for check in values["checks"]), tuple(values["earlier"])
        return cls(**{**values, "checks": tuple(checks), "earlier": earlier})


def passed_or_refused(passed: str, checks: tuple[Check, ...]) -> str:
    """The reason `passed` and, if so, which other checks refuse the version."""
    refused = ", ".join(str(check) for check in checks if not check.passed)
    return f"{passed}; refused by {refused}" if refused else passed
