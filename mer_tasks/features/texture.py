"""Sound texture: how timbre moves within a second, and how that changes over a clip.

After Tzanetakis and Cook, Musical genre classification of audio signals, IEEE Transactions on Speech and
Audio Processing 10(5), 2002.
"""

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

TEXTURE_S = 1.0
"""How long a texture window is: about as long as it takes to recognise a texture."""


QUIETER = 0.995
"""A frame below this share of its window's mean level is quieter; a steady tone's frames differ by rounding."""


def flux_and_level(magnitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each frame's spectrum, scaled to norm 1, lies from the last one's, squared; and the norm.

    `magnitude` is |STFT|, shape (bins, frames), both results (frames,). The flux lies between 0 and 2.
    """
    spectra = magnitude.T
    level = np.sqrt(np.einsum("tf,tf->t", spectra, spectra))
    here, before, sounds = level[1:], level[:-1], level > 0
    inner = np.einsum("tf,tf->t", spectra[1:], spectra[:-1])
    likeness = np.divide(inner, here * before, out=np.zeros_like(inner), where=sounds[1:] & sounds[:-1])
    flux = sounds[1:] + sounds[:-1].astype(np.float64) - 2 * likeness
    return np.r_[0.0, np.maximum(flux, 0)], level


def texture(rows: Mapping[str, np.ndarray], level: np.ndarray, frame_rate: float) -> dict[str, float]:
    """Statistics of the windows that begin at each frame, by name.

    `rows` are frame features, `level` the root mean square up to a factor, each of shape (frames,). Of
    each feature: the `std` of the windows' means, the mean and `std` of the windows' standard deviations.
    `texture_low_energy` is the share of a window's frames that are quieter than their mean.
    """
    length = min(max(1, round(TEXTURE_S * frame_rate)), len(level))
    found = {}
    for name, row in rows.items():
        windows = sliding_window_view(row.astype(np.float64), length)
        deviations = windows.std(axis=1)
        found[f"texture_{name}_mean_std"] = windows.mean(axis=1).std()
        found[f"texture_{name}_std_mean"] = deviations.mean()
        found[f"texture_{name}_std_std"] = deviations.std()
    levels = sliding_window_view(level.astype(np.float64), length)
    return found | {"texture_low_energy": (levels < QUIETER * levels.mean(axis=1, keepdims=True)).mean()}
