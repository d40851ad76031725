"""`mer train`, killed among its folds and run again; and which trainings share a file of where they stand."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mer_tasks.evaluation.checkpoints import Checkpoints
from mer_tasks.evaluation.training import train_model
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace
from tests.evaluation.test_training import NETWORK, files_below
from tests.evaluation.workspaces import make_workspace, quick_params

MODEL = "network"


@pytest.fixture
def settings(params: Params) -> Params:
    """A network that takes seconds to train."""
    return quick_params(params, {MODEL: {**NETWORK, "epochs": 60, "step_size": 40}})


def mer_train(workspace: Workspace) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MER_", "MLFLOW_"))}
    environment |= {"MER_HOME": str(workspace.root / "var"), "MER_DEVICE": "cpu"}
    command = [Path(sys.executable).with_name("mer"), "train", MODEL]
    return subprocess.Popen(command, cwd=workspace.root, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 600
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.002)


def test_a_killed_training_goes_on_and_ends_as_one_that_was_not(tmp_path: Path, settings: Params) -> None:
    whole, killed = (make_workspace(tmp_path / name, settings) for name in ("whole", "killed"))
    killed.params_file.write_text(settings.model_dump_json())  # JSON is YAML
    train_model(whole, settings, Machine(home=tmp_path / "var", device="cpu"), MODEL)
    folder = killed.checkpoints(MODEL)

    def files() -> list[Path]:
        """Those that are whole, the oldest first."""
        return sorted(folder.glob("[!.]*.pt"), key=lambda path: path.stat().st_mtime_ns)

    first = mer_train(killed)
    wait_for(lambda: len(files()) == 2, first)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    done, begun = files()
    before = done.stat().st_mtime_ns
    assert not killed.metrics(MODEL).exists()

    second = mer_train(killed)
    wait_for(lambda: len(files()) == 3, second)
    assert begun in files()
    assert done.stat().st_mtime_ns == before  # a fold that has ended is not trained again
    _, said = second.communicate(timeout=600)
    assert second.returncode == 0, said
    assert not folder.exists()
    for place in (Path("models"), Path("metrics"), Path("data/predictions")):
        assert files_below(killed.root / place) == files_below(whole.root / place)


def test_another_training_has_another_file(tmp_path: Path, settings: Params) -> None:
    X, y = np.zeros((4, 3), np.float32), np.arange(4)
    one = Checkpoints(tmp_path, settings.models[MODEL], settings.evaluation, "cpu")
    paper = settings.evaluation.model_copy(update={"protocol": "paper"})
    slower = settings.models[MODEL].model_copy(update={"lr": 0.001})
    paths = [
        one.path(1, X, y),
        one.path(2, X, y),
        one.path(1, X + 1, y),
        one.path(1, X.T.copy(), y),
        one.path(1, X, y[::-1]),
        Checkpoints(tmp_path, slower, settings.evaluation, "cpu").path(1, X, y),
        Checkpoints(tmp_path, settings.models[MODEL], paper, "cpu").path(1, X, y),
        Checkpoints(tmp_path, settings.models[MODEL], settings.evaluation, "cuda").path(1, X, y),
    ]
    assert len(set(paths)) == len(paths)
    assert one.path(1, X.copy(), y.copy()) == paths[0]
