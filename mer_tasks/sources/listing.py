"""From a source's rows to a chart's entries: cleaned, checked, in order, each song once."""

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from mer_tasks.domain import ChartEntry, Track, normalised
from mer_tasks.errors import InputError
from mer_tasks.validation import CONTROL_CHARACTER, track_id, web_address

LONGEST_TEXT = 1000
"""Characters of a title or an artist; what is longer is cut."""

LONGEST_URL = 2000
LONGEST_SONG_S = 86_400.0
ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
"""ISO 3901, without the hyphens it is written with."""

UNSEEN = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]")
"""Characters that turn the direction of the text around them (Unicode's Bidi_Control) or show nothing,
and halves of characters, which no database takes."""

MAX_WARNINGS = 5

Row = TypeVar("Row")
logger = logging.getLogger(__name__)


def clean(value: Any) -> Any:
    """A text in one line, without what controls a screen; anything else as it is."""
    if not isinstance(value, str):
        return value
    return " ".join(UNSEEN.sub("", CONTROL_CHARACTER.sub(" ", value)).split())[:LONGEST_TEXT]


def _isrc(value: Any) -> str | None:
    code = re.sub(r"[\s-]", "", value).upper() if isinstance(value, str) else ""
    return code if ISRC.fullmatch(code) else None


def _duration(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if 0 < seconds < LONGEST_SONG_S else None


Text = Annotated[str, BeforeValidator(clean)]
Name = Annotated[Text, Field(min_length=1)]


class Song(BaseModel):
    """A song as a source names it. A wrong ISRC or duration is as good as none."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    track_id: str = ""
    title: Name
    artist: Name
    path: str | None = None
    url: Annotated[str, Field(max_length=LONGEST_URL)] | None = None
    isrc: Annotated[str | None, BeforeValidator(_isrc)] = None
    duration_s: Annotated[float | None, BeforeValidator(_duration)] = None
    licence: Text | None = None
    may_fetch: bool = True
    numbers: Mapping[str, FiniteFloat] = {}

    def track(self) -> Track:
        """The song as a track; without an id of its own it gets one of its artist and title.

        Raises:
            InputError: its id or address breaks a rule.
        """
        values = self.model_dump(exclude={"numbers"})
        values["track_id"] = track_id(clean(self.track_id) or _id_by_name(self.artist, self.title))
        values["url"] = web_address(self.url) if self.url else None
        values["licence"] = self.licence or None
        return Track(**values)


class Listing(NamedTuple):
    """A chart's entries, and how many rows could not be taken."""

    entries: list[ChartEntry]
    n_bad: int


def listing(
    where: str, rows: Iterable[tuple[str, Row]], song_of: Callable[[Row], Mapping[str, Any] | None]
) -> Listing:
    """The songs of `rows`, each with its place in the source.

    `song_of` gives the values of a row's `Song`, None for what is no song. A row that breaks a rule is
    left out with a warning; `where` names the chart in messages.

    Raises:
        InputError: no row is a song.
    """
    songs: dict[str, ChartEntry] = {}
    problems: list[str] = []
    for place, row in rows:
        try:
            if (values := song_of(row)) is not None:
                song = Song.model_validate(values)
                track = song.track()
                entry = ChartEntry(len(songs) + 1, track, song.numbers)
                songs.setdefault(track.track_id, entry)
        except (InputError, ValueError, TypeError, LookupError, AttributeError) as error:
            problems.append(f"{place}: {_reason(error)}")
    for problem in problems[:MAX_WARNINGS]:
        logger.warning("%s: left out: %s", where, problem)
    if len(problems) > MAX_WARNINGS:
        logger.warning("%s: left out %d rows more", where, len(problems) - MAX_WARNINGS)
    if not songs:
        first = f"; {problems[0]}" if problems else ""
        raise InputError(f"{where}: holds no song that can be listed{first}; check what it points to")
    return Listing(list(songs.values()), len(problems))


def _id_by_name(artist: str, title: str) -> str:
    name = f"{normalised(artist)}\0{normalised(title)}"
    return f"name:{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
    return str(error)[:300] if isinstance(error, InputError) else "not of the shape that is documented"
