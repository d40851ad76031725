"""Which of several recordings is the song that was meant, and how sure that is."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from unicodedata import category, combining, normalize

from mer_tasks.domain import Track

UNINFORMATIVE = frozenset(
    re.findall(
        r"\w+",
        "official video audio music lyric lyrics hd hq 4k mv visualizer visualiser topic ft feat featuring "
        "original album version explicit clean remaster remastered the a and",
    )
)
"""Words of a title that do not show which recording it is."""

OTHER_VERSIONS = re.compile(
    r"\b(live|cover(ed)?|karaoke|instrumental|remix(ed)?|mashup|sped|speed|slowed|reverb|nightcore|8d|"
    r"acoustic|reaction|tutorial|lesson|parody|loop(ed)?|(\d+|one|ten) hours?|bass boosted|full album|teaser|"
    r"trailer|snippet)\b"
)
"""Words of another recording than the one on the record, unless the song's own title has them."""

FAR_S = 60.0
"""A recording so much longer or shorter is another one."""

LENGTH_UNKNOWN = 0.8
"""How well an unknown length fits: worse than a near one, better than a far one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recording that a search found; `channel` is who published it, `duration_s` its length in seconds."""

    url: str
    title: str
    channel: str = ""
    duration_s: float | None = None


def score(track: Track, candidate: Candidate) -> float:
    """How well a recording fits a song, from 0 (not at all) to 1.

    The product of four factors: how alike the titles are (the F1 measure of their words, 0 to 1);
    the share of the artist's words in the title or the channel (0.5 to 1); the lengths (1 if equal,
    0.5 from `FAR_S` apart on); and 0.5 if it is live, a cover, a remix and the like, and the song is not.
    """
    fits = (1 + _artist(track, candidate)) / 2 * (1 + _length(track, candidate)) / 2
    versions = _versions(candidate.title) - _versions(track.title)
    return round(_title(track, candidate) * fits * (0.5 if versions else 1.0), 3)


def _title(track: Track, candidate: Candidate) -> float:
    """F1 of the words, those of the artist and uninformative ones left aside where others remain."""
    aside = UNINFORMATIVE | _words(track.artist)
    wanted = _without(aside, _words(track.title))
    found = _without(aside - wanted, _words(candidate.title))
    return 2 * len(wanted & found) / (len(wanted) + len(found)) if wanted else 0.0


def _artist(track: Track, candidate: Candidate) -> float:
    """The share of the artist's words in title or channel; AdeleVEVO is Adele's channel."""
    wanted = _words(track.artist)
    channel = "".join(re.findall(r"\w", _plain(candidate.channel)))
    there = _words(f"{candidate.title} {candidate.channel}")
    if wanted and channel.startswith("".join(re.findall(r"\w", _plain(track.artist)))):
        return 1.0
    return len(wanted & there) / len(wanted) if wanted else 0.0


def _length(track: Track, candidate: Candidate) -> float:
    if track.duration_s is None or candidate.duration_s is None:
        return LENGTH_UNKNOWN
    return max(0.0, 1 - abs(track.duration_s - candidate.duration_s) / FAR_S)


def _versions(title: str) -> set[str]:
    return {found[0] for found in OTHER_VERSIONS.finditer(_plain(title))}


def _plain(text: str) -> str:
    """Without case and accents, in Unicode's NFKD."""
    return "".join(letter for letter in normalize("NFKD", text.casefold()) if not combining(letter))


def _words(text: str) -> set[str]:
    """Its words; an emoji is one too."""
    plain = _plain(text).replace("'", "").replace("\u2019", "")
    return {*re.findall(r"\w+", plain), *(sign for sign in plain if category(sign) == "So")}


def _without(aside: Collection[str], words: set[str]) -> set[str]:
    return words.difference(aside) or words
