"""The code of a registered model, which MLflow runs when it loads one ("models from code")."""

from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from mer_tasks.domain import MOODS
from mer_tasks.registry.mood_model import MoodModel


class ServableMoodModel(PythonModel):
    """Takes a table with the column `audio` (a file's bytes, base64 in JSON); gives `mood` and four probabilities."""

    def load_context(self, context: Any) -> None:
        """Load the model's files once."""
        self.model = MoodModel.load(context.artifacts)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """One row of answers a row of audio."""
        rows = [self.model.probabilities(audio) for audio in model_input["audio"]]
        answers = pd.DataFrame(rows, columns=list(MOODS))
        answers.insert(0, "mood", answers.idxmax(axis=1))
        return answers


set_model(ServableMoodModel())
