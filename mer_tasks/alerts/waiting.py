"""Alerts that wait in a file under `MER_HOME` while the catalog cannot be reached."""

import fcntl
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mer_tasks.domain import Alert

if TYPE_CHECKING:
    from mer_tasks.settings import Machine

log = logging.getLogger(__name__)


def keep_waiting(machine: "Machine", alert: Alert, run: str | None, at: datetime) -> bool:
    """Add an alert to the file; return whether it is the first of its key there."""
    row = asdict(alert) | {"run": run, "at": at.isoformat()}
    try:
        with _locked(_file(machine)) as file:
            is_new = all(one["key"] != alert.key for one in _rows(file))
            file.write(f"{json.dumps(row)}\n")
    except OSError as error:
        log.error("alert kept only in this log: %s: %s", _file(machine), error)
        return True
    return is_new


def take_waiting(machine: "Machine", record: Callable[[Alert, str | None, datetime], object]) -> None:
    """Record the alerts of the file in the order they came, and empty it."""
    path = _file(machine)
    if not path.is_file() or not path.stat().st_size:
        return
    with _locked(path) as file:
        for row in _rows(file):
            run, at = row.pop("run"), datetime.fromisoformat(row.pop("at"))
            record(Alert(**row), run, at)
        file.truncate(0)  # killed before: recorded twice, and so counted twice


def _file(machine: "Machine") -> Path:
    return machine.home / "alerts-waiting.jsonl"


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    """The file, to read and to append to, for this process alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _rows(file: IO[str]) -> list[dict[str, Any]]:
    """What the file holds; a line that a killed process left half-written is lost."""
    file.seek(0)
    rows = []
    for line in file:
        try:
            rows.append(json.loads(line))
        except ValueError:
            log.error("alert half-written in %s: %s", file.name, line.rstrip())
    return rows
