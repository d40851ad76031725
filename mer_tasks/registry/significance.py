"""Whether one model is better than another on the same songs, or was lucky on them."""

import numpy as np
from scipy.stats import beta

from mer_tasks.evaluation.scores import mean_interval
from mer_tasks.settings import EvaluationSettings


def sign_flip_p_value(differences: np.ndarray, artists: np.ndarray) -> float:
    """How likely a total of `differences` at least as high is where neither of two models is better.

    `differences` has for each song what the one model got right minus what the other did: -1, 0 or 1. If
    neither is better, an artist's songs could as well have gone the other way round: the paired permutation
    test (Good, "Permutation, Parametric, and Bootstrap Tests of Hypotheses", 2005, section 3.2), one-sided, by
    artist because songs of one artist are alike. Exact: the totals of all sign changes are counted.
    """
    _, artist_of = np.unique(artists, return_inverse=True)
    sums = np.rint(np.bincount(artist_of, weights=differences)).astype(int)
    most = int(np.abs(sums).sum())
    chances = np.zeros(2 * most + 1)  # of the totals from -most to most
    chances[most] = 1.0
    for size in np.abs(sums[sums != 0]):
        chances = (np.roll(chances, size) + np.roll(chances, -size)) / 2
    return float(chances[most + int(sums.sum()) :].sum())


def accuracy_low(correct: np.ndarray, artists: np.ndarray, evaluation: EvaluationSettings) -> float:
    """The lower end of a 95 % interval of the accuracy, which few artists cannot make narrow.

    The lower of two: the bootstrap over artists, as every score has it; and Clopper and Pearson's exact one
    with as many trials as there are artists, for the bootstrap of three artists knows no fourth.
    """
    low, _ = mean_interval(correct, artists, evaluation.bootstrap, evaluation.seed)
    n = len(np.unique(artists))
    right = float(correct.sum()) * n / len(correct)
    return min(low, float(beta.ppf(0.025, right, n - right + 1)) if right else 0.0)
