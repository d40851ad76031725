"""A picture of a song's mood: its mel spectrogram, its moods by time, its point on the valence-arousal plane."""

from collections.abc import Iterator
from pathlib import Path

import librosa
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mer_tasks.audio.decode import decode, duration_of, mono
from mer_tasks.domain import MOODS, QUADRANT
from mer_tasks.evaluation.plots import COLOURS
from mer_tasks.files import replacing
from mer_tasks.prediction.asking import Answer
from mer_tasks.prediction.mood import SongMood
from mer_tasks.prediction.timeline import BLOCK_S
from mer_tasks.text import on_one_line

SR, N_FFT, N_MELS = 22050, 2048, 128
MOST_COLUMNS = 1600
"""More are not visible on a picture of this width."""

MEL_TICKS_HZ = (100, 500, 1000, 2000, 5000)


def draw_song(song: Path, answer: Answer, version: str, png: Path) -> None:
    """Draw a song that was answered with a timeline; `version` is a line about who answered.

    Raises:
        AudioError: the song cannot be decoded.
        OSError: the picture cannot be written.
    """
    assert answer.mood
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(2.1, 1))
    mel = figure.add_subplot(grid[0, :])
    _draw_mel(mel, song)
    moods = figure.add_subplot(grid[1, 0], sharex=mel)
    _draw_moods(moods, answer.timeline)
    _draw_plane(figure.add_subplot(grid[1, 1]), answer.mood, answer.timeline)
    said = f"{answer.mood.mood}, {100 * answer.mood.confidence:.0f} % for the most probable mood"
    figure.suptitle(f"{on_one_line(song.name, 80)}: {said}\n{version}", fontsize=10)
    with replacing(png) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata={"Software": None})


def _draw_mel(axes: Axes, song: Path) -> None:
    total_s = duration_of(song)
    power = np.concatenate(list(_mel(song, total_s)), axis=1)
    shown = librosa.power_to_db(power, ref=np.max)
    picture = axes.imshow(shown, aspect="auto", origin="lower", extent=(0.0, total_s, -0.5, N_MELS - 0.5))
    hz = librosa.mel_frequencies(n_mels=N_MELS, fmax=SR / 2)
    axes.set_yticks(np.searchsorted(hz, MEL_TICKS_HZ), list(map(str, MEL_TICKS_HZ)))
    axes.set(ylabel="mel bands, Hz", xlabel="time, s", xlim=(0, total_s))
    axes.figure.colorbar(picture, ax=axes, pad=0.01, label="dB below the loudest")


def _mel(song: Path, total_s: float) -> Iterator[np.ndarray]:
    """The mel power of a song, shape (N_MELS, n), part by part, so that memory stays flat."""
    hop = max(N_FFT // 4, int(total_s * SR / MOST_COLUMNS))
    for start_s in np.arange(0.0, max(total_s - 1.0, 0.1), BLOCK_S):
        y = mono(decode(song, float(start_s), BLOCK_S), SR)
        yield librosa.feature.melspectrogram(y=y, sr=SR, n_fft=N_FFT, hop_length=hop, n_mels=N_MELS)


def _draw_moods(axes: Axes, timeline: tuple[Answer, ...]) -> None:
    """The probabilities of the moods by the middle of each window; where a window has no answer there is a gap."""
    middles = [((one.start_s or 0.0) + (one.end_s or 0.0)) / 2 for one in timeline]
    rows = np.array([[one.mood.probabilities[m] if one.mood else np.nan for m in MOODS] for one in timeline])
    for mood, column in zip(MOODS, rows.T, strict=True):
        axes.plot(middles, column, color=COLOURS[mood], label=mood, linewidth=2, marker="o", markersize=3)
    axes.set(xlabel="middle of the window, s", ylabel="probability", ylim=(0, 1))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(MOODS), frameon=False)
    axes.grid(alpha=0.3)


def _draw_plane(axes: Axes, whole: SongMood, timeline: tuple[Answer, ...]) -> None:
    points = np.array([(one.mood.valence, one.mood.arousal) for one in timeline if one.mood]).reshape(-1, 2)
    axes.plot(points[:, 0], points[:, 1], color="grey", linewidth=0.8, marker="o", markersize=3, alpha=0.6)
    axes.plot(whole.valence, whole.arousal, "*", color="black", markersize=16)
    for mood in MOODS:
        x, y = QUADRANT[mood]
        axes.text(0.55 * x, 0.92 * y, mood, ha="center", va="center", color=COLOURS[mood], fontsize=12)
    axes.axhline(0, color="grey", linewidth=0.7)
    axes.axvline(0, color="grey", linewidth=0.7)
    axes.set(xlim=(-1, 1), ylim=(-1, 1), xlabel="valence", ylabel="arousal")
    axes.set_title("the song (star), its windows (dots)", fontsize=9)
    axes.set_aspect("equal")
