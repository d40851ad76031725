"""From a registered model and a song to its mood."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException

from mer_tasks.domain import MOODS, InputError
from mer_tasks.registry.connection import connect
from mer_tasks.settings import Machine


@dataclass(frozen=True)
class Answer:
    """A model's answer for one song."""

    mood: str
    probabilities: dict[str, float]


class RegisteredModel:
    """A model of the registry, loaded: takes a file's bytes, gives its mood."""

    def __init__(self, machine: Machine, uri: str) -> None:
        """Load `uri`, such as `models:/mood@champion` or `models:/mood/3`.

        Raises:
            InputError: MLflow does not answer or has no such model.
        """
        connect(machine)
        try:
            self._model: Any = mlflow.pyfunc.load_model(uri)
        except (
            MlflowException,
            OSError,
            ValueError,
            KeyError,
        ) as error:  # a version of another age may not load
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{uri}: {reason}; run mer register and mer promote, or name another model"
            ) from error

    def hear(self, path: Path) -> Answer:
        """The mood of one song.

        Raises:
            InputError: the file cannot be read, decoded, or is too short; the message names it.
        """
        try:
            audio = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}; give a song's file") from error
        try:
            row = self._model.predict(pd.DataFrame({"audio": [audio]})).iloc[0]
        except InputError as error:
            raise InputError(f"{path}: {str(error).removeprefix('audio: ')}") from error
        return Answer(row["mood"], {mood: float(row[mood]) for mood in MOODS})
