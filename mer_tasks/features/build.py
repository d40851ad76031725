"""From a snapshot and its clips to what models read of them, each clip computed once."""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
from joblib import Parallel, delayed, parallel_config

from mer_tasks.code_identity import code_identity
from mer_tasks.errors import InputError
from mer_tasks.features.folder import (
    LEFT_OUT,
    MANIFEST,
    VALUES,
    part_files,
    write_csv,
    write_meta,
    write_part_file,
)
from mer_tasks.features.representations import (
    Array,
    ClipReader,
    Given,
    WithNetwork,
    computed,
    module_of,
    takes_audio,
)
from mer_tasks.features.row import ClipRow, Work, clip_row, end_with
from mer_tasks.features.store import FeatureStore
from mer_tasks.features.summary import summary_names
from mer_tasks.objects import ObjectStore
from mer_tasks.progress import progress
from mer_tasks.settings import Params
from mer_tasks.workspace import Workspace

if TYPE_CHECKING:
    from mer_tasks.catalog.dataset import Snapshot

WORTH_A_PROCESS = 24
"""So many clips to compute pay for the seconds that one more process takes to start."""

FETCHED = 256
"""Clips whose parts are got from a store elsewhere at a time."""


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


class TooManyLostError(InputError):
    """More songs have no clip that can be used than may be; `left_out` has pairs of track_id and reason."""

    def __init__(self, message: str, left_out: tuple[tuple[str, str], ...]) -> None:
        """Keep what the alert names."""
        super().__init__(message)
        self.left_out = left_out


def build_features(
    snapshot: "Snapshot",
    params: Params,
    workspace: Workspace,
    clip_store: ObjectStore,
    store: ObjectStore,
    n_workers: int,
    device: str = "cpu",
) -> FeaturesReport:
    """Write every representation of `params.representations` into `workspace.features`, replaced as a whole.

    A folder for each, as `features/folder.py` explains, and `left_out.csv`, a row for each song whose clip is
    missing or damaged, with the reason. What `compute_features` has put into the `store` is only gathered. The bytes depend on songs, settings and code alone, not on
    `n_workers`; on another `device` (as torch names it) the last digits of some numbers differ.

    Raises:
        TooManyLostError: more than `quality.max_lost_share` of the clips, or all, cannot be used; what was there stays.
        InputError: a network cannot be had; what was there stays.
    """
    out = workspace.features
    building = out.with_name(f".{out.name}.building")
    shutil.rmtree(building, ignore_errors=True)  # of a run that was killed
    building.mkdir(parents=True)
    try:
        report = _write(building, snapshot, params, clip_store, store, n_workers, device)
        _check_left_out(report, params.quality.max_lost_share, out)
        _replace(out, building)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return report


