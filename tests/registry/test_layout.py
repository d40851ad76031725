"""A version's files are those that the documentation lists, and its self-test's sounds are always the same."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from mer_tasks.audio.cut import load_clip
from mer_tasks.cli.prediction import _as_json, _rows
from mer_tasks.evaluation.comparison import compare_models
from mer_tasks.evaluation.result import fold_folder
from mer_tasks.evaluation.training import train_model
from mer_tasks.features.representations.musicnn import TAGS
from mer_tasks.models import build_model
from mer_tasks.persistence import load_fitted
from mer_tasks.prediction.asking import Answer
from mer_tasks.prediction.mood import SongMood
from mer_tasks.registry import array_classifiers
from mer_tasks.registry.lookup import fetch_version, find_version
from mer_tasks.registry.packaging import COMMAND
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.registry.process import PROTOCOL
from mer_tasks.registry.sounds import write_sounds
from mer_tasks.settings import ClipSettings
from tests.registry.conftest import Project
from tests.small_project import shrunk_params

DOCUMENT = Path(__file__).parents[2] / "docs" / "registry.md"
CLIPS = ClipSettings(start_fraction=0.25, duration_s=30.0, min_duration_s=20.0, bitrate_kbps=192)


def test_the_files_of_a_version_are_documented(served: Project) -> None:
    folder = fetch_version(served.machine, find_version(served.machine, "models:/mood@challenger"))
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    # MLflow makes __pycache__ of servable.py where it loads a version
    outside_code = {path.as_posix() for path in found if path.parts[0] not in ("code", "__pycache__")}
    text = DOCUMENT.read_text()
    for path in outside_code:
        assert re.search(rf"\b{re.escape(Path(path).name)}\b|{Path(path).parent.name}/\*", text), (
            f"{path} is not in {DOCUMENT}"
        )
    assert Path("code/mer_tasks/registry/answering.py") in found


def test_the_protocol_is_documented() -> None:
    text = DOCUMENT.read_text()
    assert f'"protocol": {PROTOCOL}' in text and " ".join(COMMAND) in text
    for key in ("audio", "probabilities", "error", "code", "libraries"):
        assert f'"{key}"' in text


def test_sounds_are_the_same_every_time_and_long_enough(tmp_path: Path) -> None:
    names = write_sounds(tmp_path / "one", CLIPS)
    assert names == write_sounds(tmp_path / "two", CLIPS) and len(set(names)) == 3
    hashes = set()
    for name in names:
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two
        hashes.add(hashlib.sha256(one).hexdigest())
        y, sr = soundfile.read(tmp_path / "one" / name)
        assert 20 < len(y) / sr < 21 and 0.1 < np.abs(y).max() < 1
        assert len(load_clip(tmp_path / "one" / name, CLIPS, 22050)) > 20 * 22050
    assert len(hashes) == 3
    assert sum(path.stat().st_size for path in (tmp_path / "one").iterdir()) < 2_000_000


@pytest.mark.slow
def test_a_version_carries_the_network_that_it_reads(project: Project) -> None:
    values = shrunk_params()
    project.values["representations"] = {
        name: values["representations"][name] for name in ("image", "resnet18")
    }
    project.values["models"] = {"resnet18": values["models"]["resnet18"]}
    project.values["models"]["resnet18"]["epochs"] = 1
    project.workspace.params_file.write_text(yaml.safe_dump(project.values))
    project.train()
    assert project.register() == "1"  # compares with the training's own answers
    weights = next(project.workspace.representation("resnet18").glob("*.pt"))
    weights.unlink()
    with RegisteredModel(project.machine, "models:/mood@challenger") as model:
        assert (model.folder / "artifacts" / "version" / "network" / "resnet18" / weights.name).is_file()
        assert sum(model.predict(project.song).probabilities.values()) == pytest.approx(1)
        assert "torch" in model.description["libraries"]


def test_a_version_that_reads_musicnn_needs_neither_its_package_nor_a_heavy_library(
    project: Project,
) -> None:
    project.values["representations"] = {"musicnn": {}}
    project.values["models"] = {"mine": {"system": "svm", "reads": "musicnn", "C": 4.0}}
    project.workspace.params_file.write_text(yaml.safe_dump(project.values))
    project.train()
    assert project.register() == "1"  # compares with the training's own answers
    (project.workspace.representation("musicnn") / "weights.npz").unlink()
    with RegisteredModel(project.machine, "models:/mood@challenger") as model:
        assert (model.folder / "artifacts" / "version" / "network" / "musicnn" / "weights.npz").is_file()
        found = model.predict(project.song)
        assert sum(found.probabilities.values()) == pytest.approx(1)
        assert len(found.why) == 3 and set(found.why) < set(TAGS)
        assert list(found.why.values()) == sorted(found.why.values(), reverse=True)
        assert not {"torch", "scikit-learn", "musicnn"} & set(model.description["libraries"])
    folder = fold_folder(project.workspace, "mine", 0)
    ours = array_classifiers.load_arrays(folder)
    theirs = load_fitted(build_model(project.params.models["mine"], ((1556,),), 0, "cpu"), folder)
    X = np.random.default_rng(0).normal(0, 100, (50, 1556)).astype(np.float32)
    assert ours is not None
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("why", "end", "more"),
    [
        ({}, "0.100", {}),
        ({"Mellow": 0.314, "80s": 0.2}, "0.100  why: Mellow 0.31, 80s 0.20", {"why": {"Mellow": 0.314, "80s": 0.2}}),
    ],
)  # fmt: skip
def test_an_answer_says_why_where_the_version_tells_tags(
    why: dict[str, float], end: str, more: dict[str, object]
) -> None:
    chances = {"sad": 0.2, "happy": 0.4, "energetic": 0.3, "calm": 0.1}
    answer = Answer("a.mp3", SongMood.of(chances, why, 0.25))
    [row] = _rows(answer, 8)
    assert row.endswith(end)
    point = {"confidence": 0.4, "valence": 0.0, "arousal": 0.4}
    expected = {"file": "a.mp3", "mood": "happy", "probabilities": chances, **point, **more}
    assert _as_json(answer) == expected


def test_a_network_of_a_table_is_carried_as_well(project: Project) -> None:
    values = shrunk_params()["models"]["neural_network"] | {"system": "neural_network", "epochs": 2}
    project.values["models"] = {"small": values}
    train_model(project.workspace, project.params, project.machine, "small")
    compare_models(project.workspace, project.params, project.machine)
    assert project.register("small") == "1"
    with RegisteredModel(project.machine, "models:/mood/1") as model:
        files = {path.suffix for path in (model.folder / "artifacts" / "version" / "model").iterdir()}
        assert files == {".json", ".npz", ".pt"}
        assert "torch" in model.description["libraries"]
