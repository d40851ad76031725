"""How long a command takes, and how much memory it and all that it starts hold at most."""

import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds, and the peak of the resident memory of the whole process tree in MB.

    Pages that processes share are counted once each: memory is proportional set size (PSS).
    """

    seconds: float
    peak_mb: float
    exit_code: int


def watch(command: list[str], every_s: float = 0.5) -> Cost:
    """Run `command` and watch it; its output goes to the terminal."""
    start = time.perf_counter()
    with subprocess.Popen(command) as process:
        peak = _Peak(process.pid, every_s)
        peak.start()
        code = process.wait()
        peak.done.set()
        peak.join()
    return Cost(time.perf_counter() - start, peak.mb, code)


class _Peak(threading.Thread):
    def __init__(self, pid: int, every_s: float) -> None:
        super().__init__(daemon=True)
        self.root, self.every_s, self.mb, self.done = psutil.Process(pid), every_s, 0.0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(self.every_s):
            self.mb = max(self.mb, _tree_mb(self.root))


def _tree_mb(root: psutil.Process) -> float:
    total = 0
    try:
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue  # it ended while we looked
    return total / 1e6


if __name__ == "__main__":
    cost = watch(sys.argv[1:])
    print(f"{cost.seconds:.1f} s, {cost.peak_mb:.0f} MB at most", file=sys.stderr)
    sys.exit(cost.exit_code)
