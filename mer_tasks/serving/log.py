"""A line of log a request: when, who, what, how it ended, how long it took; no header, no query, no song's name."""

import logging
import time
from datetime import UTC, datetime

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mer_tasks.serving.champion import Champion
from mer_tasks.text import on_one_line

LOG = logging.getLogger("mer.serve")


class RequestLog:
    """ASGI middleware, the outermost: what nobody else caught is logged, and answered without its traceback."""

    def __init__(self, app: ASGIApp, champion: Champion) -> None:
        self._app, self._champion = app, champion

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        state = scope.setdefault("state", {})
        try:
            await self._app(scope, receive, noted)
        except Exception:
            LOG.exception("a fault of mer serve")
            if not status:
                error = JSONResponse({"error": "a fault of this server; its log has more"}, 500)
                await error(scope, receive, noted)
        finally:
            self._log(scope, status, state.get("n_songs", 0), time.monotonic() - started)

    def _log(self, scope: Scope, status: int, n_songs: int, seconds: float) -> None:
        client = (scope.get("client") or ("?", 0))[0]
        LOG.info(
            "%s %s %s %s %d %d songs %.0f ms version %s",
            datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            client,
            scope["method"],
            on_one_line(scope["path"], 100),
            status,
            n_songs,
            1000 * seconds,
            self._champion.card.number,
        )
