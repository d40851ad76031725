"""A proxy on this machine for programs that connect by themselves: through it they reach only what songs may come from."""

import select
import socket
import threading
from collections.abc import Collection
from contextlib import suppress
from http import HTTPStatus
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Self
from urllib.parse import urlsplit

from mer_tasks.sources.connection import STALLED_S, PrivateHostError, reachable

LONGEST_LINE = 65_536
MOST_LINES = 200


class Proxy(ThreadingTCPServer):
    """An HTTP proxy (RFC 9110, 9.3.6 for CONNECT) while it is open; `refused` has what it did not connect to."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, private_hosts: Collection[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.private_hosts = private_hosts
        self.refused: list[PrivateHostError] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Connection(StreamRequestHandler):
    """One client, connected to the host that its first request names; what both send is passed on as it is."""

    server: Proxy
    timeout = STALLED_S
    rbufsize = 0  # what follows the request's head is not ours to read

    def handle(self) -> None:
        """Connect to the host that the first request names, or refuse it."""
        try:
            head = self._head()
            method, target, version = head[0].split(" ")
            address = urlsplit(f"//{target}" if method == "CONNECT" else target)
            upstream = self._connected(address.hostname or "", address.port or 80)
        except PrivateHostError as error:
            self.server.refused.append(error)
            self._answer(HTTPStatus.FORBIDDEN)
        except (OSError, ValueError):  # who asked sees that nobody answers
            self._answer(HTTPStatus.BAD_GATEWAY)
        else:
            with upstream, suppress(OSError):  # who asked sees that the answer ends
                if method == "CONNECT":
                    self._answer(HTTPStatus.OK)
                else:
                    path = address._replace(scheme="", netloc="").geturl() or "/"
                    self._ask(upstream, [f"{method} {path} {version}", *head[1:]])
                _pass_on(self.connection, upstream)

    def _head(self) -> list[str]:
        """The lines of a request's head; it is the only one on its connection, so that each is judged."""
        lines = list[str]()
        for _ in range(MOST_LINES):
            line = self.rfile.readline(LONGEST_LINE).decode("latin-1").rstrip("\r\n")
            if not line:
                break
            if not line.lower().startswith(("connection:", "proxy-")):
                lines.append(line)
        return [*lines, "Connection: close"]

    def _connected(self, host: str, port: int) -> socket.socket:
        *others, last = reachable(host, port, self.server.private_hosts)
        for address in others:
            try:
                return socket.create_connection((str(address), port), STALLED_S)
            except OSError:
                continue
        return socket.create_connection((str(last), port), STALLED_S)

    def _ask(self, upstream: socket.socket, head: list[str]) -> None:
        """Send a request's head; the client is told that its connection serves no other one."""
        upstream.sendall("\r\n".join((*head, "", "")).encode("latin-1"))
        with upstream.makefile("rb", buffering=0) as answer:
            status = answer.readline(LONGEST_LINE)
        self.connection.sendall(status + b"Connection: close\r\n" if status.endswith(b"\n") else status)

    def _answer(self, status: HTTPStatus) -> None:
        with suppress(OSError):  # nobody waits for it any more
            self.connection.sendall(f"HTTP/1.1 {status} {status.phrase}\r\n\r\n".encode())


def _pass_on(client: socket.socket, upstream: socket.socket) -> None:
    """Pass on what each sends until one of them ends or both are silent for too long."""
    other = {client: upstream, upstream: client}
    while ready := select.select(list(other), [], [], STALLED_S)[0]:
        for one in ready:
            if not (content := one.recv(65_536)):
                return
            other[one].sendall(content)
