"""Real failures of real servers, as httpx, requests and urllib report them: which of them may be over later."""

import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import requests

from mer_tasks.errors import UnavailableError
from mer_tasks.temporary import may_pass, retry_after
from tests.alerts.servers import certified
from tests.sources.charts.servers import Request, Response, resetting, serving

IN_THE_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"


def by_httpx(url: str) -> None:
    httpx.get(url, timeout=1).raise_for_status()


def by_requests(url: str) -> None:
    requests.get(url, timeout=1).raise_for_status()


def by_urllib(url: str) -> None:
    with urllib.request.urlopen(url, timeout=1) as response:
        response.read()


@pytest.fixture
def judged() -> Callable[[str], set[bool]]:
    """A function that gives what each library's error at an address means."""

    def errors(url: str) -> Iterator[BaseException]:
        for ask in (by_httpx, by_requests, by_urllib):
            with pytest.raises(Exception) as caught:
                ask(url)
            yield caught.value

    return lambda url: {may_pass(error) for error in errors(url)}


@contextmanager
def silent() -> Iterator[str]:
    """A server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_what_a_network_does_may_pass(judged: Callable[[str], set[bool]]) -> None:
    assert judged("http://127.0.0.1:1/") == {True}
    assert judged("http://no-such-host.invalid/") == {True}
    with ExitStack() as stack:
        assert judged(stack.enter_context(silent())) == {True}
        for first in (b"", IN_THE_BODY):
            url = stack.enter_context(resetting(first))
            assert judged(url) == {True}
            if not first:
                assert judged(url.replace("http", "https")) == {True}


def test_what_a_person_must_mend_does_not_pass(
    judged: Callable[[str], set[bool]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ("http://[::1", "nosuch://h/", "http://"):
        assert judged(address) == {False}, address
    certificate = certified(tmp_path, monkeypatch)
    monkeypatch.delenv("SSL_CERT_FILE")  # nobody trusts it
    with serving(lambda request: Response("x"), certificate) as web:
        assert judged(web.url) == {False}
    with serving(lambda request: Response("x")) as web:
        assert judged(web.url.replace("http", "https")) == {False}


@pytest.mark.parametrize(
    ("statuses", "may"),
    [((400, 401, 403, 404, 410, 451), {False}), ((408, 425, 429, 500, 502, 503, 504), {True})],
)
def test_statuses_by_whether_they_may_pass(
    judged: Callable[[str], set[bool]], statuses: tuple[int, ...], may: set[bool]
) -> None:
    def answer(request: Request) -> Response:
        return Response("x", int(request.path.strip("/")))

    with serving(answer) as web:
        assert {status: judged(f"{web.url}/{status}") for status in statuses} == dict.fromkeys(statuses, may)


@pytest.mark.parametrize("day", ["99999999999999999999", "0", "-1", "x"])
def test_a_moment_that_is_none_is_no_moment(day: str) -> None:
    for text in (
        f"Mon, 01 Jan {day} 00:00:00 GMT",
        f"Mon, {day} Jan 2027 00:00:{day} GMT",
        f"Mon, 01 Jan 2027 00:00:00 +{day}",
    ):
        found = retry_after({"Retry-After": text})
        assert found is None or found >= 0


@pytest.mark.parametrize("asked_s", [0.0, 59.5, 86_400.0, 1e9, None])
def test_when_to_try_again_reaches_another_process(asked_s: float | None) -> None:
    line = UnavailableError("jamendo: busy; try again later", asked_s).line
    assert "\n" not in line
    read = UnavailableError.from_line(line)
    assert str(read) == "jamendo: busy; try again later"
    if asked_s is None:
        assert read.retry_after_s is None
    else:
        expected = min(asked_s, 365 * 86_400)
        assert read.retry_after_s == pytest.approx(expected, abs=30)
