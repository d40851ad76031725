"""Whether a model knows how sure it may be: reliability, and what is gained by answering only when sure."""

import numpy as np

N_BINS = 15
"""Of confidence, as in Guo et al., "On Calibration of Modern Neural Networks", ICML 2017."""


def confidence(probabilities: np.ndarray) -> np.ndarray:
    """How sure each prediction is: the largest of its probabilities, shape (n, 4) to (n,)."""
    largest: np.ndarray = probabilities.max(axis=1)
    return largest


def reliability(correct: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Mean confidence, accuracy and number of songs of each bin that has some, shape (n_bins, 3).

    The bins are equally wide; `correct` and `sure` have shape (n,).
    """
    bins = np.minimum((sure * N_BINS).astype(int), N_BINS - 1)
    counts = np.bincount(bins, minlength=N_BINS)
    filled = counts > 0
    means = [np.bincount(bins, values, N_BINS)[filled] / counts[filled] for values in (sure, correct)]
    return np.column_stack([*means, counts[filled]])


def calibration_error(correct: np.ndarray, sure: np.ndarray) -> float:
    """The expected calibration error: how far confidence and accuracy are apart, over the bins' songs."""
    table = reliability(correct, sure)
    return float(np.average(np.abs(table[:, 0] - table[:, 1]), weights=table[:, 2]))


def bin_gaps(correct: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Confidence minus correctness of each song in the column of its bin, shape (n, n_bins).

    The absolute values of the columns' sums add up to n times the calibration error, so that it can be resampled.
    """
    gaps = np.zeros((len(sure), N_BINS))
    gaps[np.arange(len(sure)), np.minimum((sure * N_BINS).astype(int), N_BINS - 1)] = sure - correct
    return gaps


def risk_coverage(correct: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """The accuracy of the surest songs, for every number of them, shape (n,).

    Source: El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 2010. Songs that
    are equally sure count with their mean, so that their order does not matter.
    """
    order = np.argsort(-sure, kind="stable")
    _, group = np.unique(-sure[order], return_inverse=True)
    shared = np.bincount(group, correct[order]) / np.bincount(group)
    accuracy: np.ndarray = np.cumsum(shared[group]) / np.arange(1, len(sure) + 1)
    return accuracy
