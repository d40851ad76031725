"""Fitted pipelines on disk: every system comes back to the last bit, and no file can run code or pass as another."""

import io
import json
import pickle
import pickletools
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import skops.io
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler

from mer_tasks.errors import InputError
from mer_tasks.models import build_model
from mer_tasks.persistence import TRUSTED, load_fitted, save_fitted
from tests.systems import N_FEATURES, SYSTEMS, built, four_clouds, settings_of, shape_of

PLAIN_MEMBERS = {".json", ".npy"}
NETWORK, TREES = "torchclassifier.pt", "histgradientboostingclassifier.skops"

OF_TENSORS = {
    "collections OrderedDict",
    "torch FloatStorage",
    "torch LongStorage",
    "torch._utils _rebuild_tensor_v2",
}


def boosting(max_iter: int = 5) -> Pipeline:
    """A pipeline whose last step is stored by skops."""
    return make_pipeline(HistGradientBoostingClassifier(max_iter=max_iter, random_state=0))


def with_skops_step() -> Pipeline:
    """A pipeline of a scaler that no table of ours knows, and a classifier stored as arrays."""
    return make_pipeline(RobustScaler(), LogisticRegression())


BUILDS: dict[str, Callable[[], Pipeline]] = {
    **{system: lambda system=system: built(system) for system in SYSTEMS},
    "boosting": boosting,
    "with a skops step": with_skops_step,
}


def files_in(folder: Path) -> list[Path]:
    """All files of a stored model; those of a mean's members lie in folders of their own."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def rows_for(name: str, n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    return four_clouds(n, shape_of(name)) if name in SYSTEMS else four_clouds(n)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[Pipeline, Path]]]:
    """Fits and saves a pipeline once, and gives it with the folder of its files, which no test changes."""
    done: dict[str, tuple[Pipeline, Path]] = {}

    def fitted(name: str) -> tuple[Pipeline, Path]:
        if name not in done:
            torch.manual_seed(0)
            model, folder = BUILDS[name](), tmp_path_factory.mktemp("stored") / "fold-0"
            save_fitted(model.fit(*rows_for(name)), folder)
            done[name] = model, folder
        return done[name]

    yield fitted


@pytest.fixture
def copy_of(
    stored: Callable[[str], tuple[Pipeline, Path]], tmp_path: Path
) -> Callable[[str], tuple[Pipeline, Path]]:
    """A fitted pipeline with a copy of its files, which the test may damage."""

    def copied(name: str) -> tuple[Pipeline, Path]:
        model, folder = stored(name)
        return model, Path(shutil.copytree(folder, tmp_path / "fold-0", dirs_exist_ok=True))

    return copied


def refused(name: str, folder: Path) -> str:
    """The one line by which the folder is refused as a model of this name."""
    with pytest.raises(InputError) as caught:
        load_fitted(BUILDS[name](), folder)
    message = str(caught.value)
    assert message.startswith(str(folder)) and "\n" not in message and "train" in message
    return message


@pytest.mark.parametrize("name", BUILDS)
def test_a_model_comes_back_to_the_last_bit(
    name: str, stored: Callable[[str], tuple[Pipeline, Path]]
) -> None:
    model, folder = stored(name)
    loaded = load_fitted(BUILDS[name](), folder)
    X, _ = rows_for(name, n=200)
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert np.array_equal(loaded.classes_, np.arange(4))


@pytest.mark.parametrize("name", BUILDS)
def test_the_same_training_gives_the_same_bytes(
    name: str, stored: Callable[[str], tuple[Pipeline, Path]], tmp_path: Path
) -> None:
    _, folder = stored(name)
    torch.manual_seed(0)
    elsewhere = [np.ones(1000) for _ in range(50)]  # objects of the second model lie at other addresses
    save_fitted(BUILDS[name]().fit(*rows_for(name)), tmp_path)
    assert len(elsewhere) == 50
    names = [path.relative_to(folder) for path in files_in(folder)]
    assert [path.relative_to(tmp_path) for path in files_in(tmp_path)] == names
    for path in names:
        assert (tmp_path / path).read_bytes() == (folder / path).read_bytes(), path


def test_skops_files_of_two_processes_are_the_same(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.test_persistence import *;"
        "save_fitted(boosting(2).fit(*four_clouds(80)), Path(sys.argv[1]))"
    )
    for name in ("one", "other"):
        subprocess.run([sys.executable, "-c", program, tmp_path / name], check=True)
    one, other = ((tmp_path / name / TREES) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", BUILDS)
def test_files_hold_no_pickle_but_torchs_of_tensors(
    name: str, stored: Callable[[str], tuple[Pipeline, Path]]
) -> None:
    _, folder = stored(name)
    for path in files_in(folder):
        if path.suffix == ".json":
            json.loads(path.read_text())
            continue
        with zipfile.ZipFile(path) as file:
            assert path.suffix in {".npz", ".skops", ".pt"}
            if path.suffix == ".pt":
                _assert_tensors_only(path, file)
            else:
                _assert_plain(file)


def _assert_plain(file: zipfile.ZipFile) -> None:
    """Only JSON and arrays of numbers."""
    for member in file.namelist():
        assert Path(member).suffix in PLAIN_MEMBERS
        content = file.read(member)
        if member.endswith(".json"):
            json.loads(content)
        else:
            assert not np.load(io.BytesIO(content), allow_pickle=False).dtype.hasobject
        assert not _is_pickle(content)


def _assert_tensors_only(path: Path, file: zipfile.ZipFile) -> None:
    """Torch's pickle calls nothing but what makes tensors, and its safe reader takes it."""
    (pickled,) = (member for member in file.namelist() if member.endswith("data.pkl"))
    called = {
        str(argument)
        for opcode, argument, _ in pickletools.genops(file.read(pickled))
        if opcode.name == "GLOBAL"
    }
    assert called <= OF_TENSORS
    state = torch.load(path, weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())


