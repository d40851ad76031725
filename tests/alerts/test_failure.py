"""What Airflow's failures become."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from mer_tasks.alert_keys import stop_key
from mer_tasks.alerts import alert_on_failure
from mer_tasks.alerts.failure import failure_alert
from mer_tasks.errors import InputError, UnavailableError
from tests.alerts.servers import raised, web_sink


def context(exception: object, map_index: int = -1, **more: object) -> dict[str, object]:
    """What Airflow 3.3 hands to a failure callback, as far as it is read."""
    values = {
        "dag_id": "retrain",
        "run_id": "manual__1",
        "task_id": "train",
        "map_index": map_index,
        "rendered_map_index": None,
        "try_number": 2,
        "log_url": "https://airflow.example.org/dags/retrain/runs/manual__1/tasks/train?try_number=2",
    }
    return {"ti": SimpleNamespace(**values | more), "exception": exception}


def test_failed_task_is_told_with_its_cause_a_remedy_and_its_page() -> None:
    alert = failure_alert(context(ValueError("first line\nsecond line")))
    assert alert.title == "retrain: task train failed"
    assert alert.severity == "critical"
    assert alert.text.splitlines() == [
        "dag: retrain",
        "run: manual__1",
        "task: train",
        "try: 2",
        "error: ValueError: first line",
    ]
    assert alert.remedy == (
        "the log has what came before the error; mend the cause, then run it again: press Clear on its page,"
        " or type airflow dags clear retrain --run-id manual__1 --only-failed"
    )
    assert alert.page == "https://airflow.example.org/dags/retrain/runs/manual__1/tasks/train?try_number=2"


@pytest.mark.parametrize(
    ("map_index", "rendered", "name"),
    [
        (2, "resnet18", "train resnet18"),
        (0, "100 songs", "train 100 songs"),
        (2, "a\r\nBcc: b\x1b[31m", "train a Bcc: b [31m"),
        (2, "x" * 500, f"train {'x' * 80}"),
        (3, None, "train[3]"),  # neither rendered nor to be rendered here
        (3, "", "train[3]"),
        (None, None, "train"),
    ],
)
def test_mapped_task_is_told_by_what_it_works_on(
    map_index: int, rendered: str | None, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    alert = failure_alert(context("killed", map_index, rendered_map_index=rendered))
    assert alert.title == f"retrain: task {name} failed"
    assert f"task: {name}" in alert.text.splitlines()
    assert ("no name for index 3 of train" in caplog.text) == (name == "train[3]")


@pytest.mark.parametrize(
    ("exception", "remedy"),
    [
        (InputError("x: wrong; do this"), "do what the error says"),
        (UnavailableError("MLflow: away"), "see that it is up"),
        (RuntimeError(), "the log has what came before"),
        ("killed by signal 9", "see that its worker is up"),
        (None, "see that its worker is up"),
    ],
)
def test_every_kind_of_failure_has_its_remedy(exception: object, remedy: str) -> None:
    found = failure_alert(context(exception)).remedy
    assert remedy in found and "run it again: press Clear" in found


def test_an_odd_run_id_is_quoted_for_the_shell() -> None:
    remedy = failure_alert(context(None, run_id="my run; rm -rf ~\nx")).remedy
    assert "--run-id 'my run; rm -rf ~ x' --only-failed" in remedy


@pytest.mark.parametrize(
    ("exception", "line"),
    [
        (KeyError(), "error: KeyError"),
        ("killed by signal 9", "error: killed by signal 9"),
        (None, "error: none given; the task was killed, or its worker lost"),
    ],
)
def test_every_kind_of_exception_is_told(exception: object, line: str) -> None:
    assert line in failure_alert(context(exception)).text.splitlines()


def test_callback_sends_the_alert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MER_HOME", str(tmp_path))
    alert_on_failure(context(ValueError("cannot reach postgresql://u:s3cret@h/db")))
    (incident,) = raised(tmp_path)
    assert incident.title == "retrain: task train failed"
    assert "error: ValueError: cannot reach postgresql://u:***@h/db" in incident.text
    assert incident.page == context(None)["ti"].log_url  # type: ignore[attr-defined]


def test_callback_with_wrong_settings_still_logs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MER_HOEM", "x")
    alert_on_failure(context(ValueError("postgresql://u:s3cret@h/db")))
    assert "retrain: task train failed" in caplog.text
    assert "MER_HOEM" in caplog.text
    assert "s3cret" not in caplog.text


def test_many_tasks_that_fail_of_one_cause_are_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MER_HOME", str(tmp_path))
    with web_sink() as web:
        monkeypatch.setenv("MER_ALERT_URLS", web.url)
        for number in range(5):
            alert_on_failure(
                context(UnavailableError("MLflow: away"), number, rendered_map_index=f"m{number}")
            )
        alert_on_failure(context(ValueError("another"), 5, rendered_map_index="m5"))
    assert [posted["title"] for posted in web.posted] == [
        "[mer] critical: retrain: task train m0 failed",
        "[mer] critical: retrain: task train m5 failed",
    ]
    assert [incident.times for incident in raised(tmp_path)] == [5, 1]


def test_what_mer_printed_and_what_the_task_made_of_it_have_one_key() -> None:
    printed = "quality gate: stopped by 1 critical finding: x; see data/quality/report.html"
    keys = {failure_alert(context(InputError(line))).key for line in (f"mer: {printed}", printed)}
    assert keys == {stop_key("retrain", printed)}


def test_a_task_that_is_red_because_another_is_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MER_HOME", str(tmp_path))
    with web_sink() as web:
        monkeypatch.setenv("MER_ALERT_URLS", web.url)
        alert_on_failure(context(RuntimeError("1 of 3 charts not read")), "information")
    assert web.posted == []
    assert [(one.severity, one.state) for one in raised(tmp_path)] == [("information", "kept")]
