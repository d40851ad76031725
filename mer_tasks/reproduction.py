"""A registered version rebuilt from its settings, the catalog and the clips, and compared with what it was."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow.artifacts
import numpy as np
import pandas as pd
from mlflow.entities import Run

from mer_tasks.domain import MOODS
from mer_tasks.errors import InputError
from mer_tasks.evaluation.result import HOLDOUT, ModelResult, read_result
from mer_tasks.features.representations import with_needed
from mer_tasks.files import temporary_folder
from mer_tasks.pipeline import create_copy, reproduce
from mer_tasks.registry.connection import connected
from mer_tasks.registry.lookup import fetch_version, find_version
from mer_tasks.registry.process import read_description
from mer_tasks.registry.runs import commit_of_code
from mer_tasks.settings import Machine
from mer_tasks.workspace import Workspace

ROUNDED = 2e-6
"""Predictions are kept with six decimals: a difference below this is none."""


@dataclass(frozen=True)
class Reproduction:
    """A version beside its rebuilding: whether data and code are the same, and how far scores and predictions are.

    `accuracies` are the version's and the rebuilt one's; `n_songs` have a prediction in both, for `n_moods` of which
    it is another mood; `difference` is the largest of a probability. A commit is None where it is not known.
    """

    version: str
    model: str
    folder: str
    has_same_data: bool
    commits: tuple[str | None, str | None]
    accuracies: tuple[float, float]
    n_songs: int
    n_moods: int
    difference: float

    @property
    def is_equal(self) -> bool:
        """Whether the rebuilt version predicts and scores the same."""
        return self.has_same_data and self.difference <= ROUNDED and self.accuracies[0] == self.accuracies[1]

    @property
    def lines(self) -> list[str]:
        """What a person reads."""
        then, now = self.accuracies
        lines = [f"{self.version} ({self.model}), rebuilt in {self.folder}"]
        lines.append(
            "data: the same songs, moods and clips" if self.has_same_data else "data: other than it was"
        )
        before, here = self.commits
        if before and before == here:
            lines.append(f"code: the same commit {here}")
        else:
            lines.append(
                f"code: WARNING: trained by commit {before or 'unknown'}, rebuilt by {here or 'unknown'}"
            )
        lines.append(f"accuracy: {then:.4f}, rebuilt {now:.4f} ({now - then:+.4f})")
        lines.append(
            f"predictions: of {self.n_songs} songs {self.n_moods} have another mood;"
            f" probabilities differ by {self.difference:.6f} at most"
        )
        return [*lines, "equal" if self.is_equal else "not equal"]


def reproduce_version(project: Workspace, machine: Machine, uri: str, folder: Path | None) -> Reproduction:
    """Rebuild the version at `uri` by the code as it is here, with the settings that it carries.

    It is trained in `folder`, a DVC workspace with a cache of its own, so that nothing is taken from earlier runs
    but the catalog, the clips and features that were computed by the same code. A version whose data set was of `latest`
    is rebuilt as of the day of its training.

    Raises:
        InputError: there is no such version, MLflow has not kept its training, or a stage found its input wrong.
        UnavailableError: MLflow or the catalog cannot be reached now.
    """
    found = find_version(machine, uri)
    carried = read_description(fetch_version(machine, found))
    model = str(carried["model"])
    with connected(machine) as client, temporary_folder("mer-version-") as kept:
        run = client.get_run(str(client.get_model_version(found.name, found.number).run_id))
        predictions = _predictions(run, model, kept)
    day = datetime.fromtimestamp(run.info.start_time / 1000, UTC).date()
    place = folder or machine.home / "reproductions" / f"{found.name}-{found.number}"
    workspace = create_copy(project, place, _settings(carried, model, str(day)), machine)
    reproduce(workspace, f"train@{model}", machine)
    commits = run.data.tags.get("mer.commit"), commit_of_code()
    return _compared(str(found), workspace, read_result(workspace, model), run, predictions, commits)


def _settings(carried: Mapping[str, Any], model: str, day: str) -> dict[str, dict[str, Any]]:
    """The sections of params.yaml that decide what the version is; of models and representations its own alone."""
    values = carried["params"]
    as_of = values["snapshot"]["as_of"]
    sections = {
        name: dict(values[name]) for name in ("clips", "snapshot", "quality", "features", "evaluation")
    }
    sections["snapshot"]["as_of"] = day if as_of == "latest" else as_of
    needed = sorted(with_needed(carried["reads"]))
    sections["representations"] = {name: values["representations"][name] for name in needed}
    return sections | {"models": {model: values["models"][model]}}


def _predictions(run: Run, model: str, folder: Path) -> pd.DataFrame:
    """What the version's training predicted for songs left out of a fold, by track_id."""
    try:
        file = mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path=f"training/{model}.csv", dst_path=str(folder)
        )
    except OSError as error:
        raise InputError(
            f"run {run.info.run_id}: MLflow has not kept its predictions ({error}); name another version"
        ) from error
    table = pd.read_csv(file, keep_default_na=False, dtype={"track_id": str})
    return table[table["split"] != HOLDOUT].set_index("track_id")


def _compared(
    version: str,
    workspace: Workspace,
    result: ModelResult,
    run: Run,
    then: pd.DataFrame,
    commits: tuple[str | None, str | None],
) -> Reproduction:
    now = result.out_of_fold.set_index("track_id")
    both = then.index.intersection(now.index)
    moods = list(MOODS)
    apart = np.abs(then.loc[both, moods].to_numpy(float) - now.loc[both, moods].to_numpy(float))
    return Reproduction(
        version=version,
        model=result.model,
        folder=str(workspace.root),
        has_same_data=run.data.tags.get("mer.data") == result.data,
        commits=commits,
        accuracies=(round(float(run.data.metrics["accuracy"]), 4), round(result.scores.accuracy, 4)),
        n_songs=len(both),
        n_moods=int((then.loc[both, "predicted"] != now.loc[both, "predicted"]).sum()),
        difference=float(apart.max()) if len(both) else 1.0,
    )