def compute_features(
    clips: Collection[str],
    params: Params,
    clip_store: ObjectStore,
    store: ObjectStore,
    n_workers: int,
    device: str = "cpu",
) -> tuple[int, dict[str, str]]:
    """Compute what the `store` lacks of the representations of clips, given by SHA-256, for others to gather.

    Returns how many clips something was computed of, and by SHA-256 why nothing can be of the others.

    Raises:
        InputError: a network cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix="mer-") as folder:
        readers, _ = _open(params, Path(folder), device)
        work = Work(readers, (), clip_store, FeatureStore(store), params.features, device)
        due = sorted(work.store.lacking(clips, _part_ids(readers)))
        rows = dict(zip(due, _clip_rows(due, work, n_workers), strict=True))
    reasons = {sha256: row.reason for sha256, row in rows.items() if row.reason}
    return sum(row.computed for row in rows.values()), reasons


def _check_left_out(report: FeaturesReport, most: float, out: Path) -> None:
    n_lost = len(report.left_out)
    n_songs = n_lost + report.clips
    if n_lost and (n_lost > most * n_songs or not report.clips):
        track_id, reason = report.left_out[0]
        raise TooManyLostError(
            f"{out}: {n_lost} of {n_songs} songs have no clip that can be used, at most {most:.0%} may"
            f" (quality.max_lost_share); the first: {track_id}: {reason}",
            report.left_out,
        )


def _write(
    out: Path,
    snapshot: "Snapshot",
    params: Params,
    clip_store: ObjectStore,
    store: ObjectStore,
    n_workers: int,
    device: str,
) -> FeaturesReport:
    """Write all folders into `out`."""
    readers, followed = _open(params, out, device)
    tables = tuple(name for name in readers if module_of(name).KEPT == "table")
    songs = _songs_with_clips(snapshot) if readers else _songs_with_clips(snapshot).iloc[:0]
    clips = sorted(set(songs["clip_sha256"]))
    work = Work(readers, tables, clip_store, FeatureStore(store), params.features, device)
    rows = _clip_rows(clips, work, n_workers)
    n_computed, reasons = _write_parts(out, clips, rows, tables)
    left_out = songs.assign(reason=songs["clip_sha256"].map(reasons)).dropna(subset="reason")
    write_csv(left_out[["track_id", "reason"]], out / LEFT_OUT)
    usable = songs[~songs["clip_sha256"].isin(reasons)]
    for name, reader in readers.items():
        write_csv(usable, out / name / MANIFEST)
        write_meta(out / name, _meta(name, reader, followed[name], params, len(usable)))
    given = [name for name in params.representations if name not in readers]
    n_given = sum(_write_given(out, name, snapshot, params) for name in given)
    pairs = zip(left_out["track_id"], left_out["reason"], strict=True)
    return FeaturesReport(len(usable), n_computed, n_given, tuple(pairs))


def _songs_with_clips(snapshot: "Snapshot") -> pd.DataFrame:
    songs = snapshot.songs[["track_id", "clip_sha256"]].dropna()
    return songs.sort_values("track_id", ignore_index=True)


def _open(
    params: Params, out: Path, device: str
) -> tuple[dict[str, ClipReader], dict[str, Mapping[str, Any]]]:
    """By name what computes representations, their networks being in `out`; and the settings as they are followed."""
    readers: dict[str, ClipReader] = {}
    followed: dict[str, Mapping[str, Any]] = {}
    for name, settings in params.representations.items():
        folder = out / name
        folder.mkdir()
        if takes_audio(name):
            followed[name] = settings.model_dump(mode="json")
            if computed(name).NETWORK_FILES:
                followed[name] = cast(WithNetwork, module_of(name)).write_network(params, folder)
            readers[name] = ClipReader(params, name, folder, device)
    return readers, followed


def _part_ids(readers: Mapping[str, ClipReader]) -> set[str]:
    return {part.id for reader in readers.values() for part in reader.parts}


def _clip_rows(clips: Sequence[str], work: Work, n_workers: int) -> Iterator[ClipRow]:
    """The clips' rows in order, computed in processes, with few in memory at a time."""
    lacking = work.store.lacking(clips, _part_ids(work.readers))
    if lacking:
        summary_names(
            work.settings
        )  # compiles librosa once, here: processes that do it together spoil its cache
    with parallel_config("loky", initializer=end_with, initargs=(os.getpid(),)):
        parallel = Parallel(n_jobs=min(n_workers, len(lacking) // WORTH_A_PROCESS + 1), return_as="generator")
        rows = parallel(
            delayed(clip_row)(clip, lacking.get(clip, ()), work) for clip in _fetched(clips, work)
        )
    return progress(rows, len(clips), "features", "clip")


def _fetched(clips: Sequence[str], work: Work) -> Iterator[str]:
    """The clips, each when what tables take of it has come from the store."""
    part_ids = _part_ids({name: work.readers[name] for name in work.tables})
    for start in range(0, len(clips), FETCHED):
        some = clips[start : start + FETCHED]
        work.store.fetch(some, part_ids)
        yield from some


def _write_parts(
    out: Path, clips: Sequence[str], rows: Iterator[ClipRow], tables: Sequence[str]
) -> tuple[int, dict[str, str]]:
    """Write tables, a file as soon as its clips are there; return how many clips were computed, and why others not.

    `rows` are those of `clips`, which are in the order of their hashes.
    """
    n_computed, reasons = 0, dict[str, str]()
    for file, alike in part_files(clips):
        found = {sha256: next(rows) for sha256 in alike}
        n_computed += sum(row.computed for row in found.values())
        reasons |= {sha256: row.reason for sha256, row in found.items() if row.reason}
        for name in tables:
            values = {sha256: row.tables[name] for sha256, row in found.items() if not row.reason}
            if values:
                write_part_file(out / name / file, values)
    return n_computed, reasons


def _meta(
    name: str, reader: ClipReader, followed: Mapping[str, Any], params: Params, n_songs: int
) -> dict[str, Any]:
    """What a representation's values are and depend on."""
    module = computed(name)
    length = [cast(Array, module).n_frames(params)] if module.KEPT == "array" else []
    code = {*module.CODE, *(one for part in reader.parts for one in part.code)}
    settings = {key: value for part in reader.parts for key, value in part.depends_on.items()}
    return {
        "representation": name,
        "songs": n_songs,
        "names": reader.names,
        "shape": [n_songs, len(reader.names), *length],
        "settings": {**settings, **followed},
        "code": code_identity(*sorted(code)),
        "parts": [part.id for part in reader.parts],
    }


def _write_given(out: Path, name: str, snapshot: "Snapshot", params: Params) -> int:
    """Write a representation that comes with the songs; return how many songs have it."""
    module = cast(Given, module_of(name))
    rows, names = module.rows(snapshot.songs).sort_values("track_id"), module.names(params)
    write_csv(rows, out / name / VALUES)
    shape = [len(rows), len(names)]
    write_meta(out / name, {"representation": name, "songs": len(rows), "names": names, "shape": shape})
    return len(rows)


def _replace(old: Path, new: Path) -> None:
    aside = old.with_name(f".{old.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if old.exists():
        old.rename(aside)
    new.rename(old)
    shutil.rmtree(aside, ignore_errors=True)
