"""What became of a training in MLflow, and its report there."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mlflow.tracking import MlflowClient

from mer_tasks.evaluation.comparison import read_comparison
from mer_tasks.evaluation.result import result_identity
from mer_tasks.registry.aliases import DECISION
from mer_tasks.registry.connection import connected
from mer_tasks.registry.runs import TRAINING
from mer_tasks.registry.summary import run_page, version_page
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

FOLDER = "report"
"""Where a run's artifacts have the report."""


@dataclass(frozen=True)
class Outcome:
    """The version that a training gave: its run, and what was decided of it, if that is known.

    The pages are their addresses in MLflow, None where there is no server.
    """

    name: str
    version: str
    model: str
    run_id: str
    decision: str | None
    version_page: str | None
    report_page: str | None

    @property
    def promoted(self) -> bool:
        """Whether the version went into service."""
        return (self.decision or "").startswith("promoted")


def find_outcome(workspace: Workspace, params: Params, machine: Machine) -> Outcome | None:
    """The version of the models trained in a workspace that was registered last; None where none was.

    Raises:
        InputError: nothing is trained.
        UnavailableError: MLflow cannot be reached now.
    """
    trained = [one["model"] for one in read_comparison(workspace)["models"]]
    if machine.tracking_uri is None and not Path(machine.mlflow_uri.removeprefix("sqlite:///")).is_file():
        return None  # asked, MLflow would make a database
    runs = {result_identity(workspace, name): name for name in trained}
    with connected(machine) as client:
        return _newest(client, params.registration.model_name, runs, machine)


def attach_report(outcome: Outcome, report: Path, machine: Machine) -> None:
    """Put a report among the artifacts of the version's run, in place of an earlier one.

    Raises:
        UnavailableError: MLflow cannot be reached now.
    """
    with connected(machine) as client:
        client.log_artifact(outcome.run_id, str(report), FOLDER)


def _newest(client: MlflowClient, name: str, trained: dict[str, str], machine: Machine) -> Outcome | None:
    """The newest version of one of the trainings, given as the model by a training's identity."""
    found = sorted(client.search_model_versions(f"name = '{name}'"), key=lambda one: -int(one.version))
    for version in found:
        run = client.get_run(version.run_id) if version.run_id else None
        model = trained.get(run.data.tags.get(TRAINING, "")) if run else None
        if run and model:
            page = run_page(machine, run.info.experiment_id, run.info.run_id)
            return Outcome(
                name,
                str(version.version),
                model,
                run.info.run_id,
                version.tags.get(DECISION),
                version_page(machine, name, str(version.version)),
                f"{page}/artifacts/{quote(FOLDER)}/report.html" if page else None,
            )
    return None
