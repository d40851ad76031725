"""What an audio source gives, and the error where it gives nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer_tasks.domain import Failure
from mer_tasks.errors import InputError
from mer_tasks.text import on_one_line


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


def shown(text: str) -> str:
    """A title or an address from outside as a message shows it: one line, of bearable length."""
    return on_one_line(text, 200)
