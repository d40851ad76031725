"""A progress bar in a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int, what: str, unit: str = "song") -> Iterator[Item]:
    """Yield `items` while showing how many of `total` are done, the rate and the time left."""
    terminal = sys.stderr.isatty()
    yield from tqdm(
        items,
        total=total,
        desc=what,
        unit=unit,
        ncols=None if terminal else 80,
        ascii=not terminal,
        mininterval=0.2 if terminal else 15,  # a log wants a line now and then, not a film
        disable=total == 0,
    )
