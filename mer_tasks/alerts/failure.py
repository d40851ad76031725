"""The alert about a task of Airflow that failed: which, why, what to do, and where to look."""

import logging
import shlex
from collections.abc import Mapping
from typing import Any

from mer_tasks.alert_keys import stop_key
from mer_tasks.alerts.sending import log_alert, send_alert
from mer_tasks.domain import Alert, Severity
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.text import on_one_line

log = logging.getLogger(__name__)

LONGEST_NAME = 80


def alert_on_failure(context: Mapping[str, Any], severity: Severity = "critical") -> None:
    """Send the alert about a failed Airflow task: an `on_failure_callback` for `default_args`.

    It is information where the task failed only because another one did, which has sent its own.
    """
    from mer_tasks.settings import load_machine  # pydantic is not needed until something fails

    alert = failure_alert(context, severity)
    try:
        machine = load_machine()
    except InputError as error:
        log_alert(alert)
        log.error("alert kept only in this log: %s", error)
    else:
        send_alert(alert, machine)


def failure_alert(context: Mapping[str, Any], severity: Severity = "critical") -> Alert:
    """The alert about a failure in Airflow's callback context: which task, why, where to look, what runs it again.

    Its key is the same for all tasks of the DAG that fail of the same error.
    """
    ti, error = context["ti"], context.get("exception")
    task = _task_name(context)
    again = f"airflow dags clear {shlex.quote(ti.dag_id)} --run-id {shlex.quote(ti.run_id)} --only-failed"
    reason = _first_line(error)
    return Alert(
        title=f"{ti.dag_id}: task {task} failed",
        text="\n".join(
            [
                f"dag: {ti.dag_id}",
                f"run: {ti.run_id}",
                f"task: {task}",
                f"try: {ti.try_number}",
                f"error: {reason}",
            ]
        ),
        severity=severity,
        key=stop_key(ti.dag_id, reason),
        remedy=f"{_remedy(error)}: press Clear on its page, or type {on_one_line(again)}",
        page=ti.log_url,
    )


def _task_name(context: Mapping[str, Any]) -> str:
    """A task's name; of a mapped one with what it works on, such as "train resnet18"."""
    ti = context["ti"]
    if ti.map_index is None or ti.map_index < 0:
        return str(ti.task_id)
    name = getattr(ti, "rendered_map_index", None) or _rendered_by_us(context)
    return f"{ti.task_id} {on_one_line(name)[:LONGEST_NAME]}" if name else f"{ti.task_id}[{ti.map_index}]"


def _rendered_by_us(context: Mapping[str, Any]) -> str | None:
    """What `map_index_template` gives: a lost worker's alert is sent by another process, where nothing is rendered."""
    try:
        context["task"].render_template_fields(
            context
        )  # takes this index's arguments, and changes the context
        task = context["task"]
        template = task.get_template_env().from_string(task.map_index_template)
        return str(template.render(context))
    except Exception as error:  # noqa: BLE001 - of whatever kind, the alert matters more than its name
        log.warning("no name for index %s of %s: %s", context["ti"].map_index, context["ti"].task_id, error)
        return None


def _remedy(error: object) -> str:
    """What a person does first, by the kind of failure."""
    if isinstance(error, InputError):
        return (
            "the input is wrong, and trying again changes nothing; do what the error says, then run it again"
        )
    if isinstance(error, UnavailableError):
        return "what the error names could not be reached, at any try; see that it is up, then run it again"
    if isinstance(error, BaseException):
        return "the log has what came before the error; mend the cause, then run it again"
    return "see that its worker is up and has memory and disk (mer doctor on it), then run it again"


def _first_line(error: object) -> str:
    """An exception's type and first line."""
    if not isinstance(error, BaseException):
        return on_one_line(str(error or "none given; the task was killed, or its worker lost"))
    lines = str(error).splitlines()
    return on_one_line(f"{type(error).__name__}: {lines[0] if lines else ''}").rstrip(": ")
