"""The routes of `mer serve`: moods of uploaded songs, health, and a description that needs no network."""

import asyncio
import hmac
import importlib.util
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from mer_tasks.audio.decode import duration_of
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.files import temporary_folder
from mer_tasks.prediction.mood import SongMood
from mer_tasks.serving.champion import Champion, RunningVersion
from mer_tasks.serving.log import RequestLog
from mer_tasks.serving.uploads import BodyLimit, RefusedError, Upload, read_uploads
from mer_tasks.settings import Params

SWAGGER = {
    "swagger-ui-bundle.js": "js/swagger-ui-bundle.js",
    "swagger-ui.css": "css/swagger/swagger-ui.css",
}
"""Swagger UI's files, and where Flask-AppBuilder, which Airflow's pages are made with, has them."""

FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
SONG = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "audio": {"type": "string", "format": "byte"}},
}
BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": {"type": "object", "properties": {"songs": FILES}}},
        "application/json": {
            "schema": {"type": "object", "properties": {"songs": {"type": "array", "items": SONG}}}
        },
    },
}
"""What `POST /predict` takes, as OpenAPI 3.1 says it."""

ANSWERED = {
    "version": {"name": "mood", "number": "3", "model": "musicnn_svm", "origin": "real"},
    "songs": [
        {"name": "song.mp3", "mood": "calm", "confidence": 0.7, "probabilities": {"calm": 0.7}},
        {"name": "notes.txt", "error": "is not audio that libsndfile or ffmpeg can read"},
    ],
}

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def make_app(champion: Champion, params: Params, token: str | None) -> FastAPI:
    """The application; with a token, songs are answered only for who sends it (RFC 6750)."""
    app = FastAPI(title="mer serve", summary="The mood of songs", docs_url=None, redoc_url=None)
    app.add_middleware(BodyLimit, max_bytes=params.serving.max_mb * 10**6)
    app.add_middleware(RequestLog, champion=champion)
    _add_errors(app)
    _add_documentation(app)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Which version answers, what it was trained on, and why a newer one does not, if so."""
        return {"status": "ok", "version": champion.card.as_json(), "problem": champion.problem}

    @app.post(
        "/predict",
        openapi_extra={"requestBody": BODY},
        responses={200: {"content": {"application/json": {"example": ANSWERED}}}},
    )
    async def predict(request: Request, credentials: Credentials) -> dict[str, Any]:
        """The mood of each song, or the reason why it has none; one song's fault is its own."""
        _check_token(token, credentials)
        with temporary_folder() as folder:
            uploads = await read_uploads(request, folder, params.serving)
            request.state.n_songs = len(uploads)
            with champion.in_use() as version:
                ask = [run_in_threadpool(_answer, version, upload, params) for upload in uploads]
                songs = await asyncio.gather(*ask)
                return {"version": version.card.as_json(), "songs": songs}

    return app


def _answer(version: RunningVersion, upload: Upload, params: Params) -> dict[str, Any]:
    """What is told of one song."""
    try:
        if upload.problem:
            raise InputError(upload.problem)
        duration_s, longest_s = duration_of(upload.path), params.serving.max_song_s
        if duration_s > longest_s:
            raise InputError(f"is {duration_s:.0f} s long; {longest_s:g} s at most are answered")
        found = version.registered.predict(upload.path)
    except (InputError, UnavailableError) as error:
        reason = str(error).removeprefix(f"{upload.path}: ").removeprefix(f"{upload.path.name}: ")
        return {"name": upload.name, "error": reason.replace(str(upload.path), upload.name)}
    mood = SongMood.of(found.probabilities, found.why, params.prediction.min_probability)
    return {"name": upload.name, **mood.as_json()}


def _check_token(token: str | None, credentials: HTTPAuthorizationCredentials | None) -> None:
    given = credentials.credentials if credentials else ""
    if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
        raise RefusedError(401, "send the header Authorization: Bearer TOKEN with this server's token")


def _add_errors(app: FastAPI) -> None:
    """Whatever goes wrong is a line of JSON; a fault of ours is in the log, and nothing of it in the answer."""

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return JSONResponse({"error": str(error)}, error.status, headers)

    @app.exception_handler(HTTPException)
    async def unknown(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _add_documentation(app: FastAPI) -> None:
    """`/docs`, by Swagger UI from this machine: no page of ours asks another server."""
    spec = importlib.util.find_spec("flask_appbuilder")
    folder = Path(spec.origin).parent / "static" / "appbuilder" if spec and spec.origin else None

    @app.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        if folder is None:
            raise RefusedError(404, "Swagger UI is not installed; see /openapi.json")
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="mer serve",
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="data:,",
        )

    @app.get("/docs/{name}", include_in_schema=False)
    async def asset(name: str) -> FileResponse:
        if folder is None or name not in SWAGGER:
            raise RefusedError(404, "Not Found")
        return FileResponse(folder / SWAGGER[name])
