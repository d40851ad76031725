"""From a snapshot and its clips to the features of a data set, each clip computed once."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, parallel_config

from mer_tasks.audio.cut import clip_path
from mer_tasks.catalog.dataset import Snapshot
from mer_tasks.domain import SPOTIFY_FEATURES, InputError
from mer_tasks.features.clip import summary_names
from mer_tasks.features.image import image_shape
from mer_tasks.features.row import ClipRow, clip_row, end_with
from mer_tasks.features.store import FeatureStore
from mer_tasks.features.table import IMAGE, LEFT_OUT, META, SONGS, SPOTIFY, SUMMARY
from mer_tasks.progress import progress
from mer_tasks.settings import FeatureSettings

WORTH_A_PROCESS = 24
"""So many clips to compute pay for the seconds that one more process takes to start."""


@dataclass(frozen=True, slots=True)
class FeaturesReport:
    """What `build_features` did: how many clips, how many of them anew, and which songs it left out."""

    clips: int
    computed: int
    spotify: int
    left_out: tuple[tuple[str, str], ...]
    """Pairs of track_id and reason."""

    @property
    def summary(self) -> str:
        """The report in one line."""
        line = f"{self.clips} clips ({self.computed} computed, {self.clips - self.computed} from the store)"
        line += f", {self.spotify} songs with Spotify's eleven"
        return line + (f", {len(self.left_out)} left out ({LEFT_OUT})" if self.left_out else "")


def build_features(
    snapshot: Snapshot,
    clip_store: Path,
    store: Path,
    out: Path,
    settings: FeatureSettings,
    n_workers: int,
    device: str = "cpu",
) -> FeaturesReport:
    """Write the features of a snapshot's songs into the folder `out`, which is replaced as a whole.

    `image.npy` and `summary.parquet` have a row for each song of `songs.csv`; `spotify.csv` one for
    each song with all eleven; `left_out.csv` one for each song whose clip is missing or damaged,
    with the reason; `meta.json` the settings and counts. The bytes depend on the songs and settings
    alone, not on `n_workers`; on another `device` the last digits of some differ.

    Raises:
        InputError: there are clips, and none can be used; what was in `out` stays.
    """
    building = out.with_name(f".{out.name}.building")
    shutil.rmtree(building, ignore_errors=True)  # of a run that was killed
    building.mkdir(parents=True)
    songs = snapshot.songs[snapshot.songs["clip_sha256"].notna()]
    clips = [clip_path(clip_store, sha256) for sha256 in songs["clip_sha256"]]
    rows = _clip_rows(clips, FeatureStore(store, settings, device), settings, n_workers)
    report = _write(building, snapshot, zip(songs["track_id"], rows, strict=True), settings)
    if clips and not report.clips:
        shutil.rmtree(building)
        raise InputError(f"{out}: none of {len(clips)} clips can be used; the first: {report.left_out[0][1]}")
    shutil.rmtree(out, ignore_errors=True)
    building.rename(out)
    return report


def _clip_rows(
    clips: list[Path], store: FeatureStore, settings: FeatureSettings, n_workers: int
) -> Iterator[ClipRow]:
    """The clips' rows in order, computed in processes, with few in memory at a time."""
    n_missing = sum(not store.holds(clip.stem) for clip in clips)
    if n_missing:
        summary_names(settings)  # compiles librosa once, here: processes that do it together spoil its cache
    with parallel_config("loky", initializer=end_with, initargs=(os.getpid(),)):
        parallel = Parallel(n_jobs=min(n_workers, n_missing // WORTH_A_PROCESS + 1), return_as="generator")
        rows = parallel(delayed(clip_row)(clip, store, settings) for clip in clips)
    return progress(rows, len(clips), "features", "clip")


def _write(
    out: Path, snapshot: Snapshot, rows: Iterator[tuple[str, ClipRow]], settings: FeatureSettings
) -> FeaturesReport:
    """Write all files into `out`, each image as soon as it is there."""
    track_ids, names, summaries, left_out, computed = [], list[str](), [], [], 0
    with (out / IMAGE).open("wb") as images:
        _write_header(images, 0, settings)
        for track_id, row in rows:
            if row.image is None or row.summary is None:
                left_out.append((track_id, str(row.reason)))
                continue
            images.write(row.image.tobytes())
            track_ids.append(track_id)
            names = list(row.summary)
            summaries.append(np.array(list(row.summary.values()), np.float32))
            computed += row.computed
        images.seek(0)
        _write_header(images, len(track_ids), settings)
    names = names or list(summary_names(settings))
    table = np.array(summaries, np.float32).reshape(len(summaries), len(names))
    pd.DataFrame(table, columns=pd.Index(names)).to_parquet(out / SUMMARY)
    spotify = snapshot.songs[["track_id", *SPOTIFY_FEATURES]].dropna()
    _write_csv(spotify, out / SPOTIFY)
    _write_csv(pd.DataFrame({"track_id": track_ids}), out / SONGS)
    _write_csv(pd.DataFrame(left_out, columns=pd.Index(["track_id", "reason"])), out / LEFT_OUT)
    report = FeaturesReport(len(track_ids), computed, len(spotify), tuple(left_out))
    _write_meta(out / META, report, settings)
    return report


def _write_header(file: BinaryIO, n: int, settings: FeatureSettings) -> None:
    """The header of an npy file of `n` images; as long for any `n`, so it can be written over."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (n, *image_shape(settings))}
    np.lib.format.write_array_header_1_0(file, header)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")


def _write_meta(path: Path, report: FeaturesReport, settings: FeatureSettings) -> None:
    counts = {"clips": report.clips, "spotify": report.spotify, "left_out": len(report.left_out)}
    meta = counts | {"settings": settings.model_dump(mode="json")}
    path.write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
