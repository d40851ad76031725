"""A song's address on a server: asked with limits on bytes, time and redirects, refusals by kind."""

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Self
from unicodedata import category

import httpx

from mer_tasks.domain import Failure
from mer_tasks.settings import AudioSettings
from mer_tasks.sources.audio.contract import FetchError, shown
from mer_tasks.sources.connection import PrivateHostError, client
from mer_tasks.temporary import retry_after, status_may_pass
from mer_tasks.text import without_user

TEXT_TYPES = ("text/", "application/json", "application/xml", "application/xhtml", "application/rss")


class Part(NamedTuple):
    """What a server sent for a range of bytes: of how many in all, and of which version of the file."""

    total: int
    version: str
    content: bytes


class Site:
    """One song's address. It counts what it receives and stops at the settings' limits.

    Every method raises FetchError where the server does not give what was asked.
    """

    def __init__(self, url: str, audio: AudioSettings) -> None:
        self.url, self.n_bytes = url, 0
        self._audio = audio
        self._client = client(audio.timeout_s, audio.private_hosts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @contextmanager
    def get(self, first: int | None = None, last: int | None = None) -> Iterator[httpx.Response]:
        """The response to a request for the whole, or for bytes `first` to `last`; redirects are followed."""
        headers = {} if first is None else {"Range": f"bytes={first}-{last}"}
        with _as_failures(self.url):
            response = self._followed(headers)
            try:
                _check(response)
                yield response
            finally:
                response.close()

    def chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """The body as it comes, as long as it is within the limit and not text."""
        largest = self._audio.max_mb * 10**6
        announced = response.headers.get("Content-Length", "")
        if announced.isdigit() and int(announced) > largest:
            raise self._too_large()
        received = 0
        for chunk in response.iter_raw():
            if received == 0 and is_text(chunk[:512]):
                raise FetchError("sends a text or a web page, no audio", Failure.BAD)
            received += len(chunk)
            self.n_bytes += len(chunk)
            if received > largest:
                raise self._too_large()
            yield chunk

    def part(self, first: int, last: int) -> Part | None:
        """Bytes `first` to `last` (or to the end of the file); None where the server sends anything else."""
        with self.get(first, last) as response:
            return self.part_in(response, first, last)

    def part_in(self, response: httpx.Response, first: int, last: int) -> Part | None:
        """The same of a response that is here already."""
        span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
        if response.status_code != 206 or span is None:
            return None
        start, end, total = map(int, span.groups())
        if start != first or end != min(last, total - 1):
            return None
        version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        content = b"".join(self._at_most(response, end - start + 1))
        return Part(total, version, content) if len(content) == end - start + 1 else None

    def _at_most(self, response: httpx.Response, n: int) -> Iterator[bytes]:
        """The body up to its promised length and one chunk more: a range may lie about its length."""
        received = 0
        for chunk in response.iter_raw():
            self.n_bytes += len(chunk)
            received += len(chunk)
            yield chunk
            if received > n:
                return

    def _followed(self, headers: dict[str, str]) -> httpx.Response:
        url = httpx.URL(self.url)
        for _ in range(self._audio.max_redirects + 1):
            _check_scheme(url)
            response = self._sent(self._client.build_request("GET", url, headers=headers))
            if not response.has_redirect_location:
                return response
            response.close()
            url = url.join(response.headers["Location"])
        raise FetchError(f"redirects more than {self._audio.max_redirects} times", Failure.BAD)

    def _sent(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._client.send(request, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # A server may end a connection that was kept open just when it is used again.
            return self._client.send(request, stream=True)

    def _too_large(self) -> FetchError:
        return FetchError(f"is larger than {self._audio.max_mb} MB", Failure.BAD)


def is_text(head: bytes) -> bool:
    """Whether a file that begins with these bytes is text: UTF-8 without control characters."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # its last character may be cut
    except UnicodeDecodeError:
        return False
    return bool(text) and all(category(letter) != "Cc" or letter.isspace() for letter in text)


@contextmanager
def _as_failures(url: str) -> Iterator[None]:
    """Whatever goes wrong on the way, as a FetchError of one line that begins with the address."""
    try:
        yield
    except FetchError as error:
        raise FetchError(f"{_short(url)}: {error}", error.failure, error.retry_after_s) from error
    except PrivateHostError as error:
        raise FetchError(f"{_short(url)}: {on_private_host(error)}", Failure.REFUSED) from error
    except httpx.TimeoutException as error:
        raise FetchError(f"{_short(url)}: was too slow", Failure.BUSY) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
        raise FetchError(f"{_short(url)}: is or leads to no valid address", Failure.BAD) from error
    except httpx.HTTPError as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FetchError(f"{_short(url)}: the connection failed: {reason}", Failure.BUSY) from error


def on_private_host(error: PrivateHostError) -> str:
    """The reason why such an address is not fetched, with the remedy."""
    return f"{error}; if songs may come from there, add {error.host} to audio.private_hosts"


def _short(url: str) -> str:
    """An address as a message shows it: one line, of bearable length, without a password."""
    return shown(without_user(url))


def _check_scheme(url: httpx.URL) -> None:
    if url.scheme not in ("http", "https"):
        raise FetchError(f"leads to {url.scheme or 'no'}:, only http and https are fetched", Failure.REFUSED)
    if not url.host:
        raise FetchError("names no host", Failure.BAD)


def _check(response: httpx.Response) -> None:
    """Refusals by what they mean for the next try."""
    status, reason = (
        response.status_code,
        f"responds with {response.status_code} {response.reason_phrase}".strip(),
    )
    if status in (404, 410):
        raise FetchError(reason, Failure.GONE)
    if status in (401, 402, 403, 451):
        raise FetchError(reason, Failure.REFUSED)
    if status_may_pass(status):
        raise FetchError(reason, Failure.BUSY, retry_after(response.headers))
    if status not in (200, 206, 416):
        raise FetchError(reason, Failure.BAD)
    if response.headers.get("Content-Type", "").lower().startswith(TEXT_TYPES):
        raise FetchError("sends a text or a web page, no audio", Failure.BAD)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FetchError("sends its audio compressed, though that was not asked for", Failure.BAD)
