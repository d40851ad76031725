"""Pictures of how models do; each function writes one PNG."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import ConfusionMatrixDisplay

from mer_tasks.domain import MOODS, QUADRANT, Mood
from mer_tasks.evaluation.calibration import reliability, risk_coverage
from mer_tasks.files import replacing

COLOURS: Mapping[str, str] = {
    Mood.SAD: "#4c72b0",
    Mood.HAPPY: "#dd8452",
    Mood.ENERGETIC: "#c44e52",
    Mood.CALM: "#55a868",
}

TITLE_SIZE, LETTERS_AN_INCH = 10, 11.5
"""In points; and how many letters of a title of that size stand on an inch."""

DPI = 150
"""Pictures are 4.5 to 6.5 inches wide, so that letters can be read where a telephone shows one across its screen."""


@contextmanager
def _picture(path: Path, width: float, height: float, title: str) -> Iterator[Axes]:
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    lines = [part for line in title.splitlines() for part in wrap(line, int(width * LETTERS_AN_INCH))]
    figure.suptitle("\n".join(lines), fontsize=TITLE_SIZE)
    try:
        yield axes
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=DPI, metadata={"Software": None})
    finally:
        plt.close(figure)


def confusion_matrix(path: Path, truth: pd.Series, predicted: pd.Series, title: str) -> None:
    """Songs by their mood (rows) and the predicted one (columns)."""
    with _picture(path, 4.5, 4.3, title) as axes:
        display = ConfusionMatrixDisplay.from_predictions(
            truth, predicted, labels=list(MOODS), cmap="Blues", colorbar=False, ax=axes
        )
        display.ax_.set(xlabel="predicted mood", ylabel="mood")


def learning_curves(path: Path, curves: Sequence[Sequence[Mapping[str, float]]], title: str) -> None:
    """Accuracy by epoch, on training and on test songs: a thin line a fold, a thick one their mean."""
    with _picture(path, 6, 3.8, title) as axes:
        for column, colour, label in (
            ("train_accuracy", "#4c72b0", "training songs"),
            ("valid_accuracy", "#c44e52", "test songs of the fold"),
        ):
            values = np.array([[row[column] for row in curve] for curve in curves])
            epochs = np.arange(1, values.shape[1] + 1)
            marker = "o" if len(epochs) < 20 else None  # a line through one point is invisible
            axes.plot(epochs, values.T, color=colour, alpha=0.25, linewidth=0.8, marker=marker, markersize=2)
            mean = values.mean(axis=0)
            axes.plot(epochs, mean, color=colour, linewidth=2, marker=marker, markersize=5, label=label)
        axes.set(xlabel="epoch", ylabel="accuracy", xlim=(0.5, len(epochs) + 0.5), ylim=(0, 1.02))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.legend(loc="lower right")
        axes.grid(alpha=0.3)


def calibration(path: Path, correct: np.ndarray, sure: np.ndarray, title: str) -> None:
    """Accuracy by confidence, a dot's size by its songs; and the accuracy where only the surest are answered.

    `correct` and `sure`, the confidence, have shape (n,).
    """
    with _picture(path, 6, 5.2, title) as axes:
        table = reliability(correct, sure)
        axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1, label="as sure as right")
        sizes = 20 + 380 * table[:, 2] / len(correct)
        axes.scatter(table[:, 0], table[:, 1], s=sizes, color="#4c72b0", alpha=0.8, label="by confidence")
        share = np.arange(1, len(sure) + 1) / len(sure)
        axes.plot(
            share, risk_coverage(correct, sure), color="#55a868", linewidth=2, label="of the surest share"
        )
        axes.set(
            xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence; share of songs answered", ylabel="accuracy"
        )
        axes.legend(loc="lower right")
        axes.grid(alpha=0.3)


def mood_plane(path: Path, predictions: pd.DataFrame, title: str) -> None:
    """Each song where its probabilities put it on the valence-arousal plane, coloured by its mood."""
    probabilities = predictions[list(MOODS)].to_numpy()
    points = probabilities @ np.array([QUADRANT[mood] for mood in MOODS], dtype=float)
    with _picture(path, 4.5, 5.6, title) as axes:
        for mood in MOODS:
            here = predictions["mood"].to_numpy() == mood
            axes.scatter(points[here, 0], points[here, 1], s=22, color=COLOURS[mood], alpha=0.75, label=mood)
            x, y = QUADRANT[mood]  # its name stands beyond the square that points lie in
            axes.text(0.5 * x, 1.15 * y, mood, ha="center", va="center", color=COLOURS[mood], fontsize=13)
        axes.axhline(0, color="grey", linewidth=0.7)
        axes.axvline(0, color="grey", linewidth=0.7)
        axes.set(xlim=(-1.1, 1.1), ylim=(-1.28, 1.28), xlabel="valence", ylabel="arousal")
        axes.set(xticks=(-1, -0.5, 0, 0.5, 1), yticks=(-1, -0.5, 0, 0.5, 1))
        axes.set_aspect("equal")
        axes.figure.legend(loc="outside lower center", ncols=len(MOODS), handletextpad=0, columnspacing=0.8)


def comparison(path: Path, models: Sequence[Mapping[str, Any]], title: str) -> None:
    """A dot a model at its accuracy with the 95 % interval, best on top."""
    with _picture(path, 6.5, 1.4 + 0.6 * len(models), title) as axes:
        beside = axes.get_yaxis_transform()  # x as a share of the axes' width: numbers stand in one column
        for row, model in enumerate(reversed(models)):
            interval = [model["accuracy_low"], model["accuracy_high"]]
            axes.plot(interval, [row, row], color="#4c72b0", linewidth=3)
            axes.plot(model["accuracy"], row, "o", color="#4c72b0", markersize=9)
            axes.text(1.02, row, f"{model['accuracy']:.3f}", va="center", transform=beside)
        axes.axvline(1 / len(MOODS), color="grey", linestyle="--", linewidth=1)
        axes.text(1 / len(MOODS) + 0.005, len(models) - 0.45, "chance", color="grey", fontsize=8)
        axes.set_yticks(range(len(models)), [model["model"] for model in reversed(models)])
        axes.set(xlim=(0, 1.03), ylim=(-0.6, len(models) - 0.2), xlabel="accuracy, 95 % interval")
        axes.grid(axis="x", alpha=0.3)


PALETTE = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c", "#ccb974")
"""Of lines that have no mood; the next ones begin again, dashed."""


def protocols(path: Path, models: Sequence[Mapping[str, Any]], names: Sequence[str], title: str) -> None:
    """A group a model, in it a dot a protocol at its mean accuracy with the 95 % interval, and small ones by seed."""
    with _picture(path, 6.5, 1.8 + 0.75 * len(models), title) as axes:
        for place, (name, colour) in enumerate(zip(names, PALETTE, strict=False)):
            for row, model in enumerate(reversed(models)):
                score, y = model["protocols"][name], row + 0.22 - 0.22 * place
                axes.plot([score["low"], score["high"]], [y, y], color=colour, linewidth=2, alpha=0.6)
                axes.plot(
                    score["accuracies"], [y] * len(score["accuracies"]), "|", color=colour, markersize=9
                )
                axes.plot(score["mean"], y, "o", color=colour, markersize=6, label=name if row == 0 else None)
        axes.set_yticks(range(len(models)), [model["model"] for model in reversed(models)])
        axes.set(
            ylim=(-0.5, len(models) - 0.5), xlabel="accuracy; a dot the mean of the seeds, a stroke each"
        )
        axes.grid(axis="x", alpha=0.3)
        axes.figure.legend(loc="outside lower center", ncols=len(names))


def songs_curve(path: Path, models: Sequence[Mapping[str, Any]], title: str) -> None:
    """Accuracy by the number of songs trained on, which doubles from tick to tick: a line a model, with its interval."""
    with _picture(path, 6.5, 5, title) as axes:
        for place, model in enumerate(models):
            colour, points = PALETTE[place % len(PALETTE)], model["points"]
            n, mean, low, high = ([one[key] for one in points] for key in ("n_train", "mean", "low", "high"))
            style = "o-" if place < len(PALETTE) else "o--"
            label = f"{model['model']} ({model['doubling']['mean']:+.3f} a doubling)"
            axes.plot(n, mean, style, color=colour, linewidth=2, label=label)
            axes.fill_between(n, low, high, color=colour, alpha=0.08, linewidth=0)
        axes.set_xscale("log", base=2)
        ticks = [one["n_train"] for one in models[0]["points"]]
        axes.set_xticks(ticks, [f"{round(n)}" for n in ticks])
        axes.minorticks_off()
        axes.set(xlabel="songs trained on (each step doubles)", ylabel="accuracy, 95 % interval")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right", fontsize=8)
