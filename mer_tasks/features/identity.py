"""What identifies a representation of a data set: DVC trains a model again when what it reads has changed."""

import hashlib
import json
import shutil
from pathlib import Path

from mer_tasks.errors import InputError
from mer_tasks.files import sha256_of, write_text
from mer_tasks.settings import Params
from mer_tasks.workspace import Workspace


def write_inputs(workspace: Workspace, params: Params) -> None:
    """Write for each model the identities of the representations that it reads, by name.

    Raises:
        InputError: one is not there.
    """
    known = {name: representation_identity(workspace.representation(name)) for name in params.representations}
    folder = workspace.inputs("").parent
    shutil.rmtree(folder, ignore_errors=True)  # of models that are no longer trained
    for model, settings in params.models.items():
        found = {name: known[name] for name in settings.reads}
        write_text(workspace.inputs(model), json.dumps(found, indent=2) + "\n")


def representation_identity(folder: Path) -> str:
    """A hash of the names and bytes of a folder's files.

    Raises:
        InputError: it holds none.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise InputError(f"{folder}: no such folder; run mer features, or dvc repro, first")
    named = [f"{path.relative_to(folder)} {sha256_of(path)}\n" for path in files]
    return hashlib.sha256("".join(named).encode()).hexdigest()
