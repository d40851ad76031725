"""The report of a run: one file with everything, in which nothing from outside is more than text."""

import re
from pathlib import Path

import numpy as np
import pytest

from mer_tasks.board.report import write_report
from mer_tasks.catalog.dataset import write_snapshot
from mer_tasks.errors import InputError
from mer_tasks.evaluation import plots
from mer_tasks.evaluation.comparison import compare_models
from mer_tasks.evaluation.result import write_result
from mer_tasks.files import write_text
from mer_tasks.quality.findings import Finding, QualityReport
from mer_tasks.quality.report import write_report as write_quality_report
from mer_tasks.registry.outcome import Outcome
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace
from tests.board.pages import HOSTILE, Page
from tests.evaluation.results import (
    model_result,
    predictions,
    snapshot_of,
    some_moods,
    with_errors,
    with_models,
)
from tests.evaluation.workspaces import write_summary

MOODS_BY_ID = some_moods(40)


@pytest.fixture
def workspace(tmp_path: Path, params: Params) -> Workspace:
    """Two compared models, whose songs have a hostile title, and a data check that names one of them."""
    workspace = Workspace(tmp_path)
    snapshot = snapshot_of(MOODS_BY_ID, clip_sha256={song: song.ljust(64, "0") for song in MOODS_BY_ID})
    write_snapshot(snapshot, workspace.snapshot)
    noise = np.random.default_rng(0).normal(size=(len(MOODS_BY_ID), 4)).astype(np.float32)
    write_summary(workspace, snapshot.songs, noise)
    named = with_models(params, good="summary", poor="summary")
    named = named.model_copy(update={"evaluation": params.evaluation.model_copy(update={"bootstrap": 100})})
    for model, n_wrong in (("good", 4), ("poor", 25)):
        table = predictions(with_errors(MOODS_BY_ID, *list(MOODS_BY_ID)[:n_wrong]), MOODS_BY_ID)
        write_result(model_result(named, model, table.assign(title=HOSTILE)), workspace)
        picture = workspace.plots(model) / "confusion.png"
        plots.confusion_matrix(picture, table["mood"], table["predicted"], model)
    compare_models(workspace, named, Machine(home=tmp_path, device="cpu"))
    finding = Finding("clip length", "warning", "one is short", (f"t000 ({HOSTILE})",))
    checked = QualityReport((finding,), 23, 40, 1, {"sad": 10, "happy": 10, "energetic": 10, "calm": 10}, 5)
    write_quality_report(checked, workspace.quality)
    return workspace


def test_it_has_every_model_its_pictures_the_checks_and_the_decision(workspace: Workspace) -> None:
    decision = "promoted: a gain of +0.1"
    outcome = Outcome("mood", "7", "good", "run", decision, "https://mlflow.example.org/#/models/mood", None)
    page = Page(write_report(workspace, outcome).read_text())
    for expected in ("good", "poor", "majority", "0.900", decision, "mood version 7", "one is short"):
        assert expected in page.text
    assert len(page.pictures) == 2
    assert "https://mlflow.example.org/#/models/mood" in page.links


def test_it_asks_the_network_for_nothing_and_runs_no_script(workspace: Workspace) -> None:
    html = write_report(workspace).read_text()
    page = Page(html)
    assert all(source.startswith("data:image/png;base64,") for source in page.pictures)
    assert not {"script", "link", "iframe"} & set(page.elements)
    assert not re.search(r"url\(|@import", html)


def test_hostile_titles_are_text(workspace: Workspace) -> None:
    page = Page(write_report(workspace).read_text())
    assert page.text.count(HOSTILE) == 20 + 1  # the hardest songs, and the finding


def test_the_same_training_gives_the_same_bytes(workspace: Workspace) -> None:
    assert write_report(workspace).read_bytes() == write_report(workspace).read_bytes()


def test_a_comparison_of_an_older_mer_is_one_line(workspace: Workspace) -> None:
    write_text(workspace.comparison, '{"models": []}')
    with pytest.raises(InputError, match=r"comparison\.json: has no best, .*; run mer evaluate again"):
        write_report(workspace)
