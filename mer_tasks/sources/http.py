"""Requests to other people's servers: tried again, but not for ever, and limited in size."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import tenacity

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.sources.connection import PrivateHostError, client, in_brackets
from mer_tasks.temporary import may_pass, retry_after, status_may_pass
from mer_tasks.text import on_one_line, without_user

TIMEOUT_S = 20.0
"""Seconds a server may be silent."""

LONGEST_S = 120.0
"""Seconds a response may take, so that one that trickles ends."""

LONGEST_WAIT_S = 60.0
"""Seconds after which a request is not tried again: who asks for more is asked again by a later run."""

PORTS = {"http": 80, "https": 443}
TRIES = 3
LONGEST_ETAG = 200
MAX_REDIRECTS = 5

# At INFO httpx writes whole addresses, and with them Jamendo's client id, into the log.
logging.getLogger("httpx").setLevel(logging.WARNING)


class RefusalError(InputError):
    """A server refuses, or gives what it should not; `status` is the response's, if that is the reason."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Response:
    """What a server gave: `url` is where it came from after redirects."""

    status: int
    url: str
    etag: str | None
    body: bytes


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, UnavailableError) else None
    return asked if asked is not None else tenacity.wait_exponential_jitter(1, LONGEST_WAIT_S)(state)


patient = tenacity.retry(
    retry=tenacity.retry_if_exception_type(UnavailableError),
    wait=_wait,
    stop=tenacity.stop_after_attempt(TRIES) | tenacity.stop_before_delay(LONGEST_WAIT_S),
    reraise=True,
)
"""A decorator: what ends in an `UnavailableError` is tried again, after its `retry_after_s`, within a minute."""


@patient
def get(
    url: str,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = 10_000_000,
) -> Response:
    """What an address gives: 200, or 304 where `headers` asked for a change.

    Raises:
        RefusalError: the server refuses, or gives more than `max_bytes`, or the address is none.
        UnavailableError: it is not there now. No message has `params` or passwords in it.
    """
    shown = without_secrets(url)
    fine = {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED if "If-None-Match" in (headers or {}) else HTTPStatus.OK}
    try:
        with (
            _client(url) as limited,
            limited.stream("GET", url, params=params, headers=headers) as response,
        ):
            if response.status_code not in fine:
                raise _refusal(response, shown)
            body = _body(response, shown, max_bytes)
            return Response(response.status_code, str(response.url), _etag(response), body)
    except PrivateHostError as error:
        raise RefusalError(f"{shown}: {error}; give that address itself if you mean it") from error
    except httpx.InvalidURL as error:  # its text may have a part of a password
        raise RefusalError(
            f"{shown}: cannot be read: it is no address; check the address, an / or ? of a password being %2F or %3F"
        ) from error
    except (httpx.HTTPError, UnicodeError) as error:
        message = f"{shown}: cannot be read: {on_one_line(str(error)) or type(error).__name__}"
        if may_pass(error):
            raise UnavailableError(f"{message}; check the network, or try again later") from error
        raise RefusalError(f"{message}; check the address") from error


def get_json(url: str, params: Mapping[str, str]) -> Any:
    """What an address gives as JSON.

    Raises:
        RefusalError, UnavailableError: as `get`, or it is no JSON.
    """
    response = get(url, params)
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError) as error:
        raise RefusalError(f"{without_secrets(url)}: gives no JSON; check the address") from error


def without_secrets(url: str) -> str:
    """An address without user, password and query, which may hold keys."""
    try:
        return str(httpx.URL(url).copy_with(username=None, password=None, query=None, fragment=None))
    except httpx.InvalidURL:
        return without_user(url).split("?")[0]


def _client(url: str) -> httpx.Client:
    """A client that follows redirects to public servers and to the one of `url`, and ends after `LONGEST_S`."""
    asked = httpx.URL(url)
    port = asked.port or PORTS.get(asked.scheme)
    limited = client(LONGEST_S, {f"{in_brackets(asked.raw_host.decode())}:{port}"})
    limited.follow_redirects, limited.max_redirects = True, MAX_REDIRECTS
    limited.headers["Accept"] = "*/*"
    limited.headers["Accept-Encoding"] = "gzip, deflate"
    return limited


def _etag(response: httpx.Response) -> str | None:
    etag = response.headers.get("ETag", "")
    return etag if 0 < len(etag) <= LONGEST_ETAG and etag.isascii() else None


def _refusal(response: httpx.Response, shown: str) -> RefusalError | UnavailableError:
    status = response.status_code
    message = f"{shown}: the server responds with HTTP {status} {response.reason_phrase}".strip()
    if status_may_pass(status):
        return UnavailableError(f"{message}; try again later", retry_after(response.headers))
    return RefusalError(f"{message}; check the address and what it allows", status)


def _body(response: httpx.Response, shown: str, max_bytes: int) -> bytes:
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > max_bytes:
            raise RefusalError(f"{shown}: larger than {max_bytes / 1e6:g} MB; is it a list of songs?")
    return bytes(body)
