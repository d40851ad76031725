"""What an audio source gives, and the error where it gives nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer_tasks.domain import Failure
from mer_tasks.errors import InputError


class FetchError(InputError):
    """A song's audio cannot be had. The message is one line: where it should be, and the reason."""

    def __init__(self, message: str, failure: Failure, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.retry_after_s = retry_after_s
        self.n_bytes = 0  # what came over the network all the same


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file with a song, or, where `start_s` is given, with only its clip, which starts there in the song.

    `n_bytes` came over the network; `match` is which of several candidates was chosen, and its score.
    """

    path: Path
    start_s: float | None = None
    n_bytes: int = 0
    match: Mapping[str, Any] | None = None


def on_one_line(text: str) -> str:
    """A text from outside as a message shows it: without line breaks, of bearable length."""
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:199]}…"
