"""Our frames are what librosa gives by a call a feature."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import librosa
import numpy as np
import pytest
import torch

from mer_tasks.audio.decode import decode, mono
from mer_tasks.features import constant_q, tuning
from mer_tasks.features.frames import Frames, block_height, block_of
from mer_tasks.features.stft import magnitude_of, n_frames
from mer_tasks.settings import Block, FeatureSettings, Params

STACK: tuple[Block, ...] = ("mfcc", "centroid", "cens", "mel")
REAL = os.environ.get("MER_REAL_DATA")
DEVICES = ["cpu:0", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
"""Where torch computes; the first is its CPU, which NumPy otherwise does without it."""

needs_real_clips = pytest.mark.skipif(REAL is None, reason="MER_REAL_DATA is not set")


def chord_in_noise(sr: int, seconds: float = 3, tuning_cents: float = 0) -> np.ndarray:
    """A beating C major chord in a little noise."""
    t = np.arange(round(seconds * sr)) / sr
    hz = np.array([261.6, 329.6, 392.0]) * 2 ** (tuning_cents / 1200)
    chord = np.sin(2 * np.pi * hz[:, None] * t).sum(axis=0)
    noise = np.random.default_rng(0).normal(size=len(t))
    return (0.1 * chord * (1 + np.sin(2 * np.pi * 3 * t)) + 0.01 * noise).astype(np.float32)


def real_clip(place: int, sr: int = 22050) -> np.ndarray:
    return mono(decode(sorted(Path(str(REAL), "4q", "clips").iterdir())[place]), sr)


def librosas(name: Block, y: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """What librosa gives for a block when it is called with samples alone."""
    sr, n_fft, hop_length = settings.sr, settings.n_fft, settings.hop_length
    of, stft = librosa.feature, {"sr": sr, "n_fft": n_fft, "hop_length": hop_length}
    calls: dict[Block, Callable[[], np.ndarray]] = {
        "mfcc": lambda: of.mfcc(y=y, n_mfcc=settings.n_mfcc, n_mels=settings.n_mels, **stft),
        "centroid": lambda: of.spectral_centroid(y=y, **stft),
        "cens": lambda: of.chroma_cens(y=y, sr=sr, hop_length=hop_length, n_chroma=settings.n_chroma),
        "mel": lambda: of.melspectrogram(y=y, n_mels=settings.n_mels, **stft),
        "chroma": lambda: of.chroma_stft(y=y, n_chroma=settings.n_chroma, **stft),
        "bandwidth": lambda: of.spectral_bandwidth(y=y, **stft),
        "rolloff": lambda: of.spectral_rolloff(y=y, **stft),
        "contrast": lambda: of.spectral_contrast(y=y, **stft),
        "flatness": lambda: of.spectral_flatness(y=y, n_fft=n_fft, hop_length=hop_length),
        "zero_crossing_rate": lambda: of.zero_crossing_rate(y, frame_length=n_fft, hop_length=hop_length),
        "tempogram": lambda: of.tempogram(y=y, sr=sr, hop_length=hop_length),
        "tonnetz": lambda: of.tonnetz(y=y, sr=sr, hop_length=hop_length),
        "rms": lambda: of.rms(y=y, frame_length=n_fft, hop_length=hop_length),
    }
    return calls[name]()


def assert_as_librosa(name: Block, y: np.ndarray, settings: FeatureSettings) -> None:
    """1e-4 of librosa's value, or of a block's largest where values cross zero; and the quantised CENS."""
    ours, expected = block_of(Frames(y, settings), name), librosas(name, y, settings)
    assert (ours.dtype, ours.shape) == (np.float32, expected.shape)
    assert len(ours) == block_height(name, settings)
    if name == "cens":
        assert (np.abs(ours - expected) < 1e-3).mean() >= 0.999
        return
    signed = name in ("mfcc", "tonnetz", "tempogram", "contrast")
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max() * signed)


@pytest.mark.parametrize("name", get_args(Block))
def test_blocks_are_librosas(name: Block, params: Params) -> None:
    assert_as_librosa(name, chord_in_noise(params.features.sr), params.features)


@needs_real_clips
@pytest.mark.parametrize("name", get_args(Block))
def test_blocks_of_a_real_clip_are_librosas(name: Block, params: Params) -> None:
    assert_as_librosa(name, real_clip(0), params.features)


@pytest.mark.parametrize("name", ["bandwidth", "rolloff", "flatness", "zero_crossing_rate", "tempogram"])
@pytest.mark.parametrize("hz", [0, 50, 4000, 10800])
def test_a_pure_tone_and_silence_are_librosas(name: Block, hz: float, params: Params) -> None:
    t = np.arange(3 * 22050) / 22050
    y = 0.5 * np.cos(2 * np.pi * hz * t) * (t < 2)  # 0 Hz: an offset
    assert_as_librosa(name, y.astype(np.float32), params.features)


@pytest.mark.parametrize(
    ("sr", "n_fft", "hop_length"),
    [(9000, 1024, 320), (22050, 4096, 2048), (44100, 2048, 500), (96000, 2048, 4096)],
    ids=lambda value: str(value),
)
def test_other_rates_and_hops_are_librosas(sr: int, n_fft: int, hop_length: int, params: Params) -> None:
    other = params.features.model_copy(update={"sr": sr, "n_fft": n_fft, "hop_length": hop_length})
    y = chord_in_noise(sr, tuning_cents=23)
    for name in (*STACK, "bandwidth", "rolloff", "flatness", "zero_crossing_rate"):
        assert_as_librosa(name, y, other)
    assert_chroma_as_librosa(y, other)


def assert_chroma_as_librosa(y: np.ndarray, settings: FeatureSettings) -> None:
    sr, hop_length = settings.sr, settings.hop_length
    expected = librosa.feature.chroma_cqt(
        y=y, sr=sr, hop_length=hop_length, bins_per_octave=36, n_octaves=7, norm=None, tuning=None
    )
    np.testing.assert_allclose(Frames(y, settings).constant_q_chroma, expected, rtol=1e-3)


@needs_real_clips
@pytest.mark.parametrize("place", [1, 150, 399])
def test_chroma_and_tuning_of_real_clips_are_librosas(place: int, params: Params) -> None:
    y = real_clip(place)
    assert_chroma_as_librosa(y, params.features)
    magnitude = magnitude_of(y, tuning.N_FFT, tuning.HOP_LENGTH)
    expected = librosa.estimate_tuning(y=y, sr=22050, bins_per_octave=36)
    assert tuning.estimate_tuning(magnitude, 22050, tuning.N_FFT, 36) == expected


@pytest.mark.parametrize("cents", [-40, -11, 0, 7, 30])
def test_tuning_is_librosas(cents: float) -> None:
    y = chord_in_noise(22050, tuning_cents=cents)
    magnitude = magnitude_of(y, tuning.N_FFT, tuning.HOP_LENGTH)
    np.testing.assert_array_equal(magnitude, np.abs(librosa.stft(y)))
    expected = librosa.estimate_tuning(y=y, sr=22050)
    assert tuning.estimate_tuning(magnitude, 22050, tuning.N_FFT, 12) == expected


def test_silence_has_no_tuning() -> None:
    assert tuning.estimate_tuning(np.zeros((1025, 9), np.float32), 22050, 2048, 36) == 0


def test_a_semitone_up_turns_chroma_by_one(params: Params) -> None:
    here = Frames(chord_in_noise(22050), params.features).constant_q_chroma.mean(axis=1)
    up = Frames(chord_in_noise(22050, tuning_cents=100), params.features).constant_q_chroma.mean(axis=1)
    np.testing.assert_allclose(up / up.sum(), np.roll(here / here.sum(), 1), atol=0.01)


@pytest.mark.parametrize("n_samples", [1, 511, 512, 66150])
def test_number_of_frames(params: Params, n_samples: int) -> None:
    frames = Frames(np.zeros(n_samples, np.float32), params.features)
    assert frames.magnitude.shape == (1025, n_frames(n_samples, params.features.hop_length))
    assert frames.cens.shape[1] == frames.magnitude.shape[1]


def test_first_frames(params: Params) -> None:
    frames = Frames(chord_in_noise(22050), params.features)
    first = frames.first(22050)
    assert frames.first(3 * 22050) is frames
    for name in ("mfcc", "cens", "contrast", "onset_strength", "zero_crossing_rate"):
        assert getattr(first, name).shape[-1] == n_frames(22050, 512), name
    np.testing.assert_array_equal(first.cens, frames.cens[:, :44])


def test_nothing_is_computed_before_it_is_asked_for(params: Params) -> None:
    frames = Frames(chord_in_noise(22050), params.features)
    block_of(frames, "centroid")
    assert set(vars(frames)) == {"y", "settings", "device", "magnitude", "centroid"}


def test_filters_are_built_once_for_a_tuning(params: Params) -> None:
    y = chord_in_noise(22050)
    _ = Frames(y, params.features).cens
    before = constant_q._filters.cache_info().misses
    _ = Frames(y, params.features).cens
    assert constant_q._filters.cache_info().misses == before


def test_what_resampling_leaves_in_silence_counts_as_in_librosa(params: Params) -> None:
    """It dies away below 1e-20, where squares would be rounded to 0, and CENS normalises even that."""
    assert_chroma_as_librosa(np.pad(chord_in_noise(22050), (0, 20 * 22050)), params.features)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sr", [22050, 44100])
def test_a_device_gives_the_same_numbers(device: str, sr: int, params: Params) -> None:
    settings = params.features.model_copy(update={"sr": sr})
    for name in STACK:
        rows = block_of(Frames(chord_in_noise(sr), settings), name)
        there = block_of(Frames(chord_in_noise(sr), settings, device), name)
        np.testing.assert_allclose(there, rows, rtol=1e-5, atol=1e-5 * np.abs(rows).max(), err_msg=name)
