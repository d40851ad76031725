"""What the board shows follows from the catalog: the last week's charts, the newest answers, people's labels."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mer_tasks.board.content import BoardContent, board_content
from mer_tasks.catalog.charts import record_chart
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.labelling import add_labels, label_of
from mer_tasks.catalog.predictions import ClipAnswer, record_answers
from mer_tasks.domain import MOODS, QUADRANT, ChartEntry, Track
from mer_tasks.settings import Chart, Machine, Params
from mer_tasks.workspace import Workspace

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ARTISTS = {"a": "Ann", "b": "Bob", "c": "Bob"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(home=tmp_path)


@pytest.fixture
def board(machine: Machine, params: Params, tmp_path: Path) -> BoardContent:
    """A chart of two weeks, and answers for all its songs but one and for a song of no chart."""
    catalog = Catalog.open(machine.catalog_url)
    for weeks, songs in ((20, "zy"), (1, "abc"), (0, "bad")):
        entries = [
            ChartEntry(place, Track(song, song, ARTISTS.get(song, "Artist")))
            for place, song in enumerate(songs, 1)
        ]
        record_chart(catalog, "mine", None, entries, None, NOW - timedelta(weeks=weeks))
    record_chart(catalog, "mine", None, None, None, NOW)  # read again, unchanged
    answers = [answer("a", happy=0.9), answer("b", sad=0.4), answer("c", calm=0.7), answer("z", calm=0.35)]
    record_answers(catalog, "m", "1", answers, NOW)
    add_labels(
        catalog, [label_of("z", "sad", "ann"), label_of("b", "sad", "bob"), label_of("b", "none", "bob")]
    )
    for place, passed in (("data", True), ("runs/one/data", False)):
        report = tmp_path / place / "quality" / "report.json"
        report.parent.mkdir(parents=True)
        report.write_text(json.dumps({"passed": passed}))
        os.utime(report, ns=(10**18 * (1 + passed), 10**18 * (1 + passed)))
    charts = {"mine": Chart(source="file")}
    return board_content(
        catalog, Workspace(tmp_path), params.model_copy(update={"charts": charts}), machine, NOW
    )


def answer(track_id: str, **chance: float) -> ClipAnswer:
    """An answer with this probability for one mood, and the rest shared by the others."""
    ((mood, sure),) = chance.items()
    chances = {name: sure if name == mood else (1 - sure) / 3 for name in MOODS}
    return ClipAnswer(track_id, track_id * 64, chances)


def test_a_chart_is_that_of_its_last_reading_with_its_moves(board: BoardContent) -> None:
    (chart,) = board.charts
    assert [(one.position, one.track_id, one.move) for one in chart.entries] == [
        (1, "b", 1),
        (2, "a", -1),
        (3, "d", None),
    ]
    assert [one.song.mood if one.song else None for one in chart.entries] == ["sad", "happy", None]
    assert dict(chart.weeks) == {
        "2026-W47": {"happy": 1, "sad": 1, "calm": 1},
        "2026-W48": {"sad": 1, "happy": 1},
    }


def test_songs_lie_where_their_probabilities_put_them(board: BoardContent) -> None:
    songs = {song.track_id: song for song in board.songs}
    assert set(songs) == {"a", "b", "c", "z"}
    assert (songs["a"].sure, songs["a"].charts) == (0.9, ("mine",))
    expected = sum(p * QUADRANT[mood][0] for mood, p in zip(MOODS, songs["a"].probabilities, strict=True))
    assert songs["a"].valence == pytest.approx(expected, abs=0.002) == pytest.approx(0.867, abs=0.002)


def test_a_person_is_asked_first_for_what_teaches_most_of_what_no_person_has_labelled(
    board: BoardContent,
) -> None:
    assert [song.track_id for song in board.unsure] == ["b", "a"]  # c, of which it is surer, is Bob's too
    assert next(song for song in board.songs if song.track_id == "z").by_people == "sad (ann)"


def test_the_newest_data_check_counts_wherever_it_was_made(board: BoardContent) -> None:
    assert board.checks == {"passed": True}


def test_without_a_version_the_board_says_why(board: BoardContent) -> None:
    assert board.version is None
    assert board.problem and "run mer register" in board.problem
