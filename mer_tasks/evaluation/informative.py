"""Which songs a label would teach most: those that a model is unsure of and that stand for many others."""

from collections.abc import Sequence

import numpy as np

POOL = 2000
"""So many of the least sure songs are compared with each other, so that memory does not grow with their number."""


def margins(probabilities: np.ndarray) -> np.ndarray:
    """How far the most probable mood is ahead of the next, shape (n, 4) to (n,): 0 where a model cannot decide."""
    ordered = np.sort(probabilities, axis=1)
    ahead: np.ndarray = ordered[:, -1] - ordered[:, -2]
    return ahead


def most_informative(
    probabilities: np.ndarray, tags: np.ndarray, artists: Sequence[str], n: int
) -> list[tuple[int, float]]:
    """The rows of up to `n` songs, the most informative first, each with its worth from 0 to 1; no artist twice.

    `probabilities` of moods have shape (n_songs, 4), `tags`, what else describes a song, (n_songs, n_tags). A song
    is worth its uncertainty, one less the margin, times the mean uncertainty that it stands for: that of all songs, as
    far as they are like it and less like those chosen before. That is information density (Settles and Craven, "An
    Analysis of Active Learning Strategies for Sequence Labeling Tasks", EMNLP 2008) with the coverage of facility
    location (Wei, Iyer and Bilmes, "Submodularity in Data Subset Selection and Active Learning", ICML 2015).
    """
    pool = np.argsort(margins(probabilities), kind="stable")[:POOL]
    unsure = 1 - margins(probabilities[pool])
    similar = _similarities(np.sqrt(np.hstack([probabilities, tags])[pool]))
    names = np.array(artists, dtype=str)[pool]
    covered, allowed = np.zeros(len(pool)), np.ones(len(pool), bool)
    found: list[tuple[int, float]] = []
    while allowed.any() and len(found) < n:
        worth = unsure * (np.maximum(similar - covered, 0) @ unsure) / len(pool)
        best = int(np.argmax(np.where(allowed, worth, -1)))
        found.append((int(pool[best]), float(worth[best])))
        covered = np.maximum(covered, similar[best])
        allowed &= names != names[best]
    return found


def _similarities(rows: np.ndarray) -> np.ndarray:
    """How similar songs are, shape (n, n): 1 for the same, exp(-1/2) as far as the nearest other mostly is."""
    squares = (rows**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0)
    others = np.where(np.eye(len(rows), dtype=bool), np.inf, distances)
    scale = float(np.median(others.min(axis=1))) if len(rows) > 1 else 0.0
    similar: np.ndarray = np.exp(-distances / (2 * scale or 1.0))
    return similar
