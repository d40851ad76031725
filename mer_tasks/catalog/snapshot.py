"""The data set as of a day: each song with one mood and what models need, and why others are left out."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any

import pandas as pd
from scipy.cluster.hierarchy import DisjointSet
from sqlalchemy import ColumnElement, Connection, Row, Table, or_, select, true

from mer_tasks.audio.fingerprint import same_recordings
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.dataset import (
    CLIP_COLUMNS,
    LEFT_OUT_COLUMNS,
    NUMBERS,
    SEPARATOR,
    SONG_COLUMNS,
    Snapshot,
)
from mer_tasks.catalog.importing import file_source
from mer_tasks.catalog.reading import is_cut_by, newest, songs_in
from mer_tasks.catalog.schema import clips, items, labels, measurements
from mer_tasks.domain import SPOTIFY_FEATURES, LabelKind, Track, normalised
from mer_tasks.settings import SnapshotSettings as Settings


@dataclass
class _Song:
    """What the catalog knows of a song: each source's newest statement, and its clip.

    It may be cut (`is_cut`) and yet have no clip of the recipe; `loss` is what became of that clip in the store,
    `failure` why the last attempt gave none.
    """

    track: Track
    collections: set[str] = field(default_factory=set)
    statements: list[Row[Any]] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    clip: Row[Any] | None = None
    is_cut: bool = False
    loss: str | None = None
    failure: str | None = None

    def decisive(self) -> list[Row[Any]]:
        """The statements of those sources that outrank the others."""
        by_kind = ([one for one in self.statements if one.kind == kind] for kind in LabelKind)
        return next(filter(None, by_kind), [])

    def moods(self) -> set[str]:
        """The moods it may have: one, unless sources disagree; of charts those with most votes."""
        statements = self.decisive()
        votes = Counter(statement.mood for statement in statements)
        fewest = max(votes.values()) if statements and statements[0].kind == LabelKind.CHART else 1
        return {mood for mood, count in votes.items() if count >= fewest}


def take_snapshot(catalog: Catalog, settings: Settings, recipe: str) -> Snapshot:
    """The data set that the catalog gives as of a day, with clips of one recipe (`clip_recipe`).

    A song's mood is what people give, else files, else charts; the newest statement of each counts.
    People and files must agree, charts vote, and a tie is no mood. A song with several ids counts
    once, and what a person says of one id holds for all of them. Files of other collections do not count.

    Raises:
        InputError: a collection holds no song on that day.
    """
    with catalog.reading() as connection:
        songs = _known_songs(connection, settings, recipe)
    reasons = _reasons(songs, settings.needs)
    taken = [_row(song) for track_id, song in songs.items() if track_id not in reasons]
    left_out = [_row(songs[track_id]) | {"reason": reasons[track_id]} for track_id in sorted(reasons)]
    return Snapshot(_frame(taken, SONG_COLUMNS), _frame(left_out, LEFT_OUT_COLUMNS))


def unlabelled_songs(catalog: Catalog, settings: Settings, recipe: str) -> pd.DataFrame:
    """The songs of the collections that have a clip of a recipe and no mood from anyone, with `SONG_COLUMNS`.

    A song with several ids is there once, and not at all where one of its ids has a mood.

    Raises:
        InputError: a collection holds no song on the snapshot's day.
    """
    with catalog.reading() as connection:
        songs = _known_songs(connection, settings, recipe)
    found = [
        next(track_id for track_id in ids if songs[track_id].clip)
        for ids in _same_songs(songs)
        if any(songs[track_id].clip for track_id in ids)
        and not any(songs[track_id].statements for track_id in ids)
    ]
    return _frame([_row(songs[track_id]) for track_id in sorted(found)], SONG_COLUMNS)


def check_collections(catalog: Catalog, settings: Settings) -> None:
    """See that there is something to take a snapshot of.

    Raises:
        InputError: a collection holds no song on the snapshot's day.
    """
    with catalog.reading() as connection:
        songs_in(connection, settings.collections, _by(items, settings), only=())


def _known_songs(connection: Connection, settings: Settings, recipe: str) -> dict[str, _Song]:
    """What was known of each song of the collections on the snapshot's day, by id."""
    tracks = songs_in(connection, settings.collections, _by(items, settings))
    songs = {track_id: _Song(track) for track_id, track in tracks.items()}
    listed = select(items.c.track_id, items.c.collection).distinct().where(_by(items, settings))
    for row in connection.execute(listed.where(items.c.collection.in_(settings.collections))):
        songs[row.track_id].collections.add(row.collection)
    for statement in _statements(connection, labels, settings):
        if statement.track_id in songs and statement.mood is not None:  # which takes an earlier one back
            songs[statement.track_id].statements.append(statement)
    for given in _statements(connection, measurements, settings):
        if given.track_id in songs:
            songs[given.track_id].numbers |= given.numbers
    _add_attempts(connection, songs, settings, recipe)
    return songs


def _add_attempts(
    connection: Connection, songs: Mapping[str, _Song], settings: Settings, recipe: str
) -> None:
    counts = is_cut_by(recipe, _end_of_day(settings)).label("counts")
    attempts = select(clips, counts).where(_of_collections(clips, settings), _by(clips, settings))
    for attempt in connection.execute(attempts.order_by(clips.c.id)):
        if song := songs.get(attempt.track_id):
            song.clip = attempt if attempt.counts else song.clip
            song.is_cut = song.is_cut or attempt.sha256 is not None
            if attempt.lost_sha256 is None:
                song.failure = attempt.reason
            elif attempt.recipe in (None, recipe):
                song.loss, song.failure = attempt.reason, None


