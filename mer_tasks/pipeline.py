"""One DVC workspace a DAG run: runs never share a DVC lock, and all of them share one cache."""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import psutil
from ruamel.yaml import YAML

from mer_tasks import layout
from mer_tasks.catalog.database import Catalog
from mer_tasks.domain import InputError
from mer_tasks.files import sha256_of
from mer_tasks.settings import Machine, load_params

log = logging.getLogger(__name__)

PROGRAMS = Path(sys.executable).parent
"""Where this environment's `mer` and `dvc` are."""

BAD_INPUT = 2
"""The exit code by which `mer` says that what it was given is wrong: trying again changes nothing."""

DVC_CONFIG = """\
[core]
    no_scm = true
    analytics = false
    check_update = false
[cache]
    dir = "{cache}"
    type = "reflink,hardlink,copy"
"""


class CommandError(Exception):
    """A command failed; the message is one line: what it said last, and the command."""


def run_folder(home: Path, run_id: str) -> Path:
    """The workspace of a run: `<home>/runs/<run id>`, the id made safe for paths and kept unique by a hash."""
    safe = re.sub(r"[^\w-]+", "_", run_id, flags=re.ASCII)[:80]
    return home / "runs" / f"{safe}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def create_workspace(project: Path, folder: Path, overrides: Mapping[str, Any], machine: Machine) -> Path:
    """Make `folder` a DVC workspace of `project` in which the dotted keys in `overrides` have other values.

    A plain folder, not a clone: it works without Git and takes `params.yaml` as it lies there. A folder
    that exists is returned as it is, so a run keeps the settings it began with.

    Raises:
        InputError: `params.yaml` with the overrides breaks a rule; names the key.
    """
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(f".unfinished-{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / ".dvc").mkdir(parents=True)
    config = DVC_CONFIG.format(cache=_cache(project.absolute(), machine.home))
    (unfinished / ".dvc" / "config").write_text(config, encoding="utf-8")
    shutil.copy(project / "dvc.yaml", unfinished)
    if machine.resnet18_weights:  # the machine's choice wins anyway; written down, DVC sees it as well
        overrides = {**overrides, "resnet18.weights": machine.resnet18_weights}
    _write_params(project / "params.yaml", unfinished / "params.yaml", overrides)
    (unfinished / layout.REVISION).parent.mkdir(parents=True)
    revision = Catalog.open(machine.catalog_url).revision()
    (unfinished / layout.REVISION).write_text(f"{revision}\n", encoding="utf-8")
    unfinished.rename(folder)
    return folder


def reproduce(workspace: Path, stage: str, machine: Machine) -> str:
    """Run `dvc repro STAGE`, its output going to the log line by line; return the SHA-256 of `dvc.lock`.

    Raises:
        InputError: the stage found its input wrong.
        CommandError: it failed otherwise.
    """
    with _only_dvc_in(workspace) as lock:
        # the lock is inherited: were this process killed, it would be held until dvc ends
        run(["dvc", "repro", stage], workspace, machine, inherit=[lock.fileno()])
    return sha256_of(workspace / "dvc.lock")


def run(command: Sequence[str], folder: Path, machine: Machine, inherit: Sequence[int] = ()) -> list[str]:
    """Run a program of this environment in a folder, its output going to the log line by line; return the lines.

    The process stays in the caller's process group, which Airflow kills as a whole.

    Raises:
        InputError: the command, or the `mer` that DVC ran, exited with 2.
        CommandError: it failed otherwise.
    """
    lines = []
    with subprocess.Popen(
        [PROGRAMS / command[0], *command[1:]],
        cwd=folder,
        env=_environment(machine),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=inherit,
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                log.info("%s", line.rstrip())
        except BaseException:  # a timeout or Ctrl-C
            _kill_with_children(process.pid)
            raise
    if process.returncode:
        raise _failure(command, process.returncode, lines)
    return lines


def prune_workspaces(folder: Path, keep: int) -> list[Path]:
    """Delete all but the newest `keep` workspaces in a folder and return what was deleted.

    Nothing is lost with them: data and models stay in DVC's cache, versions in MLflow.
    """
    workspaces = [path for path in folder.iterdir() if (path / "dvc.yaml").is_file()]
    newest_first = sorted(workspaces, key=lambda path: path.stat().st_ctime_ns, reverse=True)
    for path in newest_first[keep:]:
        shutil.rmtree(path)
    return newest_first[keep:]


def _cache(project: Path, home: Path) -> Path:
    """The project's own cache, shared with `dvc repro` there; one under `home` where it cannot be written."""
    own = project / ".dvc"
    return own / "cache" if own.is_dir() and os.access(own, os.W_OK) else home / "dvc-cache"


def _write_params(source: Path, target: Path, overrides: Mapping[str, Any]) -> None:
    """Copy `params.yaml` with its comments, changed by `overrides`, and check it."""
    load_params(source)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000  # comments stay on their line
    values = yaml.load(source.read_text(encoding="utf-8"))
    for key, value in overrides.items():
        section, _, name = key.rpartition(".")
        if not isinstance(values.get(section), dict):
            raise InputError(
                f"{key}: {source.name} has no section {section!r}; known are {', '.join(values)}"
            )
        values[section][name] = value
    weights = source.parent.absolute() / values["resnet18"]["weights"]
    if weights.is_file():  # a path is meant from the project's folder
        values["resnet18"]["weights"] = str(weights)
    with target.open("w", encoding="utf-8") as file:
        yaml.dump(values, file)
    try:
        load_params(target)
    except InputError as error:
        raise InputError(f"the run's settings: {str(error).removeprefix(f'{target}: ')}") from error


@contextmanager
def _only_dvc_in(workspace: Path) -> Iterator[IO[str]]:
    """Wait until no other process runs DVC in this workspace, and clear what a killed one left behind.

    DVC does not wait for its own lock, and takes a dead owner's for living once its PID is used again.
    """
    with (workspace / ".dvc" / "in-use").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (workspace / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)
        yield lock


def _environment(machine: Machine) -> dict[str, str]:
    """This process's variables, with this environment's programs first and paths that hold in any folder."""
    environment = os.environ | {
        "PATH": os.pathsep.join([str(PROGRAMS), os.environ.get("PATH", os.defpath)]),
        "MER_HOME": str(machine.home),
        "PYTHONUNBUFFERED": "1",
    }
    if machine.resnet18_weights and Path(machine.resnet18_weights).is_file():
        environment["MER_RESNET18_WEIGHTS"] = str(Path(machine.resnet18_weights).absolute())
    return environment


def _kill_with_children(pid: int) -> None:
    parent = psutil.Process(pid)
    for process in [*parent.children(recursive=True), parent]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _failure(command: Sequence[str], code: int, lines: Sequence[str]) -> Exception:
    """What a failed command's output says: the line before DVC's own, and the exit code DVC reports."""
    said = [line for line in lines if line and not line.startswith("ERROR: failed to reproduce")]
    if reported := re.search(r"exited with (\d+)$", "\n".join(lines), flags=re.MULTILINE):
        code = int(reported[1])
    message = said[-1] if said else "it said nothing"
    if code == BAD_INPUT:
        return InputError(message)
    return CommandError(f"{message} ({' '.join(command)} exited with {code})")
