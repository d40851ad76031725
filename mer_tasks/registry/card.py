"""The model card: what a model is for, what it was trained on, how good it is where, and what it must not be used for.

In the format of Hugging Face: Markdown with a header in YAML that holds the scores for programs.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from mer_tasks.catalog.dataset import Snapshot, read_snapshot
from mer_tasks.domain import MOODS
from mer_tasks.evaluation.baselines import baselines
from mer_tasks.evaluation.comparison import refit_gain
from mer_tasks.evaluation.result import ModelResult
from mer_tasks.evaluation.scores import score_predictions
from mer_tasks.evaluation.slices import has_voice, slices
from mer_tasks.features.representations import licence_of
from mer_tasks.registry.process import FILES
from mer_tasks.registry.training_data import training_data
from mer_tasks.settings import EvaluationSettings
from mer_tasks.text import on_one_line
from mer_tasks.workspace import Workspace

FILE = FILES / "README.md"

ORIGIN = {
    "real": "The songs are music.",
    "synthetic": "**The songs are synthetic**, the project's own samples made by a program: scores on them say nothing about music.",
    "mixed": "**Part of the songs are synthetic**, the project's own samples made by a program: scores on them say little about music.",
}
"""What a person must know of the data first."""

FOR = """\
It tells which of four moods a piece of music has: sad, happy, energetic or calm, the quadrants of the plane of valence
and arousal (Russell 1980). It hears a clip of a song, not the words, and gives each mood a probability. It is meant for
sorting and searching music libraries."""

LIMITS = """\
- A song has one mood here. Songs between moods, or whose mood changes, get the one of the clip that is heard.
- Valence (sad or happy, energetic or calm) is harder to hear than arousal: see the errors by mood.
- Scores hold for songs like those of the data. Other genres, languages, recordings and times may do worse; the slices
  show how much scores differ even within the data.
