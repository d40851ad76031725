"""Fitting what sets songs apart within its own training: an artist's songs stay together there too."""

from inspect import signature
from typing import Any

import numpy as np


def fit_with_groups(model: Any, X: Any, y: np.ndarray, groups: np.ndarray | None) -> None:
    """Fit a pipeline; its last step is given the groups if it takes any."""
    name, last = model.steps[-1]
    takes = groups is not None and "groups" in signature(last.fit).parameters
    model.fit(X, y, **({f"{name}__groups": groups} if takes else {}))
