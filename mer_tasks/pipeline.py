"""One DVC workspace a DAG run: runs never share a DVC lock, and all of them share one cache."""

import fcntl
import hashlib
import logging
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ruamel.yaml import YAML

from mer_tasks.alerts import send_alert
from mer_tasks.catalog.clips import clip_recipe
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.lost import lost_alert, watch_store
from mer_tasks.catalog.snapshot import check_collections
from mer_tasks.code_identity import PACKAGE, code_identity
from mer_tasks.command import run
from mer_tasks.dvc_cache import cache_of, using, write_dvc_config
from mer_tasks.errors import InputError
from mer_tasks.features.representations import check_networks, with_needed
from mer_tasks.files import sha256_of, write_text
from mer_tasks.handing_over import leave, left_elsewhere, take_over, write_remote
from mer_tasks.locked_files import check_locked
from mer_tasks.settings import PACKAGES, Machine, Params, load_params
from mer_tasks.workspace import Workspace

log = logging.getLogger(__name__)


def run_folder(home: Path, run_id: str) -> Path:
    """The workspace of a run: `<home>/runs/<run id>`, the id made safe for paths and kept unique by a hash."""
    safe = re.sub(r"[^\w-]+", "_", run_id, flags=re.ASCII)[:80]
    return home / "runs" / f"{safe}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def run_workspace(project: Workspace, run_id: str, machine: Machine) -> Workspace:
    """The workspace of a run, as the last stage left it on whichever machine; before the first there is none.

    Raises:
        UnavailableError: what another machine left cannot be reached now.
    """
    workspace = Workspace(run_folder(machine.home, run_id))
    if left_elsewhere(workspace, machine):
        write_dvc_config(workspace.root, cache_of(Workspace(project.root.absolute()), machine.home))
        with _only_dvc_in(workspace.root):
            if left := left_elsewhere(workspace, machine):  # another task may just have taken it
                take_over(workspace, left, machine)
    return workspace


def create_workspace(
    project: Workspace,
    folder: Path,
    overrides: Mapping[str, Any],
    models: Sequence[str] | None,
    machine: Machine,
) -> Workspace:
    """Make `folder` a DVC workspace of `project`: its settings with other values for the dotted keys in `overrides`.

    With `models` only these are trained, and only what they read is computed. A plain folder, not a clone: it works without Git and takes
    `params.yaml` as it lies there. A folder that exists is returned as it is, so a run keeps the settings
    that it began with.

    Raises:
        InputError: `params.yaml` with the overrides breaks a rule; names the key.
    """
    if folder.is_dir():
        return Workspace(folder)
    unfinished = Workspace(folder.with_name(f".unfinished-{folder.name}"))
    shutil.rmtree(unfinished.root, ignore_errors=True)
    write_dvc_config(unfinished.root, cache_of(Workspace(project.root.absolute()), machine.home))
    write_remote(unfinished, machine)
    _write_params(project, unfinished, overrides, models)
    _write_stages(project, unfinished)
    write_catalog_state(unfinished, machine)
    unfinished.root.rename(folder)
    leave(Workspace(folder), machine)
    return Workspace(folder)


def create_copy(
    project: Workspace, folder: Path, sections: Mapping[str, Mapping[str, Any]], machine: Machine
) -> Workspace:
    """Make `folder` a DVC workspace of the project with some sections of other settings, and a cache of its own.

    Of `models` and `representations` those given are the only ones; in other sections keys that are not given stay.

    Raises:
        InputError: the folder is there already, or the settings break a rule.
    """
    if folder.exists():
        raise InputError(f"{folder}: is there already; delete it, or give another folder")
    values = _yaml().load(project.params_file.read_text(encoding="utf-8"))
    for name, section in sections.items():
        values[name] = dict(section) if name in PACKAGES else {**values[name], **section}
    workspace = Workspace(folder)
    write_dvc_config(folder, folder.absolute() / ".dvc" / "cache")
    with workspace.params_file.open("w", encoding="utf-8") as file:
        _yaml().dump(values, file)
    _write_stages(project, workspace)
    write_state(workspace, load_params(workspace.params_file), machine)
    return workspace


