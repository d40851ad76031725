"""Bytes and seconds a song, by three ways to its clip, on one local server in one run.

`python benchmarks/fetch.py [SONGS]` (100 by default) makes five mp3s of 3 to 4 minutes and serves them under as
many names as there are songs. The paper's way fetches the whole song and cuts it then. Bytes are those that the
server sent, seconds are all of a song's: its fetch and the cutting of its clip.
"""

import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import imageio_ffmpeg

from mer_tasks.audio.cut import cut_clip
from mer_tasks.domain import Track
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import AudioSettings, ClipSettings, load_params
from mer_tasks.sources.audio import http, youtube
from mer_tasks.sources.audio.contract import Fetched
from mer_tasks.sources.audio.site import Site

LENGTHS_S = (180, 195, 210, 225, 240)

Fetch = Callable[[Track, Path, AudioSettings, ClipSettings], Fetched]


class Server(BaseHTTPRequestHandler):
    """Serves one of a few songs under any name, in ranges where they are asked for."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as servers in earnest do: else each range waits 40 ms for its body
    songs: tuple[bytes, ...] = ()
    n_sent = 0

    def do_GET(self) -> None:
        """Answer, and count what was taken."""
        number = int(self.path.strip("/").partition(".")[0])
        content = self.songs[number % len(self.songs)]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        self.send_response(206 if asked else 200)
        if asked:
            first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            content = content[first : last + 1]
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(ConnectionError):
            while content:
                Server.n_sent += self.connection.send(content[:65536])
                content = content[65536:]

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def main() -> None:
    """Print a table in Markdown."""
    n_songs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    Server.songs = tuple(song_of(seconds) for seconds in LENGTHS_S)
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=partial(server.serve_forever, 0.05), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        ways: dict[str, Fetch] = {
            "whole song, then cut": _whole,
            "ranges (http)": http.fetch,
            "yt-dlp": youtube.fetch,
        }
        costs = {name: _cost(way, url, n_songs) for name, way in ways.items()}
        server.shutdown()
    whole = costs["whole song, then cut"]
    print(f"{n_songs} songs\n\n| way | kB a song | times fewer | s a song | times faster |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, (n_bytes, seconds) in costs.items():
        fewer, faster = whole[0] / n_bytes, whole[1] / seconds
        print(f"| {name} | {n_bytes / 1e3:.0f} | {fewer:.1f} | {seconds:.2f} | {faster:.2f} |")


def _cost(fetch: Fetch, url: str, n_songs: int) -> tuple[float, float]:
    """Bytes and seconds a song."""
    params = load_params()
    audio = params.audio.model_copy(
        update={"youtube": params.audio.youtube.model_copy(update={"download_permitted": True})}
    )
    Server.n_sent, began = 0, time.perf_counter()
    for number in range(n_songs):
        song = f"{url}/{number}.mp3"
        duration_s = LENGTHS_S[number % len(LENGTHS_S)]
        with tempfile.TemporaryDirectory() as folder:
            track = Track(str(number), "T", "A", url=song, duration_s=float(duration_s))
            fetched = fetch(track, Path(folder), audio, params.clips)
            cut_clip(fetched.path, FolderStore(Path(folder, "clips")), params.clips, fetched.start_s)
    return Server.n_sent / n_songs, (time.perf_counter() - began) / n_songs


def _whole(track: Track, folder: Path, audio: AudioSettings, _: ClipSettings) -> Fetched:
    """The paper's way."""
    path = folder / "song.mp3"
    assert track.url
    with Site(track.url, audio) as site, site.get() as response, path.open("wb") as file:
        file.writelines(site.chunks(response))
    return Fetched(path)


def song_of(seconds: int) -> bytes:
    """An mp3 at 192 kbit/s."""
    source = f"anoisesrc=d={seconds}:c=pink:r=44100:a=0.3:seed={seconds}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", source, "-ac", "2"]
    return subprocess.run(
        [*command, "-b:a", "192k", "-f", "mp3", "-"], check=True, stdout=subprocess.PIPE
    ).stdout


if __name__ == "__main__":
    main()
