"""The load that `mer serve` holds: songs a second, and how long a request takes, by the number of clients.

Run it beside a server: `python benchmarks/serve.py http://127.0.0.1:8008 FOLDER 100`, for 100 requests of a song each.
"""

import itertools
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx


def main() -> None:
    """Print a table in Markdown."""
    url, folder, n = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    songs = [path.read_bytes() for path in sorted(folder.glob("*.mp3"))[:20]]
    print("| clients | songs a second | p50, ms | p99, ms | errors |\n| ---: | ---: | ---: | ---: | ---: |")
    for n_clients in (1, 2, 4, 8, 16):
        started = time.monotonic()
        with httpx.Client(timeout=600) as client, ThreadPoolExecutor(n_clients) as clients:
            chosen = itertools.islice(itertools.cycle(songs), n)
            found = list(clients.map(lambda song: ask(client, url, song), chosen))
        elapsed = time.monotonic() - started
        cuts = statistics.quantiles([seconds for seconds, _ in found], n=100)
        errors = sum(not is_good for _, is_good in found)
        print(
            f"| {n_clients} | {n / elapsed:.2f} | {1000 * cuts[49]:.0f} | {1000 * cuts[98]:.0f} | {errors} |"
        )


def ask(client: httpx.Client, url: str, song: bytes) -> tuple[float, bool]:
    """How long one request takes, and whether its song was answered."""
    started = time.monotonic()
    response = client.post(f"{url}/predict", files={"songs": ("song.mp3", song)})
    return time.monotonic() - started, response.is_success and "mood" in response.json()["songs"][0]


if __name__ == "__main__":
    main()
