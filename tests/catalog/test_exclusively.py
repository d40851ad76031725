"""Sections that one process at a time may be in, in both engines, with real processes."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mer_tasks.catalog.database import Catalog
from tests.conftest import ROOT

ENTER = """
import sys
from mer_tasks.catalog.database import Catalog
catalog = Catalog.open(sys.argv[1])
print("waiting", flush=True)
with catalog.exclusively(sys.argv[2]):
    print("inside", flush=True)
    sys.stdin.readline()
print("outside", flush=True)
"""

Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def start(catalog: Catalog, catalog_url: str) -> Iterator[Start]:
    """A function that starts a process on its way into a section; a line on its stdin lets it out."""
    started: list[subprocess.Popen[bytes]] = []

    def enter(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", ENTER, catalog_url, name]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        started.append(
            subprocess.Popen(
                command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
        )
        assert line(started[-1]) == "waiting"
        return started[-1]

    yield enter
    for process in started:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[bytes], within_s: float = 120) -> str | None:
    """The next line that a process prints, or None where there is none within some seconds."""
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], within_s)
    return process.stdout.readline().decode().strip() if ready else None


def leave(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin
    process.stdin.write(b"\n")


def test_a_second_process_waits_until_the_first_has_left(start: Start) -> None:
    first = start("promotion")
    assert line(first) == "inside"
    second = start("promotion")
    assert line(second, within_s=1) is None
    leave(first)
    assert (line(first), line(second)) == ("outside", "inside")
    leave(second)
    assert line(second) == "outside"


def test_who_is_killed_inside_or_waiting_keeps_nobody_out(start: Start) -> None:
    inside, waiting, last = [start("promotion") for _ in range(3)]
    while line(inside, within_s=1) is None:  # whoever came first
        inside, waiting, last = waiting, last, inside
    waiting.send_signal(signal.SIGKILL)
    assert line(last, within_s=1) is None
    inside.send_signal(signal.SIGKILL)
    assert line(last) == "inside"


def test_sections_of_other_names_are_apart(start: Start, catalog: Catalog) -> None:
    first = start("a/b")
    assert line(first) == "inside"
    with catalog.exclusively("a b"), catalog.transaction(), catalog.reading():
        assert first.poll() is None


def test_a_section_that_fails_is_left(catalog: Catalog) -> None:
    with pytest.raises(RuntimeError), catalog.exclusively("promotion"):
        raise RuntimeError
    with catalog.exclusively("promotion"):
        pass


def test_the_lock_lies_beside_the_database(tmp_path: Path) -> None:
    with Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}").exclusively("promotion"):
        assert (tmp_path / "catalog.db.promotion.lock").is_file()
