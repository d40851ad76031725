"""A registered version answers the same whatever becomes of the code, and no file of it can run code when it is read."""

import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mer_tasks.domain import MOODS
from mer_tasks.errors import InputError
from mer_tasks.registry import array_classifiers
from mer_tasks.registry.lookup import fetch_version, find_version
from mer_tasks.registry.packaging import write_version
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.registry.process import DESCRIPTION, hashes_of
from tests.registry.conftest import PACKAGE, Project

PREDICT = """
import json, sys
from pathlib import Path
import mer_tasks
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.settings import load_machine
root, song = map(Path, sys.argv[1:])
with RegisteredModel(load_machine(root), "models:/mood@challenger") as model:
    print(json.dumps([mer_tasks.__file__, model.predict(song).probabilities]))
"""

PYFUNC = """
import json, sys
from pathlib import Path
import mer_tasks, mlflow, pandas as pd
path = list(sys.path)
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/mood@challenger")
songs = [Path(song).read_bytes() for song in sys.argv[2:]]
rows = model.predict(pd.DataFrame({"audio": songs})).to_dict("records")
assert sys.path == path
print(json.dumps([mer_tasks.__file__, rows]))
"""


def _reorder_statistics(package: Path) -> None:
    summary = package / "features" / "summary.py"
    summary.write_text(
        summary.read_text() + "\n\n_as_before = song_summary\n\n\ndef song_summary(frames):\n"
        "    return dict(reversed(list(_as_before(frames).items())))\n"
    )


def _add_statistic(package: Path) -> None:
    summary = package / "features" / "summary.py"
    summary.write_text(
        summary.read_text() + "\n\n_as_before = song_summary\n\n\ndef song_summary(frames):\n"
        "    return _as_before(frames) | {'a_new_one': 1.0}\n"
    )


def _add_setting(package: Path) -> None:
    settings = package / "settings.py"
    text = settings.read_text()
    settings.write_text(
        text.replace("    n_mels: Positive\n", "    n_mels: Positive\n    a_new_one: Positive\n", 1)
    )
    assert settings.read_text() != text


def _move_modules(package: Path) -> None:
    for name in ("answering.py", "array_classifiers.py"):
        (package / "registry" / name).unlink()
    shutil.rmtree(package / "models")


@pytest.mark.parametrize("change", [_reorder_statistics, _add_statistic, _add_setting, _move_modules])
def test_a_version_answers_the_same_when_the_code_has_changed(
    served: Project, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    with RegisteredModel(served.machine, "models:/mood@challenger") as model:
        before = model.predict(served.song).probabilities
    changed = shutil.copytree(
        PACKAGE, tmp_path / "changed" / "mer_tasks", ignore=shutil.ignore_patterns("__pycache__")
    )
    change(changed)
    module, after = _run(PREDICT, changed.parent, str(served.workspace.root), str(served.song))
    assert Path(module).parent == changed
    assert after == before  # to the last digit


def test_the_changes_would_be_felt(served: Project, tmp_path: Path) -> None:
    """The same changes in the version's own code: what is asked above is a question."""
    changed = shutil.copytree(
        PACKAGE, tmp_path / "changed" / "mer_tasks", ignore=shutil.ignore_patterns("__pycache__")
    )
    _reorder_statistics(changed)
    found = find_version(served.machine, "models:/mood@challenger")
    copy = shutil.copytree(found.location.removeprefix("file://"), tmp_path / "copy")
    shutil.rmtree(copy / "code")
    shutil.copytree(changed, copy / "code" / "mer_tasks")
    _seal_again(copy)
    from mer_tasks.registry.process import VersionError, VersionProcess

    with pytest.raises(VersionError, match=r"^answers \w+ .* for its own chord\.flac, where it answered"):
        VersionProcess(copy)


def test_mlflow_answers_as_mer_does_and_leaves_the_caller_s_code_alone(
    served: Project, tmp_path: Path
) -> None:
    with RegisteredModel(served.machine, "models:/mood@challenger") as model:
        expected = model.predict(served.song)
    changed = shutil.copytree(
        PACKAGE, tmp_path / "changed" / "mer_tasks", ignore=shutil.ignore_patterns("__pycache__")
    )
    _add_statistic(changed)
    (tmp_path / "text.mp3").write_text("not music")
    songs = [str(served.song), str(tmp_path / "text.mp3"), str(served.song)]
    module, rows = _run(PYFUNC, changed.parent, served.machine.mlflow_uri, *songs)
    assert Path(module).parent == changed
    assert [row["mood"] for row in rows] == [expected.mood, "", expected.mood]
    assert {mood: rows[0][mood] for mood in MOODS} == expected.probabilities
    assert rows[0] == rows[2] and rows[0]["error"] == ""
    assert "audio" in rows[1]["error"] and all(np.isnan(rows[1][mood]) for mood in MOODS)


def test_no_file_of_a_version_is_a_pickle(served: Project) -> None:
    folder = fetch_version(served.machine, find_version(served.machine, "models:/mood@challenger"))
    mlflows_own = folder / "__pycache__"  # which it makes of servable.py where it loads a version
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent != mlflows_own]
    kinds = {path.suffix for path in files if path.is_relative_to(folder / "artifacts")}
    assert kinds == {".json", ".npz", ".flac", ".md"}
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib", ".pyc", ".so")]
    for path in files:
        assert not path.read_bytes().startswith(b"\x80"), f"{path} begins as a pickle does"
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays, zipfile.ZipFile(path) as members:
                assert arrays.files and all(arrays[name].dtype != object for name in arrays.files)
                assert {Path(name).suffix for name in members.namelist()} == {".npy"}


