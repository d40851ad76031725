"""The weekly retraining as Airflow sees it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

from mer_tasks.settings import EvaluationSettings, Params, load_params
from tests.alerts.servers import raised


@pytest.fixture(scope="module")
def dag(bag: DagBag) -> DAG:
    return bag.dags["weekly_retrain"]


def test_what_airflow_will_run(dag: DAG) -> None:
    """A change here is a change of what runs: let it show in review."""
    tasks = {
        task.task_id: (sorted(task.downstream_task_ids), task.queue, task.pool, str(task.execution_timeout))
        for task in dag.tasks
    }
    assert tasks == {
        "open_workspace": (["list_gpu_models", "train"], "default", "default_pool", "2:00:00"),
        "list_gpu_models": (["collect_clips", "train_on_gpu"], "default", "default_pool", "2:00:00"),
        "collect_clips": (["snapshot"], "default", "downloads", "6:00:00"),
        "snapshot": (["validate"], "default", "default_pool", "2:00:00"),
        "validate": (["is_new"], "default", "default_pool", "2:00:00"),
        "is_new": (["features"], "default", "default_pool", "2:00:00"),
        "features": (["drift", "train"], "default", "default_pool", "2:00:00"),
        "drift": ([], "default", "default_pool", "2:00:00"),
        "train": (["evaluate", "train_on_gpu"], "default", "default_pool", "6:00:00"),
        "train_on_gpu": (["evaluate"], "gpu", "gpu", "6:00:00"),
        "evaluate": (["register"], "default", "default_pool", "2:00:00"),
        "register": (["report", "serve_check"], "default", "default_pool", "2:00:00"),
        "serve_check": (["gate", "report"], "default", "default_pool", "2:00:00"),
        "gate": (["approval", "report"], "default", "default_pool", "2:00:00"),
        "approval": (["promote"], "default", "default_pool", "0:10:00"),
        "promote": (["report"], "default", "default_pool", "2:00:00"),
        "report": ([], "default", "default_pool", "2:00:00"),
    }
    mapped = [task for task in dag.tasks if task.is_mapped]
    assert [task.task_id for task in mapped] == ["train", "train_on_gpu"]
    assert [task.max_active_tis_per_dagrun for task in mapped] == [1, 1]
    rules = {task.task_id: task.trigger_rule for task in dag.tasks if task.trigger_rule != "all_success"}
    assert rules == {
        "train_on_gpu": "none_failed",
        "evaluate": "none_failed_min_one_success",
        "promote": "none_failed",  # approval is skipped where nobody is asked
        "report": "none_failed",  # promote is skipped where a person says no
    }
    assert (dag.max_active_runs, dag.catchup) == (1, False)


@pytest.mark.parametrize(
    ("returned", "addresses"),
    [
        (
            {"report_page": "http://m/#/p", "run_page": "http://m/#/r", "version_page": "http://m/#/v"},
            ["http://m/#/p", "http://m/#/r", "http://m/#/v"],
        ),
        ({"run_page": None, "version_page": None}, ["", "", ""]),  # there is no MLflow server
        (None, ["", "", ""]),  # the task failed
    ],
)
def test_the_report_s_buttons_open_mlflow(
    dag: DAG, returned: dict[str, object] | None, addresses: list[str]
) -> None:
    report = DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_dict["report"]
    assert {link.name: link.xcom_key for link in report.operator_extra_links} == {
        "Report": "link_report_page",
        "Run in MLflow": "link_run_page",
        "Version in MLflow": "link_version_page",
    }
    instance = SimpleNamespace(xcom_pull=lambda task_ids: returned if task_ids == "report" else None)
    task = dag.task_dict["report"]
    assert [link.get_link(task, ti_key=instance) for link in task.operator_extra_links] == addresses


def test_it_runs_on_mondays_and_not_by_being_unpaused(dag: DAG) -> None:
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    first = timetable.next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(earliest=None, latest=None, catchup=False),
    )
    assert first is not None
    assert first.run_after > datetime.now(UTC)
    assert f"{first.run_after:%A %H:%M %Z}" == "Monday 04:00 UTC"


def test_the_form_offers_what_the_settings_know(dag: DAG) -> None:
    from dag_retrain_form import OVERRIDES

    models = dag.params.get_param("models").schema
    assert models["items"]["enum"] == models["examples"] == list(load_params().models)
    protocols = dag.params.get_param("protocol").schema["enum"]
    assert tuple(protocols[1:]) == get_args(EvaluationSettings.model_fields["protocol"].annotation)
    assert set(OVERRIDES) | {"as_of", "models", "size", "promote"} == set(dag.params)
    for key in OVERRIDES.values():
        section, name = key.split(".")
        fields: Any = Params.model_fields[section].annotation
        assert name in fields.model_fields


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("as_of", "tomorrow"),
        ("as_of", "2026-13-01"),
        ("collections", []),
        ("collections", "sample"),
        ("models", ["svm"]),
        ("models", []),
        ("protocol", "other"),
        ("promote", "yes"),
        ("promote", True),
        ("size", "tiny"),
    ],
)
def test_the_form_refuses_what_the_settings_would(dag: DAG, field: str, value: object) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dag.params.get_param(field).__copy__().resolve(value)


@pytest.mark.slow
def test_bad_input_is_red_at_once_and_nothing_after_it_runs(
    dag: DAG, database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run = dag.test(run_conf={"collections": ["nowhere"], "as_of": "2026-11-22"})
    states = {ti.task_id: (ti.state, ti.try_number) for ti in run.get_task_instances()}
    assert states["open_workspace"] == ("failed", 1)
    assert {
        states[name][0]
        for name in ("collect_clips", "snapshot", "validate", "features", "evaluate", "promote")
    } == {"upstream_failed"}
    (alert,) = raised(tmp_path)
    assert "nowhere" in alert.text


@pytest.mark.slow
def test_a_misspelt_field_of_the_form_starts_nothing(
    dag: DAG, database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MER_HOME", str(tmp_path))
    run = dag.test(run_conf={"model": ["resnet18"]})
    states = {ti.task_id: (ti.state, ti.try_number) for ti in run.get_task_instances()}
    assert states["open_workspace"] == ("failed", 1)
    (alert,) = raised(tmp_path)
    assert "model: no such field; there are as_of, collections, models, " in alert.text
    assert not (tmp_path / "runs").exists()


def test_approval_asks_with_no_as_the_default_and_who_is_named(dag: DAG) -> None:
    approval = dag.task_dict["approval"]
    assert (approval.options, approval.defaults) == (["Approve", "Reject"], ["Reject"])
    assert approval.response_timeout == timedelta(hours=load_params().promotion.answer_within_h)
    assert approval.assigned_users is None and list(approval.serialized_params) == ["reason"]
    assert not approval.fail_on_reject


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((["Approve"], {"id": "1", "name": "ann"}, {"reason": "good"}), None),
        ((["Reject"], {"id": "1", "name": "ann"}, {"reason": "too\ncalm"}), "rejected by ann: too calm"),
        ((["Reject"], {"id": "1", "name": "ann"}, None), "rejected by ann: no reason given"),
        ((["Reject"], None, {"reason": ""}), "nobody answered within 72 hours, which is no"),
    ],
)
def test_a_no_is_told_as_what_it_was(answer: tuple[Any, Any, Any], told: str | None) -> None:
    from dag_approval import refusal

    keys = ("chosen_options", "responded_by_user", "params_input")
    assert refusal(dict(zip(keys, answer, strict=True))) == told


@pytest.mark.parametrize(
    ("form", "models"),
    [
        ({"size": "full", "models": None}, None),
        ({"size": "quick", "models": None}, list(load_params().models)[:1]),
        ({"size": "quick", "models": ["svm"]}, ["svm"]),
    ],
)
def test_a_quick_run_trains_one_model_unless_some_are_named(
    form: dict[str, Any], models: list[str] | None
) -> None:
    from dag_retrain_form import chosen_models

    assert chosen_models(form) == models
