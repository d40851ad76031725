"""Requests to other people's servers: tried again, but not for ever, and limited in size."""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx
import tenacity

from mer_tasks.errors import InputError
from mer_tasks.sources.connection import RedirectError, client

TIMEOUT_S = 20.0
"""Seconds a server may be silent."""

LONGEST_S = 120.0
"""Seconds a response may take, so that one that trickles ends."""

LONGEST_WAIT_S = 60.0
"""Seconds that a `Retry-After` is obeyed for; who asks for more is asked again on the next run."""

TRIES = 3
LONGEST_ETAG = 200
MAX_REDIRECTS = 5
BUSY = frozenset({429, 500, 502, 503, 504})

# At INFO httpx writes whole addresses, and with them Jamendo's client id, into the log.
logging.getLogger("httpx").setLevel(logging.WARNING)


class HttpError(InputError):
    """A server that cannot be reached or refuses; `status` is the response's, if there was one.

    `wait_s` is how long it asks to be left alone, in seconds.
    """

    def __init__(self, message: str, status: int | None = None, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Response:
    """What a server gave: `url` is where it came from after redirects."""

    status: int
    url: str
    etag: str | None
    body: bytes


def _worth_waiting(error: BaseException) -> bool:
    is_busy = isinstance(error, HttpError) and error.status in BUSY
    return is_busy and (getattr(error, "wait_s", None) or 0) <= LONGEST_WAIT_S


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait_s if isinstance(error, HttpError) else None
    return asked if asked is not None else tenacity.wait_exponential_jitter(1, LONGEST_WAIT_S)(state)


patient = tenacity.retry(
    retry=tenacity.retry_if_exception(_worth_waiting),
    wait=_wait,
    stop=tenacity.stop_after_attempt(TRIES),
    reraise=True,
)
"""A decorator: what ends in an `HttpError` of a busy server is tried again, after its `Retry-After`."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds a server asks to be left alone, by its `Retry-After` (RFC 9110): a number or a date."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds)


@patient
def get(
    url: str,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = 10_000_000,
) -> Response:
    """What an address gives: 200, or 304 where `headers` asked for a change.

    Raises:
        HttpError: the server is not there, refuses, or gives more than `max_bytes`; the message
            leaves out `params` and passwords.
    """
    shown = without_secrets(url)
    fine = {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED if "If-None-Match" in (headers or {}) else HTTPStatus.OK}
    try:
        with (
            _client() as limited,
            limited.stream("GET", url, params=params, headers=headers) as response,
        ):
            if response.status_code not in fine:
                raise _refusal(response, shown)
            body = _body(response, shown, max_bytes)
            return Response(response.status_code, str(response.url), _etag(response), body)
    except RedirectError as error:
        raise HttpError(f"{shown}: {error}; give that address itself if you mean it") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise HttpError(
            f"{shown}: cannot be read: {_on_one_line(error)}; check the address and the network"
        ) from error


def get_json(url: str, params: Mapping[str, str]) -> Any:
    """What an address gives as JSON.

    Raises:
        HttpError: as `get`, or it is no JSON.
    """
    response = get(url, params)
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError) as error:
        raise HttpError(f"{without_secrets(url)}: gives no JSON; check the address") from error


def without_secrets(url: str) -> str:
    """An address without user, password and query, which may hold keys."""
    try:
        return str(httpx.URL(url).copy_with(username=None, password=None, query=None, fragment=None))
    except httpx.InvalidURL:
        return url.split("?")[0].rsplit("@")[-1]


def _client() -> httpx.Client:
    """A client that follows redirects to public servers only, and ends after `LONGEST_S`."""
    limited = client(LONGEST_S)
    limited.follow_redirects, limited.max_redirects = True, MAX_REDIRECTS
    limited.headers["Accept"] = "*/*"
    limited.headers["Accept-Encoding"] = "gzip, deflate"
    return limited


def _etag(response: httpx.Response) -> str | None:
    etag = response.headers.get("ETag", "")
    return etag if 0 < len(etag) <= LONGEST_ETAG and etag.isascii() else None


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _refusal(response: httpx.Response, shown: str) -> HttpError:
    status, wait_s = response.status_code, retry_after(response.headers)
    phrase = f"HTTP {status} {response.reason_phrase}".strip()
    remedy = "try again later" if status in BUSY else "check the address and what it allows"
    asked = f", wait {wait_s:.0f} s" if wait_s and status in BUSY else ""
    return HttpError(f"{shown}: the server responds with {phrase}{asked}; {remedy}", status, wait_s)


def _body(response: httpx.Response, shown: str, max_bytes: int) -> bytes:
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > max_bytes:
            raise HttpError(f"{shown}: larger than {max_bytes / 1e6:g} MB; is it a list of songs?")
    return bytes(body)
