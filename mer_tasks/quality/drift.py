"""Whether new songs are like those that a model was trained on: column by column, and by predicted mood."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp

from mer_tasks.domain import MOODS, Alert
from mer_tasks.settings import QualitySettings

PREDICTED = "predicted mood"


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the new songs are from the reference in one column, from 0 (alike) to 1 (apart).

    `distance` is Kolmogorov and Smirnov's for numbers, the total variation for moods. `p_value` is corrected for
    the number of columns (Benjamini and Hochberg, 1995). `before` and `now` say what each is like.
    """

    column: str
    distance: float
    p_value: float
    before: str
    now: str
    has_drifted: bool

    @property
    def line(self) -> str:
        """The comparison in one line."""
        verdict = "has drifted" if self.has_drifted else "as before"
        return f"{self.column}: {verdict}: {self.before} before, {self.now} now (distance {self.distance:.2f}, p {self.p_value:.3g})"


def compare(
    before: pd.DataFrame,
    now: pd.DataFrame,
    moods_before: Sequence[str],
    moods_now: Sequence[str],
    rule: QualitySettings,
) -> list[Drift]:
    """Compare each number column of two tables, and two lists of predicted moods, as far as there are enough rows.

    A column has drifted if its distance is `rule.drift_min_distance` or more, and not by chance: of the columns called
    so, at most the share `rule.drift_false_share` is expected to be called so wrongly. Rows must be independent: a song
    an artist.
    """
    raw: list[tuple[str, float, float, str, str]] = []
    if min(len(before), len(now)) >= rule.drift_min_songs:
        raw += [
            _numbers(str(name), before[name].to_numpy(float), now[name].to_numpy(float)) for name in before
        ]
    if min(len(moods_before), len(moods_now)) >= rule.drift_min_songs:
        raw.append(_moods(moods_before, moods_now))
    if not raw:
        return []
    corrected = false_discovery_control([p for _, _, p, _, _ in raw])
    return [
        Drift(
            name,
            distance,
            float(p),
            was,
            is_now,
            bool(distance >= rule.drift_min_distance and p <= rule.drift_false_share),
        )
        for (name, distance, _, was, is_now), p in zip(raw, corrected, strict=True)
    ]


def drift_alert(drifted: Sequence[Drift], n_before: int, n_now: int, champion: str) -> Alert:
    """The alert about columns that have drifted."""
    return Alert(
        title=f"drift: new songs differ in {', '.join(one.column for one in drifted)}",
        text="\n".join(
            [
                f"{n_now} songs that are new to {champion}, one an artist, beside {n_before} that it was trained on:",
                *(f"  - {one.line}" for one in drifted),
            ]
        ),
        severity="warning",
        key="drift",
        remedy="listen to some of the new songs and label them with mer label; the next training takes them in, and its"
        " scores say whether that is enough",
    )


def _numbers(name: str, before: np.ndarray, now: np.ndarray) -> tuple[str, float, float, str, str]:
    found = ks_2samp(before, now)
    medians = (f"median {np.median(values):.3g}" for values in (before, now))
    return (name, float(found.statistic), float(found.pvalue), *medians)  # type: ignore[return-value]


def _moods(before: Sequence[str], now: Sequence[str]) -> tuple[str, float, float, str, str]:
    counts = np.array([[list(moods).count(mood) for mood in MOODS] for moods in (before, now)])
    shares = counts / counts.sum(axis=1, keepdims=True)
    seen = counts[:, counts.sum(axis=0) > 0]
    p = float(chi2_contingency(seen).pvalue) if seen.shape[1] > 1 else 1.0
    words = [
        ", ".join(f"{mood} {share:.0%}" for mood, share in zip(MOODS, row, strict=True)) for row in shares
    ]
    return PREDICTED, float(np.abs(shares[0] - shares[1]).sum() / 2), p, words[0], words[1]
