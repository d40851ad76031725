"""The beat histogram: which tempos a clip has and how strongly.

After Tzanetakis and Cook, Musical genre classification of audio signals, IEEE Transactions on Speech and
Audio Processing 10(5), 2002, but of the onset strength, not of wavelet bands, and with multiples of a tempo
left in.
"""

import numpy as np

SLOWEST_BPM, FASTEST_BPM = 40.0, 200.0
"""The tempos that are counted."""

NO_BEAT_BPM = 120.0
"""What stands for the tempo of a clip without any beat."""


def beat_statistics(tempogram: np.ndarray, frame_rate: float) -> dict[str, float]:
    """The two highest peaks of the histogram: their share of it, their ratio, tempos; and its sum.

    `tempogram` is the autocorrelation of the onset strength, shape (lags, frames), at most 1, at
    `frame_rate` frames a second. Less than two peaks: height 0 at the same tempo.
    """
    histogram, bpm = _histogram(tempogram, frame_rate)
    around = np.pad(histogram, 1)
    peaks = np.flatnonzero((histogram > around[:-2]) & (histogram >= around[2:]))
    highest = peaks[np.argsort(-histogram[peaks], kind="stable")][:2]
    first, second = np.pad(histogram[highest], (0, 2 - len(highest)))
    tempos = [*bpm[highest], *bpm[highest[:1]], NO_BEAT_BPM, NO_BEAT_BPM]
    total = float(histogram.sum())
    return {
        "beat_first": first / max(total, 1e-9),
        "beat_second": second / max(total, 1e-9),
        "beat_ratio": second / max(first, 1e-9),
        "beat_first_log2_bpm": np.log2(tempos[0]),
        "beat_second_log2_bpm": np.log2(tempos[1]),
        "beat_sum": total,
    }


def _histogram(tempogram: np.ndarray, frame_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """The mean height of a frame's peaks at each lag, and the lags' tempos in BPM, both shape (n,)."""
    shortest = max(1, int(np.ceil(60 * frame_rate / FASTEST_BPM)))
    longest = int(60 * frame_rate / SLOWEST_BPM)
    band = tempogram[shortest - 1 : longest + 2]  # with a neighbour on each side
    middle = band[1:-1]
    is_peak = (middle > band[:-2]) & (middle >= band[2:]) & (middle > 0)
    lags = np.arange(shortest, shortest + len(middle))
    return np.where(is_peak, middle, 0.0).mean(axis=1), 60 * frame_rate / lags
