"""What every system must do; a module of `mer_tasks/models` is found and tested without a line here."""

import json
import subprocess
import sys
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from mer_tasks.domain import MOODS
from mer_tasks.models import System, build_model, queue_of, system_of
from mer_tasks.persistence import load_fitted, save_fitted
from mer_tasks.settings import Kept, Queue, SystemSettings, load_params, parse_params
from tests.systems import ROOT, SYSTEMS, built, four_clouds, settings_of, shape_of, shapes_of

HEAVY = (
    "librosa",
    "matplotlib",
    "mlflow",
    "pandas",
    "scipy",
    "skops",
    "skorch",
    "sklearn",
    "torch",
    "torchvision",
)
EASY = {"smers": 0.7}
"""What a system must reach on clouds that others tell apart: a single number, the angle, stands for four moods."""

ENTRIES = load_params(ROOT / "params.yaml").models

every_system = pytest.mark.parametrize("name", SYSTEMS)


def fitted(name: str, n: int = 80, seed: int = 0) -> Pipeline:
    torch.manual_seed(seed)
    return built(name, seed).fit(*four_clouds(n, shape_of(name)))


@every_system
def test_the_module_offers_what_a_system_does(name: str) -> None:
    system: System = system_of(settings_of(name))
    assert system.__name__ == f"mer_tasks.models.{name}"  # type: ignore[attr-defined]
    assert issubclass(system.Settings, SystemSettings)
    assert system.READS.first and {*system.READS.first, *system.READS.further} <= set(get_args(Kept))
    assert system.QUEUE in get_args(Queue)
    assert list(signature(system.build).parameters) == ["settings", "shapes", "seed", "device"]
    assert system.__doc__ and system.Settings.__doc__ and system.build.__doc__


@every_system
def test_its_settings_are_frozen_and_strict(name: str) -> None:
    settings = settings_of(name)
    kind, values = type(settings), settings.model_dump(mode="json")
    assert kind.model_validate(json.loads(json.dumps(values))) == settings
    with pytest.raises(ValidationError, match="frozen"):
        settings.reads = "other"
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        kind.model_validate({**values, "no_such_key": 1})
    for key in values.keys() - ({"reads"} if "members" in values else set()):  # what its members read
        with pytest.raises(ValidationError, match="Field required"):
            kind.model_validate({other: value for other, value in values.items() if other != key})


@every_system
def test_numbers_of_its_settings_are_finite(name: str) -> None:
    settings = settings_of(name)
    for key, value in settings.model_dump().items():
        if isinstance(value, float):
            for wrong in (float("nan"), float("inf")):
                with pytest.raises(ValidationError, match=key):
                    type(settings).model_validate({**settings.model_dump(), key: wrong})


@pytest.mark.parametrize("model", ENTRIES)
def test_each_entry_of_params_yaml_builds(model: str) -> None:
    params = load_params(ROOT / "params.yaml")
    settings = params.models[model]
    pipeline = build_model(settings, shapes_of(settings), params.evaluation.seed, "cpu")
    assert isinstance(pipeline, Pipeline)
    assert queue_of(params, model) == import_module(f"mer_tasks.models.{settings.system}").QUEUE
    assert parse_params(params.model_dump(mode="json"), "x").models[model] == settings


def test_every_system_is_trained_by_default() -> None:
    assert {entry.system for entry in ENTRIES.values()} == set(SYSTEMS)


def test_importing_a_system_imports_no_heavy_library() -> None:
    """params.yaml is read by every command and by Airflow's processes."""
    program = (
        "import sys, importlib\n"
        f"for name in {SYSTEMS!r}: importlib.import_module(f'mer_tasks.models.{{name}}')\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


@every_system
def test_build_gives_an_unfitted_classifier(name: str) -> None:
    model = built(name)
    assert isinstance(model, Pipeline) and is_classifier(model)
    with pytest.raises(NotFittedError):
        check_is_fitted(model[-1])
    assert len({step for step, _ in model.steps}) == len(model.steps)
    again = clone(model)
    assert [type(step) for step in again] == [type(step) for step in model]


@every_system
def test_probabilities_have_a_column_a_mood_and_sum_to_one(name: str) -> None:
    model = fitted(name)
    X, _ = four_clouds(33, shape_of(name), seed=1)
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (33, len(MOODS))
    assert np.isfinite(probabilities).all() and (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(33), abs=1e-5)
    assert np.array_equal(model.classes_, np.arange(len(MOODS)))
    assert np.array_equal(model.predict(X), probabilities.argmax(axis=1))


@every_system
def test_it_learns_four_easy_clouds(name: str) -> None:
    X, y = four_clouds(160, shape_of(name))
    torch.manual_seed(0)
    model = built(name).fit(X[:120], y[:120])
    assert model.score(X[120:], y[120:]) > EASY.get(name, 0.9)
    shuffled = np.random.default_rng(0).permutation(y[:120])
    assert built(name).fit(X[:120], shuffled).score(X[120:], y[120:]) < 0.6


@every_system
def test_the_same_seed_gives_the_same_numbers(name: str) -> None:
    X, _ = four_clouds(40, shape_of(name), seed=1)
    first, again = (fitted(name, seed=7).predict_proba(X) for _ in range(2))
    assert np.array_equal(first, again)


@every_system
def test_a_song_is_predicted_alone_as_among_others(name: str) -> None:
    model = fitted(name)
    X, _ = four_clouds(20, shape_of(name), seed=1)
    together = model.predict_proba(X)
    alone = np.concatenate([model.predict_proba(X[row : row + 1]) for row in range(len(X))])
    assert alone == pytest.approx(together, abs=1e-5)


@every_system
def test_fitting_changes_neither_rows_nor_moods(name: str) -> None:
    X, y = four_clouds(60, shape_of(name))
    before = X.copy(), y.copy()
    built(name).fit(X, y).predict_proba(X)
    assert np.array_equal(X, before[0]) and np.array_equal(y, before[1])


@every_system
def test_fitting_again_begins_anew(name: str) -> None:
    X, y = four_clouds(80, shape_of(name))
    torch.manual_seed(0)
    model = built(name).fit(X, (y + 1) % 4)
    torch.manual_seed(0)
    model.fit(X, y)
    assert np.array_equal(model.predict_proba(X), fitted(name).predict_proba(X))


@every_system
def test_it_is_stored_without_a_pickle_and_loaded_into_a_new_pipeline(name: str, tmp_path: Path) -> None:
    model = fitted(name)
    save_fitted(model, tmp_path)
    loaded = load_fitted(built(name, seed=99), tmp_path)
    X, _ = four_clouds(40, shape_of(name), seed=1)
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
