"""The best match is the song on the record, not the first hit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_tasks.domain import Track
from mer_tasks.sources.audio.match import Candidate, score

HELLO = Track("a", "Hello", "Adele", duration_s=295.0)
MIN_SCORE = 0.6


def candidate(title: str, channel: str = "", duration_s: float | None = 296.0) -> Candidate:
    return Candidate("http://a", title, channel, duration_s)


@pytest.mark.parametrize(
    ("title", "channel"),
    [
        ("Adele - Hello (Official Music Video)", "AdeleVEVO"),
        ("Hello", "Adele - Topic"),
        ("HELLO", "AdeleVEVO"),
        ("Adèle: Hello [Lyrics] HD", "Some lyrics channel"),
    ],
)
def test_the_song_scores_high(title: str, channel: str) -> None:
    assert score(HELLO, candidate(title, channel)) > 0.9


@pytest.mark.parametrize(
    ("title", "channel", "duration_s"),
    [
        ("Adele - Hello (Live at the NRJ Awards)", "AdeleVEVO", 296.0),
        ("Hello - Adele (Cover by Somebody)", "Somebody", 296.0),
        ("Adele - Hello (Karaoke Version)", "Sing King", 296.0),
        ("Adele - Hello (sped up + reverb)", "x", 250.0),
        ("Adele - Hello nightcore", "x", 250.0),
        ("Adele - Hello (8D Audio)", "x", 296.0),
        ("Adele - Hello (Marshmello Remix)", "x", 296.0),
        ("Hello", "Lionel Richie", 250.0),
        ("Hello Goodbye", "The Beatles", 210.0),
        ("Adele - Someone Like You", "AdeleVEVO", 295.0),
        ("Adele - Hello 10 hours", "x", 36000.0),
        ("Adele - Hello", "AdeleVEVO", 36000.0),
        ("", "", None),
    ],
)
def test_another_recording_scores_low(title: str, channel: str, duration_s: float | None) -> None:
    assert score(HELLO, candidate(title, channel, duration_s)) < MIN_SCORE


def test_the_nearer_length_wins() -> None:
    near, unknown, far = (score(HELLO, candidate("Hello", "Adele", s)) for s in (296.0, None, 325.0))
    assert near > unknown > far > MIN_SCORE


def test_a_live_song_is_looked_for_live() -> None:
    live = Track("a", "Hello (Live)", "Adele")
    on_stage, in_studio = candidate("Adele - Hello (Live)"), candidate("Adele - Hello")
    assert score(live, on_stage) > 0.8 > score(live, in_studio)


@pytest.mark.parametrize(
    ("artist", "title", "found"),
    [
        ("Simon & Garfunkel", "The Sound of Silence", "Simon & Garfunkel - The Sound of Silence (Audio)"),
        ("Björk", "Jóga", "bjork : joga (Official Video)"),
        ("Кино", "Группа крови", "Кино — Группа крови"),
        ("Queen", "Don't Stop Me Now - Remastered 2011", "Queen - Don\u2019t Stop Me Now (Remastered 2011)"),
        ("A", "Video", "A - Video"),
        ("A", "🎵", "A 🎵"),
        ("Adele", "Adele", "Adele - Adele"),
        ("Ed Sheeran", "Live", "Ed Sheeran - Live (Official)"),
    ],
)
def test_signs_of_all_kinds(artist: str, title: str, found: str) -> None:
    assert score(Track("a", title, artist), candidate(found, duration_s=None)) >= MIN_SCORE


@given(st.text(), st.text(), st.text(), st.text(), st.floats(0, 1e6) | st.none())
def test_a_score_is_a_share(
    title: str, artist: str, found: str, channel: str, duration_s: float | None
) -> None:
    track = Track("a", title, artist, duration_s=200.0)
    assert 0.0 <= score(track, candidate(found, channel, duration_s)) <= 1.0
