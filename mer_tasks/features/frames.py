"""Features of each frame of a clip, as librosa gives it; what several features share is computed once.

The features of the paper's image are our own code, because librosa builds their filters and transforms
anew at each call, and so are those that librosa computes by large arrays; the others are librosa's
functions on the shared transform.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import librosa
import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import get_window

from mer_tasks.features import constant_q, tuning
from mer_tasks.features.stft import FRAMES_AT_ONCE, chunks, magnitude_of, n_frames
from mer_tasks.pitch import BINS_PER_OCTAVE

if TYPE_CHECKING:
    from mer_tasks.settings import Block, FeatureSettings

N_CONTRAST = 7
N_TONNETZ = 6
TEMPOGRAM_LAGS = 384
"""How many lags of the onset strength librosa compares, about 9 s at its own settings."""

ROLLOFF_SHARE = 0.85
"""How much of the magnitude lies below the rolloff."""

QUIETEST_POWER = np.float32(1e-10)
"""What a bin counts at least in the flatness, as in librosa."""

HAS_NO_SIGN = 1e-10
"""A sample nearer to 0 counts as positive, as in librosa."""

MEL_GROUP = 16
"""Mel bands that are summed together: neighbours share bins, and most bins are in none of them."""


class Frames:
    """The frame features of one channel `y`, shape (n,), at `settings.sr` Hz.

    Each is float32 of shape (rows, frames), computed when first asked for; frame `t` is centred on sample
    `t * hop_length`. They equal `librosa.feature`'s for `y` alone with these settings; docs/features.md
    has formulas and sources.
    """

    def __init__(self, y: np.ndarray, settings: "FeatureSettings", device: str = "cpu") -> None:
        """Compute nothing yet; then the transforms on `device`, which hold most of an image's work."""
        self.y = y
        self.settings = settings
        self.device = device

    def first(self, n_samples: int) -> "Frames":
        """The frames of the first samples; those of the paper are taken as they are, with what follows them."""
        if n_samples >= len(self.y):
            return self
        shorter, n = (
            Frames(self.y[:n_samples], self.settings, self.device),
            n_frames(n_samples, self.settings.hop_length),
        )
        shared = {"magnitude", "mfcc", "centroid", "cens", "mel"}
        vars(shorter).update({name: getattr(self, name)[:, :n] for name in shared})
        return shorter

    @property
    def hz(self) -> np.ndarray:
        """The frequencies of the bins of `magnitude`, (1 + n_fft / 2,)."""
        return librosa.fft_frequencies(sr=self.settings.sr, n_fft=self.settings.n_fft)

    @cached_property
    def magnitude(self) -> np.ndarray:
        """|STFT|, (1 + n_fft / 2, frames)."""
        return magnitude_of(self.y, self.settings.n_fft, self.settings.hop_length, self.device)

    @cached_property
    def power(self) -> np.ndarray:
        """|STFT|², (1 + n_fft / 2, frames)."""
        return self.magnitude**2

    @cached_property
    def mel(self) -> np.ndarray:
        """Power in bands of equal width on Slaney's mel scale, (n_mels, frames)."""
        power = self.power.T
        groups = _mel_filters(self.settings.sr, self.settings.n_fft, self.settings.n_mels)
        return np.hstack([power[:, bins] @ weights for bins, weights in groups]).T

    @cached_property
    def mel_db(self) -> np.ndarray:
        """The mel bands in dB, none more than 80 below the loudest, (n_mels, frames)."""
        decibels: np.ndarray = librosa.power_to_db(self.mel)
        return decibels

    @cached_property
    def mfcc(self) -> np.ndarray:
        """Cosine transform of the mel bands in dB, (n_mfcc, frames)."""
        cosines = scipy.fft.dct(self.mel_db.T, axis=1, norm="ortho")
        return cosines[:, : self.settings.n_mfcc].T

    @cached_property
    def centroid(self) -> np.ndarray:
        """Mean frequency, weighted by magnitude, in Hz, (1, frames); 0 in silence."""
        hz = self.hz.astype(np.float32)
        weighted, total = (self.magnitude.T @ np.stack([hz, np.ones_like(hz)], axis=1)).T
        centroid: np.ndarray = np.divide(weighted, total, out=np.zeros_like(total), where=total > 0)[None]
        return centroid

    @cached_property
    def bandwidth(self) -> np.ndarray:
        """Standard deviation of frequency around the centroid, in Hz, (1, frames); 0 in silence."""
        powers = self.hz[:, None] ** np.arange(
            3
        )  # in double precision: a tone's variance is a small difference
        moments = _in_chunks(self.magnitude.T, lambda rows: rows.astype(np.float64) @ powers)
        _, mean, square = moments.T / np.maximum(moments[:, 0], np.finfo(np.float32).tiny)
        deviation: np.ndarray = np.sqrt(np.maximum(square - mean**2, 0))[None]
        return deviation

    @cached_property
    def rolloff(self) -> np.ndarray:
        """The frequency below which lies 85 % of the magnitude, in Hz, (1, frames)."""

        def first_bins(rows: np.ndarray) -> np.ndarray:
            below = np.cumsum(rows, axis=1)
            first: np.ndarray = np.argmax(below >= ROLLOFF_SHARE * below[:, -1:], axis=1)
            return first

        rolloff: np.ndarray = self.hz[_in_chunks(self.magnitude.T, first_bins)][None]
        return rolloff

    @cached_property
    def contrast(self) -> np.ndarray:
        """Peaks over valleys in seven bands, in dB, (7, frames)."""
        return librosa.feature.spectral_contrast(S=self.magnitude, sr=self.settings.sr)

    @cached_property
    def flatness(self) -> np.ndarray:
        """Geometric over arithmetic mean of the power, 0 a tone, 1 white noise, (1, frames)."""

        def geometric_over_arithmetic(rows: np.ndarray) -> np.ndarray:
            power = np.maximum(rows, QUIETEST_POWER)
            ratio: np.ndarray = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
            return ratio

        return _in_chunks(self.power.T, geometric_over_arithmetic)[None]

    @cached_property
    def zero_crossing_rate(self) -> np.ndarray:
        """The share of samples at which the sign changes, (1, frames)."""
        length, hop_length = self.settings.n_fft, self.settings.hop_length
        negative = np.pad(self.y, length // 2, mode="edge") < -HAS_NO_SIGN
        changes = np.r_[0, np.cumsum(negative[1:] != negative[:-1])]
        rate: np.ndarray = (changes[length - 1 :: hop_length] - changes[: 1 - length : hop_length])[
            None
        ] / length
        return rate

    @cached_property
    def rms(self) -> np.ndarray:
        """Root mean square of the samples, (1, frames)."""
        length, hop_length = self.settings.n_fft, self.settings.hop_length
        return librosa.feature.rms(y=self.y, frame_length=length, hop_length=hop_length)

    @cached_property
    def onset_strength(self) -> np.ndarray:
        """How much the mel bands rise from frame to frame, on average, in dB, (frames,)."""
        sr, hop_length = self.settings.sr, self.settings.hop_length
        return librosa.onset.onset_strength(S=self.mel_db, sr=sr, hop_length=hop_length)

    @cached_property
    def tempogram(self) -> np.ndarray:
        """Autocorrelation of the onset strength around each frame, at most 1, (384, frames)."""
        n, lags, window = len(self.onset_strength), TEMPOGRAM_LAGS, get_window("hann", TEMPOGRAM_LAGS)
        padded = np.pad(self.onset_strength, lags // 2, mode="linear_ramp", end_values=0)

        def autocorrelation(rows: np.ndarray) -> np.ndarray:
            spectra = scipy.fft.rfft(rows * window, 2 * lags, axis=1)
            found = scipy.fft.irfft(spectra.real**2 + spectra.imag**2, 2 * lags, axis=1)[:, :lags]
            return found / np.maximum(found[:, :1], np.finfo(np.float64).tiny)

        return _in_chunks(sliding_window_view(padded, lags)[:n], autocorrelation).T

    @cached_property
    def tempo_bpm(self) -> float:
        """The tempo that the tempogram speaks for; librosa's prior leans towards 120."""
        sr, hop_length = self.settings.sr, self.settings.hop_length
        return float(librosa.feature.tempo(tg=self.tempogram, sr=sr, hop_length=hop_length)[0])

    @cached_property
    def chroma(self) -> np.ndarray:
        """Power in each pitch class, the strongest of a frame being 1, (n_chroma, frames)."""
        sr, n_chroma = self.settings.sr, self.settings.n_chroma
        bins = tuning.estimate_tuning(self.power, sr, self.settings.n_fft, n_chroma)
        return librosa.feature.chroma_stft(S=self.power, sr=sr, n_chroma=n_chroma, tuning=bins)

    @cached_property
    def constant_q_chroma(self) -> np.ndarray:
        """Magnitude of each pitch class by the constant-Q transform, (n_chroma, frames)."""
        settings = self.settings
        bins = tuning.estimate_tuning(self._magnitude_for_tuning, settings.sr, tuning.N_FFT, BINS_PER_OCTAVE)
        return constant_q.chroma(
            self.y, settings.sr, settings.hop_length, settings.n_chroma, bins, self.device
        )

    @cached_property
    def cens(self) -> np.ndarray:
        """Shares of the pitch classes, in steps, smoothed over 41 frames, of norm 1, (n_chroma, frames)."""
        return constant_q.cens(self.constant_q_chroma)

    @cached_property
    def tonnetz(self) -> np.ndarray:
        """Where the chroma lies on the circles of fifths, minor and major thirds, (6, frames)."""
        chroma = librosa.util.normalize(self.constant_q_chroma, axis=0)
        return librosa.feature.tonnetz(chroma=chroma, sr=self.settings.sr)

    @property
    def _magnitude_for_tuning(self) -> np.ndarray:
        if (self.settings.n_fft, self.settings.hop_length) == (tuning.N_FFT, tuning.HOP_LENGTH):
            return self.magnitude
        return magnitude_of(self.y, tuning.N_FFT, tuning.HOP_LENGTH, self.device)


Blocks = Mapping["Block", np.ndarray]
"""Frame features by name, each float32 of shape (rows, frames)."""


def block_of(frames: Frames, name: "Block") -> np.ndarray:
    """The feature of this name, float32 of shape (rows, frames); of the others only what it is made of is computed."""
    return np.ascontiguousarray(getattr(frames, name), np.float32)


def _in_chunks(rows: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What `function` makes of the rows, few at a time, so that they stay in a core's cache."""
    return np.concatenate([function(rows[place]) for place in chunks(len(rows), FRAMES_AT_ONCE)])


def block_height(name: "Block", settings: "FeatureSettings") -> int:
    """How many rows a feature has."""
    several = {
        "mfcc": settings.n_mfcc,
        "mel": settings.n_mels,
        "cens": settings.n_chroma,
        "chroma": settings.n_chroma,
        "contrast": N_CONTRAST,
        "tonnetz": N_TONNETZ,
        "tempogram": TEMPOGRAM_LAGS,
    }
    return several.get(name, 1)


def stack_rows(stack: Sequence["Block"], settings: "FeatureSettings") -> tuple[str, ...]:
    """What each row of features on top of each other holds, from the top down, such as `mfcc_0`."""
    return tuple(f"{name}_{row}" for name in stack for row in range(block_height(name, settings)))


@lru_cache
def _mel_filters(sr: int, n_fft: int, n_mels: int) -> tuple[tuple[slice, np.ndarray], ...]:
    """For each group of mel bands the bins that they cover, and their weights, (bins, bands)."""
    groups = []
    filters = librosa.filters.mel(sr=sr, n_fft=n_fft, n_mels=n_mels)
    for start in range(0, n_mels, MEL_GROUP):
        group = filters[start : start + MEL_GROUP]
        used = np.flatnonzero(group.any(axis=0))
        bins = slice(used[0], used[-1] + 1) if len(used) else slice(0)
        groups.append((bins, np.ascontiguousarray(group[:, bins].T)))
    return tuple(groups)
