"""How models are built: one module a system, found by the name that a model's `system` gives.

A system's module has four names: `Settings`, the keys that a model of this system has in `params.yaml`;
`READS`, which kinds of representations it can read, one or several; `QUEUE`, where its training waits for a worker; and
`build`. It imports heavy libraries inside functions, for
`params.yaml` is read with its `Settings`. docs/models.md shows how to add one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from mer_tasks.settings import Params, Queue, Readable, SystemSettings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


Shapes = tuple[tuple[int, ...], ...]
"""The shape of a song's row of each representation that a model reads."""


class System(Protocol):
    """What a system's module offers."""

    Settings: type[SystemSettings]
    READS: Readable
    QUEUE: Queue

    @staticmethod
    def build(settings: SystemSettings, shapes: Shapes, seed: int, device: str) -> "Pipeline":
        """An unfitted classifier of moods, for rows of these shapes, one for each that `settings.reads` names.

        It has scikit-learn's `fit` and `predict_proba`; classes are places in `MOODS`. `device` is
        `auto`, `cpu` or `cuda`. What reads several takes each song's flattened and joined, shape (n, sum of sizes).
        """


def system_of(settings: SystemSettings) -> System:
    """The module of a model's system."""
    return cast(System, import_module(f"{__name__}.{settings.system}"))


def build_model(settings: SystemSettings, shapes: Shapes, seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of moods, as `System.build` gives it."""
    return system_of(settings).build(settings, shapes, seed, device)


def n_columns(shapes: Shapes) -> int:
    """The columns of tables that are joined."""
    return sum(columns for (columns,) in shapes)


def queue_of(params: Params, model: str) -> Queue:
    """Where the training of a model waits for a worker."""
    return system_of(params.models[model]).QUEUE
