"""The weekly retraining as Airflow sees it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_args

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

from mer_tasks.settings import Evaluation, ModelName, Params

DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(DAGS)


@pytest.fixture(scope="module")
def dag(bag: DagBag) -> DAG:
    return bag.dags["weekly_retrain"]


@pytest.fixture(scope="module")
def module(dag: DAG) -> ModuleType:
    """The DAG's file as Airflow imported it."""
    return sys.modules[dag.task_dict["promote"].python_callable.__module__]


def test_every_dag_file_is_read_without_an_error(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {path.stem for path in DAGS.glob("*.py")}


def test_parsing_imports_nothing_heavy() -> None:
    code = (
        f"import sys, airflow.sdk; before = set(sys.modules); sys.path.insert(0, {str(DAGS)!r});"
        " import weekly_retrain; print(*sorted(set(sys.modules) - before))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    roots = {name.partition(".")[0] for name in printed.split()} - set(sys.stdlib_module_names)
    assert {name for name in printed.split() if name.startswith("mer_tasks")} <= {
        "mer_tasks",
        "mer_tasks.domain",
    }
    heavy = {"dvc", "great_expectations", "librosa", "mlflow", "numpy", "pandas", "sklearn", "torch"}
    assert "weekly_retrain" in roots
    assert not roots & heavy


def test_what_airflow_will_run(dag: DAG) -> None:
    """A change here is a change of what runs: let it show in review."""
    tasks = {
        task.task_id: (sorted(task.downstream_task_ids), task.queue, task.pool, str(task.execution_timeout))
        for task in dag.tasks
    }
    assert tasks == {
        "open_workspace": (["collect_clips", "train"], "default", "default_pool", "2:00:00"),
        "collect_clips": (["snapshot"], "default", "downloads", "6:00:00"),
        "snapshot": (["validate"], "default", "default_pool", "2:00:00"),
        "validate": (["features"], "default", "default_pool", "2:00:00"),
        "features": (["train"], "default", "default_pool", "2:00:00"),
        "train": (["evaluate"], "gpu", "gpu", "6:00:00"),
        "evaluate": (["register"], "default", "default_pool", "2:00:00"),
        "register": (["promote"], "default", "default_pool", "2:00:00"),
        "promote": ([], "default", "default_pool", "2:00:00"),
    }
    assert [task.task_id for task in dag.tasks if task.is_mapped] == ["train"]
    assert {task.trigger_rule for task in dag.tasks} == {"all_success"}
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    assert dag.task_dict["train"].max_active_tis_per_dagrun == 1


def test_it_runs_on_mondays_and_not_by_being_unpaused(dag: DAG) -> None:
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    first = timetable.next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(earliest=None, latest=None, catchup=False),
    )
    assert first is not None
    assert first.run_after > datetime.now(UTC)
    assert f"{first.run_after:%A %H:%M %Z}" == "Monday 04:00 UTC"


def test_every_task_says_what_it_does_and_tells_a_person_when_it_fails(dag: DAG, module: ModuleType) -> None:
    for task in dag.tasks:
        assert task.doc_md, task.task_id
        assert task.on_failure_callback in (module.alert, [module.alert]), task.task_id


def test_the_alert_reaches_the_one_way_out(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MER_HOME", str(tmp_path))
    ti = SimpleNamespace(
        task_id="validate",
        map_index=-1,
        dag_id="weekly_retrain",
        run_id="one",
        try_number=1,
        log_url="http://log",
    )
    module.alert({"ti": ti, "exception": ValueError("no calm song")})
    kept = json.loads((tmp_path / "alerts.jsonl").read_text(encoding="utf-8"))
    assert "validate" in kept["title"]
    assert "no calm song" in kept["text"]


def test_every_field_of_the_form_is_described_and_starts_valid(dag: DAG) -> None:
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema["title"], name
        assert len(param.description or "") > 30, name
        param.resolve()


def test_the_form_offers_what_the_settings_know(dag: DAG, module: ModuleType) -> None:
    models = dag.params.get_param("models").schema
    assert tuple(models["items"]["enum"]) == tuple(models["examples"]) == get_args(ModelName)
    protocols = dag.params.get_param("protocol").schema["enum"]
    assert tuple(protocols[1:]) == get_args(Evaluation.model_fields["protocol"].annotation)
    assert set(module.OVERRIDES) | {"as_of", "promote"} == set(dag.params)
    for key in module.OVERRIDES.values():
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
        ("weights", ""),
        ("promote", "yes"),
    ],
)
def test_the_form_refuses_what_the_settings_would(dag: DAG, field: str, value: object) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dag.params.get_param(field).__copy__().resolve(value)


def test_serialising_is_stable_and_complete(dag: DAG) -> None:
    once = DagSerialization.to_dict(dag)
    assert json.loads(json.dumps(once)) == json.loads(json.dumps(DagSerialization.to_dict(dag)))
    back = DagSerialization.from_dict(json.loads(json.dumps(once)))
    assert back.task_dict.keys() == dag.task_dict.keys()
    for task in dag.tasks:
        assert back.task_dict[task.task_id].downstream_task_ids == task.downstream_task_ids
        assert back.task_dict[task.task_id].retries == 2


@pytest.fixture
def database() -> Iterator[None]:
    from airflow.utils.db import initdb

    initdb()
    yield


@pytest.mark.slow
def test_bad_input_is_red_at_once_and_nothing_after_it_runs(
    dag: DAG, database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run = dag.test(run_conf={"collections": ["nowhere"], "as_of": "2026-11-22"})
    states = {ti.task_id: (ti.state, ti.try_number) for ti in run.get_task_instances()}
    assert states["open_workspace"] == ("success", 1)
    assert states["collect_clips"] == ("failed", 1)
    assert {states[name][0] for name in ("snapshot", "validate", "features", "evaluate", "promote")} == {
        "upstream_failed"
    }
    (alert,) = (json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines())
    assert "nowhere" in alert["text"]
