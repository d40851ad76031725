"""What goes wrong without a fault of ours; apart from the nouns, so that what computes depends on nothing else."""

import re
from datetime import UTC, datetime, timedelta

A_YEAR_S = 365 * 86_400.0


class InputError(Exception):
    """Something a person gave is wrong. The message is one line: the input, the rule, the remedy."""


class UnavailableError(Exception):
    """What the work needs cannot be reached now; later it may be. The message is one line, as an InputError's.

    `retry_after_s` is how long it asks to be left alone, in seconds, where it said so.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    @property
    def line(self) -> str:
        """The message with the time before which there is no use in another try, where that is known."""
        if self.retry_after_s is None:
            return str(self)
        then = datetime.now(UTC) + timedelta(seconds=min(self.retry_after_s, A_YEAR_S) + 1)
        return f"{self}; not before {then:%Y-%m-%d %H:%M:%S} UTC"

    @classmethod
    def from_line(cls, line: str) -> "UnavailableError":
        """The error whose `line` another process printed."""
        found = re.search(r"; not before (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC$", line)
        if found is None:
            return cls(line)
        left = datetime.fromisoformat(f"{found[1]}+00:00") - datetime.now(UTC)
        return cls(line.removesuffix(found[0]), max(0.0, left.total_seconds()))
