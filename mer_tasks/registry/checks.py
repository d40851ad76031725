"""The conditions of the gate, each by what is measured on the same songs; docs/registry.md says why they are these.

A table of answers has a row a song: `artist` (the first one), `mood`, `predicted`, and a probability a mood. Few
songs make no evidence: a bound refuses only what exceeds it and is no mere luck.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from mer_tasks.domain import MOODS
from mer_tasks.evaluation.calibration import N_BINS, bin_gaps, confidence
from mer_tasks.evaluation.scores import resampled_sums
from mer_tasks.evaluation.slices import each_slice
from mer_tasks.registry.significance import accuracy_low, sign_flip_p_value
from mer_tasks.registry.verdict import Check
from mer_tasks.settings import EvaluationSettings, PromotionSettings


def right(answers: pd.DataFrame) -> np.ndarray:
    """Whether each song's mood is the predicted one, 1 or 0."""
    return (answers["mood"] == answers["predicted"]).to_numpy(int)


def floor(ours: pd.DataFrame, evaluation: EvaluationSettings, rule: PromotionSettings) -> Check:
    """The accuracy is above the floor, beyond doubt."""
    correct = right(ours)
    low = accuracy_low(correct.astype(bool), _artists(ours), evaluation)
    measured = f"{correct.mean():.3f}, its interval from {low:.3f}"
    needed = f"from above {rule.min_accuracy_low:g}"
    return Check("floor of accuracy", measured, needed, low > rule.min_accuracy_low)


def losses(
    ours: pd.DataFrame, theirs: pd.DataFrame, songs: pd.DataFrame, rule: PromotionSettings
) -> Iterator[Check]:
    """No mood and no slice of the songs is worse than the champion's."""
    for mood in MOODS:
        inside = (ours["mood"] == mood).to_numpy()
        if inside.any():
            yield _loss(f"mood {mood}", ours[inside], theirs[inside], rule.max_recall_loss, rule)
    for by, name, inside in each_slice(songs):
        if 0 < inside.sum() < len(songs):
            yield _loss(f"{by} {name}", ours[inside], theirs[inside], rule.max_slice_loss, rule)


def calibration(
    ours: pd.DataFrame, theirs: pd.DataFrame, evaluation: EvaluationSettings, rule: PromotionSettings
) -> Check:
    """The expected calibration error is no worse than the champion's, over the songs that both answer."""
    both = (ours[list(MOODS)].notna() & theirs[list(MOODS)].notna()).all(axis=1).to_numpy()
    needed = f"at most {rule.max_calibration_loss:g} worse, or by luck"
    if not both.any():
        return Check("calibration error", "no song that both answer", needed, False)
    new, old = _gaps(ours[both]), _gaps(theirs[both])
    error, former = (float(np.abs(gaps.sum(axis=0)).sum() / len(gaps)) for gaps in (new, old))
    values = np.concatenate([new, old, np.ones((len(new), 1))], axis=1)
    drawn = resampled_sums(values, _artists(ours[both]), evaluation.bootstrap, evaluation.seed)
    worse_by = [
        (np.abs(sums[:, :N_BINS]) - np.abs(sums[:, N_BINS:-1])).sum(axis=1) / sums[:, -1] for sums in drawn
    ]
    low = float(np.quantile(np.concatenate(worse_by), rule.loss_p_value))
    worse = error - former > rule.max_calibration_loss and low > 0
    return Check("calibration error", f"{error:.3f}, was {former:.3f}", needed, not worse)


def shares(ours: pd.DataFrame, rule: PromotionSettings) -> Iterator[Check]:
    """No mood is predicted far more often, or far more seldom, than songs have it."""
    for mood in MOODS:
        predicted, truth = ((ours[column] == mood).to_numpy(int) for column in ("predicted", "mood"))
        gap: np.ndarray = predicted - truth
        p = min(sign_flip_p_value(one, _artists(ours)) for one in (gap, -gap))
        implausible = abs(gap.mean()) > rule.max_share_gap and p <= rule.loss_p_value
        measured = f"predicted for {predicted.mean():.2f} of the songs, right for {truth.mean():.2f}"
        needed = f"at most {rule.max_share_gap:g} apart, or by luck"
        yield Check(f"share of {mood}", measured, needed, not implausible)


def _loss(
    name: str, ours: pd.DataFrame, theirs: pd.DataFrame, bound: float, rule: PromotionSettings
) -> Check:
    new, old = right(ours), right(theirs)
    p = sign_flip_p_value(old - new, _artists(ours))
    worse = old.mean() - new.mean() > bound and p <= rule.loss_p_value
    measured = f"{new.mean():.2f}, was {old.mean():.2f} on {len(new)} songs"
    if new.sum() < old.sum():
        measured += f", p {p:.3f}"
    return Check(name, measured, f"at most {bound:g} worse, or by luck", not worse)


def _gaps(answers: pd.DataFrame) -> np.ndarray:
    return bin_gaps(right(answers), confidence(answers[list(MOODS)].to_numpy()))


def _artists(answers: pd.DataFrame) -> np.ndarray:
    return answers["artist"].to_numpy().astype(str)
