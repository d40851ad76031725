"""What the mood board shows, gathered from the catalog, the registry and the last data check."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from mer_tasks.board.report import read_checks
from mer_tasks.catalog.charts import ChartWeek, chart_weeks
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.ledger import Promotion, list_promotions
from mer_tasks.catalog.predictions import as_answer, newest_answers
from mer_tasks.catalog.reading import newest, songs_anywhere
from mer_tasks.catalog.schema import labels
from mer_tasks.domain import MOODS, QUADRANT, LabelKind, Track
from mer_tasks.errors import InputError
from mer_tasks.registry.card import FILE as CARD
from mer_tasks.registry.lookup import champion_id, fetch_version, find_version
from mer_tasks.registry.process import read_description
from mer_tasks.registry.summary import version_page
from mer_tasks.registry.training_data import read_training_data
from mer_tasks.registry.unsure import label_next
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

WEEKS = 12
"""So many weeks of charts are looked back on."""

MOST_SONGS = 2000
"""A page holds no more: the songs of this week's charts, then those that were answered last."""

PROMOTIONS = 5
"""So many of the last changes of the version in service are shown."""

UNSURE = 24
"""So many songs are put to a person."""


@dataclass(frozen=True, slots=True)
class BoardSong:
    """A song with the last answer for it; `valence` and `arousal` from -1 to 1, `sure` its mood's probability.

    `by_people` says which mood people give it, if any does.
    """

    track_id: str
    title: str
    artist: str
    mood: str
    probabilities: tuple[float, ...]
    sure: float
    valence: float
    arousal: float
    clip: str
    version: str
    charts: tuple[str, ...]
    by_people: str


@dataclass(frozen=True, slots=True)
class BoardEntry:
    """A position of a chart; `move` is by how many positions it rose in a week, None where it is new."""

    position: int
    move: int | None
    track_id: str
    title: str
    artist: str
    song: BoardSong | None


@dataclass(frozen=True, slots=True)
class BoardChart:
    """A chart as it was read last, and how many of its answered songs had which mood, by week."""

    name: str
    read_at: datetime
    entries: tuple[BoardEntry, ...]
    weeks: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class BoardVersion:
    """The version in service: what it is, its scores and what it was trained on."""

    name: str
    number: str
    description: Mapping[str, Any]
    origin: str
    collections: tuple[str, ...]
    n_artists: int
    card: str
    page: str | None


@dataclass(frozen=True, slots=True)
class BoardContent:
    """Everything on the board; `problem` is why there is no version, `promotions` has the last ones, the newest first."""

    made_at: datetime
    version: BoardVersion | None
    problem: str | None
    promotions: tuple[Promotion, ...]
    charts: tuple[BoardChart, ...]
    songs: tuple[BoardSong, ...]
    unsure: tuple[BoardSong, ...]
    checks: Mapping[str, Any] | None


def board_content(
    catalog: Catalog, workspace: Workspace, params: Params, machine: Machine, now: datetime | None = None
) -> BoardContent:
    """Gather what the board shows.

    Raises:
        UnavailableError: the registry cannot be reached now.
    """
    now = now or datetime.now(UTC)
    model_id = champion_id(machine, params.registration.model_name)
    with catalog.reading() as connection:
        weeks = chart_weeks(connection, now - timedelta(weeks=WEEKS))
        this_week = {week.chart: week for week in weeks if week.chart in params.charts}
        charted = {song for week in this_week.values() for song in week.songs}
        answers = _answers(connection, model_id, charted)
        tracks, songs = _songs(connection, charted, answers, this_week)
        moods = {
            song: row.mood
            for song, row in newest_answers(connection, model_id, {s for w in weeks for s in w.songs}).items()
        }
    version, problem = _version(machine, params.registration.model_name)
    return BoardContent(
        made_at=now,
        version=version,
        problem=problem,
        promotions=tuple(list_promotions(catalog, params.registration.model_name)[: -1 - PROMOTIONS : -1]),
        charts=tuple(
            _chart(name, [week for week in weeks if week.chart == name], tracks, songs, moods)
            for name in params.charts
            if name in this_week
        ),
        songs=tuple(songs.values()),
        unsure=_unsure(songs, answers),
        checks=_newest_checks(workspace, machine),
    )


def _answers(connection: Connection, model_id: str | None, charted: Collection[str]) -> dict[str, Row[Any]]:
    """The answer for each song that is shown, by track_id: of the version in service, or the newest."""
    answers = newest_answers(connection, model_id, charted)
    answers = newest_answers(connection, model_id, most=MOST_SONGS) | answers
    shown = [song for song in answers if song in charted] + [song for song in answers if song not in charted]
    return {song: answers[song] for song in shown[: max(MOST_SONGS, len(charted))]}


