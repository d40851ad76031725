"""Drift fires for what has changed, and not by chance."""

import numpy as np
import pandas as pd
import pytest

from mer_tasks.domain import MOODS
from mer_tasks.quality.drift import compare, drift_alert
from mer_tasks.settings import Params


def table(rng: np.random.Generator, n: int, shift: float = 0.0, columns: int = 10) -> pd.DataFrame:
    values = rng.normal(size=(n, columns))
    values[:, 0] += shift
    return pd.DataFrame(values, columns=[f"proxy_{place}" for place in range(columns)])


def moods(rng: np.random.Generator, n: int, *shares: float) -> list[str]:
    return list(rng.choice(MOODS, n, p=shares or None))


def test_songs_of_the_same_kind_hardly_ever_drift(params: Params) -> None:
    rng = np.random.default_rng(0)
    fired = 0
    for _ in range(300):
        found = compare(table(rng, 300), table(rng, 60), moods(rng, 300), moods(rng, 60), params.quality)
        fired += any(one.has_drifted for one in found)
    assert fired <= 6  # at a share of 0.01, 3 are expected


def test_a_column_and_moods_that_have_shifted_are_named_and_no_other(params: Params) -> None:
    rng = np.random.default_rng(1)
    uneven = moods(rng, 60, 0.7, 0.1, 0.1, 0.1)
    found = compare(table(rng, 300), table(rng, 60, shift=1.2), moods(rng, 300), uneven, params.quality)
    assert [one.column for one in found if one.has_drifted] == ["proxy_0", "predicted mood"]
    assert "has drifted: median " in found[0].line
    alert = drift_alert([one for one in found if one.has_drifted], 300, 60, "mood version 3")
    assert (alert.key, alert.severity) == ("drift", "warning")
    assert alert.title == "drift: new songs differ in proxy_0, predicted mood"
    assert "60 songs that are new to mood version 3" in alert.text and "sad 6" in alert.text


def test_a_difference_that_is_sure_and_small_is_no_drift(params: Params) -> None:
    rng = np.random.default_rng(2)
    found = compare(table(rng, 20_000), table(rng, 20_000, shift=0.1), [], [], params.quality)
    assert found[0].p_value < 1e-6
    assert not found[0].has_drifted


@pytest.mark.parametrize(("n", "compared"), [(29, 0), (30, 11)])
def test_few_songs_are_not_compared(n: int, compared: int, params: Params) -> None:
    rng = np.random.default_rng(3)
    assert (
        len(compare(table(rng, 300), table(rng, n), moods(rng, 300), moods(rng, n), params.quality))
        == compared
    )


def test_one_mood_alone_everywhere_is_no_drift(params: Params) -> None:
    (found,) = compare(pd.DataFrame(), pd.DataFrame(), ["sad"] * 40, ["sad"] * 40, params.quality)
    assert (found.distance, found.p_value, found.has_drifted) == (0, 1, False)
