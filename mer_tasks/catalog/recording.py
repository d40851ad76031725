"""What someone says of songs, added to the catalog where it is news."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from mer_tasks.catalog.queue import enqueue
from mer_tasks.catalog.reading import in_parts, newest, songs_anywhere
from mer_tasks.catalog.schema import items, labels, measurements, tracks
from mer_tasks.domain import LabelKind, Track


@dataclass(frozen=True, slots=True)
class Said:
    """What a speaker says of one song."""

    track: Track
    moods: frozenset[str] = frozenset()
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many songs a speaker named for the first time, said something else of, and the same as before."""

    new: int
    changed: int
    unchanged: int


NOTHING = Said(Track("", "", ""))


def record_said(
    connection: Connection, collection: str, kind: LabelKind, said: Mapping[str, Said], now: datetime
) -> Recorded:
    """Append what is news in what the voice `kind:collection` says of songs, by id.

    A song whose audio is somewhere else now, or that was never heard of, is due for a clip.
    """
    voice = f"{kind}:{collection}"
    before = _said_before(connection, collection, voice, said)
    at = _moment(connection, voice, now)
    _add_tracks(connection, said, at)
    places = _places(connection, said)
    for table, rows in _news(collection, kind, said, before, {"said_by": voice, "observed_at": at}).items():
        if rows:
            connection.execute(insert(table), rows)
    songs = songs_anywhere(connection, said)
    enqueue(
        connection, [song for song in songs.values() if places.get(song.track_id) != _place_of(song)], now
    )
    changed = sum(_is_news(said[song], before[song]) for song in before)
    new = len(said) - len(before)
    return Recorded(new, changed, len(said) - new - changed)


def _said_before(
    connection: Connection, collection: str, voice: str, songs: Collection[str]
) -> dict[str, Said]:
    """What the voice last said of each of some songs."""
    listed = newest(connection, items, "collection", items.c.collection == collection, only=songs)
    spoken = newest(connection, labels, "said_by", labels.c.said_by == voice, only=songs)
    measured = newest(connection, measurements, "said_by", measurements.c.said_by == voice, only=songs)
    return {
        row.track_id: Said(
            Track(*(getattr(row, column.name) for column in fields(Track))),
            frozenset(label.mood for label in spoken.get((row.track_id, voice), [])),
            next((given.numbers for given in measured.get((row.track_id, voice), [])), {}),
        )
        for row in (rows[-1] for rows in listed.values())
    }


def _moment(connection: Connection, voice: str, now: datetime) -> datetime:
    """`now`, or just after what the voice last said.

    One moment is one observation, so a clock that was set back must not give an old moment again.
    """
    last = connection.scalar(select(func.max(labels.c.observed_at)).where(labels.c.said_by == voice))
    return max(now, last + timedelta(microseconds=1)) if last else now


def _add_tracks(connection: Connection, songs: Collection[str], at: datetime) -> None:
    known: set[str] = set()
    for part in in_parts(songs):
        known.update(connection.scalars(select(tracks.c.track_id).where(tracks.c.track_id.in_(part))))
    if new := [{"track_id": song, "first_seen_at": at} for song in songs if song not in known]:
        connection.execute(insert(tracks), new)


Place = tuple[str | None, str | None, bool]


def _places(connection: Connection, songs: Collection[str]) -> dict[str, Place]:
    """Where the audio of each of some songs is, as far as anyone has said."""
    return {song.track_id: _place_of(song) for song in songs_anywhere(connection, songs).values()}


def _place_of(song: Track) -> Place:
    """What decides whether a song is to be fetched anew."""
    return song.path, song.url, song.may_fetch


def _is_news(new: Said, old: Said) -> bool:
    """Whether something is said otherwise than before; who says no mood takes back none."""
    return (new.track, new.moods or old.moods, new.numbers) != (old.track, old.moods, old.numbers)


def _news(
    collection: str,
    kind: LabelKind,
    said: Mapping[str, Said],
    before: Mapping[str, Said],
    stamp: dict[str, Any],
) -> dict[Table, list[dict[str, Any]]]:
    """The rows to add, by table; `stamp` says who said it and when."""
    pairs = [(track_id, new, before.get(track_id, NOTHING)) for track_id, new in said.items()]
    return {
        items: [
            asdict(new.track) | {"collection": collection, "observed_at": stamp["observed_at"]}
            for _, new, old in pairs
            if new.track != old.track
        ],
        labels: [
            {"track_id": track_id, "mood": mood, "kind": kind} | stamp
            for track_id, new, old in pairs
            if new.moods != old.moods
            for mood in sorted(new.moods)
        ],
        measurements: [
            {"track_id": track_id, "numbers": dict(new.numbers)} | stamp
            for track_id, new, old in pairs
            if new.numbers != old.numbers
        ],
    }
