"""An alert's way: logged, recorded in the catalog, and its message sent once; what could not be sent is sent later."""

import json
import logging
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from mer_tasks.airflow_run import airflow_run, for_readers
from mer_tasks.alerts.addresses import addresses, has_addresses
from mer_tasks.alerts.waiting import keep_waiting, take_waiting
from mer_tasks.catalog.alerts import Incident, record_alert, record_delivery, unsent
from mer_tasks.catalog.database import Catalog
from mer_tasks.domain import Alert, Severity
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.text import on_one_line, without_passwords

if TYPE_CHECKING:
    from mer_tasks.settings import Machine

log = logging.getLogger(__name__)

LEVELS: dict[Severity, int] = {
    "critical": logging.ERROR,
    "warning": logging.WARNING,
    "information": logging.INFO,
}

Outcome = tuple[list[str], str | None]
"""The ids of the addresses that took a message, and why others did not."""

OUT_OF_REACH = (InputError, UnavailableError, SQLAlchemyError, OSError)
"""What a catalog that cannot be reached, read or written raises."""


def send_alert(alert: Alert, machine: "Machine") -> None:
    """Log and record an alert; send its message if it is critical and a new incident.

    A warning waits for the digest, and information for nobody. Never raises: that would hide what the alert is about.
    Where the catalog cannot be reached, the alert waits in a file, and a critical one is sent all the same.
    """
    try:
        _send(alert, machine)
    except Exception:
        log.exception("alert not sent: %s", on_one_line(without_passwords(alert.title)))


def send_unsent(machine: "Machine") -> int:
    """Send the messages of critical alerts that have not reached every address; return how many still have not.

    Raises:
        InputError: the catalog cannot be used.
        UnavailableError: the catalog cannot be reached now.
    """
    catalog = Catalog.open(machine.catalog_url)
    take_waiting(
        machine, lambda alert, run, at: record_alert(catalog, alert, run, has_addresses(machine), at)
    )
    with catalog.exclusively("alerts"):  # of two processes one sends
        waiting = unsent(catalog, "critical")
        return sum(not _deliver(catalog, incident, machine) for incident in waiting)


def log_alert(alert: Alert) -> Alert:
    """Log an alert on one line, and return it as it may be shown: no passwords, a title of one line."""
    page = alert.page or _page_of_run()
    text, remedy = (_shown(part) for part in (alert.text, alert.remedy))
    shown = replace(alert, title=on_one_line(_shown(alert.title)), text=text, remedy=remedy, page=page)
    log.log(LEVELS[shown.severity], "alert %s", json.dumps(asdict(shown), ensure_ascii=False))
    return shown


def deliver(
    machine: "Machine", title: str, body: str, severity: Severity, but: tuple[str, ...] = ()
) -> Outcome:
    """Send a message to every address but those that have it."""
    reached, problems = [], []
    for address in addresses(machine):
        if address.id in but:
            continue
        problem = address.deliver(title, body, severity)
        if problem is None:
            reached.append(address.id)
        else:
            problems.append(problem)
            log.error("message not delivered: %s", problem)
    return reached, "; ".join(problems) or None


def message_of(alert: Alert | Incident) -> str:
    """The text of a message: what is wrong, since when and how often, what to do, and where to look."""
    lines = [alert.text, ""]
    if isinstance(alert, Incident):
        times = f", {alert.times} times" if alert.times > 1 else ""
        lines.append(f"Since: {alert.since:%Y-%m-%d %H:%M} UTC{times}")
    lines.append(f"What to do: {alert.remedy}")
    if alert.page:
        lines.append(f"Where: {for_readers(alert.page)}")
    lines.append(f"Key: {alert.key} (mer silence {alert.key} --until DAY --reason WHY)")
    return "\n".join(lines)


def _send(alert: Alert, machine: "Machine") -> None:
    alert, now = log_alert(alert), datetime.now(UTC)
    run = airflow_run()
    name = f"{run.dag_id} {run.run_id}" if run else None
    try:
        catalog = Catalog.open(machine.catalog_url)
        is_due = record_alert(catalog, alert, name, has_addresses(machine), now)
    except OUT_OF_REACH as error:
        log.error("alert not recorded in the catalog: %s", on_one_line(without_passwords(str(error))))
        if (
            keep_waiting(machine, alert, name, now)
            and alert.severity == "critical"
            and has_addresses(machine)
        ):
            deliver(machine, _subject(alert), message_of(alert), alert.severity)
        return
    if is_due:
        send_unsent(machine)


def _deliver(catalog: Catalog, incident: Incident, machine: "Machine") -> bool:
    """Whether an incident's message has now reached every address; what came of the try is recorded."""
    try:
        reached, problem = deliver(
            machine, _subject(incident), message_of(incident), incident.severity, incident.reached
        )
    except ImportError as error:  # a scheduler's environment has no Apprise: a worker sends it
        log.warning("alert left for a worker to send: %s", error)
        return False
    record_delivery(catalog, [incident.id], reached, problem, datetime.now(UTC))
    return problem is None


def _subject(alert: Alert | Incident) -> str:
    return f"[mer] {alert.severity}: {alert.title}"


def _shown(text: str) -> str:
    return without_passwords(text).encode("utf-8", "replace").decode()  # no file takes half a character


def _page_of_run() -> str | None:
    run = airflow_run()
    return run.page if run else None