def _is_pickle(content: bytes) -> bool:
    """Whether these bytes are a whole pickle: operations up to the one that ends it."""
    try:
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(content))
    except (ValueError, IndexError, UnicodeDecodeError):
        return False


def test_the_search_for_pickles_finds_one() -> None:
    assert _is_pickle(pickle.dumps({"a": 1})) and not _is_pickle(b"{}") and not _is_pickle(b"\x93NUMPY\x01")


class _Payload:
    """What leaves a mark when its pickle is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.mark,)


def _as_pickle(payload: _Payload, path: Path) -> None:
    path.write_bytes(pickle.dumps(payload))


def _as_object_arrays(payload: _Payload, path: Path) -> None:
    with np.load(path) as stored:
        names = stored.files or ["classes_"]
    np.savez(path, **{name: np.array([payload], dtype=object) for name in names})


def _as_torch_file(payload: _Payload, path: Path) -> None:
    torch.save({"layers.0.weight": payload}, path)


def _as_old_torch_file(payload: _Payload, path: Path) -> None:
    torch.save(payload, path, _use_new_zipfile_serialization=False)


def _as_object_array_in_skops(payload: _Payload, path: Path) -> None:
    members = _members(path)
    content = io.BytesIO()
    np.save(content, np.array([payload], dtype=object), allow_pickle=True)
    _write_zip(
        path, {name: content.getvalue() if name.endswith("npy") else members[name] for name in members}
    )


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def _write_zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)


@pytest.mark.parametrize(
    ("name", "file", "plant"),
    [
        ("logistic_regression", "steps.json", _as_pickle),
        ("logistic_regression", "columnscaler.npz", _as_pickle),
        ("logistic_regression", "columnscaler.npz", _as_object_arrays),
        ("logistic_regression", "logisticregression.npz", _as_object_arrays),
        ("neural_network", NETWORK, _as_pickle),
        ("neural_network", NETWORK, _as_torch_file),
        ("neural_network", NETWORK, _as_old_torch_file),
        ("boosting", TREES, _as_pickle),
        ("boosting", TREES, _as_object_array_in_skops),
    ],
)
def test_a_pickle_that_runs_code_is_refused_without_running(
    name: str,
    file: str,
    plant: Callable[[_Payload, Path], None],
    copy_of: Callable[[str], tuple[Pipeline, Path]],
    tmp_path: Path,
) -> None:
    _, folder = copy_of(name)
    assert (folder / file).is_file()
    mark = tmp_path / "it ran"
    plant(_Payload(mark), folder / file)
    refused(name, folder)
    assert not mark.exists()


def test_the_planted_pickle_does_run_where_pickles_are_read(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(_Payload(tmp_path / "it ran")))
    assert (tmp_path / "it ran").exists()


def _truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _alter(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x40]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [_truncate, _alter, lambda content: b""])
@pytest.mark.parametrize("name", BUILDS)
def test_a_damaged_file_is_refused_whichever_it_is(
    name: str, damage: Callable[[bytes], bytes], copy_of: Callable[[str], tuple[Pipeline, Path]]
) -> None:
    _, folder = copy_of(name)
    for path in files_in(folder):
        whole = path.read_bytes()
        if len(whole) < 100 and path.suffix == ".npz":
            continue  # of a step that fitting gives nothing
        path.write_bytes(damage(whole))
        refused(name, folder)
        path.write_bytes(whole)
    load_fitted(BUILDS[name](), folder)


def test_weights_whose_bytes_changed_are_refused(
    copy_of: Callable[[str], tuple[Pipeline, Path]],
) -> None:
    model, folder = copy_of("neural_network")
    path = folder / NETWORK
    weights = model[-1].module_.layers[0].weight.detach().numpy().tobytes()
    content = bytearray(path.read_bytes())
    place = content.find(weights)
    assert place > 0
    content[place + 2] ^= 0x40
    path.write_bytes(bytes(content))
    assert "is not what was written" in refused("neural_network", folder)


@pytest.mark.parametrize("name", BUILDS)
def test_a_missing_file_is_refused(name: str, copy_of: Callable[[str], tuple[Pipeline, Path]]) -> None:
    _, folder = copy_of(name)
    for path in files_in(folder):
        whole = path.read_bytes()
        path.unlink()
        refused(name, folder)
        path.write_bytes(whole)
    shutil.rmtree(folder)
    assert "FileNotFoundError" in refused(name, folder)


@pytest.mark.parametrize("name", BUILDS)
def test_files_of_any_other_pipeline_are_refused(
    name: str, stored: Callable[[str], tuple[Pipeline, Path]]
) -> None:
    others = [other for other in BUILDS if _steps(other) != _steps(name)]
    assert len(others) >= len(BUILDS) // 2
    for other in others:
        refused(name, stored(other)[1])


def _steps(name: str) -> list[str]:
    return [step for step, _ in BUILDS[name]().steps]


def test_a_network_of_other_widths_is_refused(copy_of: Callable[[str], tuple[Pipeline, Path]]) -> None:
    _, folder = copy_of("neural_network")
    settings = settings_of("neural_network")
    for update, columns in (({"hidden": (128, 64, 64, 32)}, N_FEATURES), ({}, 9)):
        other = build_model(settings.model_copy(update=update), ((columns,),), 0, "cpu")
        with pytest.raises(InputError, match="size mismatch"):
            load_fitted(other, folder)


def test_state_dicts_of_something_else_are_refused(copy_of: Callable[[str], tuple[Pipeline, Path]]) -> None:
    _, folder = copy_of("neural_network")
    for state in ({}, [1, 2], {"layers.0.weight": 3}, torch.zeros(3)):
        torch.save(state, folder / NETWORK)
        refused("neural_network", folder)


def test_arrays_that_lack_one_are_refused(copy_of: Callable[[str], tuple[Pipeline, Path]]) -> None:
    _, folder = copy_of("logistic_regression")
    path = folder / "columnscaler.npz"
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files if name != "scale_"}
    np.savez(path, **arrays)
    assert "scale_" in refused("logistic_regression", folder)


def test_a_single_array_in_place_of_a_file_of_arrays_is_refused(
    copy_of: Callable[[str], tuple[Pipeline, Path]],
) -> None:
    _, folder = copy_of("logistic_regression")
    with (folder / "columnscaler.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    refused("logistic_regression", folder)


def test_an_object_array_is_never_written(tmp_path: Path) -> None:
    model = make_pipeline(LogisticRegression()).fit(*four_clouds(80))
    model[-1].coef_ = np.array([_Payload(tmp_path / "mark")], dtype=object)
    with pytest.raises(ValueError, match="allow_pickle"):
        save_fitted(model, tmp_path / "fold-0")
    assert [path for path in (tmp_path / "fold-0").iterdir() if path.name.startswith(".tmp")] == []


def run_anything(X: np.ndarray) -> np.ndarray:
    """A function of nobody's library."""
    return X


