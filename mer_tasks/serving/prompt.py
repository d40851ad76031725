"""Connections that must ask something: one that sends no whole request line and headers in time is closed."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class PromptProtocol(HttpToolsProtocol):
    """HTTP as uvicorn has it, whose own timeout begins only after a connection's first answer.

    Without this, `limit_concurrency` connections that say nothing, or a byte now and then, keep everybody out.
    """

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def on_response_complete(self) -> None:
        """Begin to wait for the next one."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        super().connection_lost(exc)
        self._stop_waiting()

    def _wait(self) -> None:
        self._stop_waiting()
        self._due = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _stop_waiting(self) -> None:
        if self._due:
            self._due.cancel()

    def _close_if_idle(self) -> None:
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()
