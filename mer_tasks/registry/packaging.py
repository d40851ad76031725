"""A version's folder, with all that it needs to answer for ever: code, settings, model, network, self-test."""

import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mer_tasks
from mer_tasks.catalog.dataset import Snapshot
from mer_tasks.domain import MOODS
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.evaluation.result import ModelResult, registered_folder
from mer_tasks.features.representations import network_files
from mer_tasks.files import write_text
from mer_tasks.registry import card
from mer_tasks.registry.answering import MODEL, NETWORK
from mer_tasks.registry.process import (
    ANSWERS,
    CODE,
    DESCRIPTION,
    FILES,
    PROTOCOL,
    SELF_TEST,
    TOLERANCE,
    LostError,
    SongError,
    VersionError,
    VersionProcess,
    hashes_of,
)
from mer_tasks.registry.sounds import write_sounds
from mer_tasks.registry.training_data import training_data, write_training_data
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace, clip_key

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model

COMMAND = ("-m", "mer_tasks.registry.answering")
"""How the process of a version registered by this code starts; it is written in the version."""

LOADED_LATER = ("imageio-ffmpeg", "mlflow", "pandas")
"""Libraries that the process has not imported when it is ready: for odd containers, and for MLflow's `pyfunc`."""

CHECKED_CLIPS = 2
"""So many clips' answers are compared with those of the training."""


def write_version(
    folder: Path,
    workspace: Workspace,
    result: ModelResult,
    snapshot: Snapshot,
    params: Params,
    machine: Machine,
) -> None:
    """Lay out the version of a trained model in `folder`, let it answer its self-test, and seal it with hashes.

    Raises:
        InputError: a file of the training is missing, or the code answers otherwise than it did in training.
        UnavailableError: the process of the version died or hung.
    """
    _copy(folder, workspace, result)
    write_text(folder / card.FILE, str(card.model_card(result, workspace)))
    write_training_data(training_data(result, snapshot), folder)
    names = write_sounds(folder / SELF_TEST, params.clips)
    described = _description(result, params)
    _write_json(folder / DESCRIPTION, described)
    try:
        with VersionProcess(folder, machine.device, self_test=False) as process:
            _write_json(
                folder / ANSWERS, {name: process.predict(folder / SELF_TEST / name) for name in names}
            )
            _check_against_training(process, result, snapshot, machine)
            libraries = process.libraries()
    except (SongError, VersionError) as error:
        raise InputError(f"{result.model}: {error}") from error
    except LostError as error:
        raise UnavailableError(f"{result.model}: {error}") from error
    libraries |= {name: version(name) for name in LOADED_LATER}
    described |= {"libraries": libraries, "files": hashes_of(folder)}
    _write_json(folder / DESCRIPTION, described)


def save_for_mlflow(folder: Path, target: Path, model: "Model") -> None:
    """Write the version in `folder` as a model of MLflow's flavor `pyfunc` to `target`."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    outputs = [ColSpec(DataType.string, "mood"), *(ColSpec(DataType.double, mood) for mood in MOODS)]
    libraries: dict[str, str] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["libraries"]
    mlflow.pyfunc.save_model(
        target,
        python_model=str(Path(__file__).with_name("servable.py")),
        artifacts={FILES.name: str(folder / FILES)},
        code_paths=[str(folder / CODE / "mer_tasks")],
        signature=ModelSignature(
            inputs=Schema([ColSpec(DataType.binary, "audio")]),
            outputs=Schema([*outputs, ColSpec(DataType.string, "error")]),
        ),
        pip_requirements=[f"{name}=={number}" for name, number in sorted(libraries.items())],
        mlflow_model=model,
    )


def _copy(folder: Path, workspace: Workspace, result: ModelResult) -> None:
    """Copy the code, the fitted model that is registered, and the networks whose output it reads."""
    package = Path(mer_tasks.__file__).parent
    shutil.copytree(package, folder / CODE / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    fitted = registered_folder(workspace, result)
    if not fitted.is_dir():
        raise InputError(f"{fitted}: no such folder; run mer train {result.model}, or dvc repro, first")
    shutil.copytree(fitted, folder / MODEL)
    for name in result.reads:
        for file in network_files(name, workspace.representation(name)):
            (folder / NETWORK / name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / NETWORK / name / file.name)


def _description(result: ModelResult, params: Params) -> dict[str, Any]:
    """What the version is; the settings are those that it was trained by, which `params.yaml` may no longer have."""
    return {
        "protocol": PROTOCOL,
        "command": list(COMMAND),
        "model": result.model,
        "system": result.system,
        "reads": list(result.reads),
        "shapes": [list(shape) for shape in result.shapes],
        "moods": list(MOODS),
        "songs": result.songs,
        "scores": result.scores.as_json(),
        "params": {**params.model_dump(mode="json"), **result.params},
        "python": ".".join(map(str, sys.version_info[:3])),
    }


def _check_against_training(
    process: VersionProcess, result: ModelResult, snapshot: Snapshot, machine: Machine
) -> None:
    """Ask for clips, of songs that the model was not trained on if there are any: other code answers otherwise."""
    clips = snapshot.songs.set_index("track_id")["clip_sha256"].dropna().to_dict()
    rows = [row for row in _own_predictions(result).to_dict("records") if row["track_id"] in clips]
    stored = machine.clip_store.stamps([clip_key(clips[row["track_id"]]) for row in rows])
    rows = [row for row in rows if clip_key(clips[row["track_id"]]) in stored]
    for row in rows[:CHECKED_CLIPS]:
        found = process.predict(machine.clip_store.local(clip_key(clips[row["track_id"]])))
        for mood in MOODS:
            if not abs(found[mood] - row[mood]) <= TOLERANCE:
                raise InputError(
                    f"{result.model}: answers {mood} {found[mood]:.4f} for the clip of {row['track_id']}, in training"
                    f" it was {row[mood]:.4f}: the code has changed since; run dvc repro, then mer register"
                )


def _own_predictions(result: ModelResult) -> "pd.DataFrame":
    """What the registered model itself predicted in training, first for songs that it was not trained on."""
    if result.refit is not None:
        return result.refit.sort_values("split")  # the holdout, then what it was trained on
    return result.predictions[result.predictions["split"] == f"fold-{result.best_fold}"]


def _write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")
