"""The report of a run: one HTML file with every model, what they get wrong, the data's checks and the decision."""

from pathlib import Path
from typing import Any

from mer_tasks.board.rendering import picture, render
from mer_tasks.errors import InputError
from mer_tasks.evaluation.comparison import read_comparison
from mer_tasks.evaluation.result import read_json, read_result
from mer_tasks.files import write_text
from mer_tasks.registry.outcome import Outcome, attach_report, find_outcome
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

CAPTIONS = {
    "calibration": "How often it is right by how sure it is, and on the surest share of the songs",
    "confusion": "Songs by their mood and the predicted one",
    "curves": "Accuracy by epoch, on training and on test songs",
    "plane": "Songs where their probabilities put them, coloured by their mood",
}
"""What training's pictures show, by their names; another picture is called by its own."""

READ = (
    "best",
    "songs",
    "data",
    "protocol",
    "models",
    "baselines",
    "findings",
    "slices",
    "hardest",
    "differences",
)
"""What is read of the comparison."""


def write_report(workspace: Workspace, outcome: Outcome | None = None) -> Path:
    """Write `metrics/report.html` and return its path; `outcome` is what the registry knows of the training.

    The same training gives the same bytes.

    Raises:
        InputError: there is no comparison or a model's result is missing, or one is of another version of mer.
    """
    comparison = read_comparison(workspace)
    if missing := [name for name in READ if name not in comparison]:
        raise InputError(f"{workspace.comparison}: has no {', '.join(missing)}; run mer evaluate again")
    page = render(
        "report.html",
        comparison=comparison,
        models=[_model(workspace, one["model"]) for one in comparison["models"]],
        checks=read_checks(workspace),
        outcome=outcome,
    )
    write_text(workspace.report, page)
    return workspace.report


def publish_report(workspace: Workspace, params: Params, machine: Machine) -> tuple[Path, Outcome | None]:
    """Write the report, and attach it to the run of the version that the training gave, if it gave one.

    Raises:
        InputError: as of `write_report`.
        UnavailableError: MLflow cannot be reached now.
    """
    outcome = find_outcome(workspace, params, machine)
    page = write_report(workspace, outcome)
    if outcome:
        attach_report(outcome, page, machine)
    return page, outcome


def read_checks(workspace: Workspace) -> dict[str, Any] | None:
    """What the quality gate found in the workspace's data set; None where it was not asked."""
    file = workspace.quality / "report.json"
    return read_json(file, "run mer validate") if file.is_file() else None


def _model(workspace: Workspace, name: str) -> dict[str, Any]:
    """What the report tells of a model besides its row."""
    scores = read_result(workspace, name).scores
    return {
        "name": name,
        "recall": scores.recall,
        "valence": scores.valence_accuracy,
        "arousal": scores.arousal_accuracy,
        "surest_half": scores.surest_half_accuracy,
        "pictures": [
            {"source": picture(png), "caption": CAPTIONS.get(png.stem, png.stem)}
            for png in sorted(workspace.plots(name).glob("*.png"))
        ],
    }
