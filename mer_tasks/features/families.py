"""Families of the statistics of `summary`, so that models can tell what each is worth alone."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mer_tasks.features.parts import Part, summary_part

if TYPE_CHECKING:
    from mer_tasks.features.parts import ClipParts
    from mer_tasks.settings import FeatureSettings


def family_names(settings: "FeatureSettings", prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the statistics that begin so, in their order."""
    from mer_tasks.features.summary import summary_names

    return tuple(name for name in summary_names(settings) if name.startswith(prefixes))


def family_part(name: str, prefixes: tuple[str, ...], settings: "FeatureSettings", device: str) -> Part:
    """The statistics that begin so, float32 of shape (n,); all of them are computed once and kept as `summary`."""
    from mer_tasks.features.summary import summary_names

    summary = summary_part(settings, device)
    columns = [place for place, one in enumerate(summary_names(settings)) if one.startswith(prefixes)]
    depends_on = {**summary.depends_on, "prefixes": prefixes}
    return Part(name, depends_on, summary.code, partial(clip_family, summary, columns))


def clip_family(summary: Part, columns: list[int], clip: "ClipParts") -> np.ndarray:
    """The columns of a clip's statistics, float32 of shape (n,)."""
    return clip[summary][columns]
