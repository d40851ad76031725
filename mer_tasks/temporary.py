"""Which failures of a service may be over later, so that the same request is worth another try."""

import re
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import BadStatusLine, IncompleteRead
from urllib.error import HTTPError, URLError

import httpx
import requests

CLIENT_ERRORS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
"""Statuses below 500 by which a server asks to come again."""

BROKEN_OFF = (
    httpx.TimeoutException,
    httpx.NetworkError,
    httpx.ProxyError,
    httpx.RemoteProtocolError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.RetryError,  # after tries that all ended in a status worth one
    BadStatusLine,
    IncompleteRead,
    ConnectionError,
    TimeoutError,
)
"""Nobody answered, or not to the end, as each library says it."""


def status_may_pass(status: int) -> bool:
    """Whether a server that responds with this status may respond otherwise later."""
    return status >= 500 or status in CLIENT_ERRORS


def may_pass(error: BaseException) -> bool:
    """Whether a request that failed with this error of httpx, requests or urllib may succeed later.

    Not so where a person has to mend something: an address, a permission, a certificate.
    """
    status = _status(error)
    if status is not None:
        return status_may_pass(status)
    if any(_is_refused_by_tls(cause) for cause in _causes(error)):
        return False
    if isinstance(error, URLError):  # a text says what is wrong with the address
        return isinstance(error.reason, OSError)
    return isinstance(error, BROKEN_OFF)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds a server asks to be left alone, by its `Retry-After` (RFC 9110): a number or a date."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a day or a zone beyond what Python counts
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds)


def _status(error: BaseException) -> int | None:
    """The status of a response that is the error."""
    if isinstance(error, HTTPError):
        return error.code
    response = error.response if isinstance(error, httpx.HTTPStatusError | requests.HTTPError) else None
    return None if response is None else int(response.status_code)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, as far as libraries tell."""
    cause: object = error
    while isinstance(cause, BaseException):
        yield cause
        cause = cause.__cause__ or cause.__context__ or getattr(cause, "reason", None)


def _is_refused_by_tls(error: BaseException) -> bool:
    """Whether two sides cannot agree on TLS: a certificate, a version; a connection that just ended is no such case."""
    return isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
