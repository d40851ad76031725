"""What became of a training is found in MLflow by the training itself, and its report lies with its run."""

from pathlib import Path

import pytest

from mer_tasks.board.report import publish_report
from mer_tasks.registry.outcome import find_outcome
from mer_tasks.registry.promotion import PersonsWord, promote
from tests.registry.conftest import Project
from tests.registry.test_registration import client_of


def test_the_report_of_the_newest_version_lies_with_its_run_and_has_the_decision(served: Project) -> None:
    workspace, params, machine = served.workspace, served.params, served.machine
    page, outcome = publish_report(workspace, params, machine)
    assert outcome and (outcome.version, outcome.model, outcome.decision) == ("2", "good", None)
    assert "is not decided yet" in page.read_text()
    assert [one.path for one in client_of(served).list_artifacts(outcome.run_id, "report")] == [
        "report/report.html"
    ]

    promote(workspace, params, machine, person=PersonsWord("ann", "sounds better"))
    page, outcome = publish_report(workspace, params, machine)
    assert outcome and outcome.promoted
    attached = client_of(served).download_artifacts(outcome.run_id, "report/report.html")
    assert Path(attached).read_bytes() == page.read_bytes()
    assert "promoted: sounds better" in page.read_text()


def test_its_address_is_that_of_mlflows_pages(served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MER_MLFLOW_PAGE", "https://mlflow.example.org")
    found = find_outcome(served.workspace, served.params, served.machine)
    assert found and found.report_page
    assert found.report_page.startswith("https://mlflow.example.org/#/experiments/")
    assert found.report_page.endswith(f"/runs/{found.run_id}/artifacts/report/report.html")


def test_a_training_that_nobody_registered_has_none_and_makes_no_registry(project: Project) -> None:
    assert find_outcome(project.workspace, project.params, project.machine) is None
    assert not (project.machine.home / "mlflow").exists()
