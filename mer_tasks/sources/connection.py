"""Connections that keep to limits: which machines may be reached, and how long it may take."""

import socket
import ssl
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import httpcore
import httpx

from mer_tasks.errors import InputError

STALLED_S = 20.0
"""A server that sends nothing for so long is not there."""


class RedirectError(InputError):
    """A redirect leads to a private address that was not asked for."""


Address = IPv4Address | IPv6Address


def client(limit_s: float) -> httpx.Client:
    """An HTTP client for one address. Whatever it does ends `limit_s` seconds from now.

    It connects to any public machine. To one that is not public (this machine, a private network,
    a link's own) it connects only if its very first request went to that address and port.
    """
    headers = {"User-Agent": "mer", "Accept": "audio/*, */*;q=0.5", "Accept-Encoding": "identity"}
    # A proxy of the environment would choose for itself whom to connect to, so none is used.
    return httpx.Client(
        transport=_Transport(limit_s), headers=headers, timeout=min(STALLED_S, limit_s), trust_env=False
    )


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet at large; an IPv4 address mapped to IPv6 is unmapped."""
    plain = getattr(address, "ipv4_mapped", None) or address
    return bool(plain.is_global and not plain.is_multicast)


class _Transport(httpx.HTTPTransport):
    """httpx's transport on a pool whose connections are ours; httpx has no setting for that."""

    def __init__(self, limit_s: float) -> None:
        context = httpx.create_ssl_context()
        super().__init__(verify=context)
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=_Connector(limit_s))


class _Connector(httpcore.SyncBackend):
    """Looks a name up, judges the addresses and connects to those: DNS cannot change in between."""

    def __init__(self, limit_s: float) -> None:
        self._ends_at = time.monotonic() + limit_s
        self._asked_for: set[tuple[Address, int]] | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers.

        Raises:
            RedirectError: none of them may be reached.
            httpcore.ConnectError, httpcore.ConnectTimeout: the name is unknown, or nobody answers.
        """
        addresses = _addresses(host, port)
        if self._asked_for is None:
            self._asked_for = {(address, port) for address in addresses}
        allowed = [a for a in addresses if is_public(a) or (a, port) in self._asked_for]
        if not allowed:
            raise RedirectError(f"leads to {host}:{port}, which is not public and was not asked for")
        for address in allowed[:-1]:
            try:
                return self._connected(address, port, timeout, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._connected(allowed[-1], port, timeout, socket_options)

    def _connected(
        self, address: Address, port: int, timeout: float | None, options: Iterable[Any] | None
    ) -> httpcore.NetworkStream:
        limit_s = _left(self._ends_at, timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(str(address), port, limit_s, None, options), self._ends_at)


class _Stream(httpcore.NetworkStream):
    """A connection on which no wait goes past the end of the time, however slowly bytes drip."""

    def __init__(self, stream: httpcore.NetworkStream, ends_at: float) -> None:
        self._stream, self._ends_at = stream, ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._ends_at, timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._ends_at, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        limit_s = _left(self._ends_at, timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, limit_s), self._ends_at)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _addresses(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name with a part of over 63 characters
        raise httpcore.ConnectError(f"no such host: {host}") from error
    # A link-local address may end in the name of an interface, as in fe80::1%eth0.
    return list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))


def _left(ends_at: float, timeout: float | None, late: type[Exception]) -> float:
    """How many seconds a wait may take.

    Raises:
        late: no time is left.
    """
    left_s = ends_at - time.monotonic()
    if left_s <= 0:
        raise late("the time is over")
    return left_s if timeout is None else min(timeout, left_s)
