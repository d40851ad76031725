"""What versions answered is kept, and what is still to be asked follows from it."""

from datetime import UTC, datetime

from mer_tasks.catalog.clips import record_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.predictions import (
    ClipAnswer,
    answers_of,
    newest_answers,
    record_answers,
    unscored_clips,
)
from mer_tasks.catalog.recording import Statement, record_statements
from mer_tasks.domain import Clip, ClipOutcome, LabelKind, Track

NOW = datetime(2026, 11, 25, tzinfo=UTC)
MOODS = {"sad": 0.1, "happy": 0.6, "energetic": 0.2, "calm": 0.1}


def add_songs(catalog: Catalog, *names: str) -> None:
    with catalog.transaction() as connection:
        songs = {name: Statement(Track(name, name, "Artist")) for name in names}
        record_statements(connection, "mine", LabelKind.FILE, songs, NOW)


def cut(catalog: Catalog, track_id: str, sha256: str) -> None:
    record_clip(catalog, ClipOutcome(track_id, Clip(sha256, 0.0, 30.0, 22050, 1, -14.0)), "recipe", NOW)


def test_a_song_is_asked_for_until_the_version_has_answered_its_newest_clip(catalog: Catalog) -> None:
    add_songs(catalog, "a", "b", "without a clip")
    cut(catalog, "a", "1" * 64)
    cut(catalog, "b", "2" * 64)
    assert unscored_clips(catalog, "m-1") == [("a", "1" * 64), ("b", "2" * 64)]
    answers = [
        ClipAnswer("a", "1" * 64, MOODS, tags={"rock": 0.2}),
        ClipAnswer("b", "2" * 64, reason="is silent"),
    ]
    record_answers(catalog, "m-1", "1", [])
    record_answers(catalog, "m-1", "1", answers)
    assert list(answers_of(catalog, "m-1", ["1" * 64, "2" * 64, "3" * 64]).values()) == answers
    assert unscored_clips(catalog, "m-1") == []
    cut(catalog, "a", "3" * 64)
    assert unscored_clips(catalog, "m-1") == [("a", "3" * 64)]
    assert len(unscored_clips(catalog, "m-2")) == 2


def test_the_newest_answer_with_a_mood_counts(catalog: Catalog) -> None:
    add_songs(catalog, "a", "b")
    record_answers(catalog, "m-1", "1", [ClipAnswer("a", "1" * 64, MOODS), ClipAnswer("b", "2" * 64, MOODS)])
    record_answers(catalog, "m-2", "2", [ClipAnswer("a", "1" * 64, {**MOODS, "calm": 0.9})])
    record_answers(catalog, "m-2", "2", [ClipAnswer("b", "2" * 64, reason="is silent")])
    with catalog.reading() as connection:
        found = newest_answers(connection, None)
        assert {song: (row.mood, row.version) for song, row in found.items()} == {
            "a": ("calm", "2"),
            "b": ("happy", "1"),
        }
        assert list(newest_answers(connection, None, only=["b"])) == ["b"]
        assert list(newest_answers(connection, None, most=1)) == ["a"]


def test_the_answer_of_the_version_in_service_goes_before_a_newer_one(catalog: Catalog) -> None:
    """Another version is asked by mer unsure --model, or was in service until a rollback."""
    add_songs(catalog, "a", "b")
    record_answers(catalog, "m-1", "1", [ClipAnswer("a", "1" * 64, MOODS)])
    record_answers(catalog, "m-2", "2", [ClipAnswer(song, "1" * 64, MOODS) for song in ("a", "b")])
    with catalog.reading() as connection:
        found = newest_answers(connection, "m-1", ["a", "b"])
    assert {song: row.version for song, row in found.items()} == {"a": "1", "b": "2"}


def test_an_answer_makes_no_data_set_out_of_date(catalog: Catalog) -> None:
    add_songs(catalog, "a")
    before = catalog.revision()
    record_answers(catalog, "m-1", "1", [ClipAnswer("a", "1" * 64, MOODS)])
    assert catalog.revision() == before
