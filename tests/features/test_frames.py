"""One transform gives what librosa gives by separate calls."""

import os
from pathlib import Path

import librosa
import numpy as np
import pytest

from mer_tasks.audio.decode import decode, mono
from mer_tasks.features.frames import Frames, frames_of, magnitude_of, n_frames
from mer_tasks.settings import Features, Params

REAL = os.environ.get("MER_REAL_DATA")


def chord_in_noise(sr: int) -> np.ndarray:
    """Three seconds of a beating C major chord in a little noise."""
    t = np.arange(3 * sr) / sr
    chord = sum(np.sin(2 * np.pi * hz * t) for hz in (261.6, 329.6, 392.0))
    noise = np.random.default_rng(0).normal(size=len(t))
    return (0.1 * chord * (1 + np.sin(2 * np.pi * 3 * t)) + 0.01 * noise).astype(np.float32)


def assert_as_librosa(y: np.ndarray, settings: Features) -> None:
    stft = {"n_fft": settings.n_fft, "hop_length": settings.hop_length}
    expected = {
        "mfcc": librosa.feature.mfcc(y=y, sr=settings.sr, n_mfcc=20, n_mels=128, **stft),
        "centroid": librosa.feature.spectral_centroid(y=y, sr=settings.sr, **stft),
        "cens": librosa.feature.chroma_cens(y=y, sr=settings.sr, hop_length=512),
        "mel": librosa.feature.melspectrogram(y=y, sr=settings.sr, n_mels=128, **stft),
    }
    frames = frames_of(y, magnitude_of(y, settings), settings)
    for name, rows in expected.items():
        ours = getattr(frames, name)
        assert (ours.dtype, ours.shape) == (np.float32, rows.shape), name
        np.testing.assert_allclose(ours, rows, rtol=1e-4, atol=1e-6 * np.abs(rows).max(), err_msg=name)
    np.testing.assert_allclose(frames.mel_db, librosa.power_to_db(expected["mel"]), atol=1e-4)


def test_frames_are_librosas(params: Params) -> None:
    assert_as_librosa(chord_in_noise(params.features.sr), params.features)


@pytest.mark.skipif(REAL is None, reason="MER_REAL_DATA is not set")
def test_frames_of_a_real_clip_are_librosas(params: Params) -> None:
    clip = min(Path(str(REAL), "4q", "clips").iterdir())
    assert_as_librosa(mono(decode(clip), params.features.sr), params.features)


@pytest.mark.parametrize("n_samples", [1, 511, 512, 661500])
def test_number_of_frames(params: Params, n_samples: int) -> None:
    y = np.zeros(n_samples, np.float32)
    assert magnitude_of(y, params.features).shape == (1025, n_frames(n_samples, params.features))


def test_first_frames() -> None:
    frames = Frames(*(np.arange(12.0).reshape(rows, -1) for rows in (2, 1, 3, 4)))
    first = frames.first(2)
    assert [first.mfcc.shape, first.centroid.shape, first.cens.shape, first.mel.shape] == [
        (2, 2),
        (1, 2),
        (3, 2),
        (4, 2),
    ]
    np.testing.assert_array_equal(first.cens, frames.cens[:, :2])
