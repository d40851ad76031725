"""Seconds, bytes and memory of whole collections, catalog and all, of 100 and of 1,000 songs from a local server.

`python benchmarks/collect.py [SONGS…]`; the songs are mp3s of 3 to 4 minutes, as in `fetch.py`.
"""

import sys
import tempfile
import threading
import time
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import psutil
from fetch import LENGTHS_S, Server, song_of

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.collect import collect_clips
from mer_tasks.settings import Machine, load_machine, load_params


def main() -> None:
    """Print a table in Markdown."""
    Server.songs = tuple(song_of(seconds) for seconds in LENGTHS_S)
    workers = load_machine().n_workers
    print(f"| songs, {workers} workers | seconds | s a song | kB a song | peak MB of all processes |")
    print("| --- | ---: | ---: | ---: | ---: |")
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=partial(server.serve_forever, 0.05), daemon=True).start()
        for n in map(int, sys.argv[1:] or ["100", "1000"]):
            seconds, n_bytes, megabytes = _collect(n, f"http://127.0.0.1:{server.server_port}", workers)
            print(f"| {n} | {seconds:.0f} | {seconds / n:.3f} | {n_bytes / n / 1e3:.0f} | {megabytes:.0f} |")
        server.shutdown()


def _collect(n: int, url: str, workers: int) -> tuple[float, int, float]:
    peak = [0.0]
    threading.Thread(target=_watch, args=(peak,), daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        table = Path(name, "songs.csv")
        rows = [f"{number},Title {number},A,sad,{url}/{number}.mp3" for number in range(n)]
        table.write_text("\n".join(("track_id,title,artist,mood,url", *rows)) + "\n", encoding="utf-8")
        catalog = Catalog.open(f"sqlite:///{name}/catalog.db")
        import_songs(catalog, table, "x")
        Server.n_sent, began = 0, time.perf_counter()
        report = collect_clips(
            catalog, ("x",), Machine(home=Path(name, "var"), workers=workers), load_params()
        )
        assert report.clips == n, report.failures
        return time.perf_counter() - began, Server.n_sent, peak[0]


def _watch(peak: list[float]) -> None:
    """Keep the most memory that this process and its children took, shared pages once."""
    me = psutil.Process()
    while True:
        used = 0.0
        for process in [me, *me.children(recursive=True)]:
            try:
                used += process.memory_full_info().pss / 1e6
            except psutil.Error:
                continue
        peak[0] = max(peak[0], used)
        time.sleep(1)


if __name__ == "__main__":
    main()
