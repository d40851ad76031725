"""Whether a sound is silent: judged on what models read, the mean of its channels."""

import numpy as np
import pyloudnorm

from mer_tasks.audio.decode import AudioError, Sound, mono

SILENT_PEAK = 10 ** (-60 / 20)
"""A peak below -60 dB of full scale is silence."""

BLOCK_S = 0.4
"""What loudness is measured over (ITU-R BS.1770-4); all of a shorter sound."""


def audible(sound: Sound, sr: int, name: str) -> np.ndarray:
    """What models read of a sound: one channel at `sr` Hz, shape (n,). The source is called `name`.

    Raises:
        AudioError: it is silent.
    """
    y = mono(sound, sound.sr)
    if not is_silent(y, sound.sr):  # judged before resampling, which makes clicks of a drift's ends
        return y if sr == sound.sr else mono(sound, sr)
    if sound.channels > 1 and not all(is_silent(channel - channel.mean(), sound.sr) for channel in sound.y):
        raise AudioError(
            f"{name}: is silent as one channel, as its channels cancel each other out; export it in mono"
        )
    raise AudioError(f"{name}: is silent")


def is_silent(y: np.ndarray, sr: int) -> bool:
    """Whether a channel `y`, shape (n,), whose mean is 0, is silent.

    Its peak is too low, or all of it below BS.1770's gate at -70 LUFS, as a click or a slow drift is.
    """
    if np.abs(y).max() < SILENT_PEAK:
        return True
    meter = pyloudnorm.Meter(sr, block_size=min(BLOCK_S, len(y) / sr))
    with np.errstate(divide="ignore"):  # of nothing at all the logarithm
        return bool(np.isneginf(meter.integrated_loudness(y - y[0])))  # a step from 0 would be a click
