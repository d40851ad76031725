"""An alert's way to a real mail server and a real web server on loopback."""

import json
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from pydantic import SecretStr

from mer_tasks.alerts import Alert, send_alert, send_unsent
from mer_tasks.settings import Machine
from mer_tasks.text import on_one_line
from tests.alerts.servers import certified, raised, smtp_sink, web_sink

RUN = {
    "AIRFLOW_CTX_DAG_ID": "retrain",
    "AIRFLOW_CTX_DAG_RUN_ID": "manual__2026-11-22T10:00:00+00:00",
    "AIRFLOW__API__BASE_URL": "https://ann:s3cret@airflow.example.org/team/",
}
PAGE = "https://airflow.example.org/team/dags/retrain/runs/manual__2026-11-22T10%3A00%3A00%2B00%3A00"
TEXT = "no song is calm\n  - T1 (Björk: Jóga)"
ALERT = Alert("mood calm is missing", TEXT, "critical", "quality.every-mood", "import calm songs")


@pytest.fixture(autouse=True)
def outside_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's variables are those that a test sets."""
    for name in RUN:
        monkeypatch.delenv(name, raising=False)


def machine(home: Path, smtp_url: str | None = None, urls: str | None = None) -> Machine:
    to = "ann@example.org, bob@example.org" if smtp_url else None
    return Machine(home=home, smtp_url=smtp_url, alert_to=to, alert_urls=SecretStr(urls) if urls else None)