def _of_collections(table: Table, settings: Settings) -> ColumnElement[bool]:
    """That a row is about a song of the collections."""
    listed = select(items.c.track_id).where(items.c.collection.in_(settings.collections))
    return table.c.track_id.in_(listed)


def _statements(connection: Connection, table: Table, settings: Settings) -> list[Row[Any]]:
    """The newest statements of each source that counts, in the order they were made."""
    files = [file_source(collection) for collection in settings.collections]
    counts = or_(~table.c.source.startswith(file_source("")), table.c.source.in_(files))
    wanted = _of_collections(table, settings)
    statements = newest(connection, table, "source", wanted, counts, _by(table, settings))
    return sorted((row for rows in statements.values() for row in rows), key=lambda row: row.id)


def _by(table: Table, settings: Settings) -> ColumnElement[bool]:
    """That a row was observed by the end of the snapshot's day."""
    end = _end_of_day(settings)
    return table.c.observed_at <= end if end else true()


def _end_of_day(settings: Settings) -> datetime | None:
    """The last moment of the snapshot's day, in UTC; None where it is the newest."""
    return None if settings.as_of == "latest" else datetime.combine(settings.as_of, time.max, UTC)


def _reasons(songs: Mapping[str, _Song], needs: Collection[str]) -> dict[str, str]:
    """Why songs are left out, by id."""
    reasons: dict[str, str] = {}
    for ids in _same_songs(songs):
        _share_peoples_labels([songs[track_id] for track_id in ids])
        claims = {(mood, track_id) for track_id in ids for mood in songs[track_id].moods()}
        kept = None
        for track_id in ids:
            reason = _disagreement(songs[track_id], claims) or _lack(songs[track_id], needs)
            if reason is None and kept:
                reason = f"same song as {kept}"
            if reason is None:
                kept = track_id
            else:
                reasons[track_id] = reason
    return reasons


def _same_songs(songs: Mapping[str, _Song]) -> list[list[str]]:
    """The ids that are one song: the same recording by code, name, clip or sound, or so through a third."""
    same = DisjointSet(songs)
    first: dict[Hashable, str] = {}
    for track_id, song in songs.items():
        keys: list[Hashable] = [(normalised(song.track.artist), normalised(song.track.title))]
        keys += [("isrc", song.track.isrc)] if song.track.isrc else []
        keys += [song.clip.sha256] if song.clip else []
        for key in keys:
            same.merge(track_id, first.setdefault(key, track_id))
    for pair in same_recordings(
        {track_id: song.clip.fingerprint for track_id, song in songs.items() if song.clip}
    ):
        same.merge(*pair)
    return [sorted(ids) for ids in same.subsets()]


def _share_peoples_labels(same: Sequence[_Song]) -> None:
    """Let the newest label of each person hold for all ids of one song: a person means the song, not the id."""
    given = [one for song in same for one in song.statements if one.kind == LabelKind.PERSON]
    newest_of_each = {one.source: one for one in sorted(given, key=lambda one: one.id)}
    for song in same if given else ():
        song.statements = list(newest_of_each.values())


def _disagreement(song: _Song, claims: Collection[tuple[str, str]]) -> str | None:
    """Which moods a song has where there is no one mood, and by which sources, or under which ids."""
    moods = song.moods()
    if len(moods) > 1:
        claims = {(one.mood, one.source) for one in song.decisive() if one.mood in moods}
    n_moods = len({mood for mood, _ in claims})
    if n_moods < 2:
        return None
    claimed = ", ".join(f"{mood} ({source})" for mood, source in sorted(claims))
    return f"{('two', 'three', 'four')[n_moods - 2]} moods: {claimed}"


def _lack(song: _Song, needs: Collection[str]) -> str | None:
    """What a song lacks."""
    if not song.statements:
        return "no mood: no source gives one"
    if "clip" in needs and song.clip is None:
        return f"no clip: {_why_no_clip(song)}"
    missing = [name for name in SPOTIFY_FEATURES if name not in song.numbers]
    if "spotify" in needs and missing:
        return f"Spotify's features missing: {', '.join(missing)}"
    return None


def _why_no_clip(song: _Song) -> str:
    if not song.track.may_fetch:
        return f"its licence does not allow a download ({song.track.licence or 'none given'})"
    if song.loss:
        return f"{song.loss}; {song.failure or 'run mer clips'}"
    if song.failure:
        return song.failure
    if song.is_cut:
        return "not cut by these settings yet; run mer clips"
    is_somewhere = song.track.path or song.track.url
    return "not tried yet; run mer clips" if is_somewhere else "neither path nor url is known"


def _row(song: _Song) -> dict[str, Any]:
    """A song as a row of a snapshot; its mood stays empty where there is no one mood."""
    moods = song.moods()
    clip = {f"clip_{name}": getattr(song.clip, name) for name in CLIP_COLUMNS} if song.clip else {}
    numbers = {name: song.numbers[name] for name in NUMBERS if name in song.numbers}
    return {
        "track_id": song.track.track_id,
        "title": song.track.title,
        "artist": song.track.artist,
        "mood": moods.pop() if len(moods) == 1 else None,
        "collections": SEPARATOR.join(sorted(song.collections)),
        **clip,
        **numbers,
    }


def _frame(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame.from_records(list(rows), columns=list(columns)).astype(dict(columns))
