"""From out-of-fold predictions to a model version: what was trained goes to MLflow, the best into its registry."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import mlflow
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema

import mer_tasks
from mer_tasks import layout
from mer_tasks.domain import MOODS, InputError
from mer_tasks.evaluation.comparison import read_card, read_comparison, read_metrics
from mer_tasks.registry.connection import connect
from mer_tasks.registry.runs import TRAINING, log_training, training_identity
from mer_tasks.settings import Machine, ModelName, Params

CHALLENGER = "challenger"
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.binary, "audio")]),
    outputs=Schema([ColSpec(DataType.string, "mood"), *(ColSpec(DataType.double, mood) for mood in MOODS)]),
)
NEEDED_TO_SERVE = (
    "imageio-ffmpeg",
    "joblib",
    "librosa",
    "mlflow",
    "moviepy",
    "numpy",
    "pandas",
    "pydantic-settings",
    "pyloudnorm",
    "pyyaml",
    "scikit-learn",
    "skorch",
    "soundfile",
    "soxr",
    "torch",
    "torchvision",
    "tqdm",
)


@dataclass(frozen=True)
class ModelVersion:
    """A version in the MLflow registry: which model it is, and the run that trained it."""

    name: str
    version: str
    model: str
    run_id: str
    alias: str


def register(params: Params, machine: Machine, model: ModelName | None = None) -> ModelVersion:
    """Log every trained model as a run and register one, as `mood@challenger`.

    Registered is `model`, or the best of the comparison that takes audio, with the weights of its
    best fold. The same training gives the same version, however often this runs.

    Raises:
        InputError: nothing is trained, MLflow does not answer, or no model takes audio.
    """
    comparison = read_comparison()
    client = connect(machine, params.registration.experiment)
    trained: list[ModelName] = [one["model"] for one in comparison["models"]]
    if model and model not in trained:
        raise InputError(f"{model}: is not in {layout.COMPARISON}; known are {', '.join(trained)}")
    runs = {name: log_training(client, name, params) for name in trained}
    chosen = model or _best_that_takes_audio(trained)
    identity = training_identity(chosen)
    found = _version_of(client, params.registration.model_name, identity)
    number = found or _new_version(client, chosen, runs[chosen], identity, params)
    client.set_registered_model_alias(params.registration.model_name, CHALLENGER, number)
    return ModelVersion(params.registration.model_name, number, chosen, runs[chosen], CHALLENGER)


def _best_that_takes_audio(ranked: list[ModelName]) -> ModelName:
    for name in ranked:
        if read_card(name)["features"] != "spotify":
            return name
    raise InputError(
        f"{', '.join(ranked)}: trained on Spotify's features, which no audio file gives, so there are runs in"
        " MLflow but no version; set train.tabular: summary, or train resnet18"
    )


def _version_of(client: MlflowClient, name: str, identity: str) -> str | None:
    """The version that holds a training, if it was registered before."""
    found = client.search_model_versions(f"name = '{name}' and tags.`{TRAINING}` = '{identity}'")
    return str(found[0].version) if found else None


def _new_version(client: MlflowClient, chosen: ModelName, run_id: str, identity: str, params: Params) -> str:
    metrics = read_metrics(chosen)
    package = Path(mer_tasks.__file__).parent
    with mlflow.start_run(run_id=run_id):
        logged = mlflow.pyfunc.log_model(
            name="mood",
            python_model=str(package / "registry" / "servable.py"),
            artifacts=_files_of(chosen, metrics["best_fold"]),
            code_paths=[str(package)],
            signature=SIGNATURE,
            pip_requirements=[f"{name}=={version(name)}" for name in NEEDED_TO_SERVE],
        )
    tags = {
        TRAINING: identity,
        "mer.model": chosen,
        "mer.songs": metrics["songs"],
        "mer.accuracy": f"{metrics['accuracy']:.4f}",
        "mer.accuracy_low": f"{metrics['accuracy_low']:.4f}",
    }
    registered = mlflow.register_model(logged.model_uri, params.registration.model_name, tags=tags)
    text = (
        f"{chosen} on {metrics['features']} features, fold {metrics['best_fold']}: out-of-fold accuracy"
        f" {metrics['accuracy']:.3f} ({metrics['accuracy_low']:.3f} to {metrics['accuracy_high']:.3f})"
        f" on {metrics['n']} {metrics['songs']}."
    )
    client.update_model_version(params.registration.model_name, str(registered.version), text)
    return str(registered.version)


def _files_of(name: str, best_fold: int) -> dict[str, str]:
    """The files in `models/<name>` that make up the model of its best fold.

    Raises:
        InputError: the model was trained on features that no audio file gives.
    """
    if read_card(name)["features"] == "spotify":
        raise InputError(
            f"{name}: was trained on Spotify's features, which no audio file gives, so it cannot be served;"
            " set train.tabular: summary, or train resnet18"
        )
    folder = layout.MODELS / name
    files = {"card": str(folder / "model.json"), "classifier": str(folder / f"fold-{best_fold}.joblib")}
    if (folder / "backbone.pt").is_file():
        files["backbone"] = str(folder / "backbone.pt")
    return files
