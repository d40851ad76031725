"""`mer serve` as clients know it: good songs, bad uploads, a change of champions, many requests."""

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.prediction.versions import write_song
from tests.serving.conftest import Server


@pytest.fixture
def song(tmp_path: Path) -> bytes:
    return write_song(tmp_path / "song.wav", [0.9]).read_bytes()


def upload(*contents: bytes, name: str = "song.wav") -> list[tuple[str, tuple[str, bytes]]]:
    return [("songs", (name, content)) for content in contents]


def test_songs_are_answered_by_file_and_in_json_alike(server: Server, song: bytes) -> None:
    answer = server.client.post("/predict", files=upload(song, b"no audio", name="夜に.wav")).json()
    good, bad = answer["songs"]
    assert (good["name"], good["mood"], good["confidence"]) == ("夜に.wav", "energetic", 0.9)
    assert bad == {"name": "夜に.wav", "error": bad["error"]} and bad["error"].startswith("is not audio")
    assert answer["version"]["model"] == "loud" and answer["version"]["origin"] == "synthetic"
    songs = [
        {"name": "夜に.wav", "audio": base64.b64encode(song).decode()},
        {"name": "x", "audio": "no base64"},
    ]
    first, second = server.client.post("/predict", json={"songs": songs}).json()["songs"]
    assert first == good and second == {"name": "x", "error": "audio is not base64"}


def test_health_names_the_version_and_the_log_has_a_line_a_request(server: Server) -> None:
    health = server.client.get("/health?token=secret").json()
    assert (health["status"], health["problem"], health["version"]["name"]) == ("ok", "", "mood")
    lines = [line for line in server.log.splitlines() if "GET /health" in line]
    assert re.search(r"Z 127\.0\.0\.1 GET /health 200 0 songs \d+ ms version \d+$", lines[-1])
    assert "secret" not in server.log


BOUNDARY = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="songs"; filename="a"\r\n\r\n'
BAD: dict[str, tuple[str, bytes, int]] = {
    "nothing": ("", b"", 415),
    "a text": ("text/plain", b"hello", 415),
    "a form without a boundary": ("multipart/form-data", b"--x--", 400),
    "a form that is none": (BOUNDARY, b"\x00\xff" * 50, 400),
    "a form that breaks off": (BOUNDARY, PART + b"RIFF", 400),
    "a form without songs": (BOUNDARY, b"--x--\r\n", 400),
    "a form of fields": (
        BOUNDARY,
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
        400,
    ),
    "a part without a name": (BOUNDARY, b"--x\r\nContent-Type: audio/mpeg\r\n\r\nb\r\n--x--\r\n", 400),
    "too many files": (BOUNDARY, (PART + b"b\r\n") * 6 + b"--x--\r\n", 413),
    "too many bytes": (BOUNDARY, PART + b"b" * 3_100_000 + b"\r\n--x--\r\n", 413),
    "no JSON": ("application/json", b"{", 400),
    "no UTF-8": ("application/json", b"\xff\xfe\xff", 400),
    "deep JSON": ("application/json", b"[" * 100_000, 400),
    "JSON of another shape": ("application/json", b'{"songs": ["a"]}', 422),
    "JSON that is a number": ("application/json", b"7", 422),
    "too many songs": ("application/json", json.dumps({"songs": [{}] * 6}).encode(), 413),
    "no songs": ("application/json", b'{"songs": []}', 400),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_request_is_refused_in_a_line(server: Server, what: str) -> None:
    kind, body, status = BAD[what]
    headers = {"Content-Type": kind} if kind else {}
    response = server.client.post("/predict", content=body, headers=headers)
    assert (response.status_code, list(response.json())) == (status, ["error"])
    assert "\n" not in response.json()["error"] and "Traceback" not in server.log


def songs_that_are_none(song: bytes) -> list[bytes]:
    text = b"#EXTM3U\nfile:///etc/passwd\n"
    return [
        b"",
        b"\x00" * 5000,
        song[:30],
        b"<html></html>",
        text,
        b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f",
    ]


def test_a_bad_song_is_an_error_of_its_own(server: Server, song: bytes, tmp_path: Path) -> None:
    deadly = write_song(tmp_path / "deadly.wav", [1.9]).read_bytes()
    long = write_song(tmp_path / "long.wav", [0.1], 61).read_bytes()
    for bad in (*songs_that_are_none(song), deadly, long):
        answer = server.client.post("/predict", files=upload(song, bad)).json()["songs"]
        assert answer[0]["mood"] == "energetic" and "error" not in answer[0]
        assert "error" in answer[1] and not re.search(r"/tmp|Traceback|\n", answer[1]["error"])


def test_clients_that_break_off_or_say_nothing_stop_nobody(server: Server, song: bytes) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    )
    for sent in (b"\x16\x03\x01", b"GARBAGE\r\n\r\n", head + b'{"songs'):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(sent)
    with socket.create_connection((host, int(port))) as silent:
        silent.sendall(head)
        assert b"408" in silent.recv(4096)
    assert server.client.post("/predict", files=upload(song)).json()["songs"][0]["mood"] == "energetic"


