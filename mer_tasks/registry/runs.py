"""One MLflow run a trained model, its folds nested: parameters, scores, curves, pictures and the data's identity."""

import hashlib
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from mer_tasks import layout
from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.evaluation.comparison import read_card, read_metrics
from mer_tasks.files import sha256_of
from mer_tasks.settings import ModelName, Params

TRAINING = "mer.training"
"""The tag with a training's identity: a hash of what it left behind, so that nothing is logged twice."""


def log_training(client: MlflowClient, name: ModelName, params: Params) -> str:
    """Log what `mer train` left in the current folder; return the run's id.

    The same training gives the same run: a finished one is found again, a half-logged one is replaced.
    """
    identity = training_identity(name)
    experiment = client.get_experiment_by_name(params.registration.experiment)
    assert experiment is not None  # connect() chose it
    for run in client.search_runs([experiment.experiment_id], f"tags.`{TRAINING}` = '{identity}'"):
        if run.info.status == "FINISHED":
            return run.info.run_id
        client.delete_run(run.info.run_id)
    metrics = read_metrics(name)
    curves = json.loads((layout.MODELS / name / "curves.json").read_text(encoding="utf-8"))
    with mlflow.start_run(run_name=name, tags=_tags(name, identity, metrics)) as run:
        _log_run(client, run.info.run_id, _parameters(name), _scores(metrics), _mean_curve(curves))
        _log_data(params, metrics)
        _log_files(name)
        for number, accuracy in enumerate(metrics["folds"]):
            with mlflow.start_run(run_name=f"{name} fold {number}", nested=True) as fold:
                curve = curves[number] if curves else []
                _log_run(client, fold.info.run_id, {"fold": number}, {"accuracy": accuracy}, curve)
    return run.info.run_id


def training_identity(name: ModelName) -> str:
    """A hash of a training's settings, data and answers."""
    files = (
        layout.MODELS / name / "model.json",
        layout.METRICS / f"{name}.json",
        layout.PREDICTIONS / f"{name}.csv",
    )
    return hashlib.sha256("".join(sha256_of(file) for file in files).encode()).hexdigest()


def _tags(name: str, identity: str, metrics: Mapping[str, Any]) -> dict[str, str]:
    tags = {
        TRAINING: identity,
        "mer.model": name,
        "mer.songs": metrics["songs"],
        "mer.data": metrics["data"],
        "mer.features": metrics["features"],
        "mer.protocol": metrics["protocol"],
    }
    if Path("dvc.lock").is_file():
        tags["mer.dvc_lock"] = sha256_of(Path("dvc.lock"))
    if commit := _git_commit():
        tags["mer.commit"] = commit
    return tags


def _git_commit() -> str | None:
    """The commit of the code, where the project is a git checkout."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _parameters(name: ModelName) -> dict[str, Any]:
    """What the model was trained with, which params.yaml may no longer say."""
    trained = read_card(name)["params"]
    sections = ("snapshot", "clips", "features", "evaluation", "train", name)
    return {f"{section}.{key}": value for section in sections for key, value in trained[section].items()}


def _scores(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers in a metrics file, nested names joined by a dot."""
    scores: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, dict):
            scores |= _scores(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            scores[prefix + name] = value
    return scores


def _mean_curve(curves: Sequence[Sequence[Mapping[str, float]]]) -> list[dict[str, float]]:
    """The folds' curves averaged epoch by epoch."""
    return [
        {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
        for rows in zip(*curves, strict=False)
    ]


def _log_run(
    client: MlflowClient,
    run_id: str,
    parameters: Mapping[str, Any],
    scores: Mapping[str, float],
    curve: Sequence[Mapping[str, float]],
) -> None:
    now = int(time.time() * 1000)
    values = [Metric(name, value, now, 0) for name, value in scores.items()]
    for row in curve:
        step = int(row["epoch"])
        values += [Metric(name, value, now, step) for name, value in row.items() if name != "epoch"]
    texts = [Param(name, str(value)) for name, value in parameters.items()]
    client.log_batch(run_id, metrics=values[:900], params=texts)
    for start in range(900, len(values), 1000):  # a batch holds a thousand
        client.log_batch(run_id, metrics=values[start : start + 1000])


def _log_data(params: Params, metrics: Mapping[str, Any]) -> None:
    songs = read_snapshot(layout.SNAPSHOT).songs
    name = "-".join(params.snapshot.collections)
    dataset = from_pandas(
        songs,
        source=str(layout.SNAPSHOT / "songs.csv"),
        name=name,
        targets="mood",
        digest=metrics["data"][:32],
    )
    mlflow.log_input(dataset, context="training")


def _log_files(name: str) -> None:
    mlflow.log_artifacts(str(layout.PLOTS / name), "plots")
    for file in (
        layout.METRICS / f"{name}.json",
        layout.PREDICTIONS / f"{name}.csv",
        layout.SNAPSHOT / "left_out.csv",
        *(path for path in (Path("params.yaml"), Path("dvc.yaml"), Path("dvc.lock")) if path.is_file()),
    ):
        mlflow.log_artifact(str(file), "training")