def test_a_skops_file_with_a_type_that_is_not_trusted_is_refused(
    copy_of: Callable[[str], tuple[Pipeline, Path]],
) -> None:
    _, folder = copy_of("boosting")
    path = folder / TREES
    skops.io.dump(FunctionTransformer(run_anything), path)
    message = refused("boosting", folder)
    assert "UntrustedTypesFoundException" in message and "run_anything" in message


def test_a_skops_file_that_names_a_function_in_place_of_a_type_is_refused(
    copy_of: Callable[[str], tuple[Pipeline, Path]],
) -> None:
    _, folder = copy_of("boosting")
    path = folder / TREES
    members = _members(path)
    (trusted,) = TRUSTED
    module, _, name = trusted.rpartition(".")
    schema = members["schema.json"].decode()
    assert schema.count(f'"__class__": "{name}", "__module__": "{module}"') == 20  # 5 iterations of 4 moods
    members["schema.json"] = schema.replace(
        f'"__class__": "{name}", "__module__": "{module}"', '"__class__": "system", "__module__": "os"'
    ).encode()
    _write_zip(path, members)
    assert re.search(r"Untrusted.*(os|posix)\.system", refused("boosting", folder))


def test_a_skops_file_of_another_estimator_is_refused(
    copy_of: Callable[[str], tuple[Pipeline, Path]],
) -> None:
    _, folder = copy_of("boosting")
    path = folder / TREES
    skops.io.dump(LogisticRegression().fit(*four_clouds(40)), path)
    with pytest.raises(InputError, match="holds no HistGradientBoostingClassifier; train the model again"):
        load_fitted(boosting(), folder)


def test_what_is_trusted_is_what_gradient_boosting_needs_and_no_more(
    stored: Callable[[str], tuple[Pipeline, Path]], tmp_path: Path
) -> None:
    _, folder = stored("boosting")
    assert skops.io.get_untrusted_types(file=folder / TREES) == list(TRUSTED)
    stopping = HistGradientBoostingClassifier(early_stopping=True, validation_fraction=0.2, random_state=1)
    save_fitted(make_pipeline(stopping).fit(*four_clouds(80)), tmp_path)
    assert skops.io.get_untrusted_types(file=next(tmp_path.glob("*.skops"))) == list(TRUSTED)
    assert not any(module in trusted for trusted in TRUSTED for module in ("os.", "subprocess", "builtins"))
