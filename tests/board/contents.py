"""A board's content, with a song whose title is meant as text."""

from datetime import UTC, datetime
from typing import Any

from mer_tasks.board.content import BoardChart, BoardContent, BoardEntry, BoardSong, BoardVersion
from mer_tasks.catalog.ledger import Promotion
from tests.board.pages import HOSTILE

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def song(track_id: str, mood: str, sure: float, place: tuple[float, float], **changes: Any) -> BoardSong:
    """A song at this valence and arousal."""
    values: dict[str, Any] = {
        "track_id": track_id,
        "title": f"Title {track_id}",
        "artist": "Artist",
        "mood": mood,
        "probabilities": (0.1, 0.2, 0.3, 0.4),
        "sure": sure,
        "valence": place[0],
        "arousal": place[1],
        "clip": "ab" * 32,
        "version": "3",
        "charts": ("indie",),
        "by_people": "",
    }
    return BoardSong(**values | changes)


def content() -> BoardContent:
    """Four songs, three of which stand in a chart of two weeks beside one that has no answer."""
    songs = (
        song("a", "happy", 0.9, (0.8, 0.7), title=HOSTILE),
        song("b", "sad", 0.4, (-0.3, -0.2), by_people="sad (ann)"),
        song("c", "energetic", 0.7, (-0.6, 0.5)),
        song("d", "calm", 0.45, (0.2, -0.3), charts=()),
    )
    entries = tuple(
        BoardEntry(place, move, one.track_id, one.title, one.artist, one)
        for place, (one, move) in enumerate(zip(songs[:3], (1, -1, None), strict=True), 1)
    )
    unknown = BoardEntry(4, 0, "e", "Not answered", "Artist", None)
    weeks = {"2026-W47": {"happy": 1, "sad": 2}, "2026-W48": {"happy": 1, "sad": 1, "energetic": 1}}
    scores = {"accuracy": 0.7, "accuracy_low": 0.6, "accuracy_high": 0.8, "n": 300, "recall": {"sad": 0.6}}
    about = {"model": "musicnn_svm", "reads": "musicnn", "songs": "songs of 4q", "scores": scores}
    findings = [{"rule": "clip length", "severity": "warning", "message": "one is short", "songs": [HOSTILE]}]
    checks = {
        "passed": True,
        "songs": 300,
        "left_out": 1,
        "rules": 23,
        "songs_by_mood": {"sad": 75},
        "findings": findings,
    }
    return BoardContent(
        made_at=NOW,
        version=BoardVersion(
            "mood", "3", about, "real", ("4q",), 200, f"# Card of {HOSTILE}", "https://mlflow.example.org/"
        ),
        problem=None,
        promotions=(Promotion("mood", "person", "2", "3", HOSTILE, "sounds better", None, None, NOW),),
        charts=(BoardChart("indie", NOW, (*entries, unknown), weeks),),
        songs=songs,
        unsure=(songs[3], songs[0]),
        checks=checks,
    )
