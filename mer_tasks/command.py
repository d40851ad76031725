"""A program of this environment as a process: what it prints is logged, and how it ended is an error of its kind."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import psutil

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.settings import Machine

log = logging.getLogger(__name__)

PROGRAMS = Path(sys.executable).parent
"""Where this environment's `mer` and `dvc` are."""

BAD_INPUT = 2
"""The exit code by which `mer` reports that what it was given is wrong: trying again changes nothing."""


class CommandError(Exception):
    """A command failed; the message is one line: what it printed last, and the command."""


def run(
    command: Sequence[str],
    folder: Path,
    machine: Machine,
    inherit: Sequence[int] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Run a program of this environment in a folder, its output going to the log line by line; return the lines.

    The process stays in the caller's process group, which Airflow kills as a whole.

    Raises:
        InputError: the command, or the `mer` that DVC ran, exited with 2.
        UnavailableError: it exited with 75.
        CommandError: it failed otherwise.
    """
    lines = []
    with subprocess.Popen(
        [PROGRAMS / command[0], *command[1:]],
        cwd=folder,
        env={**_environment(machine), **variables},
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
    """What a failed command printed: the line before DVC's own, and the exit code DVC reports."""
    output = [line for line in lines if line and not line.startswith("ERROR: failed to reproduce")]
    if reported := re.search(r"exited with (\d+)$", "\n".join(lines), flags=re.MULTILINE):
        code = int(reported[1])
    message = output[-1] if output else "it printed nothing"
    if code == BAD_INPUT:
        return InputError(message)
    if code == os.EX_TEMPFAIL:
        return UnavailableError.from_line(message)
    return CommandError(f"{message} ({' '.join(command)} exited with {code})")
