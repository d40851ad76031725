"""Loudness is what pyloudnorm measures on the signal itself."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest

from mer_tasks.audio.decode import decode, mono
from mer_tasks.features.loudness import programme_loudness

REAL = os.environ.get("MER_REAL_DATA")
TOLERANCE_LU = 0.02


def noise(seconds: float, sr: int) -> np.ndarray:
    """Noise that swells and fades by 40 dB."""
    t = np.arange(round(seconds * sr)) / sr
    return 0.1 * np.random.default_rng(0).normal(size=len(t)) * 10 ** (np.sin(0.7 * t) - 1)


def tone(seconds: float, sr: int) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * 60 * np.arange(round(seconds * sr)) / sr)


def half_silent(seconds: float, sr: int) -> np.ndarray:
    return tone(seconds, sr) * (np.arange(round(seconds * sr)) < seconds * sr / 2)


def clicks_on_dc(seconds: float, sr: int) -> np.ndarray:
    return 0.02 + 0.4 * (np.arange(round(seconds * sr)) % (sr // 3) < 40)


def assert_as_pyloudnorm(y: np.ndarray, sr: int) -> None:
    y = y.astype(np.float32)
    padded, meter = np.pad(y.astype(np.float64), (0, max(0, 4 * sr - len(y)))), pyloudnorm.Meter(sr)
    lufs, range_lu = programme_loudness(y, sr)
    assert lufs == pytest.approx(meter.integrated_loudness(padded), abs=TOLERANCE_LU)
    assert range_lu == pytest.approx(meter.loudness_range(padded), abs=TOLERANCE_LU)


@pytest.mark.parametrize("signal", [noise, tone, half_silent, clicks_on_dc])
@pytest.mark.parametrize("sr", [11025, 16000, 22050, 44100])
@pytest.mark.parametrize("seconds", [2.0, 5.103, 17.77, 30.0])
def test_loudness_is_pyloudnorms(signal: Callable[[float, int], np.ndarray], sr: int, seconds: float) -> None:
    assert_as_pyloudnorm(signal(seconds, sr), sr)


@pytest.mark.skipif(REAL is None, reason="MER_REAL_DATA is not set")
def test_loudness_of_real_clips_is_pyloudnorms() -> None:
    for clip in sorted(Path(str(REAL), "4q", "clips").iterdir())[::40]:
        assert_as_pyloudnorm(mono(decode(clip), 22050), 22050)


@pytest.mark.parametrize("n_samples", [1, 220, 221, 441, 442, 661, 662, 22050])
def test_silence_of_any_length_is_at_the_gate(n_samples: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert programme_loudness(np.zeros(n_samples, np.float32), 22050) == (-70, 0)