class Malice:
    """What runs a command when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (self._trace,))  # type: ignore[return-value]


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("name", ["model/logisticregression.npz", "model/more.pkl", "python_model.pkl"])
def test_a_planted_pickle_is_refused_or_never_opened(
    served: Project, tmp_path: Path, name: str, sealed: bool
) -> None:
    trace = tmp_path / "trace"
    found = find_version(served.machine, "models:/mood@challenger")
    copy = shutil.copytree(found.location.removeprefix("file://"), tmp_path / "copy")
    path = copy / "artifacts" / "version" / name
    path.write_bytes(pickle.dumps({"coef_": Malice(trace)}))
    if name.endswith(".npz"):
        np.savez(
            path,
            allow_pickle=True,
            mean_=np.array([Malice(trace)], dtype=object),
            coef_=np.array([Malice(trace)], dtype=object),
        )
    pickle.loads(pickle.dumps(Malice(tmp_path / "proof")))
    assert (tmp_path / "proof").exists()  # the pickle would do it
    from mer_tasks.registry.process import VersionError, VersionProcess, check_files

    if not sealed:
        with pytest.raises(VersionError, match=r"(altered|added) after it was registered"):
            check_files(copy)
    else:  # whoever planted it knew of the hashes as well
        _seal_again(copy)
        if name.endswith(".npz"):
            with pytest.raises(
                VersionError, match="cannot answer here: ValueError: Object arrays cannot be loaded"
            ):
                VersionProcess(copy)
        else:
            VersionProcess(copy).close()
    assert not trace.exists()


def test_a_library_that_is_missing_is_named(
    served: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "librosa").mkdir()
    (tmp_path / "librosa" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'librosa'\")"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(
        InputError,
        match=r"^mood version 2: cannot answer here: .*No module named 'librosa'.*requirements\.txt",
    ):
        RegisteredModel(served.machine, "models:/mood@challenger")


def test_a_song_that_cannot_be_used_is_an_error_of_that_song(served: Project, tmp_path: Path) -> None:
    text = tmp_path / "text.mp3"
    text.write_text("not music")
    with RegisteredModel(served.machine, "models:/mood/1") as model:
        with pytest.raises(InputError, match=rf"^{text}: (?!text\.mp3)"):
            model.predict(text)
        with pytest.raises(InputError, match=r"absent\.mp3: no such file; give a song's file$"):
            model.predict(tmp_path / "absent.mp3")
        assert model.predict(served.song).mood in MOODS


def test_only_what_it_needs_is_imported_and_required(served: Project) -> None:
    with RegisteredModel(served.machine, "models:/mood@challenger") as model:
        libraries = set(model.description["libraries"])
        required = (model.folder / "requirements.txt").read_text()
    assert {"numpy", "librosa", "soundfile", "mlflow", "imageio-ffmpeg"} <= libraries
    assert not {"torch", "skorch", "scikit-learn", "dvc", "mer"} & libraries
    assert f"numpy=={np.__version__}" in required


def test_the_linear_classifier_is_scikit_learn_s(served: Project) -> None:
    from mer_tasks.models import build_model
    from mer_tasks.persistence import load_fitted

    folder = served.workspace.model("good") / "fold-0"
    ours = array_classifiers.load_arrays(folder)
    described = json.loads((served.workspace.model("good") / "result.json").read_text())
    theirs = load_fitted(
        build_model(served.params.models["good"], tuple(map(tuple, described["shapes"])), 0, "cpu"), folder
    )
    X = np.random.default_rng(0).normal(0, 100, (50, *described["shapes"][0])).astype(np.float32)
    assert ours is not None
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6, atol=1e-9)
    (folder / "steps.json").write_text('["columnscaler", "svc"]')
    assert array_classifiers.load_arrays(folder) is None


def test_code_that_answers_otherwise_than_in_training_is_not_registered(
    project: Project, tmp_path: Path
) -> None:
    predictions = project.workspace.predictions("good")
    table = pd.read_csv(predictions)
    table[list(MOODS)] = table[list(reversed(MOODS))].to_numpy()
    table.to_csv(predictions, index=False)
    from mer_tasks.catalog.dataset import read_snapshot
    from mer_tasks.evaluation.result import read_result

    result, snapshot = read_result(project.workspace, "good"), read_snapshot(project.workspace.snapshot)
    with pytest.raises(
        InputError,
        match=r"^good: answers .* in training it was .*: the code has changed since; run dvc repro",
    ):
        write_version(tmp_path / "v", project.workspace, result, snapshot, project.params, project.machine)


def _seal_again(folder: Path) -> None:
    described = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps(described | {"files": hashes_of(folder)}))


def _run(code: str, path: Path, *arguments: str) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        env={"PYTHONPATH": str(path), "PATH": str(Path(sys.executable).parent), "HOME": "/tmp"},
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout.splitlines()[-1])
    return found
