"""From a chart to clips as Airflow runs it: real tasks in a project of its own."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from tests.alerts.servers import raised
from tests.dags.conftest import DAGS

ROOT = DAGS.parent


def test_what_airflow_will_run(bag: DagBag) -> None:
    """A change here is a change of what runs: let it show in review."""
    tasks = {
        name: {
            task.task_id: (
                sorted(task.downstream_task_ids),
                task.pool,
                task.trigger_rule.value,
                task.is_mapped,
            )
            for task in bag.dags[name].tasks
        }
        for name in ("refresh_charts", "collect_clips", "score_tracks")
    }
    assert tasks == {
        "refresh_charts": {
            "list_charts": (["refresh", "summarise"], "default_pool", "all_success", False),
            "refresh": (["announce", "summarise"], "downloads", "all_success", True),
            "announce": ([], "default_pool", "all_done", False),
            "summarise": ([], "default_pool", "all_done", False),
        },
        "collect_clips": {
            "plan": (["collect", "summarise"], "default_pool", "all_success", False),
            "collect": (["announce", "compute", "summarise"], "downloads", "all_success", False),
            "compute": ([], "default_pool", "all_success", False),
            "summarise": ([], "default_pool", "all_done", False),
            "announce": ([], "default_pool", "all_done", False),
        },
        "score_tracks": {
            "score": (["write_board"], "default_pool", "all_success", False),
            "write_board": ([], "default_pool", "none_failed", False),
        },
    }


def test_assets_tie_them(bag: DagBag) -> None:
    refresh, collect = bag.dags["refresh_charts"], bag.dags["collect_clips"]
    (catalog,) = refresh.task_dict["announce"].outlets
    (clips,) = collect.task_dict["announce"].outlets
    assert (catalog.name, clips.name) == ("catalog", "clips")
    assert catalog.name in str(collect.timetable.asset_condition)
    awaited = bag.dags["score_tracks"].timetable.asset_condition.objects  # type: ignore[attr-defined]
    assert {asset.name for asset in awaited} == {"catalog", "clips", "versions"}


@pytest.fixture
def project(tmp_path: Path, write_tone: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the DAGs beside settings whose charts are two lists of short songs and one that is not there."""
    for number, name in enumerate("abc"):
        write_tone(tmp_path / "music" / f"{name}.wav", hz=300 + 100 * number)
    for chart, names in (("happy", "ab"), ("sad", "c")):
        lines = [f"#EXTINF:2,Artist {name} - Title {name}\n{name}.wav" for name in names]
        (tmp_path / "music" / f"{chart}.m3u").write_text("\n".join(("#EXTM3U", *lines, "")))
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["clips"] |= {"duration_s": 1.0, "min_duration_s": 0.5}
    values["representations"] = {"summary": {}}
    values["models"] = {"logistic_regression": values["models"]["logistic_regression"]}
    values["snapshot"]["collections"] = ["happy", "sad", "absent"]  # which stops no other
    values["charts"] = {
        chart: {"source": "file", "location": f"music/{chart}.m3u", "mood": mood}
        for chart, mood in (("happy", "happy"), ("sad", "sad"), ("absent", "calm"))
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    shutil.copytree(DAGS, tmp_path / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("MER_HOME", str(tmp_path / "var"))
    monkeypatch.syspath_prepend(str(tmp_path / "dags"))
    monkeypatch.delitem(sys.modules, "dag_common", raising=False)
    return tmp_path


def outcome(dag: DAG, **conf: Any) -> tuple[dict[str, list[str]], Any]:
    """The states of a run's tasks, and what its summary holds."""
    run = dag.test(run_conf=conf)
    states: dict[str, list[str]] = {}
    for ti in run.get_task_instances():
        states.setdefault(ti.task_id, []).append(str(ti.state))
    summary = next(ti for ti in run.get_task_instances() if ti.task_id == "summarise")
    return states, summary.xcom_pull(task_ids="summarise")


@pytest.mark.slow
def test_charts_are_read_and_their_songs_collected(project: Path, database: None) -> None:
    dags = DagBag(project / "dags").dags
    states, _ = outcome(dags["refresh_charts"])
    assert sorted(states["refresh"]) == ["failed", "success", "success"]
    assert (states["announce"], states["summarise"]) == (["success"], ["failed"])
    chart, summary = raised(project / "var")
    assert (chart.title, chart.severity) == ("refresh_charts: task refresh absent failed", "critical")
    assert "absent.m3u" in chart.text
    assert summary.severity == "information"  # the chart's own alert is the message
    assert "1 of 3 charts not read: absent" in summary.text

    states, summary = outcome(dags["refresh_charts"], chart="sad")
    assert states == {
        "list_charts": ["success"],
        "refresh": ["success"],
        "announce": ["skipped"],
        "summarise": ["success"],
    }
    assert [report["n_entries"] for report in summary] == [1]

    states, summary = outcome(dags["collect_clips"], batch=2)
    assert {state for found in states.values() for state in found} == {"success"}
    assert (len(states["collect"]), len(states["compute"])) == (2, 2)
    assert (summary["new"], summary["failed"]) == (3, {})
    clips = {path.stem for path in (project / "var" / "clips").glob("*/*.mp3")}
    assert len(clips) == 3
    assert {path.stem for path in (project / "var" / "features").glob("summary-*/*/*.npz")} == clips

    states, summary = outcome(dags["collect_clips"])
    assert (states["collect"], states["announce"]) == (["skipped"], ["skipped"])
    assert summary["new"] == 0


@pytest.mark.slow
def test_what_cannot_be_planned_is_red_once_with_its_cause(project: Path, database: None) -> None:
    (project / "params.yaml").write_text("charts: [")
    for name in ("refresh_charts", "collect_clips"):
        dag = DagBag(project / "dags").dags[name]
        states, _ = outcome(dag)
        assert states["summarise"] == ["failed"]
    alerts = [(alert.severity, alert.text.partition("error: ")[2]) for alert in raised(project / "var")]
    assert sum("params.yaml: not YAML" in text for severity, text in alerts if severity == "critical") == 2
    assert [text.partition(": ")[2] for severity, text in alerts if severity == "information"] == [
        "Nothing was read; see list_charts",
        "Nothing was collected; see plan",
    ]
