"""What holds for every DAG: light, described, and never failing in silence."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, task
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.serialization.serialized_objects import DagSerialization

from mer_tasks.errors import InputError, UnavailableError
from tests.alerts.servers import raised
from tests.dags.conftest import DAGS
from tests.sources.charts.servers import Response, serving

NAMES = sorted(path.stem for path in DAGS.glob("*.py") if not path.stem.startswith("dag_"))


@pytest.fixture(params=NAMES)
def dag(bag: DagBag, request: pytest.FixtureRequest) -> DAG:
    return bag.dags[request.param]


def test_every_dag_file_is_read_without_an_error(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == NAMES


def test_parsing_imports_nothing_heavy() -> None:
    code = (
        f"import sys, airflow.sdk; before = set(sys.modules); sys.path.insert(0, {str(DAGS)!r});"
        f" import {', '.join(NAMES)}; print(*sorted(set(sys.modules) - before))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    roots = {name.partition(".")[0] for name in printed.split()} - set(sys.stdlib_module_names)
    assert {name for name in printed.split() if name.startswith("mer_tasks")} <= {
        "mer_tasks",
        "mer_tasks.domain",
        "mer_tasks.errors",
    }
    heavy = {"dvc", "great_expectations", "librosa", "mlflow", "numpy", "pandas", "sklearn", "torch"}
    assert roots.issuperset(NAMES)
    assert not roots & heavy


def test_every_task_says_what_it_does_and_tells_a_person_when_it_fails(dag: DAG) -> None:
    from dag_common import RetryByKind, alert

    for one in dag.tasks:
        values = one.partial_kwargs if one.is_mapped else vars(one)
        assert one.doc_md, one.task_id
        assert one.on_failure_callback in (alert, [alert]), one.task_id
        assert one.retries == (5 if one.task_id == "refresh" else 2)
        assert isinstance(values["retry_policy"], RetryByKind), one.task_id
        assert one.execution_timeout and one.execution_timeout <= timedelta(hours=6), one.task_id
        assert one.owner == "mer", one.task_id


def test_parsing_takes_less_than_a_second() -> None:
    """Of the processor, beyond Airflow itself, whatever else this machine does."""
    code = (
        f"import sys, time, airflow.sdk, airflow.providers.standard.operators.hitl; sys.path.insert(0, {str(DAGS)!r});"
        f" begin = time.process_time(); import {', '.join(NAMES)}; print(time.process_time() - begin)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(printed.splitlines()[-1]) < 1.0


@pytest.mark.parametrize(
    ("retry_after_s", "try_number", "action", "wait"),
    [
        (None, 1, "retry", timedelta(minutes=15)),
        (None, 5, "retry", timedelta(hours=4)),
        (None, 99, "retry", timedelta(hours=8)),
        (30.0, 1, "retry", timedelta(minutes=15)),
        (86_401.0, 1, "retry", timedelta(days=1, seconds=1)),
        (7 * 86_400.0, 1, "fail", None),
    ],
)
def test_a_chart_whose_server_is_away_is_tried_when_it_asked(
    bag: DagBag, retry_after_s: float | None, try_number: int, action: str, wait: timedelta | None
) -> None:
    policy = bag.dags["refresh_charts"].get_task("refresh").partial_kwargs["retry_policy"]
    decision = policy.evaluate(UnavailableError("busy", retry_after_s), try_number, 6)
    assert (decision.action.value, decision.retry_delay) == (action, wait)


def test_wrong_input_is_not_tried_again_and_other_faults_are(bag: DagBag) -> None:
    policy = bag.dags["collect_clips"].get_task("plan").retry_policy
    assert policy.evaluate(InputError("no such chart"), 1, 2).action.value == "fail"
    assert policy.evaluate(RuntimeError("lost"), 1, 2).action.value == "default"
    assert policy.evaluate(UnavailableError("busy"), 2, 2).retry_delay == timedelta(minutes=2)


def test_mer_tells_airflow_when_to_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dag_common import mer_json

    monkeypatch.setenv("MER_HOME", str(tmp_path / "var"))
    params = yaml.safe_load((DAGS.parent / "params.yaml").read_text())
    with serving(lambda request: Response(status=429, headers={"Retry-After": "86400"})) as web:
        params["charts"] = {"far": {"source": "file", "location": f"{web.url}/a.csv"}}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        with pytest.raises(UnavailableError, match=r"429 Too Many Requests; try again later$") as caught:
            mer_json(tmp_path, "charts", "--", "far")
    assert caught.value.retry_after_s == pytest.approx(86_400, abs=60)
    assert len(web.asked) == 1


def test_every_field_of_a_form_is_described_and_starts_valid(dag: DAG) -> None:
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema["title"], name
        assert len(param.description or "") > 30, name
        if (dag.dag_id, name) != ("rollback", "reason"):  # which a person has to give
            param.resolve()


def test_runs_of_a_dag_never_overlap_nor_catch_up(dag: DAG) -> None:
    assert (dag.max_active_runs, dag.catchup) == (1, False)


def test_serialising_is_stable_and_complete(dag: DAG) -> None:
    once = DagSerialization.to_dict(dag)
    assert json.loads(json.dumps(once)) == json.loads(json.dumps(DagSerialization.to_dict(dag)))
    back = DagSerialization.from_dict(json.loads(json.dumps(once)))
    assert back.task_dict.keys() == dag.task_dict.keys()
    for one in dag.tasks:
        assert back.task_dict[one.task_id].downstream_task_ids == one.downstream_task_ids


def test_the_alert_reaches_the_one_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dag_common import alert

    monkeypatch.setenv("MER_HOME", str(tmp_path))
    ti = SimpleNamespace(
        task_id="validate",
        map_index=-1,
        dag_id="weekly_retrain",
        run_id="one",
        try_number=1,
        log_url="http://log",
    )
    alert({"ti": ti, "exception": ValueError("no calm song")})
    (kept,) = raised(tmp_path)
    assert "validate" in kept.title
    assert "no calm song" in kept.text


def test_the_alert_of_a_lost_worker_names_what_its_task_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow sends it from another process, in which nothing of the task was rendered."""
    from dag_common import alert

    monkeypatch.setenv("MER_HOME", str(tmp_path))
    with DAG("retrain", schedule=None) as dag:

        @task(map_index_template="{{ task.op_kwargs['model'] }}", on_failure_callback=alert)
        def train(model: str) -> None:
            """Train."""

        train.expand(model=["a", "resnet18"])

    instance = RuntimeTaskInstance.model_construct(
        id=uuid4(),
        task=dag.task_dict["train"],
        dag_id="retrain",
        task_id="train",
        run_id="one",
        try_number=3,
        map_index=1,
        max_tries=2,
    )
    context = instance.get_template_context() | {"dag_run": SimpleNamespace(conf={}), "params": {}}
    alert({**context, "exception": "killed by signal 9"})
    (kept,) = raised(tmp_path)
    assert kept.title == "retrain: task train resnet18 failed"
    assert "/dags/retrain/runs/one/tasks/train/mapped/1?try_number=3" in str(kept.page)
