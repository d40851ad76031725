"""The proxy of yt-dlp and ffmpeg: what passes through it, and what it does not connect to."""

import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from mer_tasks.sources.audio.proxy import Proxy
from tests.alerts.servers import certified
from tests.sources.audio.conftest import Server
from tests.sources.charts.servers import Response, resetting, serving


def asked(proxy: Proxy, url: str) -> httpx.Response:
    return httpx.get(url, proxy=proxy.url, verify=False, timeout=5)


def test_requests_and_answers_pass_as_they_are(server: Server, songs: Path) -> None:
    with Proxy({"127.0.0.1"}) as proxy, httpx.Client(proxy=proxy.url) as client:
        for _ in range(2):  # one client: each request is judged anew
            response = client.get(f"{server.url}/good/song.mp3?a=b", headers={"Range": "bytes=5-9"})
            assert (response.status_code, response.content) == (206, (songs / "song.mp3").read_bytes()[5:10])
        assert client.get(f"{server.url}/whole/song.mp3").content == (songs / "song.mp3").read_bytes()
    assert server.queries[:2] == ["a=b", "a=b"]
    assert proxy.refused == []


def test_tls_passes_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = certified(tmp_path, monkeypatch)
    with serving(lambda request: Response(request.path), context) as web, Proxy({"127.0.0.1"}) as proxy:
        assert asked(proxy, f"{web.url}/a/b").text == "/a/b"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1"])
def test_it_does_not_connect_outside_the_internet(
    start: Callable[[], Server], scheme: str, host: str
) -> None:
    secret = start()
    with Proxy({"127.0.0.1:1"}) as proxy:
        if scheme == "http":
            assert asked(proxy, f"http://{host}:{secret.port}/good/song.mp3").status_code == 403
        else:
            with pytest.raises(httpx.ProxyError, match="403 Forbidden"):
                asked(proxy, f"https://{host}:{secret.port}/good/song.mp3")
        assert [error.host for error in proxy.refused] == [f"{host}:{secret.port}"]
    assert secret.log == []


def test_who_is_not_there_is_a_bad_gateway_and_a_broken_answer_stays_broken() -> None:
    with Proxy({"127.0.0.1"}) as proxy:
        for url in ("http://127.0.0.1:1/", "http://no-such-host.invalid/"):
            assert asked(proxy, url).status_code == 502
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
        with resetting(head) as url, pytest.raises(httpx.RemoteProtocolError, match="closed connection"):
            asked(proxy, url)
        for nonsense in (
            b"",
            b"\r\n",  # no more than is read, so that the answer is not lost with the connection
            b"GET\r\n\r\n",
            b"GET http://[::1 HTTP/1.1\r\n\r\n",
            b"CONNECT a:b c\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2])), 5) as client:
                client.sendall(nonsense)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(100).startswith(b"HTTP/1.1 502 Bad Gateway")
        assert proxy.refused == []
