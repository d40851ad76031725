"""What is freed when it is needed no longer: runs, DVC's cache, features, MLflow's deleted runs; each by a rule.

The rules and their numbers are `housekeeping` in params.yaml (docs/housekeeping.md).
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow.artifacts
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mer_tasks.command import CommandError, run
from mer_tasks.domain import Alert
from mer_tasks.dvc_cache import cache_alone, cache_of, write_dvc_config
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.features.folder import META
from mer_tasks.files import temporary_folder
from mer_tasks.objects.folder import FolderStore
from mer_tasks.pipeline import (
    newest_evaluated,
    old_workspaces,
    remove_workspace,
)
from mer_tasks.registry.connection import connected, experiment_id
from mer_tasks.registry.lookup import has_champion
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

DAY_S = 86_400

PIPELINE_FILES = ("params.yaml", "dvc.yaml", "dvc.lock")
"""What a run in MLflow keeps of its pipeline, and what DVC needs to know which objects it used."""


@dataclass(frozen=True, slots=True)
class Freed:
    """What one rule freed, or would: so many things of `what`, and their size; `note` says why nothing was done.

    It `failed` if that is not as it should be.
    """

    what: str
    n: int = 0
    n_bytes: int = 0
    note: str = ""
    failed: bool = False

    def line(self, dry_run: bool) -> str:
        """It in one line."""
        if self.note:
            return f"{self.what}: {self.note}"
        return f"{self.what}: {'would free' if dry_run else 'freed'} {self.n}, {self.n_bytes / 1e6:.1f} MB"


def keep_house(project: Workspace, params: Params, machine: Machine, dry_run: bool) -> Iterator[Freed]:
    """Follow every rule, one after the other; one that cannot be followed says so and stops no other."""
    rules: dict[str, Callable[[Workspace, Params, Machine, bool], Freed]] = {
        "workspaces of runs": _workspaces,
        "objects of DVC's cache": _cache,
        "parts of the feature store": _features,
        "deleted runs of MLflow": _mlflow_runs,
    }
    for what, follow in rules.items():
        try:
            yield follow(project, params, machine, dry_run)
        except (InputError, UnavailableError, CommandError, MlflowException, OSError, ValueError) as error:
            yield Freed(what, note=f"not done: {' '.join(str(error).split())}", failed=True)


def stale_alert(params: Params, machine: Machine) -> Alert | None:
    """The alert that no run was evaluated for `housekeeping.stale_days`, while a champion is in service."""
    newest, name = newest_evaluated(machine.home), params.registration.model_name
    if newest is None or not has_champion(machine, name):
        return None
    last = datetime.fromtimestamp(newest.lock_file.stat().st_mtime, UTC)
    age = datetime.now(UTC) - last
    if age < timedelta(days=params.housekeeping.stale_days):
        return None
    return Alert(
        title=f"{name}@champion is stale: no retraining for {age.days} days",
        text=f"The last run whose models were evaluated ended on {last:%Y-%m-%d}: {newest.root.name}."
        f" After {params.housekeeping.stale_days} days (housekeeping.stale_days) that is a warning.",
        severity="warning",
        key="stale-champion",
        remedy="see in Airflow why weekly_retrain does not run or fails, and trigger it",
    )


def old_files(folder: str | Path, days: int) -> dict[Path, int]:
    """The files below a folder that nobody has written to for so many days, with their sizes in bytes."""
    oldest = time.time() - days * DAY_S
    found = {
        path: path.lstat() for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()
    }
    return {path: stat.st_size for path, stat in found.items() if stat.st_mtime < oldest}


def _workspaces(project: Workspace, params: Params, machine: Machine, dry_run: bool) -> Freed:
    """All but the newest `keep_runs` workspaces, and none that is in use."""
    old = old_workspaces(machine.home / "runs", params.housekeeping.keep_runs)
    sizes = {path: _size(path) for path in old}
    gone = old if dry_run else [path for path in old if remove_workspace(path)]
    return Freed("workspaces of runs", len(gone), sum(sizes[path] for path in gone))


def _cache(project: Workspace, params: Params, machine: Machine, dry_run: bool) -> Freed:
    """Every object of DVC's cache that neither the project, nor a kept run, nor a registered version's run names."""
    what = "objects of DVC's cache"
    cache = cache_of(project, machine.home)
    objects = cache / "files"
    if not objects.is_dir():
        return Freed(what)
    with ExitStack() as stack:
        if not dry_run and not stack.enter_context(cache_alone(cache)):
            return Freed(what, note="not done: a run is at work; it is done the next time")
        folder = stack.enter_context(temporary_folder("mer-keep-"))
        keep = [
            *_pipelines_of_versions(folder, cache, params, machine),
            *_local_pipelines(project, cache, machine),
        ]
        if not keep:
            return Freed(what, note="not done: no run and no version is known, so that all would go")
        before = _files(objects)
        options = ["--projects", *map(str, keep[1:])] if keep[1:] else []
        lines = run(
            ["dvc", "gc", "--workspace", "--force", *(["--dry"] if dry_run else []), *options],
            keep[0],
            machine,
        )
        if dry_run:
            return Freed(what, *_told_by_dvc(lines, before))
        after = _files(objects)
    return Freed(what, len(before) - len(after), sum(before.values()) - sum(after.values()))


def _told_by_dvc(lines: Sequence[str], before: dict[Path, int]) -> tuple[int, int]:
    """How many objects a dry run of DVC would remove; their size is not told, so that of the mean is taken."""
    n = sum(int(line.split()[1]) for line in lines if line.startswith("Removed ") and " objects " in line)
    return n, round(n * sum(before.values()) / max(1, len(before)))


def _local_pipelines(project: Workspace, cache: Path, machine: Machine) -> list[Path]:
    """The project and the workspaces of runs, as far as they are DVC's and use this cache."""
    found = [project.root.absolute(), *sorted((machine.home / "runs").glob("*/"))]
    used = [path for path in found if (path / ".dvc").is_dir() and (path / "dvc.lock").is_file()]
    return [path for path in used if cache_of(Workspace(path), machine.home).resolve() == cache.resolve()]


