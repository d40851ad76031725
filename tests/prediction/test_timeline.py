"""The windows of a song."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mer_tasks.audio.decode import AudioError, Sound, decode
from mer_tasks.prediction import timeline
from mer_tasks.prediction.timeline import cut_windows, window_starts, write_wav


@pytest.mark.parametrize(
    ("total_s", "starts"), [(30.0, [0]), (12.0, [0]), (34.9, [0]), (35.0, [0, 5]), (46.0, [0, 5, 10, 15])]
)
def test_windows_go_through_the_whole_song(total_s: float, starts: list[float]) -> None:
    assert window_starts(total_s, 30.0, 5.0) == starts


def test_a_window_has_the_samples_that_stand_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.random.default_rng(1).uniform(-0.5, 0.5, (14 * 8000, 2)).astype(np.float32)
    soundfile.write(tmp_path / "song.wav", y, 8000, subtype="FLOAT")
    monkeypatch.setattr(timeline, "BLOCK_S", 5.0)  # so that there are several blocks
    windows = list(cut_windows(tmp_path / "song.wav", 4.0, 1.5))
    assert [(start, end) for start, end, _ in windows] == [(1.5 * i, 1.5 * i + 4) for i in range(7)]
    for start_s, end_s, sound in windows:
        assert isinstance(sound, Sound)
        assert np.array_equal(sound.y.T, y[round(start_s * 8000) : round(end_s * 8000)])


def test_a_song_as_long_as_a_clip_is_one_window(tmp_path: Path, write_tone: Callable[..., Path]) -> None:
    [(start_s, end_s, sound)] = cut_windows(write_tone(tmp_path / "a.wav", seconds=4.3), 4.0, 1.0)
    assert (start_s, end_s) == pytest.approx((0, 4.3)) and isinstance(sound, Sound)
    assert sound.duration_s == pytest.approx(4.3)


def test_what_is_no_audio_has_no_windows(tmp_path: Path) -> None:
    (tmp_path / "song.mp3").write_text("no audio")
    with pytest.raises(AudioError, match=r"song\.mp3: is not audio"):
        next(cut_windows(tmp_path / "song.mp3", 4.0, 1.0))


def test_a_window_is_written_as_it_is(tmp_path: Path) -> None:
    sound = Sound(np.array([[0.1, -1.5, 0.25], [0.0, 0.5, 1.0]], np.float32), 8000)
    write_wav(sound, tmp_path / "w.wav")
    assert np.array_equal(decode(tmp_path / "w.wav").y, sound.y)
