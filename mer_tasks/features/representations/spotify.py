"""Spotify's eleven audio features, which come with imported songs: no audio gives them."""

from typing import TYPE_CHECKING

from mer_tasks.domain import SPOTIFY_FEATURES
from mer_tasks.settings import Kept, Params, RepresentationSettings

if TYPE_CHECKING:
    import pandas as pd


KEPT: Kept = "given"


class Settings(RepresentationSettings):
    """There is nothing to set."""


def names(params: Params) -> tuple[str, ...]:
    """The eleven, as Spotify's Web API names them."""
    return SPOTIFY_FEATURES


def rows(songs: "pd.DataFrame") -> "pd.DataFrame":
    """`track_id` and the eleven, for the songs that have all of them."""
    return songs[["track_id", *SPOTIFY_FEATURES]].dropna()
