"""Songs out of a request: files of multipart/form-data, or base64 in JSON, within limits."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mer_tasks.settings import ServingSettings
from mer_tasks.text import on_one_line

LONGEST_NAME = 200
CHUNK = 1 << 20


class RefusedError(Exception):
    """A request that is not answered: its status in HTTP, and a line that says why."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


@dataclass(frozen=True)
class Upload:
    """A song of a request: how the client calls it, and its file, or why it has none."""

    name: str
    path: Path
    problem: str = ""


class BodyLimit:
    """ASGI middleware that ends requests whose body is larger than `max_bytes`, whatever they announce."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise RefusedError(
                    413, f"larger than {self._max_bytes / 1e6:g} MB; send fewer or shorter songs"
                )
            return message

        await self._app(scope, counted, send)


async def read_uploads(request: Request, folder: Path, limits: ServingSettings) -> list[Upload]:
    """The songs of a request, as files in `folder`.

    Raises:
        RefusedError: the body is too large or slow, malformed, of another kind, or has no songs or too many.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    read = {"multipart/form-data": _from_form, "application/json": _from_json}.get(kind)
    if read is None:
        raise RefusedError(415, "send songs as multipart/form-data, or base64 in application/json")
    try:
        async with asyncio.timeout(limits.upload_timeout_s):
            uploads = await read(request, folder, limits)
    except TimeoutError as error:
        raise RefusedError(408, f"not sent within {limits.upload_timeout_s:g} s") from error
    except ClientDisconnect as error:
        raise RefusedError(400, "broke off before its end") from error
    if not uploads:
        raise RefusedError(400, "no songs; send at least one file")
    return uploads


async def _from_form(request: Request, folder: Path, limits: ServingSettings) -> list[Upload]:
    try:
        form = await request.form(max_files=limits.max_files, max_fields=limits.max_files)
    except (RefusedError, ClientDisconnect, TimeoutError):
        raise
    except HTTPException as error:
        status = 413 if error.detail.startswith("Too many") else 400
        raise RefusedError(status, f"multipart/form-data: {on_one_line(error.detail, 200)}") from error
    except Exception as error:  # whatever malformed headers provoke in the parser
        raise RefusedError(400, "malformed multipart/form-data") from error
    try:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        return [await _saved(file, folder / str(number)) for number, file in enumerate(files)]
    finally:
        await form.close()


async def _saved(file: UploadFile, path: Path) -> Upload:
    with path.open("wb") as out:
        while chunk := await file.read(CHUNK):
            await run_in_threadpool(out.write, chunk)
    return Upload(_shown(file.filename), path)


async def _from_json(request: Request, folder: Path, limits: ServingSettings) -> list[Upload]:
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "not JSON") from error
    songs = body.get("songs") if isinstance(body, dict) else None
    if not isinstance(songs, list) or not all(isinstance(song, dict) for song in songs):
        raise RefusedError(422, 'write {"songs": [{"name": "…", "audio": "base64 of the file"}, …]}')
    if len(songs) > limits.max_files:
        raise RefusedError(413, f"too many songs; {limits.max_files} at most in a request")
    return [_decoded(song, folder / str(number)) for number, song in enumerate(songs)]


def _decoded(song: Mapping[str, Any], path: Path) -> Upload:
    name = _shown(song.get("name"))
    try:
        path.write_bytes(base64.b64decode(song.get("audio", None), validate=True))
    except (ValueError, TypeError):
        return Upload(name, path, "audio is not base64")
    return Upload(name, path)


def _shown(name: object) -> str:
    return on_one_line(name, LONGEST_NAME) if isinstance(name, str) else ""
