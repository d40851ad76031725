"""Playlists from a table of moods."""

import os
from pathlib import Path

import pytest

from mer_tasks.errors import InputError
from mer_tasks.library.playlist import Entry, along, of_mood, read_entries, write_playlist
from mer_tasks.prediction.asking import Answer
from mer_tasks.prediction.mood import SongMood
from mer_tasks.prediction.table import open_table
from tests.library.songs import make_song


def entry(name: str, valence: float, arousal: float, mood: str = "calm", confidence: float = 0.6) -> Entry:
    return Entry(Path(f"/music/{name}.mp3"), mood, confidence, valence, arousal, 300.0, name)


def test_the_surest_songs_of_a_mood_come_first_as_long_as_they_fit() -> None:
    songs = [entry(f"{i}", 0, 0, confidence=i / 10) for i in range(5)] + [entry("sad", 0, 0, "sad", 0.9)]
    assert [e.shown for e in of_mood(songs, "calm", None)] == ["4", "3", "2", "1", "0"]
    assert [e.shown for e in of_mood(songs, "calm", 11)] == ["4", "3"]


def test_a_path_leads_from_one_mood_to_the_other_in_the_time_given() -> None:
    steps = [entry(f"{i}", 0.5 - i / 11, -0.5 + i / 11) for i in range(12)]
    far = [entry("happy", 1, 1), entry("sad", -1, -1)]
    path = along([*reversed(steps), *far], "calm", "energetic", 60)
    assert [e.shown for e in path] == [f"{i}" for i in range(12)]
    back = along([*steps, *far], "energetic", "calm", 30)
    arousal = [e.arousal for e in back]
    assert (
        len(back) == 6 and arousal == sorted(arousal, reverse=True) and arousal[0] > 0.3 > -0.3 > arousal[-1]
    )
    assert len(along(steps, "calm", "energetic", 600)) == 12


def test_a_table_becomes_a_playlist_that_players_read(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    os.mkfifo(tmp_path / "fifo.mp3")
    song = make_song(tmp_path / "music" / "#1.mp3", "-metadata", "artist=Ann\nB")
    mood = SongMood.of({"sad": 0.1, "happy": 0.1, "energetic": 0.1, "calm": 0.7}, {}, 0.45)
    with open_table(tmp_path / "moods.csv", "models:/mood/1", False) as table:
        for answer in (
            Answer(str(song), mood, timeline=(Answer("0 s", mood, start_s=0.0, end_s=30.0),)),
            Answer(str(tmp_path / "gone.mp3"), mood),
            Answer(str(tmp_path / "fifo.mp3"), mood),
            Answer("https://example.org/x.mp3", mood),
            Answer(str(tmp_path / "bad.mp3"), error="no audio"),
        ):
            table.add(answer)
    entries, problems = read_entries(tmp_path / "moods.csv")
    assert [(e.mood, e.valence, e.shown) for e in entries] == [("calm", 0.6, "Ann B - A song")]
    assert [one.partition(": left out: ")[2] for one in problems] == [
        "cannot be opened: No such file or directory",
        "cannot be opened: Is a FIFO, not a file",
        "is at an address",
    ]
    write_playlist(entries, tmp_path / "music" / "calm.m3u8")
    lines = (tmp_path / "music" / "calm.m3u8").read_text().splitlines()
    assert lines == ["#EXTM3U", "#EXTINF:1,Ann B - A song", "./#1.mp3"]
    write_playlist(entries, tmp_path / "calm.m3u8")
    assert (tmp_path / "calm.m3u8").read_text().splitlines()[2] == "music/#1.mp3"
    with pytest.raises(InputError, match="cannot be written"):
        write_playlist(entries, tmp_path / "calm.m3u8" / "x.m3u8")
