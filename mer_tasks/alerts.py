"""One way out for every alert: the log, `alerts.jsonl`, and e-mail where it is set up."""

import json
import logging
import os
import shlex
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from mer_tasks.airflow_run import airflow_run, for_readers
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.text import on_one_line, without_passwords

if TYPE_CHECKING:
    from mer_tasks.settings import Machine

log = logging.getLogger(__name__)

Severity = Literal["critical", "warning"]
LEVELS: dict[Severity, int] = {"critical": logging.ERROR, "warning": logging.WARNING}
SMTP_TIMEOUT_S = 10
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person should know: one line, and what is behind it."""

    title: str
    text: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server that `MER_SMTP_URL` names."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str


def send_alert(alert: Alert, machine: "Machine") -> None:
    """Log the alert, mail it where `MER_SMTP_URL` and `MER_ALERT_TO` are set, and keep it in `alerts.jsonl`.

    One that is sent by a task of Airflow ends with the address of its run. Never raises for a mail server or a disk that fails: that would hide what the alert is about.
    The line in `alerts.jsonl` has `delivered`: true, false, or null where no e-mail is set up.
    """
    alert = _logged(_with_run(alert))
    delivered = None
    if machine.smtp_url and machine.alert_to:
        delivered = _mailed(alert, machine.smtp_url, machine.alert_from, machine.alert_to)
    entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **asdict(alert), "delivered": delivered}
    try:
        _append(machine.home / "alerts.jsonl", json.dumps(entry))
    except OSError as error:
        log.error("alert not kept in %s: %s", machine.home / "alerts.jsonl", error)


def alert_on_failure(context: Mapping[str, Any]) -> None:
    """Send the alert about a failed Airflow task: an `on_failure_callback` for `default_args`."""
    from mer_tasks.settings import load_machine  # pydantic is not needed until something fails

    alert = failure_alert(context)
    try:
        machine = load_machine()
    except InputError as error:
        _logged(alert)
        log.error("alert kept only in this log: %s", error)
    else:
        send_alert(alert, machine)


def failure_alert(context: Mapping[str, Any]) -> Alert:
    """The alert about a failure in Airflow's callback context: which task, why, where to look, what runs it again."""
    ti, error = context["ti"], context.get("exception")
    task = _task_name(context)
    again = f"airflow dags clear {shlex.quote(ti.dag_id)} --run-id {shlex.quote(ti.run_id)} --only-failed"
    lines = [
        f"dag: {ti.dag_id}",
        f"run: {ti.run_id}",
        f"task: {task}",
        f"try: {ti.try_number}",
        f"error: {_first_line(error)}",
        f"what to do: {_remedy(error)}",
        f"to run it again: press Clear on its page, or type {on_one_line(again)}",
        f"its page, with the log: {for_readers(ti.log_url)}",
    ]
    return Alert(f"{ti.dag_id}: task {task} failed", "\n".join(lines), "critical")


def mail_server(url: str) -> MailServer:
    """Read `MER_SMTP_URL`: smtp://[user:password@]host[:port], or smtps:// for TLS from the first byte.

    Raises:
        InputError: it is not such a URL; the message does not repeat it, as it may hold a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("smtp", "smtps"):
        raise InputError("MER_SMTP_URL: no mail server; write smtp://[user:password@]host:port or smtps://…")
    tls = parts.scheme == "smtps"
    user = unquote(parts.username) if parts.username else None
    return MailServer(host, port or (465 if tls else 25), tls, user, unquote(parts.password or ""))


def _with_run(alert: Alert) -> Alert:
    """The alert with the page of the run that sends it, unless it names a page of that run already."""
    run = airflow_run()
    if run is None or run.page is None or run.page in alert.text:
        return alert
    return replace(alert, text=f"{alert.text}\n\nThe run in Airflow: {for_readers(run.page)}")


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


def _logged(alert: Alert) -> Alert:
    """Log the alert on one line, and return it as it may be shown: no passwords, a title of one line."""
    text = without_passwords(alert.text).encode("utf-8", "replace").decode()  # no file takes half a character
    shown = Alert(on_one_line(without_passwords(alert.title)), text, alert.severity)
    log.log(LEVELS[shown.severity], "alert %s", json.dumps(asdict(shown), ensure_ascii=False))
    return shown


def _mailed(alert: Alert, url: str, sender: str, recipients: str) -> bool:
    """Whether the mail server took the alert; if not, the reason is in the log, without the password."""
    host = "MER_SMTP_URL"
    try:
        server = mail_server(url)
        host = f"{server.host}:{server.port}"
        _mail(_message(alert, sender, recipients), server)
    except (OSError, smtplib.SMTPException, ValueError, InputError) as error:
        log.error("alert not delivered through %s: %s", host, on_one_line(str(error)) or type(error).__name__)
        return False
    return True


def _message(alert: Alert, sender: str, recipients: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = f"[mer] {alert.severity}: {alert.title}"
    message["From"] = sender
    message["To"] = recipients
    message.set_content(alert.text)
    return message


def _mail(message: EmailMessage, server: MailServer) -> None:
    """Hand a message over; a password goes only through TLS, so a server without it gets none."""
    verified = ssl.create_default_context()
    with _connection(server, verified) as connection:
        if server.user:
            if not server.tls:
                connection.starttls(context=verified)
            connection.login(server.user, server.password)
        connection.send_message(message)


def _connection(server: MailServer, verified: ssl.SSLContext) -> smtplib.SMTP:
    if server.tls:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=SMTP_TIMEOUT_S, context=verified)
    return smtplib.SMTP(server.host, server.port, timeout=SMTP_TIMEOUT_S)


def _append(path: Path, line: str) -> None:
    """Append a line in one write, so that lines of several processes never mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


def _first_line(error: object) -> str:
    """An exception's type and first line."""
    if not isinstance(error, BaseException):
        return on_one_line(str(error or "none given; the task was killed, or its worker lost"))
    lines = str(error).splitlines()
    return on_one_line(f"{type(error).__name__}: {lines[0] if lines else ''}").rstrip(": ")
