"""Rolling back as Airflow runs it."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from tests.dags.conftest import DAGS
from tests.registry.conftest import *
from tests.registry.scene import Scene


def test_what_airflow_will_run(bag: DagBag) -> None:
    dag = bag.dags["rollback"]
    assert [task.task_id for task in dag.tasks] == ["roll_back"]
    assert dag.schedule is None


@pytest.mark.parametrize(
    ("field", "value"), [("reason", ""), ("reason", None), ("version", "latest"), ("version", 3)]
)
def test_the_form_refuses_what_mer_would(bag: DagBag, field: str, value: object) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        bag.dags["rollback"].params.get_param(field).__copy__().resolve(value)


@pytest.mark.slow
def test_a_run_goes_back_and_the_ledger_says_who_and_why(
    tmp_path: Path, empty_registry: Path, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, empty_registry)
    one, two = scene.add(), scene.add()
    for number in (one, two):
        scene.promote(number, force=True)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(scene.values))
    shutil.copytree(DAGS, tmp_path / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("MER_HOME", str(tmp_path / "var"))
    monkeypatch.syspath_prepend(str(tmp_path / "dags"))
    monkeypatch.delitem(sys.modules, "dag_common", raising=False)
    dag: DAG = DagBag(tmp_path / "dags").dags["rollback"]
    run = dag.test(run_conf={"reason": "calls all\ncalm"})
    assert str(run.state) == "success", [json.dumps(str(ti.state)) for ti in run.get_task_instances()]
    row = scene.ledger[-1]
    assert (row.kind, row.from_version, row.to_version) == ("rollback", two, one)
    assert (row.reason, row.decided_by) == ("calls all calm", "dag_test")
    assert scene.champion == one
