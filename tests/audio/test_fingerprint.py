"""The same recording is known again in another encoding, and other songs are not taken for it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from mer_tasks.audio.decode import AudioError
from mer_tasks.audio.fingerprint import fingerprint, same_recordings

SR = 22050


def song(path: Path, seed: int, seconds: float = 30) -> Path:
    """Chords that change twice a second, other ones for another seed."""
    generator = np.random.default_rng(seed)
    t = np.arange(SR // 2) / SR
    chords = [
        sum(np.sin(2 * np.pi * 110 * 2 ** (note / 12) * t) for note in generator.integers(0, 36, 4))
        for _ in range(int(2 * seconds))
    ]
    soundfile.write(path, 0.2 * np.concatenate(chords), SR)
    return path


def encoded(source: Path, target: Path, *options: str) -> Path:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", source, *options, target]
    subprocess.run(command, check=True)
    return target


def test_a_recording_is_known_again_through_encodings_shifts_and_gain(tmp_path: Path) -> None:
    original = song(tmp_path / "a.wav", 1)
    clips = {
        "original": original,
        "ogg": encoded(original, tmp_path / "a.ogg", "-b:a", "64k"),
        "later": encoded(original, tmp_path / "a.mp3", "-ss", "2.3"),
        "quiet": encoded(original, tmp_path / "q.flac", "-af", "volume=-12dB"),
        "other": song(tmp_path / "b.wav", 2),
    }
    found = set(same_recordings({name: fingerprint(clip) for name, clip in clips.items()}))
    assert {("original", "ogg"), ("original", "later"), ("original", "quiet")} <= found
    assert not any("other" in pair for pair in found)


def test_what_has_no_fingerprint_is_like_nothing(tmp_path: Path) -> None:
    prints = fingerprint(song(tmp_path / "a.wav", 1))
    assert list(same_recordings({"a": b"", "b": b"", "c": prints})) == []


def test_two_seconds_in_common_are_not_enough(tmp_path: Path) -> None:
    whole = song(tmp_path / "a.wav", 1)
    start = encoded(whole, tmp_path / "start.wav", "-t", "5")
    assert list(same_recordings({"whole": fingerprint(whole), "start": fingerprint(start)})) == []


def test_no_audio_is_an_error_of_one_line(write_tone: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("words")
    with pytest.raises(AudioError, match=r"^text\.mp3: "):
        fingerprint(tmp_path / "text.mp3")
