"""From out-of-fold predictions to a model version: what was trained goes to MLflow, the best into its registry."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.code_identity import PACKAGE, code_identity
from mer_tasks.errors import InputError
from mer_tasks.evaluation.comparison import read_comparison
from mer_tasks.evaluation.result import ModelResult, read_result, result_identity
from mer_tasks.features.representations import takes_audio
from mer_tasks.files import temporary_folder
from mer_tasks.registry.aliases import CHALLENGER
from mer_tasks.registry.card import short_card
from mer_tasks.registry.connection import connected, experiment_id
from mer_tasks.registry.lookup import SEAL
from mer_tasks.registry.packaging import save_for_mlflow, write_version
from mer_tasks.registry.process import DESCRIPTION
from mer_tasks.registry.runs import TRAINING, airflow_tags, log_training
from mer_tasks.registry.summary import run_page, version_page
from mer_tasks.registry.unchanged import INPUTS, training_inputs, write_inputs
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace


@dataclass(frozen=True)
class ModelVersion:
    """A version in the MLflow registry: which model it is, and the run that trained it.

    The pages are their addresses in MLflow, None where there is no server.
    """

    name: str
    version: str
    model: str
    run_id: str
    alias: str
    run_page: str | None
    version_page: str | None


def register(
    workspace: Workspace, params: Params, machine: Machine, model: str | None = None
) -> ModelVersion:
    """Log every trained model as a run and register one, as `mood@challenger`.

    Registered is `model`, or the best of the comparison that reads audio, with the fitted model of its best
    fold, or of all folds' songs (`registration.fit`). The same training gives the same version, however often this runs, at once as well.

    Raises:
        InputError: nothing is trained, no model reads audio, or code or `registration.fit` have changed since.
        UnavailableError: MLflow or the catalog cannot be reached now.
    """
    trained = [one["model"] for one in read_comparison(workspace)["models"]]
    if model and model not in trained:
        raise InputError(f"{model}: is not in {workspace.comparison}; known are {', '.join(trained)}")
    results = {name: read_result(workspace, name) for name in trained}
    chosen = _that_reads_audio(results, [model] if model else trained)
    _check_fit(results[chosen], params)
    name = params.registration.model_name
    with Catalog.open(machine.catalog_url).exclusively("register"), connected(machine) as client:
        experiment = experiment_id(client, params.registration.experiment, machine)
        runs = {one: log_training(client, experiment, workspace, results[one]) for one in trained}
        identity = _identity(workspace, results[chosen])
        number = _version_of(client, name, identity)
        if number is None:
            _add_version(client, experiment, runs[chosen], workspace, results[chosen], params, machine)
            number = _version_of(client, name, identity)
        assert number is not None  # the one just added, or that of a process that was first
        write_inputs(client, name, number, workspace, params)
        client.set_registered_model_alias(name, CHALLENGER, number)
    pages = run_page(machine, experiment, runs[chosen]), version_page(machine, name, number)
    return ModelVersion(name, number, chosen, runs[chosen], CHALLENGER, *pages)


def _that_reads_audio(results: Mapping[str, ModelResult], wanted: list[str]) -> str:
    for name in wanted:
        if all(takes_audio(read) for read in results[name].reads):
            return name
    raise InputError(
        f"{', '.join(wanted)}: reads what comes with the songs and no audio gives, so there are runs in MLflow but"
        " no version; register a model that reads audio, such as summary"
    )


def _check_fit(result: ModelResult, params: Params) -> None:
    """See that the model that is to be registered was trained: what is registered depends on no later change."""
    wanted, trained = params.registration.fit, "best_fold" if result.refit is None else "all"
    if wanted != trained:
        raise InputError(
            f"registration.fit: {wanted}: {result.model} was trained with {trained}; run dvc repro, then mer register"
        )


def _version_of(client: MlflowClient, name: str, identity: str) -> str | None:
    """The version that holds a training: of several, which processes without a shared catalog made, the lowest.

    The others are deleted, so that it is the only one whoever comes last.
    """
    found = client.search_model_versions(f"name = '{name}' and tags.`{TRAINING}` = '{identity}'")
    numbers = sorted(int(one.version) for one in found)
    for number in numbers[1:]:
        with suppress(MlflowException):  # another process was quicker
            client.delete_model_version(name, str(number))
    return str(numbers[0]) if numbers else None


def _add_version(
    client: MlflowClient,
    experiment: str,
    run_id: str,
    workspace: Workspace,
    result: ModelResult,
    params: Params,
    machine: Machine,
) -> None:
    name = params.registration.model_name
    with temporary_folder("mer-version-") as temporary:
        folder, saved = temporary / "version", temporary / "saved"
        write_version(folder, workspace, result, read_snapshot(workspace.snapshot), params, machine)
        model = client.create_logged_model(
            experiment, name=result.model, source_run_id=run_id, model_type="pyfunc"
        )
        save_for_mlflow(folder, saved, Model(run_id=run_id, model_id=model.model_id))
        client.log_model_artifacts(model.model_id, str(saved))
        client.finalize_logged_model(model.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        seal = sha256((folder / DESCRIPTION).read_bytes()).hexdigest()
    with suppress(MlflowException):  # it is there already; if it cannot be, the next call fails
        client.create_registered_model(name)
    client.create_model_version(
        name,
        source=f"models:/{model.model_id}",
        run_id=run_id,
        tags=_tags(result)
        | airflow_tags()
        | {
            SEAL: seal,
            TRAINING: _identity(workspace, result),
            INPUTS: training_inputs(workspace, params),
        },
        description=short_card(result),
        model_id=model.model_id,
    )


def _identity(workspace: Workspace, result: ModelResult) -> str:
    """What makes a version another one: its training, or the code that answers."""
    code = code_identity(
        f"{PACKAGE}.registry.answering",
        *(f"{PACKAGE}.models.{system}" for system in result.systems),
        *(f"{PACKAGE}.features.representations.{name}" for name in result.reads),
    )
    return sha256(f"{result_identity(workspace, result.model)} {code}".encode()).hexdigest()


def _tags(result: ModelResult) -> dict[str, str]:
    return {
        "mer.model": result.model,
        "mer.reads": result.read_together,
        "mer.songs": result.songs,
        "mer.collections": json.dumps(result.collections),
        "mer.accuracy": f"{result.scores.accuracy:.4f}",
        "mer.accuracy_low": f"{result.scores.accuracy_low:.4f}",
    }
