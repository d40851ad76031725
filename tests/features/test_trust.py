"""Whatever the sound and whatever the damage: numbers or a reason, and what must not matter does not."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_tasks.audio.decode import AudioError, decode, mono
from mer_tasks.features.clip import ClipFrames
from mer_tasks.features.frames import Frames, block_of
from mer_tasks.features.summary import song_summary
from mer_tasks.settings import Block, FeatureSettings, Params, load_params

REAL = os.environ.get("MER_REAL_DATA")
SETTINGS = load_params(Path(__file__).parents[2] / "params.yaml").features
STACK: tuple[Block, ...] = ("mfcc", "centroid", "cens", "mel")
SCALE_FREE: tuple[Block, ...] = (
    "centroid",
    "cens",
    "bandwidth",
    "rolloff",
    "contrast",
    "chroma",
    "tonnetz",
    "zero_crossing_rate",
)


def blocks(y: np.ndarray) -> dict[Block, np.ndarray]:
    """The features that a factor leaves as they are."""
    return {name: block_of(Frames(y, SETTINGS), name) for name in SCALE_FREE}


def music(seconds: float = 2.0) -> np.ndarray:
    """Three notes that swell, in noise 20 dB below."""
    t = np.arange(round(seconds * SETTINGS.sr)) / SETTINGS.sr
    notes = np.sin(2 * np.pi * np.array([220.0, 277.2, 329.6])[:, None] * t).sum(axis=0)
    noise = np.random.default_rng(0).normal(size=len(t))
    return (0.1 * notes * (1.2 + np.sin(9 * t)) + 0.02 * noise).astype(np.float32)


def samples(content: bytes) -> np.ndarray | str:
    """The samples of a file, or the reason why there are none."""
    try:
        return mono(decode(content), SETTINGS.sr)
    except AudioError as error:
        return str(error)


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """A file cut somewhere, or with some of its bits flipped, or both."""
    data = np.frombuffer(content, np.uint8).copy()
    if rng.random() < 0.5:
        data = data[: rng.integers(0, len(data))]
    if len(data) and rng.random() < 0.7:
        places = rng.integers(0, len(data), rng.integers(1, 200))
        data[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
    return data.tobytes()


def assert_numbers_or_a_reason(content: bytes, params: FeatureSettings) -> None:
    y = samples(content)
    if isinstance(y, str):
        assert y.startswith("audio: ")
        assert "\n" not in y
        return
    assert y.ndim == 1
    assert np.isfinite(y).all()
    clip = ClipFrames(y[: 3 * SETTINGS.sr], params)
    assert all(np.isfinite(block_of(clip.padded, name)).all() for name in STACK)
    assert np.isfinite(list(song_summary(clip.unpadded).values())).all()


@pytest.fixture
def quick(params: Params) -> FeatureSettings:
    """Fewer frames, so that many files can be described."""
    return params.features.model_copy(update={"hop_length": 4096})


@pytest.mark.parametrize("ending", ["mp3", "wav", "ogg", "flac"])
def test_damaged_files_give_numbers_or_a_reason(
    ending: str, tmp_path: Path, write_tone: Callable[..., Path], quick: FeatureSettings
) -> None:
    content = write_tone(tmp_path / f"tone.{ending}").read_bytes()
    rng = np.random.default_rng(len(ending))
    for _ in range(8):
        assert_numbers_or_a_reason(damaged(content, rng), quick)


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="MER_REAL_DATA is not set")
def test_a_hundred_damaged_clips_give_numbers_or_a_reason(quick: FeatureSettings) -> None:
    clips = sorted(Path(str(REAL), "4q", "clips").iterdir())
    rng = np.random.default_rng(4)
    for clip in rng.choice(np.array(clips), 100):
        assert_numbers_or_a_reason(damaged(clip.read_bytes(), rng), quick)


@settings(max_examples=12, deadline=None)
@given(gain=st.floats(0.01, 3))
def test_gain_leaves_what_is_free_of_scale(gain: float) -> None:
    y = music()
    here, louder = (blocks(x) for x in (y, np.float32(gain) * y))
    for name in SCALE_FREE:
        near = np.isclose(louder[name], here[name], rtol=1e-3, atol=1e-3 * np.abs(here[name]).max())
        assert near.mean() > 0.999, name


@settings(max_examples=12, deadline=None)
@given(gain=st.floats(0.01, 3))
def test_gain_multiplies_power(gain: float) -> None:
    here, louder = Frames(music(), SETTINGS), Frames(np.float32(gain) * music(), SETTINGS)
    np.testing.assert_allclose(louder.mel, gain**2 * here.mel, rtol=1e-4)
    np.testing.assert_allclose(louder.rms, gain * here.rms, rtol=1e-4)


@pytest.mark.parametrize(
    "y",
    [np.zeros(22050), np.full(22050, 0.5), np.r_[np.zeros(9000), 1.0, np.zeros(9000)], np.array([0.3])],
    ids=["silence", "dc", "click", "one sample"],
)
def test_every_block_of_every_signal_is_a_number(y: np.ndarray) -> None:
    frames = ClipFrames(y.astype(np.float32), SETTINGS).padded
    assert [name for name in get_args(Block) if not np.isfinite(block_of(frames, name)).all()] == []


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sr", [8000, 16000, 44100, 48000, 96000])
def test_rate_and_channels_of_a_file_hardly_matter(sr: int, channels: int, tmp_path: Path) -> None:
    t = np.arange(2 * sr) / sr
    soundfile.write(tmp_path / "a.wav", np.tile(0.3 * np.sin(2 * np.pi * 440 * t)[:, None], channels), sr)
    y = mono(decode(tmp_path / "a.wav"), SETTINGS.sr)
    frames = Frames(y, SETTINGS)
    assert len(y) == 2 * SETTINGS.sr
    assert frames.centroid[0, 20:60] == pytest.approx(440, abs=5)
    assert (frames.constant_q_chroma[:, 20:60].argmax(axis=0) == 9).all()  # A


@pytest.mark.parametrize("seconds", [0.2, 31, 600])
def test_any_length_gives_an_image_of_30_s(seconds: float, quick: FeatureSettings) -> None:
    clip = ClipFrames(music(seconds), quick)
    assert {block_of(clip.padded, name).shape[1] for name in STACK} == {162}
    assert np.isfinite(list(song_summary(clip.unpadded).values())).all()
