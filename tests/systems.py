"""Every system of `mer_tasks/models`, built by its own entry of params.yaml, and songs that are easy to classify."""

from math import prod
from pathlib import Path

import numpy as np
from sklearn.pipeline import Pipeline

from mer_tasks.domain import MOODS
from mer_tasks.models import Shapes, build_model
from mer_tasks.settings import SystemSettings, TorchSettings, load_params, plugin_names

ROOT = Path(__file__).parents[1]

SYSTEMS = plugin_names("models")

SHAPES: dict[str, tuple[int, ...]] = {"image": (8, 96)}
"""Of one row of a representation, where it is not a table of `N_FEATURES` columns."""

N_FEATURES = 12

FEW_EPOCHS = {"epochs": 12, "step_size": 8, "batch_size": 16, "lr": 0.01}


def settings_of(system: str) -> SystemSettings:
    """The entry of params.yaml that this system builds, with few epochs where it has any."""
    entries = load_params(ROOT / "params.yaml").models.values()
    settings = next(entry for entry in entries if entry.system == system)
    return settings.model_copy(update=FEW_EPOCHS) if isinstance(settings, TorchSettings) else settings


def shapes_of(settings: SystemSettings) -> Shapes:
    """The shape of a row of each representation that a model reads."""
    return tuple(SHAPES.get(name, (N_FEATURES,)) for name in settings.reads)


def shape_of(system: str) -> tuple[int, ...]:
    """The shape of a row of what the system is given: of several representations flattened and joined."""
    shapes = shapes_of(settings_of(system))
    return shapes[0] if len(shapes) == 1 else (sum(prod(shape) for shape in shapes),)


def built(system: str, seed: int = 0) -> Pipeline:
    """The system's unfitted pipeline."""
    return build_model(settings_of(system), shapes_of(settings_of(system)), seed, "cpu")


def four_clouds(
    n: int, shape: tuple[int, ...] = (N_FEATURES,), seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Noise, float32 of shape (n, …), in which the first four columns, or rows of an array, depend on the mood; and the moods."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % len(MOODS)
    X = rng.normal(size=(n, *shape))
    X[:, : len(MOODS)] += 4 * np.eye(len(MOODS))[y].reshape(n, len(MOODS), *[1] * (len(shape) - 1))
    return X.astype(np.float32), y
