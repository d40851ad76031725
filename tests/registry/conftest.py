"""A small project whose models are trained, made once a process through the public API, and versions of it."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from mer_tasks.catalog.clips import clip_recipe
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.dataset import read_snapshot, write_snapshot
from mer_tasks.catalog.importing import import_songs
from mer_tasks.catalog.snapshot import take_snapshot
from mer_tasks.collect import collect_clips
from mer_tasks.evaluation.comparison import compare_models
from mer_tasks.evaluation.training import train_model
from mer_tasks.features.build import build_features
from mer_tasks.registry.registration import register
from mer_tasks.settings import Machine, Params, load_machine, parse_params
from mer_tasks.workspace import Workspace
from tests.small_project import make_project, shrunk_params

PACKAGE = Path(__file__).parents[2] / "mer_tasks"


class Project:
    """A project in a folder, its settings as plain values that a test may change, and its machine."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.values = small_params()

    @property
    def params(self) -> Params:
        return parse_params(self.values, "params.yaml")

    @property
    def machine(self) -> Machine:
        return load_machine(self.workspace.root)

    @property
    def song(self) -> Path:
        """A song that can be predicted."""
        return next((self.workspace.root / "songs").glob("*.wav"))

    def snapshot(self) -> None:
        """Take the data set anew."""
        catalog = Catalog.open(self.machine.catalog_url)
        taken = take_snapshot(catalog, self.params.snapshot, clip_recipe(self.params.clips))
        write_snapshot(taken, self.workspace.snapshot)

    def train(self) -> None:
        """Compute features, train all models and compare them."""
        snapshot, machine = read_snapshot(self.workspace.snapshot), self.machine
        build_features(
            snapshot, self.params, self.workspace, machine.clip_store, machine.feature_store, n_workers=1
        )
        for model in self.params.models:
            train_model(self.workspace, self.params, machine, model)
        compare_models(self.workspace, self.params, machine)

    def register(self, model: str | None = None) -> str:
        """Register a model; return the version's number."""
        return register(self.workspace, self.params, self.machine, model).version


def small_params() -> dict[str, Any]:
    """Logistic regressions on the summary, one of them so bad that the others are better."""
    values = shrunk_params()
    values["representations"] = {"summary": {}}
    lr = {"system": "logistic_regression", "reads": "summary", "max_iter": 200}
    values["models"] = {"good": lr | {"C": 0.1}, "bad": lr | {"C": 1e-12}}
    return values


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of this machine's settings."""
    for name in list(os.environ):
        if name.startswith(("MER_", "MLFLOW_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project whose models are trained and not registered; tests copy it."""
    return _made_once(tmp_path_factory, "trained", _train)


@pytest.fixture(scope="session")
def registered(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project with the versions 1 (bad) and 2 (good), the challenger; tests copy it.

    A copy has a registry of its own, whose versions' files are those of this folder.
    """
    return _made_once(tmp_path_factory, "registered", lambda root: _register(trained, root))


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database with a model `mood` without versions: making one takes seconds."""
    return _made_once(tmp_path_factory, "empty", _create_registry) / "mlflow.db"


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Project:
    """A trained project of the test's own."""
    return Project(shutil.copytree(trained, tmp_path / "project"))


@pytest.fixture
def served(registered: Path, tmp_path: Path) -> Project:
    """A project of the test's own with two versions."""
    artifacts = shutil.ignore_patterns("artifacts")
    return Project(shutil.copytree(registered, tmp_path / "project", ignore=artifacts))


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first of pytest's processes makes and the others use."""
    base = factory.getbasetemp()
    base = base.parent if base.name.startswith("popen-") else base
    folder = base / f"registry-{name}"
    with (base / f"registry-{name}.lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            for variable in [one for one in os.environ if one.startswith(("MER_", "MLFLOW_"))]:
                patch.delenv(variable)
            make(folder)
    return folder


def _train(root: Path) -> None:
    project = Project(make_project(root))
    catalog = Catalog.open(project.machine.catalog_url)
    import_songs(catalog, root / "songs" / "tracks.csv", "songs")
    collect_clips(catalog, ("songs",), project.machine, project.params)
    project.snapshot()
    project.train()


AIRFLOW = {
    "AIRFLOW_CTX_DAG_ID": "weekly_retrain",
    "AIRFLOW_CTX_DAG_RUN_ID": "scheduled__one",
    "AIRFLOW__API__BASE_URL": "https://airflow.example.org",
}
"""In which run of Airflow the versions of `registered` are made."""


def _register(trained: Path, root: Path) -> None:
    project = Project(shutil.copytree(trained, root))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in AIRFLOW.items():
            patch.setenv(name, value)
        assert [project.register("bad"), project.register("good")] == ["1", "2"]


def _create_registry(root: Path) -> None:
    root.mkdir()
    uri = f"sqlite:///{root}/mlflow.db"
    MlflowClient(uri, uri).create_registered_model("mood")
