"""What several commands share: the project's folder, its settings, the machine, the catalog, and lost clips."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mer_tasks.errors import InputError
from mer_tasks.settings import Machine, Params, load_machine, load_params
from mer_tasks.workspace import Workspace

if TYPE_CHECKING:
    from mer_tasks.catalog.database import Catalog
    from mer_tasks.catalog.lost import LostClip


def workspace() -> Workspace:
    """The folder in which `mer` was called."""
    return Workspace(Path())


def params() -> Params:
    """Its `params.yaml`."""
    return load_params(workspace().params_file)


def params_with(model: str) -> Params:
    """Its `params.yaml`, which must have this model.

    Raises:
        InputError: it has none of this name.
    """
    found = params()
    if model not in found.models:
        raise InputError(f"{model}: no such model; models in params.yaml has {', '.join(found.models)}")
    return found


def machine() -> Machine:
    """The machine's settings."""
    return load_machine()


def open_catalog() -> "Catalog":
    """The catalog of this machine."""
    from mer_tasks.catalog.database import Catalog

    return Catalog.open(machine().catalog_url)


def report_lost(lost: "Sequence[LostClip]", machine: Machine) -> None:
    """Name the songs that have lost their clip, and alert a person."""
    from mer_tasks.alerts import send_alert
    from mer_tasks.catalog.lost import lost_alert
    from mer_tasks.cli.app import print_error

    for clip in lost:
        print_error(f"{clip.track_id}: {clip.reason}")
    if lost:
        send_alert(lost_alert(lost, machine.clip_store), machine)
