"""The commands of docs/registry.md that serve a version, as they stand there."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from mlflow.tracking import MlflowClient

from mer_tasks.domain import MOODS
from tests.registry.conftest import Project

DOCUMENT = Path(__file__).parents[2] / "docs" / "registry.md"


def documented(word: str) -> str:
    """The block of commands in the document that has this word."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    (found,) = [block for block in blocks if word in block]
    return str(found)


@pytest.mark.slow
def test_a_whole_song_is_answered_by_the_documented_commands(
    served: Project, write_tone: Callable[..., Path]
) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    root = served.workspace.root
    MlflowClient(served.machine.mlflow_uri).set_registered_model_alias("mood", "champion", "2")
    shutil.move(write_tone(root / "song.wav", seconds=60, channels=2), root / "song.mp3")  # 5 MB
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def command(word: str) -> list[str]:
        return ["bash", "-c", documented(word).replace("5001", port)]

    log = root / "serve.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            command("mlflow models serve"),
            cwd=root,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while not answers(f"http://127.0.0.1:{port}/ping"):
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
        done = subprocess.run(
            command("curl"), cwd=root, env=environment, capture_output=True, text=True, check=True
        )
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    (prediction,) = json.loads(done.stdout)["predictions"]
    assert prediction["error"] == "" and prediction["mood"] in MOODS


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
