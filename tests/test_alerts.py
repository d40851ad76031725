import json
import logging
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mer_tasks.alerts import (
    Alert,
    alert_on_failure,
    failure_alert,
    mail_server,
    send_alert,
)
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.settings import Machine
from mer_tasks.text import on_one_line

RUN = {
    "AIRFLOW_CTX_DAG_ID": "retrain",
    "AIRFLOW_CTX_DAG_RUN_ID": "manual__2026-11-22T10:00:00+00:00",
    "AIRFLOW__API__BASE_URL": "https://ann:s3cret@airflow.example.org/team/",
}
PAGE = "https://airflow.example.org/team/dags/retrain/runs/manual__2026-11-22T10%3A00%3A00%2B00%3A00"

ALERT = Alert("mood calm is missing", "no song is calm\n  - T1 (Björk: Jóga)", "critical")


@pytest.fixture(autouse=True)
def outside_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's variables are those that a test sets."""
    for name in RUN:
        monkeypatch.delenv(name, raising=False)


class SmtpSink(socketserver.ThreadingTCPServer):
    """A mail server on loopback that keeps what it was message; it offers no STARTTLS."""

    def __init__(self, refuse: bool = False, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), SmtpConversation)
        self.commands: list[str] = []
        self.messages: list[bytes] = []
        self.refuse = refuse
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class SmtpConversation(socketserver.StreamRequestHandler):
    server: SmtpSink

    def handle(self) -> None:
        self.reply("220 sink")
        while line := self.rfile.readline().decode().strip():
            self.server.commands.append(line)
            verb = line.split()[0].upper()
            if verb == "EHLO":
                self.reply("250-sink\r\n250 AUTH PLAIN")
            elif verb == "AUTH":
                self.reply("235 welcome")
            elif verb == "RCPT" and self.server.refuse:
                self.reply("550 no such person")
            elif verb == "DATA":
                self.reply("354 go on")
                self.server.messages.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self.reply("250 taken")
            else:
                self.reply("221 bye" if verb == "QUIT" else "250 fine")

    def reply(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


@contextmanager
def smtp_sink(refuse: bool = False, tls: ssl.SSLContext | None = None) -> Iterator[SmtpSink]:
    with SmtpSink(refuse, tls) as sink:
        thread = threading.Thread(target=sink.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield sink
        finally:
            sink.shutdown()
            thread.join()


def machine(home: Path, smtp_url: str | None = None) -> Machine:
    return Machine(
        home=home, smtp_url=smtp_url, alert_to="ann@example.org, bob@example.org" if smtp_url else None
    )


def kept(home: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (home / "alerts.jsonl").read_text(encoding="utf-8").splitlines()]


def mail(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_alert_is_logged_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    send_alert(ALERT, machine(tmp_path / "var"))

    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    logged = json.loads(record.getMessage().removeprefix("alert "))
    assert logged == {"title": ALERT.title, "text": ALERT.text, "severity": "critical"}
    (entry,) = kept(tmp_path / "var")
    assert datetime.fromisoformat(str(entry.pop("time"))).tzinfo
    assert entry == logged | {"delivered": None}


def test_warning_is_logged_as_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    send_alert(Alert("short clips", "3 songs", "warning"), machine(tmp_path))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_alert_is_mailed_to_everybody(tmp_path: Path) -> None:
    with smtp_sink() as sink:
        send_alert(ALERT, machine(tmp_path, f"smtp://{sink.address}"))

    message = mail(sink.messages[0])
    assert message["Subject"] == "[mer] critical: mood calm is missing"
    assert message["From"] == "mer@localhost"
    assert message.get_content().splitlines() == ["no song is calm", "  - T1 (Björk: Jóga)"]
    message = [command for command in sink.commands if command.upper().startswith("RCPT")]
    assert ["ann@example.org" in message[0], "bob@example.org" in message[1]] == [True, True]
    assert kept(tmp_path)[0]["delivered"] is True


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
def test_hostile_title_adds_no_header(title: str, tmp_path: Path) -> None:
    with smtp_sink() as sink:
        send_alert(Alert(title, title, "warning"), machine(tmp_path, f"smtp://{sink.address}"))

    message = mail(sink.messages[0])
    assert message["Bcc"] is None
    assert set(message.keys()) == {
        "Subject", "From", "To", "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert message["Subject"] == f"[mer] warning: {on_one_line(title)}"
    assert not any("victim" in command for command in sink.commands)


def test_refused_mail_is_an_error_in_the_log_and_never_raises(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with smtp_sink(refuse=True) as sink:
        send_alert(ALERT, machine(tmp_path, f"smtp://{sink.address}"))

    assert caplog.records[-1].levelno == logging.ERROR
    assert f"not delivered through {sink.address}" in caplog.text
    assert "no such person" in caplog.text
    assert kept(tmp_path)[0]["delivered"] is False


def test_unreachable_mail_server_keeps_the_alert(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with smtp_sink() as sink:
        gone = sink.address
    send_alert(ALERT, machine(tmp_path, f"smtp://{gone}"))
    assert f"not delivered through {gone}" in caplog.text
    assert kept(tmp_path)[0]["delivered"] is False


def test_password_never_goes_over_a_plain_connection_nor_into_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with smtp_sink() as sink:
        send_alert(ALERT, machine(tmp_path, f"smtp://ann:s3cret@{sink.address}"))

    assert not any("AUTH" in command for command in sink.commands)
    assert sink.messages == []
    assert kept(tmp_path)[0]["delivered"] is False
    assert "STARTTLS" in caplog.text
    assert "s3cret" not in caplog.text + (tmp_path / "alerts.jsonl").read_text()


def test_password_goes_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = certified(tmp_path, monkeypatch)
    with smtp_sink(tls=tls) as sink:
        send_alert(ALERT, machine(tmp_path, f"smtps://ann:s%40cret@{sink.address}"))

    assert "AUTH PLAIN AGFubgBzQGNyZXQ=" in sink.commands  # base64 of "\0ann\0s@cret"
    assert len(sink.messages) == 1
    assert kept(tmp_path)[0]["delivered"] is True


def test_certificate_that_nobody_trusts_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = certified(tmp_path, monkeypatch)
    monkeypatch.delenv("SSL_CERT_FILE")
    with smtp_sink(tls=tls) as sink:
        send_alert(ALERT, machine(tmp_path, f"smtps://ann:s3cret@{sink.address}"))
    assert sink.commands == []
    assert kept(tmp_path)[0]["delivered"] is False


def certified(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's context with a certificate for loopback, which clients of this test trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sink")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "certificate.pem"
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    pem.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_wrong_mail_server_is_logged_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    send_alert(ALERT, machine(tmp_path, "ann:s3cret@mail.example.org"))
    assert "MER_SMTP_URL" in caplog.text
    assert "s3cret" not in caplog.text
    assert kept(tmp_path)[0]["delivered"] is False


def test_home_that_cannot_be_written_does_not_hide_the_alert(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    send_alert(ALERT, machine(tmp_path / "file" / "var"))
    assert ALERT.title in caplog.text
    assert "alert not kept" in caplog.text


def test_lines_of_many_senders_never_mix(tmp_path: Path) -> None:
    long = Alert("title", "x" * 20_000, "warning")
    with ThreadPoolExecutor(8) as senders:
        list(senders.map(lambda _: send_alert(long, machine(tmp_path)), range(64)))
    assert [entry["text"] for entry in kept(tmp_path)] == [long.text] * 64


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "user", "password"),
    [
        ("smtp://mail.example.org", "mail.example.org", 25, False, None, ""),
        ("smtp://mail.example.org:2525", "mail.example.org", 2525, False, None, ""),
        ("smtps://a%40b:p%2Fw@mail.example.org", "mail.example.org", 465, True, "a@b", "p/w"),
        ("smtp://[::1]:25", "::1", 25, False, None, ""),
    ],
)
def test_mail_server_url(url: str, host: str, port: int, tls: bool, user: str | None, password: str) -> None:
    server = mail_server(url)
    assert (server.host, server.port, server.tls, server.user, server.password) == (
        host, port, tls, user, password,
    )  # fmt: skip


@pytest.mark.parametrize(
    "url", ["mail.example.org", "http://h", "smtp://", "smtp://u:s3cret@h:x", "smtp://[h"]
)
def test_wrong_mail_server_url_is_one_line_without_password(url: str) -> None:
    with pytest.raises(InputError, match=r"^MER_SMTP_URL: .*write smtp://") as caught:
        mail_server(url)
    assert "s3cret" not in str(caught.value)


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
        "what to do: the log has what came before the error; mend the cause, then run it again",
        "to run it again: press Clear on its page, or type airflow dags clear retrain --run-id manual__1 --only-failed",
        "its page, with the log: https://airflow.example.org/dags/retrain/runs/manual__1/tasks/train?try_number=2",
    ]


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
    (line,) = (one for one in failure_alert(context(exception)).text.splitlines() if one.startswith("what"))
    assert remedy in line and line.endswith("run it again")


def test_an_odd_run_id_is_quoted_for_the_shell() -> None:
    text = failure_alert(context(None, run_id="my run; rm -rf ~\nx")).text
    assert "--run-id 'my run; rm -rf ~ x' --only-failed" in text


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"])
def test_a_page_that_opens_on_this_machine_alone_says_so(host: str) -> None:
    text = failure_alert(context(None, log_url=f"http://{host}/dags/x")).text
    assert (
        f"http://{host}/dags/x (opens on {socket.gethostname()} only; elsewhere, set AIRFLOW__API__" in text
    )


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
def test_what_a_task_sends_ends_with_the_page_of_its_run(
    base: str, page: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in RUN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    send_alert(ALERT, machine(tmp_path))
    (entry,) = kept(tmp_path)
    assert entry["text"] == (f"{ALERT.text}\n\nThe run in Airflow: {page}" if page else ALERT.text)


def test_a_page_of_the_run_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RUN.items():
        monkeypatch.setenv(name, value)
    send_alert(Alert("t", f"its page: {PAGE}/tasks/train", "critical"), machine(tmp_path))
    assert str(kept(tmp_path)[0]["text"]).count(PAGE) == 1


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
    (entry,) = kept(tmp_path)
    assert entry["title"] == "retrain: task train failed"
    assert "error: ValueError: cannot reach postgresql://u:***@h/db" in str(entry["text"])


def test_callback_with_wrong_settings_still_logs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MER_HOEM", "x")
    alert_on_failure(context(ValueError("postgresql://u:s3cret@h/db")))
    assert "retrain: task train failed" in caplog.text
    assert "MER_HOEM" in caplog.text
    assert "s3cret" not in caplog.text
