"""What a person reads of a retraining, and where its addresses lead."""

from pathlib import Path
from typing import Any

import pytest

from mer_tasks.registry.summary import retraining_summary, run_page, version_page
from mer_tasks.settings import Machine

COMPARISON = {
    "songs": "songs of a\nb",
    "protocol": "grouped",
    "findings": [{"rule": "predicted shares", "text": "bad predicts\nnothing but calm"}],
    "models": [
        {"model": "good", "reads": "summary", "accuracy": 0.8694, "accuracy_low": 0.78, "accuracy_high": 0.94}
        | {"n": 84, "holdout_accuracy": 0.5},
        {"model": "bad", "reads": "resnet18", "accuracy": 0.25, "accuracy_low": 0.2, "accuracy_high": 0.3}
        | {"n": 84, "holdout_accuracy": None},
    ],
}
SERVED = {"line": "answers 5 songs"}
VERDICT = {"markdown": "## mood version 3: does not pass the gate"}
VERSION = {"name": "mood", "version": "3", "model": "good", "run_page": "http://m/run", "version_page": None}


def test_a_summary_has_scores_version_decision_and_addresses() -> None:
    decision = {"promoted": False, "reason": "gains 0.01\non 20 songs"}
    assert retraining_summary(COMPARISON, VERSION, SERVED, VERDICT, decision, None).splitlines() == [
        "| model | reads | accuracy | 95 % interval | holdout |",
        "| --- | --- | ---: | --- | ---: |",
        "| good | summary | 0.869 | 0.780 to 0.940 | 0.500 |",
        "| bad | resnet18 | 0.250 | 0.200 to 0.300 |  |",
        "",
        "Accuracy out of fold on 84 songs of a b, protocol grouped.",
        "",
        "- Finding: bad predicts nothing but calm",
        "- Registered: mood version 3 (good)",
        "- Serving: answers 5 songs",
        "- Decision: not promoted: gains 0.01 on 20 songs",
        "- Run in MLflow: http://m/run",
        "",
        "## mood version 3: does not pass the gate",
    ]


@pytest.mark.parametrize(
    ("decision", "refused", "line"),
    [
        (None, None, "- Decision: left to a person, with mer promote"),
        (None, "rejected by ann: too\ncalm", "- Decision: not promoted: rejected by ann: too calm"),
        ({"promoted": True, "reason": "is better"}, None, "- Decision: promoted: is better"),
    ],
)
def test_a_decision_is_told_with_its_reason(
    decision: dict[str, Any] | None, refused: str | None, line: str
) -> None:
    assert line in retraining_summary(COMPARISON, VERSION, SERVED, VERDICT, decision, refused).splitlines()


@pytest.mark.parametrize(
    ("server", "page", "address"),
    [
        ("http://mlflow:5000/", "", "http://mlflow:5000/#/"),
        ("http://mlflow:5000", "https://mlflow.example.org/team/", "https://mlflow.example.org/team/#/"),
        ("http://ann:s3cret@mlflow:5000", "", "http://mlflow:5000/#/"),
        ("sqlite:///mlflow.db", "", None),
        (None, "", None),
    ],
)
def test_pages_are_where_a_browser_finds_them(
    server: str | None, page: str, address: str | None, tmp_path: Path
) -> None:
    machine = Machine(home=tmp_path, MLFLOW_TRACKING_URI=server, mlflow_page=page)
    assert run_page(machine, "1", "r") == (address and f"{address}experiments/1/runs/r")
    assert version_page(machine, "a b", "3") == (address and f"{address}models/a%20b/versions/3")
