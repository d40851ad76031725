"""The sample songs: planned evenly, made the same way every time, and different by mood."""

import csv
import hashlib
import subprocess
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean

import imageio_ffmpeg
import numpy as np
import pytest

from mer_tasks.domain import Mood
from mer_tasks.errors import InputError
from mer_tasks.sources.sample import write_songs
from mer_tasks.sources.sample.compose import compose
from mer_tasks.sources.sample.plan import ARTISTS, RANGES, SIGNS, Character, Song, plan_songs
from mer_tasks.sources.sample.synth import SR, TAIL_S, Signal, render

SONGS = plan_songs(1)
PAGE = Path(__file__).parents[2] / "docs" / "sample-songs.md"


def of_mood(mood: Mood) -> list[Song]:
    return [song for song in SONGS if song.mood == mood]


def test_there_are_24_songs_a_mood_and_two_an_artist() -> None:
    assert Counter(song.mood for song in SONGS) == dict.fromkeys(Mood, 24)
    assert set(Counter(song.artist for song in SONGS).values()) == {2}
    assert len({song.artist for song in SONGS}) == 48
    assert [song.track_id for song in SONGS] == [f"sample-{n:04d}" for n in range(1, 97)]
    assert len({song.title for song in SONGS}) == 96


def test_a_third_of_the_artists_play_in_two_moods() -> None:
    assert sum(len(names) for moods, names in ARTISTS.items() if len(set(moods)) == 2) == 16


def test_no_format_gives_a_mood_away() -> None:
    spread = [Counter(song.format for song in of_mood(mood)) for mood in Mood]
    assert all(counts == spread[0] for counts in spread)
    assert {form.suffix for form in spread[0]} == {"mp3", "ogg", "m4a", "flac", "wav"}
    assert len({form.sr for form in spread[0]}) >= 4
    assert {form.channels for form in spread[0]} == {1, 2}


def test_a_song_lies_in_its_moods_quadrant_and_one_in_eight_beside_an_axis() -> None:
    for song in SONGS:
        assert (np.sign(song.valence), np.sign(song.arousal)) == SIGNS[song.mood]
        assert max(abs(song.valence), abs(song.arousal)) <= 1
    hard = Counter(song.mood for song in SONGS if min(abs(song.valence), abs(song.arousal)) <= 0.1)
    assert hard == dict.fromkeys(Mood, 3)


def test_the_holdout_has_songs_of_every_mood() -> None:
    def share(artist: str) -> float:
        name = " ".join(unicodedata.normalize("NFKC", artist).casefold().split())
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64

    held_out = [song for song in SONGS if share(song.artist) < 0.1]
    assert len({song.artist for song in held_out}) == 6
    assert Counter(song.mood for song in held_out) == dict.fromkeys(Mood, 3)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed -1: negative"):
        plan_songs(-1)


def test_the_page_has_the_ranges_of_the_code() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    table = {row[0]: row[2:6] for row in rows if row[0] in RANGES}
    assert list(table) == list(RANGES) == list(Character._fields)
    for name, cells in table.items():
        ends = [tuple(map(float, cell.split(" to "))) for cell in cells]
        assert [(end[0], end[-1]) for end in ends] == [RANGES[name][mood] for mood in Mood], name


@pytest.mark.parametrize(
    ("name", "more", "less"),
    [
        ("tempo", Mood.HAPPY, Mood.CALM),
        ("tempo", Mood.ENERGETIC, Mood.SAD),
        ("minor", Mood.SAD, Mood.CALM),
        ("minor", Mood.ENERGETIC, Mood.HAPPY),
        ("register", Mood.HAPPY, Mood.SAD),
        ("articulation", Mood.CALM, Mood.HAPPY),
        ("density", Mood.ENERGETIC, Mood.CALM),
        ("dissonance", Mood.SAD, Mood.CALM),
        ("rolloff", Mood.SAD, Mood.ENERGETIC),
        ("drive", Mood.ENERGETIC, Mood.HAPPY),
        ("percussion", Mood.ENERGETIC, Mood.CALM),
    ],
)
def test_characters_differ_by_mood_as_in_the_literature(name: str, more: Mood, less: Mood) -> None:
    def average(mood: Mood) -> float:
        return mean(getattr(song.character, name) for song in of_mood(mood))

    assert average(more) > average(less)


