"""Rows of several representations, as a model that reads them is given them."""

import numpy as np
import pytest

from mer_tasks.features.joined import JoinedRows, joined


def test_one_representation_is_as_it_is() -> None:
    values = np.ones((3, 4), np.float32)
    assert joined([values]) is values


def test_several_are_flattened_one_after_the_other() -> None:
    table, image = np.arange(3, dtype=np.float32), np.arange(6, dtype=np.float32).reshape(2, 3)
    assert joined([image, table]).tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]


@pytest.mark.parametrize("index", [slice(None), slice(1, 3), np.array([2, 0]), [1]])
def test_rows_are_those_of_the_songs_asked_for(index: slice | np.ndarray | list[int]) -> None:
    rng = np.random.default_rng(0)
    images, tables = rng.normal(size=(4, 2, 3)), rng.normal(size=(5, 3))
    places = np.array([3, 0, 1]), np.array([4, 2, 0])
    rows = JoinedRows([(images, places[0]), (tables, places[1])])
    whole = np.stack([joined([images[i], tables[j]]) for i, j in zip(*places, strict=True)])
    assert len(rows) == 3 and rows.shape == (3, 9)
    assert np.array_equal(rows[index], whole[index])
