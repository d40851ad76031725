"""What becomes of a network's output over time: means, ten patches, five windows; computed once for all of them."""

from pathlib import Path

import numpy as np
import pytest

from mer_tasks.features.representations import ClipReader, computed, module_of
from mer_tasks.features.sequences import five_windows, mean_over_time, ten_patches
from mer_tasks.settings import Params


def test_a_constant_column_has_the_same_mean_whatever_the_number_of_steps() -> None:
    means = {float(mean_over_time(np.full((n, 1), 0.1, np.float32))[0]) for n in range(1, 40)}
    assert means == {float(np.float32(0.1))}


@pytest.mark.parametrize(
    ("n", "expected"), [(1, [0] * 10), (4, [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]), (12, range(10))]
)
def test_a_short_clip_begins_again_and_a_long_one_is_cut(n: int, expected: list[int]) -> None:
    patches = np.repeat(np.arange(n, dtype=np.float32)[:, None], 3, axis=1)
    found = ten_patches(patches)
    assert found.shape == (3, 10)
    assert found[1].tolist() == list(expected)


def test_a_window_is_a_third_and_begins_half_a_window_after_the_one_before() -> None:
    steps = np.arange(60, dtype=np.float32)[:, None]
    assert five_windows(steps).tolist() == [[9.5, 19.5, 29.5, 39.5, 49.5]]


@pytest.mark.parametrize("n", [1, 2, 5, 7])
def test_few_columns_give_windows_too(n: int) -> None:
    found = five_windows(np.arange(n, dtype=np.float32)[:, None])
    assert found.shape == (1, 5) and np.isfinite(found).all()


@pytest.mark.parametrize(
    ("table", "array"), [("musicnn", "musicnn_patches"), ("resnet18", "resnet18_windows")]
)
def test_a_network_runs_once_for_both(table: str, array: str, quick: Params, tmp_path: Path) -> None:
    for name, folder in ((table, tmp_path / "table"), (array, tmp_path / "array")):
        folder.mkdir()
        module_of(name).write_network(quick, folder)  # type: ignore[attr-defined]
    ids = [
        [part.id for part in computed(name).parts(quick, folder, "cpu")]
        for name, folder in ((table, tmp_path / "table"), (array, tmp_path / "array"))
    ]
    assert ids[0] == ids[1]


def test_windows_of_a_steady_sound_are_what_the_network_gives_for_all_of_it(
    quick: Params, tmp_path: Path
) -> None:
    module_of("resnet18").write_network(quick, tmp_path)  # type: ignore[attr-defined]
    y = np.random.default_rng(0).normal(0, 0.1, 30 * 22050).astype(np.float32)
    whole, windows = (
        ClipReader(quick, name, tmp_path).compute(y) for name in ("resnet18", "resnet18_windows")
    )
    assert np.corrcoef(whole, windows[:, 2])[0, 1] > 0.99
