"""Classifiers from their arrays: a version whose model is one of these answers without importing scikit-learn."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer_tasks.classifiers.answers import pair_scores, scaled, softmax
from mer_tasks.persistence import MEMBERS

SCALER, LINEAR, SUPPORT_VECTORS = "columnscaler", "logisticregression", "supportvectorclassifier"
MEAN = "meanclassifier"

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class ArrayClassifier:
    """A scaler and a classifier by what fitting gave them: they compute what the pipeline computes, step by step."""

    scaler: Arrays
    classifier: Arrays

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n, n_classes), of rows of features, shape (n, n_features)."""
        X, own = scaled(X, *(self.scaler[name] for name in ("columns_", "mean_", "scale_"))), self.classifier
        if "support_vectors_" not in own:
            return softmax(X @ own["coef_"].T + own["intercept_"])
        scores = pair_scores(
            X, own["support_vectors_"], own["pair_coef_"], own["intercept_"], float(own["gamma"])
        )
        return softmax(scores @ own["calibration_coef_"].T + own["calibration_intercept_"])


@dataclass(frozen=True, eq=False)
class ArrayMean:
    """The mean of classifiers, each with the columns that it reads."""

    members: "tuple[tuple[np.ndarray, ArrayClassifier | ArrayMean], ...]"

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n, n_classes), of rows of features, shape (n, n_features)."""
        found = [member.predict_proba(X[:, columns]) for columns, member in self.members]
        return np.asarray(np.mean(found, axis=0))


def load_arrays(folder: Path) -> ArrayClassifier | ArrayMean | None:
    """The classifier that `save_fitted` wrote to `folder`; None for a pipeline that is more than a few arrays."""
    steps = json.loads((folder / "steps.json").read_text(encoding="utf-8"))
    if steps == [MEAN]:
        return _load_mean(folder / MEAN)
    if steps not in ([SCALER, LINEAR], [SCALER, SUPPORT_VECTORS]):
        return None
    return ArrayClassifier(*(_read(folder / f"{name}.npz") for name in steps))


def _load_mean(folder: Path) -> ArrayMean | None:
    found = [(columns, load_arrays(folder / name)) for name, columns in _read(folder / MEMBERS).items()]
    whole = tuple((columns, member) for columns, member in found if member is not None)
    return ArrayMean(whole) if len(whole) == len(found) else None


def _read(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)
