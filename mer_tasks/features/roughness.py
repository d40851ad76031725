"""Roughness: how much the partials of a sound beat against each other."""

import numpy as np

N_PARTIALS = 16
"""The strongest partials of a frame that count; the others would add little."""

SOFTEST = 0.01
"""A partial counts above this share of the clip's highest amplitude."""

EVERY = 16
"""One frame in so many is used: neighbours are alike."""

PAIRS = np.triu_indices(N_PARTIALS, 1)


def roughness_of(magnitude: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """Vassilakis' roughness of some frames, shape (frames / 16,), amplitudes relative to the clip's highest.

    `magnitude` is |STFT|, shape (bins, frames), of which local maxima are partials, at `hz`, shape (bins,).
    Every pair of them beats by Sethares' curve of Plomp and Levelt's data (Sethares, Tuning, Timbre,
    Spectrum, Scale, 1998; Vassilakis, Perceptual and physical properties of amplitude fluctuation, 2001).
    Partials nearer than the transform resolves, about 20 Hz, are one.
    """
    frames = magnitude.T[::EVERY] / max(float(magnitude.max()), np.finfo(np.float32).tiny)
    middle = frames[:, 1:-1]
    is_partial = (middle > SOFTEST) & (middle > frames[:, :-2]) & (middle >= frames[:, 2:])
    partials = np.where(is_partial, middle, 0.0)
    # Of -partials, as zeros, which are most, make it slow where they come first.
    strongest = np.argpartition(-partials, N_PARTIALS, axis=1)[:, :N_PARTIALS]
    amplitudes, pitches = np.take_along_axis(partials, strongest, axis=1), hz[1:-1][strongest]
    return _beating(
        amplitudes[:, PAIRS[0]], amplitudes[:, PAIRS[1]], pitches[:, PAIRS[0]], pitches[:, PAIRS[1]]
    )


def _beating(a: np.ndarray, b: np.ndarray, a_hz: np.ndarray, b_hz: np.ndarray) -> np.ndarray:
    """The sum over pairs, in the last axis, of the roughness of partials with these amplitudes."""
    weaker, both = np.minimum(a, b), np.maximum(a + b, np.finfo(np.float32).tiny)
    apart = np.abs(a_hz - b_hz) * 0.24 / (0.0207 * np.minimum(a_hz, b_hz) + 18.96)
    curve = np.exp(-3.5 * apart) - np.exp(-5.75 * apart)
    roughness: np.ndarray = ((a * b) ** 0.1 * 0.5 * (2 * weaker / both) ** 3.11 * curve).sum(axis=-1)
    return roughness
