"""Versions that answer by how loud a sound is, in the real MLflow: quick to start, and every answer is known."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml
from mlflow.tracking import MlflowClient

from mer_tasks.registry.aliases import CHAMPION
from mer_tasks.registry.training_data import TrainingData, write_training_data
from mer_tasks.settings import Machine, Params, load_machine, parse_params
from tests.registry.fakes import BEGIN, MOODS, READY, fake_version
from tests.small_project import shrunk_params

SR = 8000

SCRIPT = (
    BEGIN
    + "import soundfile\n"
    + READY
    + f"""
for line in asked:
    path = json.loads(line)["audio"]
    if path.endswith("one.flac"):
        send({{"probabilities": {MOODS}}})
        continue
    try:
        y, sr = soundfile.read(path)
    except Exception:
        send({{"error": path.rpartition("/")[2] + ": cannot be decoded"}})
        continue
    if abs(y).max() > 1.5:
        os.kill(os.getpid(), signal.SIGKILL)
    p = min(1.0, float(abs(y).max()))
    rest = (1 - p) / 3
    send({{"probabilities": {{"sad": rest, "happy": rest, "energetic": p, "calm": rest}}, "tags": {{"loud": p}}}})
"""
)
"""The peak is the probability of energetic; a peak over 1.5 kills the process."""


class Registry:
    """A project in a folder, and a registry with versions of `SCRIPT`."""

    def __init__(self, root: Path, database: Path) -> None:
        self.root, self.values = root, shrunk_params()
        (root / "var" / "mlflow").mkdir(parents=True)
        shutil.copy(database, root / "var" / "mlflow" / "mlflow.db")
        self.client = MlflowClient(self.machine.mlflow_uri, self.machine.mlflow_uri)
        self.write_params()

    @property
    def machine(self) -> Machine:
        return load_machine(self.root).model_copy(update={"workers": 2})

    @property
    def params(self) -> Params:
        return parse_params(self.values, "params.yaml")

    def write_params(self) -> None:
        (self.root / "params.yaml").write_text(yaml.safe_dump(self.values))

    def add_champion(self, script: str = SCRIPT, **described: Any) -> str:
        """Register a version and put it in service."""
        folder = self.root / "versions" / str(len(list(self.root.glob("versions/*"))) + 1)
        folder.mkdir(parents=True)
        write_training_data(TrainingData((), (), ("a", "b"), ("sample",), "synthetic"), folder)
        trained_by = {"clips": self.values["clips"], "evaluation": {"protocol": "grouped"}}
        more = {"params": trained_by, "model": "loud", "scores": {"accuracy": 0.5}}
        fake_version(folder, script, **more | described)
        number = str(self.client.create_model_version("mood", folder.as_uri()).version)
        self.client.set_registered_model_alias("mood", CHAMPION, number)
        return number


def write_song(path: Path, peaks: list[float], seconds_each: float = 5.0) -> Path:
    """A song of parts, each with a constant peak."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(round(seconds_each * SR)) / SR
    y = np.concatenate([peak * np.sin(2 * np.pi * 500 * t + np.pi / 2) for peak in peaks])
    soundfile.write(path, y, SR, subtype="FLOAT")
    return path
