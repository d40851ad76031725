"""The mean of several systems: what its members read and are, and what its settings refuse."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mer_tasks.errors import InputError
from mer_tasks.models import build_model
from mer_tasks.persistence import load_fitted, save_fitted
from mer_tasks.registry.array_classifiers import load_arrays
from mer_tasks.settings import load_params, member_settings, parse_params
from tests.systems import ROOT, four_clouds

SVM = {"system": "svm", "reads": "musicnn", "C": 4.0}
LINEAR = {"system": "logistic_regression", "reads": ["summary", "musicnn"], "C": 0.1, "max_iter": 500}
TREES = {
    "system": "gradient_boosting",
    "reads": "summary",
    "learning_rate": 0.1,
    "max_iter": 5,
    "max_leaf_nodes": 4,
    "min_samples_leaf": 5,
    "l2_regularization": 1.0,
    "max_features": 0.5,
}
SHAPES = ((5,), (7,))
"""Of musicnn and summary, in the order in which the members name them first."""


def settings(*members: dict[str, Any]) -> Any:
    return member_settings({"system": "mean", "members": list(members)}, "models.mine")


def test_it_reads_what_its_members_read() -> None:
    assert settings(SVM, LINEAR).reads == ("musicnn", "summary")
    assert settings(SVM, LINEAR).systems == ("mean", "svm", "logistic_regression")


def test_it_gives_the_mean_of_members_that_see_their_own_columns_alone() -> None:
    X, y = four_clouds(120, (12,))
    artists = np.arange(120) // 2
    model = build_model(settings(SVM, TREES), SHAPES, 3, "cpu").fit(X, y, meanclassifier__groups=artists)
    svm = build_model(member_settings(SVM, ""), ((5,),), 3, "cpu")
    svm.fit(X[:, :5], y, supportvectorclassifier__groups=artists)
    trees = build_model(member_settings(TREES, ""), ((7,),), 3, "cpu").fit(X[:, 5:], y)
    theirs = (svm.predict_proba(X[:, :5]) + trees.predict_proba(X[:, 5:])) / 2
    assert model.predict_proba(X) == pytest.approx(theirs)


def test_columns_of_several_tables_are_joined_in_the_order_of_reads() -> None:
    (_, columns, _), (_, both, _) = build_model(settings(SVM, LINEAR), SHAPES, 0, "cpu")[-1].members
    assert columns.tolist() == [0, 1, 2, 3, 4]
    assert both.tolist() == [5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4]


def test_a_stored_mean_answers_from_arrays_where_all_its_members_do(tmp_path: Path) -> None:
    X, y = four_clouds(120, (12,))
    for name, members, from_arrays in (("arrays", (SVM, LINEAR), True), ("trees", (SVM, TREES), False)):
        model = build_model(settings(*members), SHAPES, 0, "cpu").fit(X, y)
        save_fitted(model, tmp_path / name)
        loaded = load_fitted(build_model(settings(*members), SHAPES, 9, "cpu"), tmp_path / name)
        assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
        arrays = load_arrays(tmp_path / name)
        assert (arrays is not None) == from_arrays
        if arrays:
            assert arrays.predict_proba(X) == pytest.approx(model.predict_proba(X), abs=1e-9)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([SVM], "members"),
        ([SVM, {**SVM, "c": 1}], "member.c: unknown key"),
        ([SVM, {**SVM, "system": "smv"}], "there is no system 'smv'"),
        ([SVM, "svm"], "member"),
        ([SVM, {"system": "mean", "members": [SVM, LINEAR]}], "mean cannot be a member"),
    ],
)
def test_a_wrong_member_is_one_line(members: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        settings(*members)
    assert "\n" not in str(caught.value)


def test_a_member_that_trains_by_epochs_is_refused() -> None:
    network = load_params(ROOT / "params.yaml").models["neural_network"].model_dump(mode="json")
    with pytest.raises(InputError, match="neural_network cannot be a member"):
        settings(SVM, network)


def test_what_a_member_reads_must_be_there_and_suit_it() -> None:
    values = load_params(ROOT / "params.yaml").model_dump(mode="json")
    for reads, problem in (("sumary", "not among representations"), ("image", "cannot read it")):
        values["models"] = {"mine": {"system": "mean", "members": [SVM, {**LINEAR, "reads": reads}]}}
        with pytest.raises(InputError, match=rf"^x: models\.mine\.reads: '{reads}': .*{problem}"):
            parse_params(values, "x")
