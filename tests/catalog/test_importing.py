"""Importing files of songs: what is added, what is not, and that it is one transaction."""

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import ImportReport, import_songs
from mer_tasks.catalog.schema import items, labels, measurements, tracks
from mer_tasks.errors import InputError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADER = "track_id,title,artist,mood,url,valence"
REAL_DATA = os.environ.get("MER_REAL_DATA")
needs_real_data = pytest.mark.skipif(not REAL_DATA, reason="MER_REAL_DATA names no folder")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "songs.csv"


def bring(
    catalog: Catalog, file: Path, *rows: str, at: datetime = NOON, collection: str = "x"
) -> ImportReport:
    file.write_text("\n".join((HEADER, *rows)) + "\n")
    return import_songs(catalog, file, collection, now=at)


def song(track_id: str, mood: str = "sad", title: str = "T", valence: str = "") -> str:
    return f"{track_id},{title},A,{mood},http://h/{track_id},{valence}"


def counts(catalog: Catalog) -> list[int | None]:
    with catalog.reading() as connection:
        return [
            connection.scalar(select(func.count()).select_from(table))
            for table in (tracks, items, labels, measurements)
        ]


def summary(report: ImportReport) -> tuple[int, int, int, int]:
    return report.new, report.changed, report.unchanged, report.repeated


def test_songs_are_recorded_with_source_and_moment(catalog: Catalog, file: Path) -> None:
    report = bring(catalog, file, song("a", "happy", valence="6.5"), song("b"))
    with catalog.reading() as connection:
        [item, _] = connection.execute(select(items)).all()
        [label, _] = connection.execute(select(labels)).all()
        [measurement] = connection.execute(select(measurements)).all()
        seen = connection.scalars(select(tracks.c.first_seen_at)).all()
    assert summary(report) == (2, 0, 0, 0)
    assert (item.collection, item.title, item.url, item.observed_at) == ("x", "T", "http://h/a", NOON)
    assert (label.mood, label.kind, label.source, label.observed_at) == ("happy", "file", "file:x", NOON)
    assert (measurement.numbers, measurement.source) == ({"annotated_valence": 6.5}, "file:x")
    assert seen == [NOON, NOON]


def test_the_same_file_again_adds_nothing(catalog: Catalog, file: Path) -> None:
    rows = [song("a", "happy", valence="6.5"), song("a", "sad"), song("b")]
    bring(catalog, file, *rows)
    before, revision = counts(catalog), catalog.revision()
    report = bring(catalog, file, *rows, at=NOON + timedelta(days=1))
    assert summary(report) == (0, 0, 2, 1)
    assert (counts(catalog), catalog.revision()) == (before, revision)


@pytest.mark.parametrize(
    ("changed", "added"),
    [
        (song("a", "calm"), [0, 0, 1, 0]),
        (song("a", title="U"), [0, 1, 0, 0]),
        (song("a", valence="1"), [0, 0, 0, 1]),
    ],
)
def test_what_changed_is_appended_and_the_old_stays(
    catalog: Catalog, file: Path, changed: str, added: list[int]
) -> None:
    bring(catalog, file, song("a"), song("b"))
    before = counts(catalog)
    report = bring(catalog, file, changed, song("b"), at=NOON + timedelta(days=1))
    assert summary(report) == (0, 1, 1, 0)
    assert [now - then for now, then in zip(counts(catalog), before, strict=True)] == added


def test_a_mood_may_change_and_change_back(catalog: Catalog, file: Path) -> None:
    for day, mood in enumerate(["sad", "calm", "sad"]):
        bring(catalog, file, song("a", mood), at=NOON + timedelta(days=day))
    with catalog.reading() as connection:
        assert connection.scalars(select(labels.c.mood).order_by(labels.c.id)).all() == ["sad", "calm", "sad"]


def test_two_moods_in_one_file_are_one_observation(catalog: Catalog, file: Path) -> None:
    report = bring(catalog, file, song("a", "sad"), song("b"), song("a", "happy"), song("a", "sad"))
    with catalog.reading() as connection:
        found = connection.execute(
            select(labels.c.mood, labels.c.observed_at).where(labels.c.track_id == "a")
        )
        assert found.all() == [("happy", NOON), ("sad", NOON)]
    assert summary(report) == (2, 0, 0, 2)


def test_a_clock_that_was_set_back_makes_no_two_observations_one(catalog: Catalog, file: Path) -> None:
    bring(catalog, file, song("a", "sad"), at=NOON)
    bring(catalog, file, song("a", "happy"), at=NOON - timedelta(days=1))
    with catalog.reading() as connection:
        moments = connection.scalars(select(labels.c.observed_at).order_by(labels.c.id)).all()
    assert moments == [NOON, NOON + timedelta(microseconds=1)]


def test_a_song_may_be_in_several_collections(catalog: Catalog, file: Path) -> None:
    bring(catalog, file, song("a"), collection="x")
    report = bring(catalog, file, song("a"), collection="y")
    assert summary(report) == (1, 0, 0, 0)
    assert counts(catalog) == [1, 2, 2, 0]


def test_bad_rows_are_reported_beside_the_good(catalog: Catalog, file: Path) -> None:
    report = bring(catalog, file, song("a"), song("b", "angry"), song("c"))
    assert summary(report) == (2, 0, 0, 0)
    assert [(problem.line, problem.track_id) for problem in report.problems] == [(3, "b")]
    assert report.ignored == ()
    assert counts(catalog)[0] == 2


def test_imports_at_the_same_time_add_each_song_once(catalog: Catalog, file: Path) -> None:
    file.write_text("\n".join((HEADER, *(song(str(number)) for number in range(200)))) + "\n")
    reports: list[ImportReport] = []
    threads = [
        threading.Thread(target=lambda: reports.append(import_songs(catalog, file, "x"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.new for report in reports) == [0, 0, 200]
    assert counts(catalog) == [200, 200, 200, 0]


@pytest.mark.parametrize("name", ["", "a b", "../x", "a,b", "x" * 101, "a\n"])
def test_a_collection_needs_a_plain_name(catalog: Catalog, file: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"^collection '.*a name has letters"):
        bring(catalog, file, song("a"), collection=name)
    assert counts(catalog) == [0, 0, 0, 0]


@needs_real_data
def test_the_real_tables_come_in_and_their_dirt_is_kept_as_observed(catalog: Catalog) -> None:
    data = Path(REAL_DATA or "")
    songs = import_songs(catalog, data / "4q" / "tracks.csv", "4q")
    columns = {"track_id": "uri", "title": "track", "mood": "labels", "time_signature": "time signature"}
    moods = {"0": "sad", "1": "happy", "2": "energetic", "3": "calm"}
    file = data / "spotify-moods" / "moodify_1200.csv"
    moodify = import_songs(catalog, file, "moodify", columns=columns, moods=moods)
    again = import_songs(catalog, file, "moodify", columns=columns, moods=moods)
    assert (summary(songs), songs.problems, songs.ignored) == ((400, 0, 0, 0), (), ("quadrant",))
    assert (summary(moodify), moodify.problems) == ((1188, 0, 0, 12), ())
    assert summary(again) == (0, 0, 1188, 12)
    assert counts(catalog) == [1588, 1588, 400 + 1188 + 7, 1188]
