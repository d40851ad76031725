"""Where messages arrive: a mail server and a web server on loopback, and a certificate that clients trust."""

import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mer_tasks.catalog.alerts import Incident, incidents_since
from mer_tasks.catalog.database import Catalog


def raised(home: Path) -> list[Incident]:
    """The incidents in the catalog under a home, the oldest first."""
    return incidents_since(Catalog.open(f"sqlite:///{home / 'catalog.db'}"), datetime(2026, 1, 1, tzinfo=UTC))


class SmtpSink(socketserver.ThreadingTCPServer):
    """A mail server on loopback that keeps what it was sent; it offers no STARTTLS."""

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


class WebSink(ThreadingHTTPServer):
    """A web server on loopback that keeps the JSON posted to it, and answers with `status`."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), WebConversation)
        self.status = status
        self.posted: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """Its address as Apprise writes it."""
        return f"json://127.0.0.1:{self.server_address[1]}/hook/T0ken"


class WebConversation(BaseHTTPRequestHandler):
    server: WebSink

    def do_POST(self) -> None:
        self.server.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def web_sink(status: int = 200) -> Iterator[WebSink]:
    with WebSink(status) as sink:
        thread = threading.Thread(target=sink.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield sink
        finally:
            sink.shutdown()
            thread.join()


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
