"""Real servers on this machine that respond as Jamendo and Spotify do, or with whatever a test sets."""

import json
import socket
import ssl
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Response:
    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass
class Web:
    """A server: where it is, and what it was asked."""

    url: str
    asked: list[Request] = field(default_factory=list)


@contextmanager
def serving(
    answer: Callable[[Request], Response], certificate: ssl.SSLContext | None = None
) -> Iterator[Web]:
    """A server, of https where it is given a certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(parts.path, dict(parse_qsl(parts.query)), dict(self.headers))
            web.asked.append(request)
            response = answer(request)
            content = response.content()
            with suppress(ConnectionError):  # who asked may have gone away
                self.send_response(response.status)
                for name, value in ({"Content-Length": str(len(content))} | dict(response.headers)).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if certificate:
            server.socket = certificate.wrap_socket(server.socket, server_side=True)
            server.handle_error = lambda *_: None  # type: ignore[method-assign, assignment]
        web = Web(f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield web
        server.shutdown()


@contextmanager
def resetting(first: bytes) -> Iterator[str]:
    """A server that resets each connection after these bytes."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(10_000)
            self.request.sendall(first)
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.request.close()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@dataclass
class Jamendo:
    """Jamendo's API v3.0, as far as https://developer.jamendo.com/v3.0/tracks documents it."""

    songs: list[Any]
    client_id: str = "jam-client-0815"
    code: int = 0
    error_message: str = ""

    def __call__(self, request: Request) -> Response:
        if request.path != "/v3.0/tracks/":
            return Response("no such method", 404)
        if request.query.get("client_id") != self.client_id:
            return self._refusal(5, "Your credential is not authorized.")
        if self.code:
            return self._refusal(self.code, self.error_message)
        start, size = int(request.query["offset"]), min(int(request.query["limit"]), 200)
        return Response(self._document(0, "", self.songs[start : start + size]))

    def _refusal(self, code: int, message: str) -> Response:
        return Response(self._document(code, message, []))

    @staticmethod
    def _document(code: int, message: str, results: list[Any]) -> dict[str, Any]:
        status = "failed" if code else "success"
        headers = {"status": status, "code": code, "error_message": message, "warnings": ""}
        return {"headers": headers | {"results_count": len(results)}, "results": results}


def jamendo_song(number: int, **other: Any) -> dict[str, Any]:
    """A song as Jamendo gives it with `include=licenses musicinfo`."""
    return {
        "id": str(number),
        "name": f"Song {number}",
        "duration": 180 + number,
        "artist_id": str(1000 + number),
        "artist_name": f"Artist {number}",
        "license_ccurl": "http://creativecommons.org/licenses/by-nc-sa/3.0/",
        "audio": f"https://storage.example.org/?trackid={number}&format=mp31",
        "audiodownload": f"https://storage.example.org/download/track/{number}/mp32/",
        "audiodownload_allowed": True,
        "musicinfo": {"vocalinstrumental": "vocal", "tags": {"vartags": ["happy"]}},
    } | other


@dataclass
class Spotify:
    """Spotify's Web API and its token endpoint; `newer` gives `/items` and `item`, else `/tracks` and `track`."""

    entries: list[Any]
    newer: bool = True
    playlist: str = "37i9dQZF1DXdPec7aLTmlC"
    client_id: str = "app-4711"
    client_secret: str = "app-secret-4711"
    token: str = "token-of-the-app"
    features: dict[str, dict[str, Any]] | Response = field(default_factory=dict)
    first: list[Response] = field(default_factory=list)
    """What the playlist answers before it answers as it should."""
    token_answer: Response | None = None

    def __call__(self, request: Request) -> Response:
        if request.path == "/api/token":
            return self.token_answer or self._token(request)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _error(401, "Invalid access token")
        if request.path == "/v1/audio-features/":
            return self._features(request.query["ids"].split(","))
        if request.path == f"/v1/playlists/{self.playlist}/{'items' if self.newer else 'tracks'}":
            return self.first.pop(0) if self.first else self._page(request)
        return _error(404, "Resource not found")

    def _token(self, request: Request) -> Response:
        known = b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {known}":
            return Response({"error": "invalid_client", "error_description": "Invalid client"}, 400)
        return Response({"access_token": self.token, "token_type": "Bearer", "expires_in": 3600})

    def _page(self, request: Request) -> Response:
        start, size = int(request.query["offset"]), int(request.query["limit"])
        if size > 50:
            return _error(400, "Invalid limit")
        items = self.entries[start : start + size]
        return Response({"items": items, "total": len(self.entries), "offset": start, "limit": size})

    def _features(self, ids: list[str]) -> Response:
        if isinstance(self.features, Response):
            return self.features
        if len(ids) > 100:
            return _error(400, "Too many ids requested")
        return Response({"audio_features": [self.features.get(one) for one in ids]})


def _error(status: int, message: str) -> Response:
    return Response({"error": {"status": status, "message": message}}, status)


def spotify_song(number: int, **other: Any) -> dict[str, Any]:
    """A song as Spotify's Web API gives it."""
    return {
        "type": "track",
        "id": f"{number:022d}",
        "uri": f"spotify:track:{number:022d}",
        "name": f"Song {number}",
        "artists": [{"name": f"Artist {number}"}, {"name": "A guest"}],
        "duration_ms": 200_000 + number,
        "external_ids": {"isrc": f"GBAYE{number:07d}"},
        "is_local": False,
    } | other
