"""Chroma energy normalised statistics on a constant-Q transform: librosa's numbers, its filters built once.

The transform goes octave by octave: the signal is halved in rate for each octave down, so that the same
36 filters serve all of them (Schörkhuber and Klapuri, Constant-Q transform toolbox, SMC 2010). What is
wanted is the energy of pitch classes, so the octaves' magnitudes are summed as they come.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import librosa
import numpy as np
import scipy.fft
import soxr
from scipy.ndimage import convolve1d
from scipy.signal import get_window

from mer_tasks.features.arrays import fetch, frames_of, module_of, put
from mer_tasks.features.stft import chunks, n_frames
from mer_tasks.pitch import BINS_PER_OCTAVE

if TYPE_CHECKING:
    from mer_tasks.features.arrays import Array

N_OCTAVES = 7
C1_HZ = float(librosa.note_to_hz("C1"))
SPARSITY = 0.01
"""The share of a filter's spectrum, by magnitude, that librosa leaves out."""

STEPS = (0.4, 0.2, 0.1, 0.05)
"""Each that a pitch class's share exceeds adds a quarter."""

SMOOTH_FRAMES = 41

TURN = 32
"""Samples between two exponentials that are computed anew."""

FRAMES_AT_ONCE = 256
"""Frames that are multiplied together: enough to be worth a call, few enough for a core's cache."""


class Octave(NamedTuple):
    """How one octave is computed: by how much the rate falls first, the frames, and their filters.

    A filter of `n` samples is, but for a phase that magnitudes do not show, its own mirror image with the
    imaginary part reversed. So `real` and `imaginary`, (n / 2, filters), apply to the sums and differences
    of samples on both sides of the middle, which halves the work.
    """

    downsample: int
    hop_length: int
    n: int
    real: np.ndarray
    imaginary: np.ndarray


def chroma(
    y: np.ndarray, sr: int, hop_length: int, n_chroma: int, tuning: float, device: str = "cpu"
) -> np.ndarray:
    """`librosa.feature.chroma_cqt(norm=None)` with 36 bins an octave, float32 of shape (n_chroma, frames).

    `tuning` in bins, as `estimate_tuning` gives it. `device` as torch names it: there the products are made.
    """
    n = n_frames(len(y), hop_length)
    filters = np.zeros((n, BINS_PER_OCTAVE), np.float32)
    for octave in _octaves(sr, hop_length, tuning):
        y = _downsampled(y, octave.downsample)
        real, imaginary = put(octave.real, device), put(octave.imaginary, device)
        xp = module_of(real)
        for place, sums, differences in _around_the_middle(y, octave.n, octave.hop_length, n, device):
            filters[place] += fetch(xp.abs(sums @ real + 1j * (differences @ imaginary)))
    return _to_chroma(n_chroma) @ filters.T


def cens(chroma: np.ndarray) -> np.ndarray:
    """Chroma energy normalised statistics of such a `chroma`, of the same shape and type.

    Pitch classes' shares in four steps, smoothed over 41 frames, each frame's norm made 1 (Müller and
    Ewert, Chroma Toolbox, ISMIR 2011).
    """
    share = librosa.util.normalize(chroma, norm=1, axis=0)
    steps = np.sum([share > step for step in STEPS], axis=0, dtype=np.float32) / np.float32(len(STEPS))
    window = get_window("hann", SMOOTH_FRAMES + 2, fftbins=False)
    smooth = convolve1d(steps, window / window.sum(), axis=1, mode="constant")
    return librosa.util.normalize(smooth, norm=2, axis=0)


def _around_the_middle(
    y: np.ndarray, length: int, hop_length: int, n: int, device: str
) -> Iterator[tuple[slice, "Array", "Array"]]:
    """Sums and differences of the samples after and before the filters' middle, some of `n` frames at a time.

    The middle lies at 512.5 of 1024. The filters repeat after their length: beyond the last sample of a
    frame comes its first.
    """
    half = length // 2
    padded = np.pad(y, (half, half + 1))
    after = frames_of(put(padded[half + 1 :], device), half, hop_length)
    last = len(padded) - 1 - half - (n - 1) * hop_length  # where the last frame begins, backwards
    before = frames_of(put(padded[::-1].copy()[last:], device), half, hop_length)
    first = put(padded[::hop_length].copy(), device)
    xp = module_of(after)
    for place in chunks(n, FRAMES_AT_ONCE):
        beyond, mirrored = first[place], xp.flip(before[n - place.stop : n - place.start], (0,))
        sums, differences = after[place] + mirrored, after[place] - mirrored
        sums[:, -1], differences[:, -1] = beyond + mirrored[:, -1], beyond - mirrored[:, -1]
        yield place, sums, differences


