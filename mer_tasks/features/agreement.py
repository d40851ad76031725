"""How far the proxies follow Spotify's own features, on the songs that have both."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mer_tasks.errors import InputError
from mer_tasks.features.dataset import load_features
from mer_tasks.files import replacing

COMPARED = ("danceability", "energy", "valence", "acousticness", "speechiness", "loudness", "tempo")
"""Spotify's features that have a proxy; mode is not among the eleven."""

UNITS = {"loudness": ("dB", "LUFS"), "tempo": ("BPM", "BPM")}
"""Spotify's unit and ours; the others go from 0 to 1."""

FEWEST_SONGS = 3


@dataclass(frozen=True, slots=True)
class Agreement:
    """A feature's correlations over so many songs; None where one side is the same for all."""

    feature: str
    songs: int
    pearson: float | None
    spearman: float | None

    @property
    def line(self) -> str:
        """The agreement in one line, under `HEADER`."""
        numbers = ("-" if r is None else f"{r:.3f}" for r in (self.pearson, self.spearman))
        return f"{self.feature:13} {self.songs:5}  {'  '.join(f'{number:>12}' for number in numbers)}"


HEADER = f"{'feature':13} {'songs':>5}  {'Pearson r':>12}  {'Spearman rho':>12}"


def compare_with_spotify(features: Path, png: Path) -> list[Agreement]:
    """Correlate the proxies with Spotify's features of the data set in `features`, and draw them into `png`.

    Raises:
        InputError: there are no features, none of these, or too few songs with both.
    """
    songs = _songs_with_both(features)
    if len(songs) < FEWEST_SONGS:
        raise InputError(
            f"{features}: {len(songs)} songs have both a clip and Spotify's eleven, a correlation needs"
            f" {FEWEST_SONGS}; import Spotify's columns for songs with audio (docs/import.md)"
        )
    found = [_agreement(name, songs) for name in COMPARED]
    _draw(songs, found, png)
    return found


def _songs_with_both(features: Path) -> pd.DataFrame:
    """A row a song: Spotify's features by their names, the proxies by `proxy_*`."""
    tables = [load_features(features / name) for name in ("summary", "spotify")]
    summary, spotify = (
        pd.DataFrame(np.asarray(one.values), index=pd.Index(one.track_ids), columns=pd.Index(one.names))
        for one in tables
    )
    ours = [f"proxy_{name}" for name in COMPARED]
    if not set(ours) <= set(summary.columns):
        raise InputError(f"{features}: the summary has no proxies; run mer features")
    return spotify.join(summary[ours], how="inner")


def _agreement(name: str, songs: pd.DataFrame) -> Agreement:
    theirs, ours = songs[name], songs[f"proxy_{name}"]
    if theirs.nunique() == 1 or ours.nunique() == 1:
        return Agreement(name, len(songs), None, None)
    return Agreement(name, len(songs), theirs.corr(ours), theirs.corr(ours, method="spearman"))


def _draw(songs: pd.DataFrame, found: list[Agreement], png: Path) -> None:
    figure = Figure(figsize=(13, 6.5), layout="constrained")
    panels = figure.subplots(2, 4).ravel()
    for ax, one in zip(panels, found, strict=False):
        theirs, ours = UNITS.get(one.feature, ("0 to 1", "0 to 1"))
        ax.scatter(songs[one.feature], songs[f"proxy_{one.feature}"], s=9, alpha=0.6)
        ax.set(xlabel=f"Spotify's {one.feature}, {theirs}", ylabel=f"proxy_{one.feature}, {ours}")
        ax.set_title("constant" if one.spearman is None else f"Spearman {one.spearman:.2f}", fontsize=10)
    for ax in panels[len(found) :]:
        ax.set_axis_off()
    figure.suptitle(f"Proxies against Spotify's own, {len(songs)} songs")
    with replacing(png) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
