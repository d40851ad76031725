"""The types that all modules share: frozen, without input or output."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal
from unicodedata import normalize


class Mood(StrEnum):
    """The four moods: the quadrants of Russell's valence-arousal plane (1980)."""

    SAD = "sad"
    HAPPY = "happy"
    ENERGETIC = "energetic"
    CALM = "calm"


MOODS: tuple[str, ...] = tuple(Mood)

QUADRANT: Mapping[str, tuple[int, int]] = {
    Mood.HAPPY: (1, 1),
    Mood.ENERGETIC: (-1, 1),
    Mood.SAD: (-1, -1),
    Mood.CALM: (1, -1),
}
"""Signs of valence and arousal in each mood's quadrant (Russell, "A circumplex model of affect", 1980)."""

SPOTIFY_FEATURES: tuple[str, ...] = (
    "danceability",
    "energy",
    "key",
    "loudness",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "time_signature",
)
"""Spotify's eleven audio features, as its Web API's `audio-features` object names them."""

ANNOTATIONS = {"valence": "annotated_valence", "arousal": "annotated_arousal"}
"""What people's annotations are called here: Spotify has a `valence` too."""

SAMPLE_COLLECTION = "sample"
"""The collection of the project's own synthetic songs."""


class LabelKind(StrEnum):
    """The kinds of source of a song's mood; a person outranks a file, a file outranks charts."""

    PERSON = "person"
    FILE = "file"
    CHART = "chart"


Severity = Literal["critical", "warning", "information"]
"""What an alert does: a message at once, a line in the weekly digest, or only a row in the catalog."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person should know: one line, what is behind it, and what to do about it.

    `key` names what is wrong, and is the same whenever it is wrong again: the alerts of one key are one incident,
    and it is what a silence is given to. `page` is where a reader finds more.
    """

    title: str
    text: str
    severity: Severity
    key: str
    remedy: str
    page: str | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """A song, and where its audio is: `path` a local file, `url` an address; both may be absent.

    `isrc` is the recording's international code (ISO 3901), `duration_s` its length in seconds,
    `licence` the address or name of what it is published under. A song that is not
    `may_fetch` is listed, but its audio is never requested.
    """

    track_id: str
    title: str
    artist: str
    path: str | None = None
    url: str | None = None
    isrc: str | None = None
    duration_s: float | None = None
    licence: str | None = None
    may_fetch: bool = True


@dataclass(frozen=True, slots=True)
class ChartEntry:
    """A song at a chart's position, from 1 on; `numbers` holds what the source measured, by name."""

    position: int
    track: Track
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Clip:
    """The seconds of a song that models are given, stored by the SHA-256 of its bytes.

    `start_s` and `duration_s` in seconds, `sr` in Hz, `loudness_lufs` integrated loudness
    after ITU-R BS.1770-4 in LUFS. `fingerprint` is Chromaprint's, 32-bit integers, little-endian.
    """

    sha256: str
    start_s: float
    duration_s: float
    sr: int
    channels: int
    loudness_lufs: float
    fingerprint: bytes = b""


class Failure(StrEnum):
    """Why a song gave no clip, by what that means for the next try."""

    LOCAL = "local"  # a file that is not there or is no audio: a person may mend it at any time
    BUSY = "busy"  # a server that is down, slow or wants less: soon again
    REFUSED = "refused"  # not for us, or not allowed by the settings: seldom again
    GONE = "gone"  # no such song there: very seldom again
    BAD = "bad"  # there, but no audio that can be used: very seldom again


@dataclass(frozen=True, slots=True)
class ClipOutcome:
    """What came of one attempt to cut a track's clip: a clip, or the reason there is none.

    `retry_after_s` is how long a failure's server asked to be left alone, in seconds. `match` is which of
    several candidates was taken, and its score; `n_bytes` came over the network in `seconds`.
    """

    track_id: str
    clip: Clip | None = None
    reason: str | None = None
    failure: Failure | None = None
    retry_after_s: float | None = None
    match: Mapping[str, Any] | None = None
    n_bytes: int = 0
    seconds: float = 0.0


def normalised(name: str) -> str:
    """A name of an artist or a song as it is compared: Unicode's NFKC, caseless, single spaces."""
    return " ".join(normalize("NFKC", name).casefold().split())


GUESTS = re.compile(
    r"""[(\[]\s*(?:(?:feat|ft)\b\.?|featuring\s|with\s)[^()\[\]]*[)\]]  # (feat. Y), [with Y]
    | (?<=\S)\s(?:(?:feat|ft)(?:\.\s?|\s)|featuring\s)(?=\S).*""",  # X feat. Y, to the end
    re.VERBOSE,
)


def primary_artist(name: str) -> str:
    """An artist's `normalised` name without guests: "X feat. Y", "X ft. Y" and "X [with Y]" are "x".

    Bands stay whole ("Simon & Garfunkel"), as does a name of nothing but guests.
    """
    artist = normalised(name)
    while (shorter := normalised(GUESTS.sub(" ", artist))) not in (artist, ""):
        artist = shorter
    return artist