def test_every_song_lasts_60_to_90_seconds() -> None:
    for song in SONGS:
        notes = [note for part in compose(song).values() for note in part]
        assert 60 <= max(note.start + note.duration for note in notes) + TAIL_S <= 90
        assert min(note.start for note in notes) >= 0


def test_the_same_seed_sounds_the_same_and_another_does_not() -> None:
    assert plan_songs(1) == SONGS
    sound = render(SONGS[0])
    assert render(SONGS[0]).tobytes() == sound.tobytes()
    assert render(plan_songs(2)[0]).tobytes() != sound.tobytes()


@pytest.fixture(scope="module")
def sounds() -> dict[Mood, list[Signal]]:
    """Four ordinary songs of each mood."""
    rendered = defaultdict(list)
    for mood in Mood:
        ordinary = [song for song in of_mood(mood) if min(abs(song.valence), abs(song.arousal)) > 0.1]
        rendered[mood] = [render(song) for song in ordinary[:4]]
    return rendered


def test_sound_is_stereo_finite_and_never_clips(sounds: dict[Mood, list[Signal]]) -> None:
    for sound in (sound for group in sounds.values() for sound in group):
        assert sound.shape[1] == 2 and 60 <= len(sound) / SR <= 90
        assert np.isfinite(sound).all()
        assert 0.5 <= np.abs(sound).max() <= 0.9
        assert not np.array_equal(sound[:, 0], sound[:, 1])


def test_high_arousal_is_louder_and_brighter_but_loudness_overlaps(sounds: dict[Mood, list[Signal]]) -> None:
    def loudness(mood: Mood) -> list[float]:
        return [float(20 * np.log10(sound.std())) for sound in sounds[mood]]

    def brightness(mood: Mood) -> float:
        spectra = [np.abs(np.fft.rfft(sound[20 * SR : 30 * SR, 0])) for sound in sounds[mood]]
        return mean(float(np.average(np.arange(len(s)), weights=s)) for s in spectra)

    for high in (Mood.HAPPY, Mood.ENERGETIC):
        for low in (Mood.SAD, Mood.CALM):
            assert mean(loudness(high)) > mean(loudness(low))
            assert brightness(high) > brightness(low)
    high_arousal = loudness(Mood.HAPPY) + loudness(Mood.ENERGETIC)
    assert max(loudness(Mood.SAD) + loudness(Mood.CALM)) > min(high_arousal)


def decode(path: Path) -> Signal:
    """Mono sound at `SR`, whatever the container."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-ac", "1", "-ar", str(SR)]
    decoded = subprocess.run([*command, "-f", "f32le", "-"], check=True, capture_output=True)
    return np.frombuffer(decoded.stdout, dtype=np.float32)


@pytest.fixture
def one_of_each_container() -> list[Song]:
    return list({song.format.suffix: song for song in SONGS}.values())


def test_every_container_can_be_decoded(one_of_each_container: list[Song], tmp_path: Path) -> None:
    table = write_songs(one_of_each_container, tmp_path)
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for song, row in zip(one_of_each_container, rows, strict=True):
        sound, decoded = render(song).mean(axis=1), decode(tmp_path / row["path"])
        assert (row["track_id"], row["artist"], row["mood"]) == (song.track_id, song.artist, song.mood)
        assert (float(row["valence"]), float(row["arousal"])) == (song.valence, song.arousal)
        assert abs(len(decoded) - len(sound)) < SR / 5
        assert decoded.std() == pytest.approx(sound.std(), rel=0.1)


def test_a_half_written_run_is_finished_and_nothing_done_twice(
    one_of_each_container: list[Song], tmp_path: Path
) -> None:
    songs = one_of_each_container[:3]
    whole = write_songs(songs, tmp_path / "whole", n_workers=2)
    half = write_songs(songs[:2], tmp_path / "half")
    half.unlink()
    before = [(half.parent / song.path).stat().st_mtime_ns for song in songs[:2]]
    assert write_songs(songs, half.parent).read_text() == whole.read_text()
    assert [(half.parent / song.path).stat().st_mtime_ns for song in songs[:2]] == before
    for song in songs:
        assert np.array_equal(decode(half.parent / song.path), decode(whole.parent / song.path))