- Labels are judgements of people or charts, and may be wrong.
- It says what mood music is taken for, not what a listener feels: use it for no decision about people."""


def model_card(result: ModelResult, workspace: Workspace) -> ModelCard:
    """The card of a trained model, with the data set and the representations of its workspace.

    Raises:
        InputError: the data set is not the one that it was trained on, or is not there.
    """
    snapshot, voice = read_snapshot(workspace.snapshot), has_voice(workspace)
    evaluation = EvaluationSettings.model_validate(result.params["evaluation"])
    sections = {
        "What it is for": FOR,
        "How to use it": f"`mer predict song.mp3`, or any program that loads MLflow models (docs/registry.md). It reads `{result.read_together}`.",
        "Data": _data(result, snapshot),
        "How it was trained": _training(result),
        "Scores": _scores(result, snapshot, voice, evaluation),
        "Limits": LIMITS,
        "Licences": _licences(result),
    }
    text = "\n\n".join(f"## {title}\n\n{content}" for title, content in sections.items())
    return ModelCard(f"---\n{_header(result).to_yaml()}\n---\n\n# {result.model}\n\n{text}\n")


def short_card(result: ModelResult) -> str:
    """What of the card fits a description of a run or a version in MLflow: one line, what it is for, its limits."""
    scores = result.scores
    line = (
        f"{result.model} on {result.read_together}, {_fitted_on(result)}: out-of-fold accuracy {scores.accuracy:.3f}"
        f" ({scores.accuracy_low:.3f} to {scores.accuracy_high:.3f}) on {scores.n} {on_one_line(result.songs, 200)}."
    )
    recall = ", ".join(f"{mood} {value:.2f}" for mood, value in scores.recall.items())
    return f"{line}\n\nRight by mood: {recall}.\n\n{FOR}\n\n{LIMITS}\n"


def _fitted_on(result: ModelResult) -> str:
    return f"fold {result.best_fold}" if result.refit is None else "all songs outside the holdout"


def _header(result: ModelResult) -> ModelCardData:
    data: dict[str, Any] = {
        "task_type": "audio-classification",
        "dataset_type": "music-mood",
        "dataset_name": on_one_line(result.songs),
        "dataset_revision": result.data,
    }
    parts = {"out of fold": result.scores} | ({"holdout": result.holdout} if result.holdout else {})
    return ModelCardData(
        model_name=result.model,
        pipeline_tag="audio-classification",
        tags=["music", "mood", *map(str, MOODS)],
        metrics=["accuracy", "f1"],
        license="other",
        license_name="of-its-parts",
        license_link="#licences",
        eval_results=[
            EvalResult(
                **data, dataset_split=split, metric_type=kind, metric_name=name, metric_value=round(value, 4)
            )
            for split, scores in parts.items()
            for kind, name, value in (
                ("accuracy", "accuracy", scores.accuracy),
                ("f1", "macro F1", scores.macro_f1),
            )
        ],
    )


def _data(result: ModelResult, snapshot: Snapshot) -> str:
    known = training_data(result, snapshot)
    counts = result.out_of_fold["mood"].value_counts()
    moods = ", ".join(f"{counts.get(mood, 0)} {mood}" for mood in MOODS)
    holdout = f", and {result.holdout.n} songs of other artists held out" if result.holdout else ""
    collections = ", ".join(f"`{on_one_line(name)}`" for name in known.collections)
    return (
        f"{ORIGIN[known.origin]} {result.scores.n} songs ({moods}) by {len(known.artists)} artists{holdout}, of the"
        f" collections {collections}. {len(snapshot.left_out)} songs were left out, each with a reason in"
        f" `left_out.csv`. The data set's identity, the SHA-256 of its `songs.csv`, is `{result.data}`."
    )


def _training(result: ModelResult) -> str:
    settings: Mapping[str, Any] = result.params["models"][result.model]
    listed = "\n".join(f"- `{name}`: {value}" for name, value in settings.items())
    folds = len(result.fold_accuracies)
    fitted = f"fold {result.best_fold}, the most accurate one, trained on the other {folds - 1}"
    if result.refit is not None:
        fitted = "all songs outside the holdout; scores out of fold are those of the folds' models"
    apart = "No artist is in two folds" if result.protocol == "grouped" else "Artists may be in several folds"
    return (
        f"The system `{result.system}` on `{result.read_together}`, {folds} folds, protocol `{result.protocol}`."
        f" {apart}. The model is that of {fitted}.\n\n{listed}"
    )


def _scores(result: ModelResult, snapshot: Snapshot, voice: pd.Series, evaluation: EvaluationSettings) -> str:
    parts = {"out of fold": result.scores} | ({"holdout": result.holdout} if result.holdout else {})
    lines = ["| songs | n | accuracy | 95 % interval | macro F1 | log loss | calibration error |"]
    lines += ["| --- | ---: | ---: | --- | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {one.n} | {one.accuracy:.3f} | {one.accuracy_low:.3f} to {one.accuracy_high:.3f} |"
        f" {one.macro_f1:.3f} | {one.log_loss:.3f} | {one.calibration_error:.3f} |"
        for name, one in parts.items()
    ]
    if gain := refit_gain(result, evaluation):
        interval = f"{gain['gain']:+.3f} ({gain['gain_low']:+.3f} to {gain['gain_high']:+.3f})"
        lines += [
            "",
            f"Accuracy on the holdout {gain['accuracy']:.3f}: a gain of {interval} on the best fold's model.",
        ]
    beside = baselines(result.out_of_fold, snapshot.songs, evaluation)
    without = ", ".join(f"{one['baseline']} {one['accuracy']:.3f}" for one in beside)
    table = [
        "| part of the songs out of fold | n | accuracy | 95 % interval |",
        "| --- | ---: | ---: | --- |",
    ]
    table += [
        f"| {on_one_line(name)} | {one['n']} | {one['accuracy']:.3f} | {one['accuracy_low']:.3f} to"
        f" {one['accuracy_high']:.3f} |"
        for name, one in _parts(result.out_of_fold, snapshot, voice, evaluation)
    ]
    return "\n".join(
        [*lines, "", f"Accuracy without a model: {without}. Intervals are by artist.", "", *table]
    )


def _parts(
    predictions: pd.DataFrame, snapshot: Snapshot, voice: pd.Series, evaluation: EvaluationSettings
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The name and the scores of each mood and of each slice."""
    for mood in MOODS:
        own = predictions[predictions["mood"] == mood]
        if len(own):
            yield f"mood {mood}", score_predictions(own, evaluation).as_json()
    for one in slices(predictions, snapshot.songs, evaluation, voice):
        yield f"{one['by']} {one['slice']}", one


def _licences(result: ModelResult) -> str:
    own = "The songs are their owners'; the model holds none of them."
    notices = [notice for name in result.reads if (notice := licence_of(name))]
    return "\n\n".join([own, *notices]) if notices else f"{own} It carries no weights of others."
