"""Connections that keep to limits: which machines may be reached, and how long it may take."""

import socket
import ssl
import time
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpcore
import httpx

from mer_tasks.errors import InputError

STALLED_S = 20.0
"""A server that sends nothing for so long is not there."""


NAT64 = ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 ones in networks without IPv4 (RFC 6052)."""

UNICAST = ip_network("2000::/3")
"""The IPv6 addresses that the internet is made of."""


class PrivateHostError(InputError):
    """An address outside the internet at large, which no setting names; `host` is HOST:PORT."""

    def __init__(self, host: str) -> None:
        super().__init__(f"leads to {host}, which is not on the public internet")
        self.host = host


Address = IPv4Address | IPv6Address


def client(limit_s: float, private_hosts: Collection[str]) -> httpx.Client:
    """An HTTP client for one address. Whatever it does ends `limit_s` seconds from now.

    It connects to any public machine. To one that is not public (this machine, a private network,
    a link's own) it connects only by a name in `private_hosts`: HOST, or HOST:PORT.
    """
    headers = {"User-Agent": "mer", "Accept": "audio/*, */*;q=0.5", "Accept-Encoding": "identity"}
    # A proxy of the environment would choose for itself whom to connect to, so none is used.
    transport = _Transport(limit_s, private_hosts)
    return httpx.Client(
        transport=transport, headers=headers, timeout=min(STALLED_S, limit_s), trust_env=False
    )


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet at large; an IPv4 address in an IPv6 one is what counts."""
    if isinstance(address, IPv6Address):
        inner = IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else address.ipv4_mapped
        if inner is None:
            return address.is_global and address in UNICAST and address.sixtofour is None
        address = inner
    return address.is_global and not address.is_multicast


def reachable(host: str, port: int, private_hosts: Collection[str]) -> list[Address]:
    """The addresses of a host that may be connected to: the public ones, or all where `private_hosts` has the host.

    Whoever connects to these, and asks no name server again, cannot be led elsewhere.

    Raises:
        PrivateHostError: there is none.
        OSError: the name is unknown.
        ValueError: host or port is none.
    """
    if not 0 < port < 2**16:
        raise ValueError(f"no such port: {port}")
    if "%" in host and ":" not in host:  # what httpx makes of characters that no name has
        raise ValueError(f"no such name: {host}")
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A link-local address may end in the name of an interface, as in fe80::1%eth0.
    addresses = list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))
    names = {in_brackets(host), f"{in_brackets(host)}:{port}"}
    allowed = addresses if names & set(private_hosts) else [one for one in addresses if is_public(one)]
    if not allowed:
        raise PrivateHostError(f"{in_brackets(host)}:{port}")
    return allowed


def in_brackets(host: str) -> str:
    """A host as it stands in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host.lower()


class _Transport(httpx.HTTPTransport):
    """httpx's transport on a pool whose connections are ours; httpx has no setting for that."""

    def __init__(self, limit_s: float, private_hosts: Collection[str]) -> None:
        context = httpx.create_ssl_context()
        super().__init__(verify=context)
        connector = _Connector(limit_s, private_hosts)
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=connector)


class _Connector(httpcore.SyncBackend):
    """Looks a name up, judges the addresses and connects to those: DNS cannot change in between."""

    def __init__(self, limit_s: float, private_hosts: Collection[str]) -> None:
        self._ends_at = time.monotonic() + limit_s
        self._private_hosts = private_hosts

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
            PrivateHostError: none of them may be reached.
            httpcore.ConnectError, httpcore.ConnectTimeout: the name is unknown, or nobody answers.
            httpcore.UnsupportedProtocol: host or port is none.
        """
        try:
            allowed = reachable(host, port, self._private_hosts)
        except OSError as error:
            raise httpcore.ConnectError(f"no such host: {host}") from error
        except ValueError as error:  # also of a name with a part of over 63 characters
            raise httpcore.UnsupportedProtocol(f"{host}:{port} is no address: {error}") from error
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


def _left(ends_at: float, timeout: float | None, late: type[Exception]) -> float:
    """How many seconds a wait may take.

    Raises:
        late: no time is left.
    """
    left_s = ends_at - time.monotonic()
    if left_s <= 0:
        raise late("the time is over")
    return left_s if timeout is None else min(timeout, left_s)
