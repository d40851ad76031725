"""How long each step of the demo took, and the memory in use meanwhile."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from mer_tasks.files import write_text

EVERY_S = 2.0


class Timings:
    """Steps with a start and an end, which may overlap, over samples of the memory in use."""

    def __init__(self, processes: Callable[[], list[psutil.Process]]) -> None:
        """Look at the memory of `processes()` every other second until the program ends."""
        self._processes = processes
        self._start = time.time()
        self._steps: dict[str, tuple[float, float]] = {}
        self._samples: list[tuple[float, float]] = []
        self._take_sample()  # a step may end before the thread has begun
        threading.Thread(target=self._sample, daemon=True).start()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a block."""
        start = time.time()
        yield
        self.add(name, start, time.time())

    def add(self, name: str, start: float, end: float) -> None:
        """Add a step measured elsewhere; times as of `time.time()`."""
        self._steps[name] = (start, end)

    def write(self, file: Path) -> None:
        """Write every step's start and length in seconds and its peak memory in MB, and the whole's."""
        steps = {"whole": (self._start, time.time()), **self._steps}
        write_text(
            file, json.dumps({name: self._measured(*step) for name, step in steps.items()}, indent=2) + "\n"
        )

    def _measured(self, start: float, end: float) -> dict[str, float | None]:
        megabytes = [used for at, used in self._samples if start <= at <= end + EVERY_S]
        return {
            "start_s": round(start - self._start, 1),
            "seconds": round(end - start, 1),
            "peak_mb": round(max(megabytes)) if megabytes else None,
        }

    def _sample(self) -> None:
        while True:
            time.sleep(EVERY_S)
            self._take_sample()

    def _take_sample(self) -> None:
        self._samples.append((time.time(), sum(map(_megabytes, self._processes()))))


def _megabytes(process: psutil.Process) -> float:
    """A process's proportional set size, which counts memory shared by several only once."""
    try:
        return float(process.memory_full_info().pss) / 1e6
    except psutil.Error:
        return 0.0
