"""Where messages go: the addresses of `MER_ALERT_URLS`, each in the form that Apprise knows, and a mail server."""

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mer_tasks.domain import Severity
from mer_tasks.errors import InputError
from mer_tasks.text import on_one_line, without_passwords

if TYPE_CHECKING:
    from apprise import NotifyBase

    from mer_tasks.settings import Machine

LONGEST_PROBLEM = 300
SHORTEST_SECRET = 4

NOT_AN_ADDRESS = (
    "none that Apprise knows; write it as its documentation has it, such as mailto://… or json://…"
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server that `MER_SMTP_URL` names."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str


@dataclass(frozen=True, slots=True)
class Address:
    """A place for messages: `name` shows no secret, `id` is the same as long as the address is.

    `service` is Apprise's for it, None where there is none; `secrets` are the parts of it that are never shown.
    """

    id: str
    name: str
    service: "NotifyBase | None"
    secrets: tuple[str, ...] = ()

    def deliver(self, title: str, body: str, severity: Severity) -> str | None:
        """Send a message; return why it was not taken, in one line, or None if it was."""
        if self.service is None:
            return f"{self.name}: {NOT_AN_ADDRESS}"
        from apprise import NotifyFormat, NotifyType

        kinds: dict[Severity, NotifyType] = {"critical": NotifyType.FAILURE, "warning": NotifyType.WARNING}
        with _apprise_says() as said:
            try:
                taken = self.service.notify(
                    body=body,
                    title=title,
                    notify_type=kinds.get(severity, NotifyType.INFO),
                    body_format=NotifyFormat.TEXT,
                )
            except Exception as error:  # noqa: BLE001 - a plugin's fault is no reason to lose the others' message
                taken = False
                said.append(f"{type(error).__name__}: {error}")
        return None if taken else f"{self.name}: {self._shown(said)}"

    def _shown(self, said: list[str]) -> str:
        """What Apprise said, without what of the address may be a secret."""
        text = without_passwords("; ".join(dict.fromkeys(said))) or "was not taken"
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return on_one_line(text, LONGEST_PROBLEM)


def has_addresses(machine: "Machine") -> bool:
    """Whether messages go anywhere; nothing is imported."""
    return bool(_urls_text(machine).strip()) or bool(machine.smtp_url and machine.alert_to)


def addresses(machine: "Machine") -> list[Address]:
    """The addresses of `MER_ALERT_URLS`, and the people of `MER_ALERT_TO` by the mail server of `MER_SMTP_URL`.

    One that Apprise does not know takes no message, and says so; it stops no other.
    """
    from apprise.utils.parse import parse_urls

    urls: list[str] = parse_urls(_urls_text(machine))  # type: ignore[no-untyped-call]

    given = [_address(url, place) for place, url in enumerate(urls, start=1)]
    if machine.smtp_url and machine.alert_to:
        people = [one.strip() for one in machine.alert_to.split(",") if one.strip()]
        given += [_mail_address(machine.smtp_url, machine.alert_from, person) for person in people]
    return given


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


def _urls_text(machine: "Machine") -> str:
    return machine.alert_urls.get_secret_value() if machine.alert_urls else ""


def _address(url: str, place: int) -> Address:
    from apprise import Apprise

    with _apprise_says():
        service = Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)
    name = f"MER_ALERT_URLS, address {place}"
    if service is not None:
        name += f" ({service.service_name})"
    return Address(_id(url), name, service, _secrets(url))


def _mail_address(url: str, sender: str, person: str) -> Address:
    """A person by the mail server, as Apprise's plugin for e-mail; a password goes only through TLS."""
    from apprise import Apprise

    identity = _id(f"{url}\n{person}")
    try:
        server = mail_server(url)
    except InputError as error:
        return Address(identity, str(error), None)
    mode = "ssl" if server.tls else "starttls" if server.user else "insecure"
    settings: dict[str, Any] = {
        "schema": "mailto" if mode == "insecure" else "mailtos",
        "host": server.host,
        "smtp_host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password or None,
        "secure_mode": mode,
        "from_addr": sender,
        "targets": [person],
        "format": "text",
    }
    with _apprise_says():
        service = Apprise.instantiate(settings, asset=_asset(), suppress_exceptions=True)
    return Address(identity, f"{person} through {server.host}:{server.port}", service, _secrets(url))


def _asset() -> Any:
    from apprise import AppriseAsset

    return AppriseAsset(app_id="mer", app_desc="music-mood platform", async_mode=False)


def _secrets(url: str) -> tuple[str, ...]:
    """All of an address but its host: users, passwords and, as Slack has it, parts of the path."""
    place = url.partition("://")[2]
    host = re.split(r"[/?]", place)[0].rpartition("@")[2]
    parts = re.split(r"[/?&=:@,\s]+", place.replace(host, "", 1))
    return tuple({text for part in parts for text in (part, unquote(part)) if len(text) >= SHORTEST_SECRET})


def _id(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:12]


@contextmanager
def _apprise_says() -> Iterator[list[str]]:
    """What Apprise logs as the reason that a message was not taken; nothing of it goes to the log as it is."""
    said: list[str] = []
    logger = logging.getLogger("apprise")
    before = logger.level, logger.propagate
    handler = _Reasons(said)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


class _Reasons(logging.Handler):
    """Collects warnings, and of the details the exceptions: Apprise has an exception's own words there."""

    def __init__(self, said: list[str]) -> None:
        super().__init__()
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING or "Exception: " in text:
            self._said.append(text)
