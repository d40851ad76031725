"""A standardised logistic regression from its arrays: importing scikit-learn costs more than all else of a prediction."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

STEPS = ["standardscaler", "logisticregression"]


@dataclass(frozen=True, eq=False)
class LinearClassifier:
    """What scikit-learn's `StandardScaler` and multinomial `LogisticRegression` compute, step by step as they do."""

    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: np.ndarray

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n, n_classes), of rows of features, shape (n, n_features)."""
        X = X.copy()
        X -= self.mean
        X /= self.scale
        scores = X @ self.coefficients.T + self.intercept
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def load_linear(folder: Path) -> LinearClassifier | None:
    """The classifier that `save_fitted` wrote to `folder`; None for every other pipeline."""
    if json.loads((folder / "steps.json").read_text(encoding="utf-8")) != STEPS:
        return None
    with (
        np.load(folder / "standardscaler.npz") as scaler,
        np.load(folder / "logisticregression.npz") as model,
    ):
        return LinearClassifier(scaler["mean_"], scaler["scale_"], model["coef_"], model["intercept_"])