def _unsure(songs: Mapping[str, BoardSong], answers: Mapping[str, Row[Any]]) -> tuple[BoardSong, ...]:
    """Those that a person should label next, of the songs that none has labelled."""
    found = [song for song in songs.values() if not song.by_people]
    kept = [as_answer(answers[song.track_id]) for song in found]
    return tuple(found[place] for place, _ in label_next(kept, [song.artist for song in found], UNSURE))


def _songs(
    connection: Connection,
    charted: Collection[str],
    answers: Mapping[str, Row[Any]],
    this_week: Mapping[str, ChartWeek],
) -> tuple[dict[str, Track], dict[str, BoardSong]]:
    """How the charts' songs are called, and all songs with an answer, by track_id."""
    tracks = songs_anywhere(connection, {*charted, *answers})
    given = newest(connection, labels, "source", labels.c.kind == LabelKind.PERSON, only=answers)
    people: dict[str, list[str]] = {}
    for (song, source), rows in given.items():
        if rows[-1].mood is not None:
            people.setdefault(song, []).append(f"{rows[-1].mood} ({source.partition(':')[2]})")
    return tracks, {
        song: _song(tracks[song], answer, people.get(song, []), this_week) for song, answer in answers.items()
    }


def _song(
    track: Track, answer: Row[Any], people: Sequence[str], this_week: Mapping[str, ChartWeek]
) -> BoardSong:
    chances = tuple(float(answer.probabilities[mood]) for mood in MOODS)
    valence, arousal = (
        sum(chance * QUADRANT[mood][axis] for mood, chance in zip(MOODS, chances, strict=True))
        for axis in (0, 1)
    )
    return BoardSong(
        track_id=track.track_id,
        title=track.title,
        artist=track.artist,
        mood=answer.mood,
        probabilities=tuple(round(chance, 3) for chance in chances),
        sure=round(max(chances), 3),
        valence=round(valence, 3),
        arousal=round(arousal, 3),
        clip=answer.clip_sha256,
        version=answer.version,
        charts=tuple(name for name, week in this_week.items() if track.track_id in week.songs),
        by_people=", ".join(sorted(people)),
    )


def _chart(
    name: str,
    weeks: Sequence[ChartWeek],
    tracks: Mapping[str, Track],
    songs: Mapping[str, BoardSong],
    moods: Mapping[str, str],
) -> BoardChart:
    """A chart from its weeks, the oldest first."""
    last = weeks[-1]
    before = {song: place for place, song in enumerate(weeks[-2].songs, 1)} if len(weeks) > 1 else {}
    entries = tuple(
        BoardEntry(
            place,
            before[song] - place if song in before else None,
            song,
            tracks[song].title,
            tracks[song].artist,
            songs.get(song),
        )
        for place, song in enumerate(last.songs, 1)
    )
    counts = {week.week: Counter(moods[song] for song in week.songs if song in moods) for week in weeks}
    return BoardChart(name, last.read_at, entries, counts)


def _version(machine: Machine, name: str) -> tuple[BoardVersion | None, str | None]:
    """The version in service, or why there is none that can be described."""
    try:
        found = find_version(machine, f"models:/{name}@champion")
        folder = fetch_version(machine, found)
        data = read_training_data(folder)
    except InputError as error:
        return None, str(error)
    return (
        BoardVersion(
            name=found.name,
            number=found.number,
            description=read_description(folder),
            origin=data.origin,
            collections=data.collections,
            n_artists=len(data.artists),
            card=_card(folder),
            page=version_page(machine, found.name, found.number),
        ),
        None,
    )


def _card(folder: Path) -> str:
    """A version's model card without its header for programs; empty for a version that has none."""
    file = folder / CARD
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return text.partition("\n---\n")[2].strip() if text.startswith("---\n") else text


def _newest_checks(workspace: Workspace, machine: Machine) -> dict[str, Any] | None:
    """The data check that was made last, here or in the workspace of a run of Airflow."""
    folders = [workspace.root, *(machine.home / "runs").glob("*")]
    checked = [one for one in map(Workspace, folders) if _report_of(one).is_file()]
    newest_one = max(checked, key=lambda one: _report_of(one).stat().st_mtime, default=None)
    return read_checks(newest_one) if newest_one else None


def _report_of(workspace: Workspace) -> Path:
    return workspace.quality / "report.json"