def mail(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_an_alert_is_logged_and_recorded_where_no_address_is_set_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    send_alert(ALERT, machine(tmp_path / "var"))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    logged = json.loads(record.getMessage().removeprefix("alert "))
    assert (logged["title"], logged["text"], logged["severity"]) == (ALERT.title, TEXT, "critical")
    (incident,) = raised(tmp_path / "var")
    assert (incident.title, incident.text, incident.remedy) == (ALERT.title, TEXT, ALERT.remedy)
    assert (incident.state, incident.since) == ("kept", incident.raised_at)


def test_an_address_set_up_later_gets_no_old_alert(tmp_path: Path) -> None:
    send_alert(ALERT, machine(tmp_path))
    with web_sink() as web:
        assert send_unsent(machine(tmp_path, urls=web.url)) == 0
    assert web.posted == []


def test_a_webhook_gets_what_is_wrong_since_when_what_to_do_and_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in RUN.items():
        monkeypatch.setenv(name, value)
    with web_sink() as web:
        send_alert(ALERT, machine(tmp_path, urls=web.url))
    (incident,) = raised(tmp_path)
    (posted,) = web.posted
    assert (posted["title"], posted["type"]) == ("[mer] critical: mood calm is missing", "failure")
    assert posted["message"].splitlines() == [
        *TEXT.splitlines(),
        "",
        f"Since: {incident.since:%Y-%m-%d %H:%M} UTC",
        "What to do: import calm songs",
        f"Where: {PAGE}",
        "Key: quality.every-mood (mer silence quality.every-mood --until DAY --reason WHY)",
    ]
    assert (incident.state, incident.page) == ("sent", PAGE)


def test_everybody_is_mailed(tmp_path: Path) -> None:
    with smtp_sink() as sink:
        send_alert(ALERT, machine(tmp_path, f"smtp://{sink.address}"))
    message = mail(sink.messages[0])
    assert message["Subject"] == "[mer] critical: mood calm is missing"
    assert "mer@localhost" in message["From"]
    assert message.get_content_type() == "text/plain"
    assert message.get_content().splitlines()[:2] == TEXT.splitlines()
    to = " ".join(command for command in sink.commands if command.upper().startswith("RCPT"))
    assert "ann@example.org" in to and "bob@example.org" in to
    assert [incident.state for incident in raised(tmp_path)] == ["sent"]


@pytest.mark.parametrize(
    "title",
    [
        "Song\r\nBcc: victim@example.org",
        "Song\nBcc: victim@example.org\n\nbody",
        "Song\x00\x1b[31m\u2028Bcc: victim@example.org",
        "\udc80 half a character",
    ],
    ids=["crlf", "lf", "control", "surrogate"],  # the titles themselves would break pytest-xdist
)
def test_a_hostile_title_adds_no_header(title: str, tmp_path: Path) -> None:
    with smtp_sink() as sink:
        send_alert(Alert(title, title, "critical", "k", "r"), machine(tmp_path, f"smtp://{sink.address}"))
    message = mail(sink.messages[0])
    assert message["Bcc"] is None
    assert message["Subject"] == f"[mer] critical: {on_one_line(title.encode('utf-8', 'replace').decode())}"
    assert not any("victim" in command for command in sink.commands)


def test_a_warning_waits_for_the_digest_and_information_for_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mer_tasks")
    with web_sink() as web:
        for severity in ("warning", "information"):
            send_alert(Alert("t", "x", severity, severity, "r"), machine(tmp_path, urls=web.url))  # type: ignore[arg-type]
        assert send_unsent(machine(tmp_path, urls=web.url)) == 0
    assert web.posted == []
    assert [incident.state for incident in raised(tmp_path)] == ["for the digest", "kept"]
    levels = [record.levelno for record in caplog.records if record.name.startswith("mer_tasks.alerts")]
    assert levels == [logging.WARNING, logging.INFO]


def test_what_could_not_be_sent_is_sent_later_and_only_to_who_has_it_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with web_sink() as web, web_sink(status=503) as busy:
        there = machine(tmp_path, urls=f"{web.url}, {busy.url}")
        send_alert(ALERT, there)
        (incident,) = raised(tmp_path)
        assert (incident.state, len(incident.reached)) == ("unsent", 1)
        assert "503" in str(incident.problem) and "T0ken" not in str(incident.problem) + caplog.text
        busy.status = 200
        send_alert(Alert("another", "x", "critical", "other", "r"), there)
        assert send_unsent(there) == 0
    titles = [posted["title"].rpartition(": ")[2] for posted in web.posted]
    assert titles == [ALERT.title, "another"]
    assert [posted["title"].rpartition(": ")[2] for posted in busy.posted] == [ALERT.title, *titles]
    assert {incident.state for incident in raised(tmp_path)} == {"sent"}


def test_refused_mail_stays_unsent_with_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with smtp_sink(refuse=True) as sink:
        send_alert(ALERT, machine(tmp_path, f"smtp://{sink.address}"))
    assert f"not delivered: ann@example.org through {sink.address}" in caplog.text
    (incident,) = raised(tmp_path)
    assert incident.state == "unsent" and "no such person" in str(incident.problem)


def test_a_password_never_goes_over_a_plain_connection_nor_into_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with smtp_sink() as sink:
        send_alert(ALERT, machine(tmp_path, f"smtp://ann:s3cret@{sink.address}"))
    assert not any("AUTH" in command for command in sink.commands)
    assert sink.messages == []
    (incident,) = raised(tmp_path)
    assert incident.state == "unsent" and "STARTTLS" in str(incident.problem)
    assert "s3cret" not in caplog.text + str(incident)


def test_a_password_goes_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = certified(tmp_path, monkeypatch)
    with smtp_sink(tls=tls) as sink:
        send_alert(ALERT, machine(tmp_path, f"smtps://ann:s%40cret@{sink.address}"))
    assert "AUTH PLAIN AGFubgBzQGNyZXQ=" in sink.commands  # base64 of "\0ann\0s@cret"
    assert len(sink.messages) == 2
    assert [incident.state for incident in raised(tmp_path)] == ["sent"]


def test_a_certificate_that_nobody_trusts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = certified(tmp_path, monkeypatch)
    monkeypatch.delenv("SSL_CERT_FILE")
    with smtp_sink(tls=tls) as sink:
        send_alert(ALERT, machine(tmp_path, f"smtps://ann:s3cret@{sink.address}"))
    assert sink.commands == []
    assert [incident.state for incident in raised(tmp_path)] == ["unsent"]


def test_a_wrong_address_stops_no_other_and_shows_no_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with web_sink() as web:
        send_alert(ALERT, machine(tmp_path, "ann:s3cret@mail.example.org", f"nonsense://s3cret {web.url}"))
    assert len(web.posted) == 1
    (incident,) = raised(tmp_path)
    assert "MER_ALERT_URLS, address 1: none that Apprise knows" in str(incident.problem)
    assert "MER_SMTP_URL: no mail server" in str(incident.problem)
    assert "s3cret" not in caplog.text + str(incident)


def test_an_alert_is_sent_though_the_catalog_is_away_and_recorded_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with web_sink() as web:
        there = machine(tmp_path, urls=web.url)
        away = there.model_copy(update={"database_url": "postgresql://u:s3cret@127.0.0.1:9/mer"})
        for _ in range(3):
            send_alert(ALERT, away)
        assert [posted["title"] for posted in web.posted] == [f"[mer] critical: {ALERT.title}"]
        send_unsent(there)
    (incident,) = raised(tmp_path)
    assert (incident.times, incident.state) == (3, "sent")
    assert (tmp_path / "alerts-waiting.jsonl").read_text() == ""
    assert "s3cret" not in caplog.text


def test_a_home_that_cannot_be_written_does_not_hide_the_alert(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with web_sink() as web:
        send_alert(ALERT, machine(tmp_path / "file" / "var", urls=web.url))
    assert len(web.posted) == 1
    assert ALERT.title in caplog.text and "kept only in this log" in caplog.text


def test_tasks_that_fail_together_are_one_message(tmp_path: Path) -> None:
    with web_sink() as web, ThreadPoolExecutor(8) as senders:
        there = machine(tmp_path, urls=web.url)
        list(senders.map(lambda _: send_alert(ALERT, there), range(16)))
    assert len(web.posted) == 1
    assert [incident.times for incident in raised(tmp_path)] == [16]


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"])
def test_a_page_that_opens_on_this_machine_alone_says_so(host: str, tmp_path: Path) -> None:
    alert = Alert("t", "x", "critical", "k", "r", page=f"http://{host}/dags/x")
    with web_sink() as web:
        send_alert(alert, machine(tmp_path, urls=web.url))
    where = (
        f"Where: http://{host}/dags/x (opens on {socket.gethostname()} only; elsewhere, set AIRFLOW__API__"
    )
    assert where in web.posted[0]["message"]


@pytest.mark.parametrize(
    ("base", "page"),
    [
        (RUN["AIRFLOW__API__BASE_URL"], PAGE),
        ("", None),
        ("airflow.example.org", None),
        ("ftp://airflow.example.org", None),
        ("http://[bad", None),
    ],
)
def test_what_a_task_sends_has_the_page_of_its_run(
    base: str, page: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in RUN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    send_alert(ALERT, machine(tmp_path))
    assert [incident.page for incident in raised(tmp_path)] == [page]
