"""Charts as they were read, and what their songs become."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from mer_tasks.catalog.charts import ChartReport, known_version, record_chart
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.queue import ClaimPolicy, claim_songs
from mer_tasks.catalog.schema import chart_entries, chart_readings, items, labels, measurements
from mer_tasks.catalog.snapshot import take_snapshot
from mer_tasks.domain import ChartEntry, Mood, Track
from mer_tasks.settings import Params

MONDAY = datetime(2026, 3, 2, 2, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def chart(*names: str) -> list[ChartEntry]:
    return [
        ChartEntry(n, Track(name, f"T {name}", "A", url=f"http://h/{name}"))
        for n, name in enumerate(names, 1)
    ]


def record(
    catalog: Catalog,
    entries: Sequence[ChartEntry] | None,
    week: int = 0,
    mood: Mood | None = Mood.HAPPY,
    name: str = "top",
    version: str | None = None,
) -> ChartReport:
    return record_chart(catalog, name, mood, entries, version, MONDAY + week * WEEK)


def positions(catalog: Catalog) -> dict[datetime, list[str]]:
    """Who stood in the chart at each reading, from the top."""
    found: dict[datetime, list[str]] = {}
    with catalog.reading() as connection:
        for reading in connection.execute(select(chart_readings).order_by(chart_readings.c.id)):
            of = reading.entries_of or reading.id
            rows = select(chart_entries.c.track_id).where(chart_entries.c.reading_id == of)
            found[reading.observed_at] = list(connection.scalars(rows.order_by(chart_entries.c.position)))
    return found


def test_every_week_is_kept_by_day_and_position(catalog: Catalog) -> None:
    first, second = record(catalog, chart("a", "b")), record(catalog, chart("c", "a"), week=1)
    assert positions(catalog) == {MONDAY: ["a", "b"], MONDAY + WEEK: ["c", "a"]}
    assert (first.n_entries, first.usual, first.new) == (2, None, 2)
    assert (second.n_entries, second.usual, second.new, second.changed) == (2, 2, 1, 0)


def test_what_is_known_is_not_recorded_again(catalog: Catalog) -> None:
    for week in range(3):
        record(catalog, chart("a", "b"), week)
    with catalog.reading() as connection:
        assert [len(connection.execute(select(t)).all()) for t in (items, labels)] == [2, 2]


def test_an_unchanged_chart_was_still_read(catalog: Catalog) -> None:
    record(catalog, chart("a", "b"), version="v1")
    assert known_version(catalog, "top") == "v1"
    report = record(catalog, None, week=1, version="v1")
    assert (report.is_unchanged, report.n_entries) == (True, 2)
    record(catalog, None, week=2, version="v1")
    assert set(map(tuple, positions(catalog).values())) == {("a", "b")}
    assert len(positions(catalog)) == 3
    with catalog.reading() as connection:
        assert len(connection.execute(select(chart_entries)).all()) == 2


def test_its_songs_have_its_mood_its_numbers_and_are_due(catalog: Catalog, params: Params) -> None:
    entry = ChartEntry(1, Track("a", "T", "A", url="http://h/a", isrc="X", duration_s=200.0), {"energy": 0.7})
    record(catalog, [entry])
    assert claim_songs(catalog, ClaimPolicy(("top",), "r"), 9, "h:1:1", MONDAY, MONDAY) == [entry.track]
    settings = params.snapshot.model_copy(update={"collections": ("top",), "needs": ()})
    songs = take_snapshot(catalog, settings, "r").songs
    assert songs[["track_id", "mood", "energy"]].values.tolist() == [["a", "happy", 0.7]]
    with catalog.reading() as connection:
        assert connection.execute(select(measurements)).one().source == "chart:top"


def test_a_song_that_may_not_be_fetched_is_listed_only(catalog: Catalog, params: Params) -> None:
    song = Track("a", "T", "A", url="http://h/a", licence="CC BY-NC-ND", may_fetch=False)
    assert record(catalog, [ChartEntry(1, song)]).not_fetchable == 1
    assert claim_songs(catalog, ClaimPolicy(("top",), "r"), 9, "h:1:1", MONDAY, MONDAY) == []
    settings = params.snapshot.model_copy(update={"collections": ("top",), "needs": ("clip",)})
    (reason,) = take_snapshot(catalog, settings, "r").left_out["reason"]
    assert reason == "no clip: its licence does not allow a download (CC BY-NC-ND)"


def test_a_song_whose_licence_changes_is_due_then(catalog: Catalog) -> None:
    policy = ClaimPolicy(("top",), "r", searches_per_hour=9)
    record(catalog, [ChartEntry(1, Track("a", "T", "A", may_fetch=False))])
    assert claim_songs(catalog, policy, 9, "h:1:1", MONDAY, MONDAY) == []
    record(catalog, [ChartEntry(1, Track("a", "T", "A"))], week=1)
    later = MONDAY + WEEK
    assert [song.track_id for song in claim_songs(catalog, policy, 9, "h:1:1", later, later)] == ["a"]


def test_a_chart_that_stands_for_no_mood_any_more_takes_back_nothing(catalog: Catalog) -> None:
    record(catalog, chart("a"))
    assert record(catalog, chart("a"), week=1, mood=None).changed == 0
    assert record(catalog, chart("a"), week=2, mood=Mood.SAD).changed == 1


def test_a_clock_that_was_ahead_once_makes_no_song_wait(catalog: Catalog) -> None:
    record(catalog, chart("a"), week=300)
    record(catalog, chart("a", "b"), week=1)
    at = MONDAY + WEEK
    songs = claim_songs(catalog, ClaimPolicy(("top",), "r"), 9, "h:1:1", at, at)
    assert [song.track_id for song in songs] == ["b"]


@pytest.mark.parametrize(("lengths", "fell"), [((10, 10, 4), True), ((10, 10, 5), False), ((3,), False)])
def test_far_fewer_songs_than_usual_are_noticed(
    catalog: Catalog, lengths: tuple[int, ...], fell: bool
) -> None:
    for week, length in enumerate(lengths):
        report = record(catalog, chart(*(f"{week}-{n}" for n in range(length))), week)
    assert report.fell == fell


def test_an_empty_chart_is_kept_and_noticed(catalog: Catalog) -> None:
    record(catalog, chart("a", "b"))
    assert record(catalog, [], week=1).fell
    assert positions(catalog)[MONDAY + WEEK] == []


def test_ten_thousand_entries_are_one_transaction(catalog: Catalog) -> None:
    names = [f"{n:05}" for n in range(10_001)]
    assert record(catalog, chart(*names)).new == len(names)
    assert record(catalog, chart(*names[1:], "new"), week=1).new == 1


def test_a_hostile_title_is_kept_as_it_is(catalog: Catalog, tmp_path: Path) -> None:
    title = "../'\"; DROP TABLE tracks; -- 🎵 " + "x" * 400
    record(catalog, [ChartEntry(1, Track("a", title, "A", url="http://h/a"))])
    (song,) = claim_songs(catalog, ClaimPolicy(("top",), "r"), 9, "h:1:1", MONDAY, MONDAY)
    assert song.title == title