def check_run(params: Params, machine: Machine) -> None:
    """Refuse at once what the stages would refuse one after the other, hours later.

    Raises:
        InputError: the snapshot's day lies in the future, a collection holds no song on it, or weights are missing.
        UnavailableError: the catalog cannot be reached now.
    """
    as_of = params.snapshot.as_of
    if as_of != "latest" and as_of > datetime.now(UTC).date():
        raise InputError(f"snapshot.as_of: {as_of} lies in the future; write a day that has come, or latest")
    check_collections(Catalog.open(machine.catalog_url), params.snapshot)
    check_networks(params)


def write_state(workspace: Workspace, params: Params, machine: Machine) -> None:
    """Write what DVC cannot see, the catalog's revision and each stage's code, into files that it watches."""
    write_catalog_state(workspace, machine)
    write_code_state(workspace, params, machine)


def write_catalog_state(workspace: Workspace, machine: Machine) -> None:
    """Write the catalog's revision, which changes whenever something was observed, such as a clip that was lost."""
    catalog, params = Catalog.open(machine.catalog_url), load_params(workspace.params_file)
    recipe = clip_recipe(params.clips)
    if lost := watch_store(catalog, params.snapshot.collections, recipe, machine):
        send_alert(lost_alert(lost, machine.clip_store), machine)
    write_text(workspace.catalog_revision, f"{catalog.revision()}\n")


def write_code_state(workspace: Workspace, params: Params, machine: Machine) -> None:
    """Write the identity of the code that each stage runs, so that a mended fault is computed anew."""
    for stage, modules in _stage_modules(params).items():
        text = code_identity(*modules, without=COMPUTED_BEFORE if stage.startswith("train-") else frozenset())
        if stage == "features":
            text = "\n".join([text, *_weights(params, machine)])
        write_text(workspace.code_revision(stage), f"{text}\n")


COMPUTED_BEFORE = frozenset({f"{PACKAGE}.features.parts"})
"""What computes features: `data/features`, which a training depends on, has the identity of its code."""


def _weights(params: Params, machine: Machine) -> list[str]:
    """What of the features' settings is outside `params.yaml`: the machine's choice of weights, and files' bytes."""
    values = [machine.resnet18_weights or ""]
    for representation in params.representations.values():
        values += [value for value in representation.model_dump().values() if isinstance(value, str)]
    files = [Path(value) for value in values if value and Path(value).is_file()]
    return [values[0], *(sha256_of(file) for file in files)]


def _stage_modules(params: Params) -> dict[str, tuple[str, ...]]:
    """The modules that each stage of `dvc.yaml` starts from; those that it finds by a name in `params.yaml` too."""
    representations = [f"{PACKAGE}.features.representations.{name}" for name in params.representations]
    training = f"{PACKAGE}.evaluation.training"
    return {
        "snapshot": tuple(f"{PACKAGE}.catalog.{name}" for name in ("snapshot", "clips", "croissant")),
        "validate": (f"{PACKAGE}.quality.gate", f"{PACKAGE}.quality.report"),
        "features": (f"{PACKAGE}.features.build", *representations),
        "inputs": (f"{PACKAGE}.features.identity",),
        **{
            f"train-{name}": (training, *(f"{PACKAGE}.models.{system}" for system in model.systems))
            for name, model in params.models.items()
        },
        "evaluate": (f"{PACKAGE}.evaluation.comparison",),
    }


def reproduce(workspace: Workspace, stage: str, machine: Machine) -> str:
    """Run `dvc repro STAGE`, its output going to the log line by line; return the SHA-256 of `dvc.lock`.

    The stages' code is looked at first: a task that is cleared after a fault was mended computes anew. What came of
    it is left for other machines.

    Raises:
        InputError: the stage found its input wrong.
        UnavailableError: what it needs cannot be reached now.
        CommandError: it failed otherwise.
    """
    with _only_dvc_in(workspace.root) as lock, using(cache_of(workspace, machine.home)) as cache_lock:
        write_code_state(workspace, load_params(workspace.params_file), machine)
        # the locks are inherited: were this process killed, they would be held until dvc ends
        inherit = [lock.fileno(), cache_lock.fileno()]
        run(["dvc", "repro", stage], workspace.root, machine, inherit)
        leave(workspace, machine)
    return sha256_of(workspace.lock_file)


