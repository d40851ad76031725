"""What the charts' tests stand on: servers that end with the test, and no waiting for the clock."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mer_tasks.sources import http, spotify_client
from tests.sources.charts.servers import Request, Response, Web, serving


@pytest.fixture
def web() -> Iterator[Callable[[Callable[[Request], Response]], Web]]:
    """A function that serves what another function answers."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(serving(answer))


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited before another try."""
    found: list[float] = []
    for asking in (http.get, spotify_client._ask):
        monkeypatch.setattr(asking.retry, "sleep", found.append)  # type: ignore[attr-defined]
    return found
