"""Whether a training would be one that was registered and decided already: the same songs, settings and code."""

import json
from hashlib import sha256

from mlflow.tracking import MlflowClient

from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.registry.aliases import CHALLENGER, DECISION, Aliases
from mer_tasks.registry.connection import connected
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

INPUTS = "mer.inputs"
"""The tag of a version with the hash of what its training began with."""

NO_INPUT = {"charts", "audio", "quality", "promotion", "housekeeping", "prediction", "serving"}
"""Sections of `params.yaml` that no training reads; of the snapshot's the songs themselves count."""


def training_inputs(workspace: Workspace, params: Params) -> str:
    """A hash of what a training begins with: songs, settings, and the code of its stages.

    Raises:
        InputError: there is no snapshot.
    """
    code = sorted(workspace.code_revision("snapshot").parent.glob("*"))
    values = {
        "songs": read_snapshot(workspace.snapshot).identity,
        "settings": params.model_dump(mode="json", exclude=NO_INPUT | {"snapshot"}),
        "code": {path.name: path.read_text(encoding="utf-8") for path in code},
    }
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def write_inputs(client: MlflowClient, name: str, number: str, workspace: Workspace, params: Params) -> None:
    """Write on a version what its training began with, if it has another tag: MLflow refuses one of two at once."""
    inputs = training_inputs(workspace, params)
    if client.get_model_version(name, number).tags.get(INPUTS) != inputs:
        client.set_model_version_tag(name, number, INPUTS, inputs)


def unchanged_since(workspace: Workspace, params: Params, machine: Machine) -> str | None:
    """The challenger, if a training would only give it again and the gate or a person has decided of it.

    Raises:
        InputError: there is no snapshot.
        UnavailableError: MLflow cannot be reached now.
    """
    with connected(machine) as client:
        aliases = Aliases(client, params.registration.model_name)
        number = aliases.number_at(CHALLENGER)
        if number is None or not aliases.exists(number):
            return None
        tags = aliases.version(number).tags
    is_same = tags.get(INPUTS) == training_inputs(workspace, params)
    return number if is_same and DECISION in tags else None
