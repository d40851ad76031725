"""The mood board's app: its page, the clips' audio, and the labels that people give; all of it only with access.

Airflow checks nothing for a plugin's app, so the app does, for every route. Who may see assets may look and
listen; who may create an asset's event (the role User and above) may label.
"""

import hmac
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_asset
from airflow.configuration import conf
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi import Path as Part
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, Field

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.labelling import add_labels, label_of, labels_by
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.settings import Machine, load_machine
from mer_tasks.workspace import clip_key

log = logging.getLogger(__name__)

PROJECT = Path(__file__).resolve().parents[1]

LIBRARY = "plotly.min.js"
"""It is large, and changes with a version only."""

FILES = {
    "index.html": "text/html",
    "data.js": "text/javascript",
    "board.js": "text/javascript",
    LIBRARY: "text/javascript",
}
"""What `mer board` writes, and nothing else of its folder."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self';"
        " form-action 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "same-origin",
}

may_look, may_label = requires_access_asset("GET"), requires_access_asset("POST")

app = FastAPI(
    title="Mood board",
    dependencies=[Depends(may_look)],
    docs_url=None,  # these pages would not ask who looks
    redoc_url=None,
    openapi_url=None,
)


class GivenLabel(BaseModel):
    """What a person says of a song; the mood `none` takes it back."""

    track_id: Annotated[str, Field(max_length=500)]
    mood: Annotated[str, Field(max_length=100)]


@app.middleware("http")
async def add_headers(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Let the page ask this server only, and stand in no other's frame."""
    response = await handle(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@app.exception_handler(InputError)
async def refuse(_: Request, error: InputError) -> JSONResponse:
    """What was given breaks a rule: its line is the answer."""
    return JSONResponse({"detail": str(error)}, 400)


@app.exception_handler(UnavailableError)
async def defer(_: Request, error: UnavailableError) -> JSONResponse:
    """The catalog is away; its address is the log's alone."""
    log.warning("%s", error)
    return JSONResponse({"detail": "the catalog cannot be reached now; try again later"}, 503)


@app.get("/")
def show_page() -> FileResponse:
    """The board."""
    return show_file("index.html")


@app.get("/session")
def show_session(user: GetUserDep) -> dict[str, Any]:
    """Who looks, whether they may label, their labels, and the token that a label needs."""
    name = user.get_name()
    return {
        "user": name,
        "may_label": _may(may_label, user),
        "token": _token(user),
        "labels": labels_by(_catalog(), name),
    }


@app.get("/clips/{sha256}")
def play_clip(sha256: Annotated[str, Part(pattern="^[0-9a-f]{64}$")]) -> FileResponse:
    """A song's clip."""
    with suppress(FileNotFoundError):
        clip = _machine().clip_store.local(clip_key(sha256))
        if clip.is_file():
            return FileResponse(clip, media_type="audio/mpeg")
    raise HTTPException(404, "no such clip; mer verify finds those that were lost")


@app.post("/labels", dependencies=[Depends(may_label)])
def give_label(
    given: GivenLabel, user: GetUserDep, x_mood_board_token: Annotated[str, Header()] = ""
) -> dict[str, Any]:
    """Keep a person's label, or take it back; the answer has all of theirs.

    Another site's page can send a request with this browser's cookie, but neither read the token nor send a header.
    """
    if not hmac.compare_digest(x_mood_board_token.encode(), _token(user).encode()):
        raise HTTPException(403, "the page is too old; load it again")
    name, catalog = user.get_name(), _catalog()
    report = add_labels(catalog, [label_of(given.track_id, given.mood, name, "on the mood board")])
    if report.problems:
        raise InputError(report.problems[0].reason)
    return {"labels": labels_by(catalog, name)}


@app.get("/{name}")
def show_file(name: str) -> FileResponse:
    """One of the board's files."""
    file = _machine().board / name
    if name not in FILES or not file.is_file():
        raise HTTPException(
            404, "no such page; run mer board, or the DAG score_tracks, which writes the board"
        )
    kept = {"Cache-Control": "private, max-age=86400"} if name == LIBRARY else None
    return FileResponse(file, media_type=FILES[name], headers=kept)


def _machine() -> Machine:
    return load_machine(PROJECT)


@cache
def _catalog_at(url: str) -> Catalog:
    return Catalog.open(url)


def _catalog() -> Catalog:
    return _catalog_at(_machine().catalog_url)


def _token(user: Any) -> str:
    """What only this user's own page knows."""
    secret: str = conf.get_mandatory_value("api", "secret_key")
    return hmac.digest(secret.encode(), f"mood board {user.get_id()}".encode(), "sha256").hex()


def _may(check: Callable[[Any, Any], None], user: Any) -> bool:
    """Whether a check of Airflow's lets a user pass; without a path it asks about all assets."""
    try:
        check(Request({"type": "http", "path_params": {}}), user)
    except HTTPException:
        return False
    return True
