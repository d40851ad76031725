"""The sounds of a version's self-test: tones, pulses and noise, with which its answers are asked again at loading."""

from pathlib import Path

import numpy as np
import soundfile

from mer_tasks.settings import ClipSettings

SR = 16000
"""Not the models' own, so that resampling is tested as well."""


def write_sounds(folder: Path, clips: ClipSettings) -> tuple[str, ...]:
    """Write the sounds into `folder`, just long enough for a clip; return their files' names."""
    n = round((clips.min_duration_s + 0.5) * SR)
    t = np.arange(n) / SR
    noise = np.random.default_rng(0).uniform(-1, 1, n)
    pulse = (np.sin(2 * np.pi * 2.0 * t) > 0).astype(float)
    chord = sum(np.sin(2 * np.pi * hz * t) for hz in (220.0, 277.2, 329.6)) / 3
    sweep = np.sin(2 * np.pi * (80 * t + 3000 / (2 * t[-1]) * t**2))
    sounds = {
        "chord.flac": 0.4 * chord * np.exp(-0.1 * t),
        "pulses.flac": 0.5 * pulse * (0.7 * np.sin(2 * np.pi * 660 * t) + 0.3 * noise),
        "sweep.flac": 0.3 * sweep + 0.05 * noise,
    }
    folder.mkdir(parents=True)
    for name, y in sounds.items():
        soundfile.write(folder / name, y, SR)
    return tuple(sounds)