def _pipelines_of_versions(folder: Path, cache: Path, params: Params, machine: Machine) -> list[Path]:
    """A DVC workspace for the run of each registered version, of what MLflow keeps of its pipeline."""
    found = []
    with connected(machine) as client:
        versions = client.search_model_versions(f"name = '{params.registration.model_name}'")
        for run_id in sorted({str(version.run_id) for version in versions if version.run_id}):
            there = {file.path for file in client.list_artifacts(run_id, "training")}
            if not {f"training/{name}" for name in PIPELINE_FILES} <= there:
                continue  # trained without DVC
            workspace = folder / run_id
            write_dvc_config(workspace, cache)
            for name in PIPELINE_FILES:  # where a store puts one differs, but it says where
                file = mlflow.artifacts.download_artifacts(
                    run_id=run_id,
                    artifact_path=f"training/{name}",
                    dst_path=str(folder / "downloads" / run_id),
                )
                shutil.copyfile(file, workspace / name)
            found.append(workspace)
    return found


def _features(project: Workspace, params: Params, machine: Machine, dry_run: bool) -> Freed:
    """Parts that no kept data set names, and to which nothing was added for `keep_features_days`."""
    what, store = "parts of the feature store", machine.feature_store
    if not isinstance(store, FolderStore):
        return Freed(what, note=f"left in {store}: what other machines' runs name is not known here")
    runs = (machine.home / "runs").glob("*/")
    used: set[str] = set()
    for workspace in [project, *map(Workspace, runs)]:
        for meta in workspace.features.glob(f"*/{META}"):
            used |= set(json.loads(meta.read_text(encoding="utf-8")).get("parts", []))
    oldest = time.time() - params.housekeeping.keep_features_days * DAY_S
    folders = [path for path in store.folder.glob("*/") if path.name not in used]
    old = [
        path for path in folders if max(place.stat().st_mtime for place in [path, *path.iterdir()]) < oldest
    ]
    n_bytes = sum(map(_size, old))
    for path in old if not dry_run else ():
        shutil.rmtree(path)
    return Freed(what, len(old), n_bytes)


def _mlflow_runs(project: Workspace, params: Params, machine: Machine, dry_run: bool) -> Freed:
    """Runs deleted in MLflow longer ago than `keep_deleted_runs_days`, but for those of registered versions."""
    what, uri = "deleted runs of MLflow", machine.mlflow_uri
    with connected(machine) as client:
        old = _deleted_runs(client, params, machine)
    if old and uri.startswith("http"):
        return Freed(
            what, note=f"{len(old)} left to the server's own mlflow gc: only there its database is known"
        )
    if old and not dry_run:
        run(
            ["mlflow", "gc", "--backend-store-uri", uri, "--run-ids", ",".join(old)],
            project.root,
            machine,
            variables={"MLFLOW_TRACKING_URI": uri},
        )
    return Freed(what, len(old))


def _deleted_runs(client: MlflowClient, params: Params, machine: Machine) -> list[str]:
    experiment = experiment_id(client, params.registration.experiment, machine)
    versions = client.search_model_versions(f"name = '{params.registration.model_name}'")
    needed = {version.run_id for version in versions}
    before = (time.time() - params.housekeeping.keep_deleted_runs_days * DAY_S) * 1000
    found = client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)
    return [
        run.info.run_id
        for run in found
        if run.info.run_id not in needed and (run.info.end_time or run.info.start_time) < before
    ]


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _size(folder: Path) -> int:
    return sum(_files(folder).values())
