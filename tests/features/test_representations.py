"""The contract that every module of features/representations keeps."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from mer_tasks.errors import InputError
from mer_tasks.features.representations import (
    Array,
    ClipReader,
    computed,
    licence_of,
    module_of,
    network_files,
    takes_audio,
    with_needed,
)
from mer_tasks.settings import Params, RepresentationSettings, plugin_names

NAMES = plugin_names("representations")
COMPUTED = [name for name in NAMES if takes_audio(name)]
HEAVY = ("librosa", "matplotlib", "numba", "pandas", "scipy", "sklearn", "torch", "torchvision")


@pytest.fixture
def y() -> np.ndarray:
    """As much of a chord in noise as musicnn reads at least."""
    t = np.arange(66150) / 22050
    chord = np.sin(2 * np.pi * np.array([220.0, 277.2, 329.6])[:, None] * t).sum(axis=0)
    return (0.1 * chord + 0.01 * np.random.default_rng(0).normal(size=len(t))).astype(np.float32)


@pytest.fixture
def network(quick: Params, tmp_path: Path) -> Path:
    """A folder with the weights of both networks."""
    for name in ("resnet18", "musicnn"):
        module_of(name).write_network(quick, tmp_path)  # type: ignore[attr-defined]
    return tmp_path


def test_which_there_are() -> None:
    of_networks = {"musicnn", "musicnn_patches", "resnet18", "resnet18_windows"}
    assert set(NAMES) == of_networks | {"frames", "image", "marsyas", "psychoacoustic", "spotify", "summary"}
    assert set(NAMES) - set(COMPUTED) == {"spotify"}


@pytest.mark.parametrize("name", NAMES)
def test_a_module_has_what_the_contract_names(name: str, quick: Params) -> None:
    module = module_of(name)
    assert issubclass(module.Settings, RepresentationSettings)
    assert module.KEPT in ("given", "table", "array")
    names = module.names(quick)
    assert len(set(names)) == len(names) > 0
    needed = ("rows",) if module.KEPT == "given" else ("parts", "assemble", "CODE", "NETWORK_FILES")
    needed += ("n_frames",) if module.KEPT == "array" else ()
    assert all(hasattr(module, one) for one in needed)
    has_network = bool(getattr(module, "NETWORK_FILES", ()))
    assert hasattr(module, "write_network") == bool(licence_of(name)) == has_network


@pytest.mark.parametrize("name", COMPUTED)
def test_its_own_settings_and_those_that_it_needs_are_enough(name: str, quick: Params, network: Path) -> None:
    few = {one: quick.representations[one] for one in with_needed([name])}
    reader = ClipReader(quick.model_copy(update={"representations": few}), name, network)
    assert [part.id for part in reader.parts] == [part.id for part in ClipReader(quick, name, network).parts]


@pytest.mark.parametrize("name", NAMES)
def test_a_module_is_light_to_import(name: str) -> None:
    code = f"import sys, mer_tasks.features.representations.{name};"
    code += f"sys.exit(' '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", COMPUTED)
def test_a_clip_has_a_finite_number_for_every_name(
    name: str, quick: Params, network: Path, y: np.ndarray
) -> None:
    reader = ClipReader(quick, name, network)
    values = reader.compute(y)
    module = module_of(name)
    length = [cast(Array, module).n_frames(quick)] if module.KEPT == "array" else []
    assert values.dtype == np.float32
    assert values.shape == (len(reader.names), *length)
    assert np.isfinite(values).all()


@pytest.mark.parametrize("name", COMPUTED)
def test_a_reader_gives_the_same_again_and_in_another_process(
    name: str, quick: Params, network: Path, y: np.ndarray
) -> None:
    reader = ClipReader(quick, name, network)
    values = reader.compute(y)
    np.testing.assert_array_equal(reader.compute(y), values)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reader)).compute(y), values)


@pytest.mark.parametrize("name", COMPUTED)
def test_parts_can_be_kept_and_a_table_is_one(name: str, quick: Params, network: Path) -> None:
    parts = computed(name).parts(quick, network, "cpu")
    assert len({part.id for part in parts}) == len(parts)
    assert all(part.id.startswith(f"{part.name}-") for part in parts)
    if module_of(name).KEPT == "table":
        assert len(parts) == 1


def test_image_and_frames_share_what_they_are_made_of(quick: Params) -> None:
    image, frames = (
        {part.id for part in computed(name).parts(quick, None, "cpu")} for name in ("image", "frames")
    )
    assert [part_id.partition("-")[0] for part_id in image & frames] == ["mel"]


@pytest.mark.parametrize("name", ["resnet18", "resnet18_windows", "musicnn", "musicnn_patches"])
def test_what_serving_needs_beside_the_settings(
    name: str, quick: Params, network: Path, y: np.ndarray, tmp_path: Path
) -> None:
    (weights,) = network_files(name, network)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / weights.name).write_bytes(weights.read_bytes())
    here, there = (ClipReader(quick, name, folder).compute(y) for folder in (network, elsewhere))
    np.testing.assert_array_equal(here, there)
    without = [one for one in NAMES if not one.startswith(("resnet18", "musicnn"))]
    assert [network_files(one, network) for one in without] == [()] * 6


def test_a_network_that_is_not_there(quick: Params, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"weights\.pt: no such file; run mer features$"):
        network_files("resnet18", tmp_path)
    for folder in (None, tmp_path):
        with pytest.raises(InputError, match=r": holds no weights\.pt; run mer features$"):
            ClipReader(quick, "resnet18", folder)


@pytest.mark.parametrize("damage", [b"", b"no weights", None], ids=["empty", "text", "cut"])
def test_a_damaged_network_is_refused_when_it_is_loaded(
    quick: Params, network: Path, damage: bytes | None
) -> None:
    path = network / "weights.pt"
    path.write_bytes(path.read_bytes()[:-1000] if damage is None else damage)
    with pytest.raises(
        InputError, match=r"weights\.pt: no weights that torch can load safely .*; run mer features again$"
    ):
        ClipReader(quick, "resnet18", network)


def test_another_networks_weights_are_refused(quick: Params, network: Path) -> None:
    resnet18 = quick.representations["resnet18"].model_copy(update={"kernel_size": 5})
    other = quick.model_copy(update={"representations": quick.representations | {"resnet18": resnet18}})
    with pytest.raises(
        InputError, match=r"weights\.pt: not the weights of this network .*; run mer features"
    ):
        ClipReader(other, "resnet18", network)


def test_no_audio_gives_spotifys_features(quick: Params) -> None:
    with pytest.raises(InputError, match="spotify: comes with the songs, no audio gives it; read another"):
        ClipReader(quick, "spotify")


def test_the_network_needs_the_images_settings(quick: Params, network: Path) -> None:
    without = {name: one for name, one in quick.representations.items() if name != "image"}
    with pytest.raises(InputError, match=r"representations\.image: missing; add it"):
        ClipReader(quick.model_copy(update={"representations": without}), "resnet18", network)
