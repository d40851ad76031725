"""Songs a second of `mer predict FOLDER` beside those of calling it once a song.

Run it in a project with a champion: `python benchmarks/predict.py FOLDER 60 5`, for 60 songs at once and 5 one by one.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Print a table in Markdown."""
    folder, n_at_once, n_single = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    songs = sorted(map(str, folder.glob("*.mp3")))[:n_at_once]
    with tempfile.TemporaryDirectory() as place:
        single = sum(seconds("--json", song) for song in songs[:n_single]) / n_single
        together = seconds(*songs, "--csv", f"{place}/moods.csv") / len(songs)
    print("| way | s a song | songs a second |\n| --- | ---: | ---: |")
    print(f"| once a song ({n_single}) | {single:.2f} | {1 / single:.2f} |")
    print(f"| all at once ({len(songs)}) | {together:.2f} | {1 / together:.2f} |")
    print(f"\n{single / together:.1f} times as many songs a second.")


def seconds(*arguments: str) -> float:
    """How long `mer predict` takes."""
    started = time.monotonic()
    subprocess.run(["mer", "predict", *arguments], check=True, capture_output=True)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
