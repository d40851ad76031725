"""How far a recording lies off concert pitch, as `librosa.estimate_tuning` finds it, to the same bit."""

import librosa
import numpy as np

N_FFT, HOP_LENGTH = 2048, 512
"""The transform in which librosa looks for the tuning of a constant-Q transform, whatever a feature uses."""

LOWEST_HZ, HIGHEST_HZ = 150.0, 4000.0
"""Where librosa looks for pitches."""

QUIETEST = np.float32(0.1)
"""A peak counts as a pitch above this share of its frame's highest value."""


def estimate_tuning(spectrum: np.ndarray, sr: int, n_fft: int, bins_per_octave: int) -> float:
    """The tuning in bins, from -0.5 up to 0.5 in steps of 0.01; 0 where nothing has a pitch.

    `spectrum`, shape (1 + n_fft / 2, frames), is the |STFT| or its square. Its peaks are placed between
    bins by a parabola through three points (Smith, Spectral Audio Signal Processing, 2011); the higher
    half of them votes.
    """
    pitches, heights = _peaks(spectrum.T, sr, n_fft)
    if not len(pitches):
        return 0.0
    higher = pitches[heights >= np.median(heights)]
    return float(librosa.pitch_tuning(higher, bins_per_octave=bins_per_octave))


def _peaks(spectrum: np.ndarray, sr: int, n_fft: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and heights of the peaks of all frames, shape (frames, bins)."""
    low, high = np.searchsorted(librosa.fft_frequencies(sr=sr, n_fft=n_fft), [LOWEST_HZ, HIGHEST_HZ])
    band = np.ascontiguousarray(spectrum[:, low - 1 : high + 1])  # with a neighbour on each side
    rises = band[:, 1:] > band[:, :-1]
    is_peak = np.zeros(band.shape, bool)
    np.greater(rises[:, :-1], rises[:, 1:], out=is_peak[:, 1:-1])  # it rises and then does not
    is_peak &= band > QUIETEST * spectrum.max(axis=1, keepdims=True)
    peaks, values = np.flatnonzero(is_peak), band.ravel()
    shift, height = _parabola(values[peaks - 1], values[peaks], values[peaks + 1])
    bins = peaks % band.shape[1] + (low - 1)
    return ((bins + shift) * float(sr) / n_fft).astype(np.float32), height


def _parabola(left: np.ndarray, middle: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where between neighbouring bins a peak lies, from -1 to 1, and how high it is.

    Single and double precision alternate as in librosa: a vote must not fall into the next step.
    """
    curve = (left + right) - 2.0 * middle.astype(np.float64)
    slope = (right - left).astype(np.float64) / 2
    beyond = np.abs(slope) >= np.abs(curve)
    shift = np.divide(-slope, curve, out=np.zeros_like(slope), where=~beyond).astype(np.float32)
    return shift, middle + 0.5 * ((right - left) / 2) * shift