def check_inputs(workspace: Workspace, params: Params, machine: Machine, model: str) -> None:
    """See that what a training reads is what the stages before it wrote, byte by byte.

    Raises:
        InputError: a file is damaged or missing; names it and the remedy.
    """
    read = [workspace.representation(name) for name in params.models[model].reads]
    needed = [workspace.snapshot / "songs.csv", *read]
    check_locked(workspace, cache_of(workspace, machine.home), needed)


def newest_evaluated(home: Path) -> Workspace | None:
    """The workspace of the run whose models were compared last; None where there is none."""
    compared = [Workspace(path.parents[1]) for path in (home / "runs").glob("*/metrics/comparison.json")]
    return max(compared, key=lambda workspace: workspace.comparison.stat().st_mtime_ns, default=None)


def old_workspaces(folder: Path, keep: int) -> list[Path]:
    """The workspaces in a folder that are not among the newest `keep`, the newest of them first.

    Nothing is lost with them: data and models stay in DVC's cache, versions in MLflow.
    """
    workspaces = [path for path in folder.glob("*/") if (path / "dvc.yaml").is_file()]
    return sorted(workspaces, key=lambda path: path.stat().st_ctime_ns, reverse=True)[keep:]


def remove_workspace(folder: Path) -> bool:
    """Delete a workspace, unless DVC is at work in it; return whether it was deleted."""
    with (folder / ".dvc" / "in-use").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        shutil.rmtree(folder)
    return True


def _write_params(
    project: Workspace, run: Workspace, overrides: Mapping[str, Any], models: Sequence[str] | None
) -> None:
    """Copy `params.yaml` with its comments, changed by `overrides`, and check it; of named models only what they need."""
    load_params(project.params_file)
    yaml = _yaml()
    values = yaml.load(project.params_file.read_text(encoding="utf-8"))
    for key, value in overrides.items():
        _override(values, key, value)
    if models is not None:
        _keep_models(values, models)
    for entry in values["representations"].values():
        for key, value in (entry or {}).items():
            if isinstance(value, str) and (project.root / value).is_file():
                entry[key] = str(
                    (project.root / value).absolute()
                )  # a path is meant from the project's folder
    yaml.dump(values, run.params_file)
    try:
        params = load_params(run.params_file)
    except InputError as error:
        raise InputError(f"the run's settings: {str(error).removeprefix(f'{run.params_file}: ')}") from error
    if models is not None:
        needed = with_needed(name for model in params.models.values() for name in model.reads)
        for name in values["representations"].keys() - needed:
            del values["representations"][name]
        yaml.dump(values, run.params_file)


def _override(values: Any, key: str, value: Any) -> None:
    """Set the value at a dotted key whose sections must be there."""
    *sections, name = key.split(".")
    for depth, section in enumerate(sections, start=1):
        if not isinstance(values.get(section), dict):
            raise InputError(
                f"{key}: params.yaml has no section {'.'.join(sections[:depth])!r}; known are {', '.join(values)}"
            )
        values = values[section]
    values[name] = value


def _keep_models(values: Any, models: Sequence[str]) -> None:
    """Leave out the models that a run does not train."""
    known = list(values["models"])
    if not models:
        raise InputError(f"models: none is left; name one of {', '.join(known)}")
    if unknown := sorted(set(models) - set(known)):
        raise InputError(f"models: {', '.join(unknown)} not in params.yaml; known are {', '.join(known)}")
    for name in known:
        if name not in models:
            del values["models"][name]


def _write_stages(project: Workspace, run: Workspace) -> None:
    """Copy `dvc.yaml` without the stage that looks at the catalog at each `dvc repro`: a run keeps its data."""
    yaml = _yaml()
    pipeline = yaml.load(project.pipeline_file.read_text(encoding="utf-8"))
    pipeline["stages"].pop("state", None)
    with run.pipeline_file.open("w", encoding="utf-8") as file:
        yaml.dump(pipeline, file)


def _yaml() -> YAML:
    """YAML that keeps comments and quotes."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000  # comments stay on their line
    return yaml


@contextmanager
def _only_dvc_in(workspace: Path) -> Iterator[IO[str]]:
    """Wait until no other process runs DVC in this workspace, and clear what a killed one left behind.

    DVC does not wait for its own lock, and takes a dead owner's for living once its PID is used again.
    """
    with (workspace / ".dvc" / "in-use").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (workspace / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)
        yield lock