def test_connections_that_ask_nothing_are_closed_and_keep_nobody_out(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    asked = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(50)]
        for connection, sent in zip(idle, (b"", b"GET / HT", asked[:-2], asked + b"\r\n"), strict=False):
            connection.sendall(sent)
        assert httpx.get(f"{server.url}/health").status_code == 503
        wait_until(lambda: httpx.get(f"{server.url}/health").status_code == 200)
        for connection in idle:
            connection.settimeout(10)
            while connection.recv(4096):
                pass


def test_a_new_champion_takes_over_without_a_lost_request(server: Server, song: bytes) -> None:
    old = server.client.get("/health").json()["version"]["number"]
    answers: list[tuple[int, Any]] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            response = server.client.post("/predict", files=upload(song))
            answers.append((response.status_code, response.json()))

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        new = server.registry.add_champion(model="second")
        wait_until(lambda: bool(answers) and answers[-1][1]["version"]["number"] == new)
    finally:
        ended.set()
        for client in clients:
            client.join()
    assert {answer["version"]["number"] for _, answer in answers} == {old, new}
    assert all(status == 200 and answer["songs"][0]["mood"] == "energetic" for status, answer in answers)
    wait_until(lambda: server.n_processes == 2)

    broken = server.registry.add_champion(script="raise SystemExit('no library')")
    wait_until(lambda: server.client.get("/health").json()["problem"] != "")
    health = server.client.get("/health").json()
    assert f"version {broken}" in health["problem"] and health["version"]["number"] == new
    assert server.client.post("/predict", files=upload(song)).status_code == 200


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_memory_is_flat_over_hundreds_of_requests(server: Server, song: bytes) -> None:
    def ask(n: int) -> float:
        for number in range(n):
            server.client.post("/predict", files=upload(song, song if number % 2 else b"no audio"))
        return server.memory_mb

    first = ask(60)
    assert ask(240) - first < 15


def test_with_a_token_only_who_has_it_is_answered(start: Callable[..., Server], song: bytes) -> None:
    server = start(MER_SERVE_TOKEN="hush-hush")
    assert server.client.get("/health").status_code == 200
    for headers in ({}, {"Authorization": "Bearer hush"}, {"Authorization": "Basic aHVzaC1odXNo"}):
        response = server.client.post("/predict", files=upload(song), headers=headers)
        assert response.status_code == 401 and "hush-hush" not in response.text
    response = server.client.post(
        "/predict", files=upload(song), headers={"Authorization": "Bearer hush-hush"}
    )
    assert response.json()["songs"][0]["mood"] == "energetic"
    assert "hush" not in server.log
    server.process.terminate()
    assert server.process.wait(timeout=60) in (0, -15)


def test_the_description_asks_no_other_server(server: Server) -> None:
    page = server.client.get("/docs").text
    addresses = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
    assert addresses == ["/docs/swagger-ui.css", "data:,", "/docs/swagger-ui-bundle.js"]
    assert server.client.get("/docs/swagger-ui-bundle.js").status_code == 200
    assert server.client.get("/docs/..%2f..%2f__init__.py").status_code == 404
    described = server.client.get("/openapi.json").json()["paths"]["/predict"]["post"]
    assert set(described["requestBody"]["content"]) == {"multipart/form-data", "application/json"}
