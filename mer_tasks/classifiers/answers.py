"""How fitted classifiers answer, with NumPy alone: importing scikit-learn costs more than all else of a prediction."""

import numpy as np

LARGEST = 8.0
"""How many deviations from the mean still count: a single odd number must not outweigh all others."""


def scaled(X: np.ndarray, columns: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The `columns` of rows, shape (n, n_features), standardised and cut at `LARGEST`."""
    standardised = (X[:, columns].astype(np.float64) - mean) / scale
    cut: np.ndarray = standardised.clip(-LARGEST, LARGEST)
    return cut


def pair_scores(
    X: np.ndarray, vectors: np.ndarray, weights: np.ndarray, intercept: np.ndarray, gamma: float
) -> np.ndarray:
    """The scores of a support vector machine for each pair of classes, shape (n, n_pairs).

    `weights`, shape (n_pairs, n_vectors), are those of the kernel exp(-gamma |x - v|²).
    """
    squares = (X**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1) - 2 * X @ vectors.T
    found: np.ndarray = np.exp(-gamma * squares) @ weights.T + intercept
    return found


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities of classes, shape (n, n_classes), from their scores."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
