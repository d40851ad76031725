"""A picture of a clip's features for a person to look at."""

from pathlib import Path

import librosa
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mer_tasks.audio.decode import decode, mono
from mer_tasks.errors import InputError
from mer_tasks.features.clip import IMAGE_S, ClipFrames
from mer_tasks.features.frames import block_height, block_of
from mer_tasks.files import replacing
from mer_tasks.settings import Block, FeatureSettings, Params, StackSettings

LABELS: dict[Block, str] = {
    "mfcc": "MFCC\ncoefficient",
    "centroid": "centroid\nHz",
    "cens": "chroma CENS\npitch class",
    "mel": "mel bands\nHz",
    "chroma": "chroma\npitch class",
    "bandwidth": "bandwidth\nHz",
    "rolloff": "rolloff\nHz",
    "contrast": "contrast, dB\nband",
    "flatness": "flatness",
    "zero_crossing_rate": "zero\ncrossings",
    "tempogram": "tempogram\nlag in s",
    "tonnetz": "tonnetz\ndimension",
    "rms": "RMS",
}
"""What each block shows, and on which scale."""

PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
TONNETZ = ("fifths x", "fifths y", "minor 3rds x", "minor 3rds y", "major 3rds x", "major 3rds y")
MEL_TICKS_HZ = (100, 500, 1000, 2000, 5000, 10000)


def draw_clip(clip: Path, png: Path, params: Params) -> None:
    """Draw the first stack of `representations`, in its own units, for the seconds of `clip` that an image shows.

    Raises:
        AudioError: the clip cannot be decoded.
        InputError: no representation has a stack.
    """
    stack, settings = _first_stack(params), params.features
    frames = ClipFrames(mono(decode(clip, duration_s=IMAGE_S), settings.sr), settings).padded
    blocks = {name: block_of(frames, name) for name in stack}
    heights = [3 if block_height(name, settings) > 1 else 1.2 for name in stack]
    figure = Figure(figsize=(11, 1 + 0.75 * sum(heights)), layout="constrained")
    axes = figure.subplots(len(blocks), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (name, rows) in zip(axes, blocks.items(), strict=True):
        _draw_block(ax, name, rows, settings)
    axes[0].set_title(clip.name)
    axes[-1].set_xlabel("time, s")
    with replacing(png) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def _first_stack(params: Params) -> tuple[Block, ...]:
    for one in params.representations.values():
        if isinstance(one, StackSettings):
            return one.stack
    raise InputError("representations: none has a stack to draw; add image or frames to params.yaml")


def _draw_block(ax: Axes, name: Block, rows: np.ndarray, settings: FeatureSettings) -> None:
    seconds = rows.shape[1] * settings.hop_length / settings.sr
    ax.set_ylabel(LABELS[name])
    if len(rows) == 1:
        ax.plot(np.linspace(0, seconds, rows.shape[1]), rows[0], linewidth=0.7)
        return
    shown = librosa.power_to_db(rows, ref=np.max) if name == "mel" else rows
    extent = (0.0, seconds, -0.5, len(rows) - 0.5)
    picture = ax.imshow(shown, aspect="auto", origin="lower", interpolation="nearest", extent=extent)
    if name == "mfcc":  # the lowest, level and tilt, would leave the others without colour
        most = np.percentile(np.abs(rows[1:]), 98)
        picture.set(clim=(-most, most), cmap="RdBu_r")
    unit = "dB below the loudest" if name == "mel" else None
    ax.figure.colorbar(picture, ax=ax, pad=0.01, label=unit, extend="both" if name == "mfcc" else "neither")
    _label_rows(ax, name, len(rows), settings)


def _label_rows(ax: Axes, name: Block, n: int, settings: FeatureSettings) -> None:
    if name in ("cens", "chroma") and n == len(PITCHES):
        ax.set_yticks(range(n), PITCHES, fontsize=7)
    elif name == "tonnetz":
        ax.set_yticks(range(n), TONNETZ, fontsize=7)
    elif name == "tempogram":
        lags_s = range(round(n * settings.hop_length / settings.sr) + 1)
        ax.set_yticks([s * settings.sr / settings.hop_length for s in lags_s], list(map(str, lags_s)))
        ax.set_ylim(-0.5, n - 0.5)
    elif name == "mel":
        hz = librosa.mel_frequencies(n_mels=n, fmax=settings.sr / 2)
        ticks = [tick for tick in MEL_TICKS_HZ if tick < hz[-1]]
        ax.set_yticks(np.searchsorted(hz, ticks), list(map(str, ticks)))
