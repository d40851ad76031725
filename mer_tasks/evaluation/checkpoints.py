"""Which file says where the training of a network stands: one that is named by all that the training depends on."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer_tasks.code_identity import code_identity
from mer_tasks.networks.curve import Curve
from mer_tasks.settings import EvaluationSettings, SystemSettings

Watch = Callable[[str, int, Curve], None]
"""Is told after each epoch, and when a training goes on: the fold's identity, its number, its curve so far."""


@dataclass(frozen=True)
class Checkpoints:
    """The files of one model's folds in a folder; `device` is the one that a person asked for.

    `watch` is told of the folds' epochs: it returns at once and raises nothing, for the training waits.
    """

    folder: Path
    settings: SystemSettings
    evaluation: EvaluationSettings
    device: str
    watch: Watch | None = None

    def path(self, seed: int, *arrays: np.ndarray) -> Path:
        """The file of a training with this seed on rows and moods: other code or data have another one."""
        code = code_identity("mer_tasks.evaluation.training", f"mer_tasks.models.{self.settings.system}")
        given = (self.settings.model_dump_json(), self.evaluation.protocol, self.device, code, seed)
        digest = hashlib.sha256(repr(given).encode())
        for array in arrays:
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return self.folder / f"{digest.hexdigest()[:32]}.pt"

    def clear(self) -> None:
        """Remove them all: the training has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