def _downsampled(y: np.ndarray, factor: int) -> np.ndarray:
    """`y` at a fraction of its rate, with the same energy."""
    if factor == 1:
        return y
    shorter = soxr.resample(y, factor, 1, quality="HQ")
    shorter /= np.sqrt(1 / factor)  # rounded as librosa does: in silence the rest of it is all there is
    return librosa.util.fix_length(shorter, size=-(-len(y) // factor))


@lru_cache
def _to_chroma(n_chroma: int) -> np.ndarray:
    """Which filters of an octave make which pitch class, shape (n_chroma, 36)."""
    return librosa.filters.cq_to_chroma(BINS_PER_OCTAVE, bins_per_octave=BINS_PER_OCTAVE, n_chroma=n_chroma)


@lru_cache(maxsize=128)  # tunings come in a hundred steps
def _octaves(sr: int, hop_length: int, tuning: float) -> tuple[Octave, ...]:
    """The octaves from the highest down."""
    hz = librosa.cqt_frequencies(
        BINS_PER_OCTAVE * N_OCTAVES, fmin=C1_HZ, bins_per_octave=BINS_PER_OCTAVE, tuning=tuning
    )
    _, highest_hz = librosa.filters.wavelet_lengths(freqs=hz, sr=sr)
    downsample, rate, hop = _early_downsampling(sr, hop_length, highest_hz), float(sr), hop_length
    octaves = []
    for lowest_hz in hz[-BINS_PER_OCTAVE::-BINS_PER_OCTAVE]:
        rate, hop = rate / downsample, hop // downsample
        octaves.append(Octave(downsample, hop, *_filters(round(lowest_hz / rate, 12))))
        downsample = 2 if hop % 2 == 0 else 1
    return tuple(octaves)


def _early_downsampling(sr: int, hop_length: int, highest_hz: float) -> int:
    """By how much librosa lowers the rate at once, where both the pitch range and the hop allow it."""
    by_pitch = int(np.ceil(np.log2(sr / 2 / highest_hz))) - 2
    by_hop = (hop_length & -hop_length).bit_length() - N_OCTAVES
    return 1 << max(0, min(by_pitch, by_hop))


@lru_cache(maxsize=128)
def _filters(lowest: float) -> tuple[int, np.ndarray, np.ndarray]:
    """An octave's 36 filters as `Octave` has them: their length, real and imaginary parts.

    `lowest` is the lowest filter's frequency in cycles a sample.
    """
    frequency = lowest * 2.0 ** (np.arange(BINS_PER_OCTAVE) / BINS_PER_OCTAVE)[:, None]
    ratio = 2.0 ** (2 / BINS_PER_OCTAVE)
    length = (ratio + 1) / (ratio - 1) / frequency  # a constant number of cycles
    n_fft = 2 ** int(np.ceil(np.log2(length.max())))
    spectra = scipy.fft.fft(_wavelets(frequency, length, n_fft), axis=1)[:, : n_fft // 2 + 1]
    spectra *= np.sqrt(length) / n_fft
    taps = scipy.fft.fft(_sparse(spectra), n=n_fft, axis=1)
    middle = n_fft // 2
    turn = np.sqrt(taps[:, middle].conj() / taps[:, middle + 1])[:, None]  # to where both are conjugates
    after = (taps * turn / np.abs(turn))[:, np.r_[middle + 1 : n_fft, 0]].T
    real, imaginary = (np.ascontiguousarray(part.astype(np.float32)) for part in (after.real, after.imag))
    return n_fft, real, imaginary


def _wavelets(frequency: np.ndarray, length: np.ndarray, n_fft: int) -> np.ndarray:
    """Hann-windowed complex tones with a sum of magnitudes of 1, each in the middle of `n_fft` samples."""
    first = np.floor(-length / 2)
    size = np.floor(length / 2) - first
    before = (n_fft - size) // 2
    start, end = int(before.min()), int((before + size).max())
    place = np.arange(start, end) - before
    cosine = _turning(1 / size, start - before, end - start).real
    window = np.where((place >= 0) & (place < size), 1 - cosine, 0.0)
    window /= window.sum(axis=1, keepdims=True)
    wavelets = np.zeros((len(frequency), n_fft), np.complex128)
    wavelets[:, start:end] = window * _turning(frequency, start - before + first, end - start)
    return wavelets


def _turning(frequency: np.ndarray, start: np.ndarray, n: int) -> np.ndarray:
    """exp(2πi f t) at `n` times t from `start` on, made of few exponentials, which take long, and products."""
    coarse = start + TURN * np.arange(-(-n // TURN))
    slow = np.exp(2j * np.pi * frequency * coarse)[:, :, None]
    fast = np.exp(2j * np.pi * frequency * np.arange(TURN))[:, None]
    return (slow * fast).reshape(len(frequency), -1)[:, :n]


def _sparse(spectra: np.ndarray) -> np.ndarray:
    """Each row without its smallest values, which together hold `SPARSITY` of its magnitude."""
    size = np.abs(spectra)
    ordered = np.sort(size, axis=1)
    share = np.cumsum(ordered / ordered.sum(axis=1, keepdims=True), axis=1)
    smallest = np.take_along_axis(ordered, np.argmin(share < SPARSITY, axis=1)[:, None], axis=1)
    return np.where(size >= smallest, spectra, 0)
