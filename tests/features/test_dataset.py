"""A representation of a data set is read as it was written, or not at all."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mer_tasks.errors import InputError
from mer_tasks.features.build import build_features
from mer_tasks.features.dataset import StoredArrays, load_features
from mer_tasks.features.folder import part_files, read_part_file, write_part_file
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import load_params
from mer_tasks.workspace import Workspace
from tests.features.conftest import ROOT, quick_params

REPRESENTATIONS = ("spotify", "summary", "frames", "image", "resnet18", "musicnn")


@pytest.fixture(scope="module")
def built(clips: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the features of three tones, and the store."""
    from tests.features.conftest import songs

    root = tmp_path_factory.mktemp("built")
    snapshot = songs.__wrapped__(clips)(["tone-220", "tone-440", "tone-880"], ("tone-440",))
    params = quick_params(load_params(ROOT / "params.yaml"))
    build_features(
        snapshot, params, Workspace(root), FolderStore(Path(clips["store"])), FolderStore(root / "store"), 1
    )
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    """The same, the test's own."""
    return Path(shutil.copytree(built, tmp_path / "root"))


def load(root: Path, name: str) -> StoredArrays | np.ndarray:
    return load_features(Workspace(root).representation(name), FolderStore(root / "store")).values


def test_arrays_are_indexed_as_numpys(built: Path) -> None:
    values = load(built, "image")
    everything = values[:]
    assert (len(values), values.shape, values.ndim) == (3, (3, 65, 323), 3)
    assert (everything.shape, everything.dtype) == ((3, 65, 323), np.float32)
    for index in (0, 2, -1, np.int64(1), [2, 0], np.array([1, 1]), slice(1), np.array([True, False, True])):
        np.testing.assert_array_equal(values[index], everything[index])
    for place in (3, -4):
        with pytest.raises(IndexError):
            _ = values[place]


def test_arrays_are_read_when_they_are_asked_for(root: Path) -> None:
    values = load(root, "image")
    first = values[0]
    shutil.rmtree(next((root / "store").glob("centroid-*")))
    assert first.shape == (65, 323)
    with pytest.raises(
        InputError, match=r"store/centroid-\w+/../\w+\.npz: missing or damaged; run mer features again$"
    ):
        _ = values[0]


def test_a_damaged_array_names_its_file(root: Path) -> None:
    values = load(root, "frames")
    for path in (root / "store").glob("rms-*/*/*.npz"):
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"rms-.*: missing or damaged; run mer features again$"):
        _ = values[[0, 1]]


def test_arrays_need_the_store(built: Path) -> None:
    with pytest.raises(InputError, match="image: its values lie in the feature store, which was not given"):
        load_features(Workspace(built).representation("image"))


def test_frames_are_in_their_own_units(built: Path) -> None:
    frames, image = load(built, "frames"), load(built, "image")
    assert frames[0][:32].max() > 1 >= image[0].max()


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_nothing_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        InputError, match=rf"features/{name}: holds no {name} that can be read; run mer features"
    ):
        load_features(Workspace(tmp_path).representation(name), FolderStore(tmp_path / "store"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def swap_clips(path: Path) -> None:
    _, values = read_part_file(path)
    write_part_file(path, {"f" * 64: values[0]})


def rename_columns(path: Path) -> None:
    meta = json.loads(path.read_text())
    path.write_text(json.dumps(meta | {"names": meta["names"][1:]}))


def other_representation(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"representation": "wavelets"}))


@pytest.mark.parametrize("name", REPRESENTATIONS)
@pytest.mark.parametrize("damage", [cut, Path.unlink, other_representation])
def test_a_damaged_description(root: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(Workspace(root).representation(name) / "meta.json")
    with pytest.raises(InputError, match=rf"{name}: holds no {name} .*; run mer features again$"):
        load(root, name)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("summary/parts/*.npz", cut),
        ("summary/parts/*.npz", Path.unlink),
        ("summary/parts/*.npz", swap_clips),
        ("summary/manifest.csv", Path.unlink),
        ("summary/meta.json", rename_columns),
        ("image/manifest.csv", Path.unlink),
        ("spotify/values.csv", Path.unlink),
    ],
)
def test_a_damaged_file(root: Path, file: str, damage: Callable[[Path], None]) -> None:
    damage(next(Workspace(root).features.glob(file)))
    name = file.partition("/")[0]
    with pytest.raises(InputError, match=rf"{name}: holds no {name} .*; run mer features again$"):
        load(root, name)


def test_files_hold_clips_whose_hashes_begin_alike() -> None:
    clips = ["abc1", "ab00", "abc0", "abc1"]
    assert list(part_files(clips)) == [("parts/ab0.npz", ["ab00"]), ("parts/abc.npz", ["abc0", "abc1"])]


def test_rows_in_any_order_are_the_same_bytes(tmp_path: Path) -> None:
    rows = {digit * 64: np.full(3, place, np.float32) for place, digit in enumerate("ab0")}
    write_part_file(tmp_path / "one.npz", rows)
    write_part_file(tmp_path / "two.npz", dict(reversed(rows.items())))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    clips, values = read_part_file(tmp_path / "one.npz")
    assert clips == sorted(rows)
    np.testing.assert_array_equal(values, [rows[clip] for clip in clips])
