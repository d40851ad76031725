"""A server that does everything a server should not, and songs for it to serve."""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape, quoteattr

import imageio_ffmpeg
import pytest

from mer_tasks.domain import Track
from mer_tasks.settings import AudioSettings, ClipSettings, Params


class Hostile(BaseHTTPRequestHandler):
    """Each of its methods without an underscore is what it does when asked for /name or /name/argument."""

    protocol_version = "HTTP/1.1"
    files: Path
    log: list[tuple[str, str | None]]
    sent: list[int]
    results: list[tuple[str, str, float | None]]
    queries: list[str]

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.log.append((path, self.headers.get("Range")))
        self.queries.append(urlsplit(self.path).query)
        name, _, argument = path.lstrip("/").partition("/")
        with suppress(ConnectionError, TimeoutError):  # who asked has had enough
            getattr(self, name)(argument)
        self.close_connection = True

    def good(self, name: str) -> None:
        """A file, in ranges where they are asked for."""
        self._ranged((self.files / name).read_bytes())

    def whole(self, name: str) -> None:
        """A file, whatever range is asked for."""
        content = (self.files / name).read_bytes()
        self._head(200, {"Content-Length": len(content)})
        self._send(content)

    def garbage_in_ranges(self, name: str) -> None:
        """Ranges of another file than the whole."""
        content = (self.files / name).read_bytes()
        self._ranged(bytes(len(content)) if "Range" in self.headers else content)

    def elsewhere_in_ranges(self, name: str) -> None:
        """Other ranges than were asked for, once the first has been sent."""
        content = (self.files / name).read_bytes()
        self._ranged(content, shift=0 if len(self.log) == 1 else 100)

    def growing_in_ranges(self, name: str) -> None:
        """A file that is another length at each request for a range."""
        content = (self.files / name).read_bytes()
        self._ranged(content + bytes(len(self.log)) if "Range" in self.headers else content)

    def not_for_ffmpeg(self, name: str) -> None:
        """A file, but not for the program that downloads ranges."""
        return self.status("500") if self._is_ffmpeg() else self.good(name)

    def drip_for_ffmpeg(self, name: str) -> None:
        """A file, but hardly so for the program that downloads ranges."""
        return self.drip(name) if self._is_ffmpeg() else self.good(name)

    def inside_for_ffmpeg(self, address: str) -> None:
        """A file, but a redirect for the program that downloads ranges."""
        return self.to(address) if self._is_ffmpeg() else self.good("song.mp3")

    def _is_ffmpeg(self) -> bool:
        return "Icy-MetaData" in self.headers  # yt-dlp gives it its own User-Agent

    def endless_ranges(self, _: str) -> None:
        """Ranges without end, with a small file as the whole."""
        if "Range" not in self.headers:
            return self.whole("song.mp3")
        self._head(206, {"Content-Range": "bytes 0-4095/1000000"})
        while True:
            self._send(bytes(65536))

    def unsatisfiable(self, name: str) -> None:
        """No ranges, with the status for ranges past the end."""
        return self.status("416") if "Range" in self.headers else self.whole(name)

    def busy_in_ranges(self, name: str) -> None:
        """A file whose second range is one request too many."""
        return self.good(name) if len(self.log) == 1 else self.status("429/7")

    def status(self, argument: str) -> None:
        """A status, with `Retry-After` if a slash and a value follow."""
        status, _, retry_after = argument.partition("/")
        self._head(int(status), {"Content-Length": 0} | ({"Retry-After": retry_after} if retry_after else {}))

    def page(self, content_type: str) -> None:
        """A web page, announced as of some type."""
        page = b"<!doctype html>\n<html><body>No audio here, caf\xc3\xa9</body></html>\n" * 50
        self._head(200, {"Content-Type": content_type, "Content-Length": len(page)})
        self._send(page)

    def empty(self, _: str) -> None:
        self._head(200, {"Content-Length": 0})

    def cut(self, name: str) -> None:
        """Half of a file."""
        content = (self.files / name).read_bytes()
        self._head(200, {"Content-Length": len(content)})
        self._send(content[: len(content) // 2])

    def huge(self, announced: str) -> None:
        """2 GB, with their number, none, or a wrong one."""
        self._head(200, {"Content-Length": int(announced)} if announced else {})
        for _ in range(2000):
            self._send(bytes(10**6))

    def stall(self, _: str) -> None:
        """Headers, and then nothing."""
        self._head(200, {"Content-Length": 1000})
        time.sleep(5)

    def silence(self, _: str) -> None:
        time.sleep(5)

    def drip(self, _: str) -> None:
        """A byte now and then, for ever."""
        self._head(200, {"Content-Length": 10**6})
        while True:
            self._send(b"\xff")
            time.sleep(0.05)

    def drip_headers(self, _: str) -> None:
        """An answer that does not come to its body."""
        self._send(b"HTTP/1.1 200 OK\r\n")
        while True:
            self._send(b"X: y\r\n")
            time.sleep(0.05)

    def nonsense(self, _: str) -> None:
        self._send(b"\x00\xff this is not HTTP\r\n\r\n")

    def zipped(self, _: str) -> None:
        self._head(200, {"Content-Encoding": "gzip", "Content-Length": 10})
        self._send(bytes(10))

    def to(self, address: str) -> None:
        """A redirect."""
        self._head(302, {"Location": address, "Content-Length": 0})

    def round(self, number: str) -> None:
        """Redirects without end."""
        self.to(f"/round/{int(number or 0) + 1}")

    def search(self, _: str) -> None:
        """The results as a feed, which yt-dlp takes for a list of videos."""
        items = "".join(
            f"<item><title>{escape(title)}</title><enclosure url={quoteattr(url)}/>"
            f"<itunes:duration>{duration_s or ''}</itunes:duration></item>"
            for title, url, duration_s in self.results
        )
        itunes = "http://www.itunes.com/dtds/podcast-1.0.dtd"
        feed = f'<rss version="2.0" xmlns:itunes="{itunes}"><channel>{items}</channel></rss>'.encode()
        self._head(200, {"Content-Type": "application/rss+xml", "Content-Length": len(feed)})
        self._send(feed)

    def _ranged(self, content: bytes, shift: int = 0) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._head(200, {"Content-Length": len(content)})
            return self._send(content)
        first = int(asked[1]) + shift
        part = content[first : int(asked[2] or len(content)) + shift + 1]
        span = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
        self._head(206, {"Content-Range": span, "Content-Length": len(part)})
        return self._send(part)

    def _head(self, status: int, headers: dict[str, object]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def _send(self, content: bytes) -> None:
        self.wfile.write(content)
        self.sent.append(len(content))

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Server:
    """A running hostile server: its address, what it was asked for, how much it sent, what it finds."""

    def __init__(self, files: Path) -> None:
        self.log: list[tuple[str, str | None]] = []
        self._sent: list[int] = []
        self.results: list[tuple[str, str, float | None]] = []
        self.queries: list[str] = []
        shared = {
            "queries": self.queries,
            "files": files,
            "log": self.log,
            "sent": self._sent,
            "results": self.results,
        }
        handler = type("Handler", (Hostile,), shared)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        threading.Thread(target=partial(self._server.serve_forever, 0.05), daemon=True).start()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def n_sent(self) -> int:
        return sum(self._sent)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def start(songs: Path) -> Iterator[Callable[[], Server]]:
    """A function that starts a hostile server."""
    servers: list[Server] = []

    def started() -> Server:
        servers.append(Server(songs))
        return servers[-1]

    yield started
    for server in servers:
        server.close()


@pytest.fixture
def server(start: Callable[[], Server]) -> Server:
    """A hostile server."""
    return start()


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Songs of 80 s and one of 4 s: a tone that rises, and noise that makes each second unlike the others."""
    folder = tmp_path_factory.mktemp("songs")
    noise = "aevalsrc=0.3*sin(2*PI*(200+10*t)*t)+0.1*(random(0)-0.5):s=22050:d={}"
    encodings = {
        "song.mp3": ["-b:a", "128k"],
        "varying.mp3": ["-q:a", "4"],
        "untagged.mp3": ["-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0"],
        "song.ogg": [],
        "song.flac": [],
        "song.wav": [],
        "song.m4a": [],
    }
    _encode(noise.format(80), folder, encodings)
    _encode(noise.format(4), folder, {"short.mp3": []})
    tag = b"ID3\x04\0\0" + bytes([0, 12, 0, 0]) + bytes(12 << 14)  # a cover of 196,608 bytes
    (folder / "cover.mp3").write_bytes(tag + (folder / "untagged.mp3").read_bytes())
    return folder


def _encode(source: str, folder: Path, encodings: dict[str, list[str]]) -> None:
    outputs = [word for name, options in encodings.items() for word in (*options, str(folder / name))]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-f", "lavfi", "-i", source]
    subprocess.run([*command, *outputs], check=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that a song is fetched into; its name is no trouble."""
    folder = tmp_path / "downloads of 100% $(HOME)"
    folder.mkdir()
    return folder


@pytest.fixture
def audio(params: Params) -> AudioSettings:
    """The real settings, with small limits, for someone who has the right and whose songs are on this machine."""
    youtube = params.audio.youtube.model_copy(update={"download_permitted": True})
    changes = {"max_mb": 20, "timeout_s": 20.0, "youtube": youtube, "private_hosts": ("127.0.0.1",)}
    return params.audio.model_copy(update=changes)


@pytest.fixture
def clips(params: Params) -> ClipSettings:
    """The real settings for clips of five seconds."""
    return params.clips.model_copy(update={"duration_s": 5.0, "min_duration_s": 3.0})


@pytest.fixture
def song() -> Callable[[str], Track]:
    """A function that gives a song with an address."""
    return lambda url: Track("a", "T", "A", url=url)
