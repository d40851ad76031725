"""A running `mer serve` whose champion answers by loudness."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.prediction.versions import Registry
from tests.registry.conftest import empty_registry  # noqa: F401

SETTINGS = {
    "max_mb": 3,
    "max_files": 5,
    "max_song_s": 60.0,
    "max_requests": 50,
    "upload_timeout_s": 5.0,
    "poll_s": 0.2,
}


class Server:
    """A server's process, its address and its log."""

    def __init__(self, registry: Registry, process: subprocess.Popen[bytes], log: Path) -> None:
        self.registry, self.process, self._log = registry, process, log
        self.url = self._wait_for_address()
        self.client = httpx.Client(base_url=self.url, timeout=120)

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def n_processes(self) -> int:
        return len(psutil.Process(self.process.pid).children())

    @property
    def memory_mb(self) -> float:
        root = psutil.Process(self.process.pid)
        return sum(p.memory_info().rss for p in (root, *root.children())) / 1e6

    def _wait_for_address(self) -> str:
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", self.log)):
            assert self.process.poll() is None, self.log
            time.sleep(0.1)
        return found[0]


@contextmanager
def running(root: Path, database: Path, *options: str, **variables: str) -> Iterator[Server]:
    registry = Registry(root, database)
    registry.values["serving"] = SETTINGS
    registry.write_params()
    registry.add_champion()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MER_", "MLFLOW_"))}
    environment |= {"MER_WORKERS": "2", "MER_HOME": str(root / "var"), **variables}
    command = [str(Path(sys.executable).with_name("mer")), "serve", "--port", "0", *options]
    with (root / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=log)
    try:
        yield Server(registry, process, root / "log")
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture(scope="session")
def start(
    empty_registry: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Server]]:
    """A function that starts a server of its own."""
    with ExitStack() as stack:
        yield lambda *options, **variables: stack.enter_context(
            running(tmp_path_factory.mktemp("serve") / "project", empty_registry, *options, **variables)
        )


@pytest.fixture(scope="session")
def server(start: Callable[..., Server]) -> Server:
    """A server that several tests ask."""
    return start()
