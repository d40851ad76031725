"""The mood board in Airflow: every route asks who is there, and a label is a person's own doing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.labelling import labels_by
from mer_tasks.catalog.recording import Statement, record_statements
from mer_tasks.domain import LabelKind, Track
from mer_tasks.settings import load_machine
from tests.board.contents import NOW

CLIP = "ab" * 32


@pytest.fixture(scope="module")
def app() -> Iterator[object]:
    """Airflow's own API server with its plugins, its users those of the simple auth manager."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "AIRFLOW__API_AUTH__JWT_SECRET", "a secret of this test, long enough for HS512 as it must be"
        )
        patch.setenv("AIRFLOW__API__SECRET_KEY", "another secret")
        from airflow.api_fastapi.app import create_app
        from airflow.utils.db import initdb

        initdb()
        yield create_app(apps="core")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board, a clip and a catalog with one song."""
    for name in [name for name in os.environ if name.startswith("MER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MER_HOME", str(tmp_path))
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "index.html").write_text("the board")
    (tmp_path / "board" / "secret.txt").write_text("no file of the board")
    (tmp_path / "clips" / CLIP[:2]).mkdir(parents=True)
    (tmp_path / "clips" / CLIP[:2] / f"{CLIP}.mp3").write_bytes(b"sound")
    catalog = Catalog.open(load_machine().catalog_url)
    with catalog.transaction() as connection:
        song = {"a": Statement(Track("a", "A", "Artist"))}
        record_statements(connection, "mine", LabelKind.FILE, song, NOW)
    return tmp_path


def client(app: object, role: str | None) -> TestClient:
    """A browser in which a user of this role is logged in; with None nobody is."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    cookies = {}
    if role:
        cookies["_token"] = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="Ann", role=role))
    return TestClient(app, cookies=cookies)  # type: ignore[arg-type]


def label(
    browser: TestClient, mood: str = "sad", song: str = "a", token: str | None = None
) -> tuple[int, object]:
    token = browser.get("/mood-board/session").json()["token"] if token is None else token
    body = {"track_id": song, "mood": mood}
    answer = browser.post("/mood-board/labels", json=body, headers={"X-Mood-Board-Token": token})
    return answer.status_code, answer.json()


def test_nobody_gets_anything_without_logging_in(app: object, home: Path) -> None:
    from mood_board_app import app as board

    browser = client(app, None)
    asked = set()
    for route in board.routes:
        path = route.path.replace("{sha256}", CLIP).replace("{name}", "index.html")  # type: ignore[attr-defined]
        for method in route.methods:  # type: ignore[attr-defined]
            asked.add((method, path))
            answer = browser.request(method, f"/mood-board{path}", json={"track_id": "a", "mood": "sad"})
            assert answer.status_code == 401, (method, path)
    assert len(asked) == 5
    for path in ("docs", "openapi.json", "redoc"):
        assert browser.get(f"/mood-board/{path}").status_code == 401


def test_who_may_see_assets_sees_the_board_and_hears_the_clips(app: object, home: Path) -> None:
    browser = client(app, "VIEWER")
    page = browser.get("/mood-board/")
    assert (page.status_code, page.text) == (200, "the board")
    assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
    clip = browser.get(f"/mood-board/clips/{CLIP}")
    assert (clip.content, clip.headers["content-type"]) == (b"sound", "audio/mpeg")
    part = browser.get(f"/mood-board/clips/{CLIP}", headers={"Range": "bytes=1-2"})
    assert (part.status_code, part.content) == (206, b"ou")
    for path in (
        "secret.txt",
        "clips/..%2F..%2Fcatalog.db",
        "..%2Fcatalog.db",
        f"clips/{'0' * 64}",
        "data.js",
    ):
        assert browser.get(f"/mood-board/{path}").status_code in (404, 422), path


def test_who_may_only_look_cannot_label(app: object, home: Path) -> None:
    browser = client(app, "VIEWER")
    assert browser.get("/mood-board/session").json()["may_label"] is False
    assert label(browser)[0] == 403


def test_a_label_is_kept_under_the_users_name_and_taken_back(app: object, home: Path) -> None:
    catalog, browser = Catalog.open(load_machine().catalog_url), client(app, "OP")
    assert browser.get("/mood-board/session").json()["may_label"] is True
    assert label(browser) == (200, {"labels": {"a": "sad"}})
    assert labels_by(catalog, "ann") == {"a": "sad"}
    assert label(browser, "none") == (200, {"labels": {}})
    assert labels_by(catalog, "ann") == {}


def test_a_request_of_another_sites_page_changes_nothing(app: object, home: Path) -> None:
    browser, other = client(app, "OP"), client(app, "ADMIN")
    assert label(browser, token="")[0] == 403
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    bob = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="bob", role="OP"))
    other.cookies.set("_token", bob)
    assert label(browser, token=other.get("/mood-board/session").json()["token"])[0] == 403
    form = browser.post("/mood-board/labels", data={"track_id": "a", "mood": "sad"})
    assert form.status_code == 422
    assert labels_by(Catalog.open(load_machine().catalog_url), "ann") == {}


def test_what_is_no_label_is_one_line(app: object, home: Path) -> None:
    browser = client(app, "OP")
    for song, mood, message in (
        ("a", "<b>", "mood '<b>' is none of sad, happy, energetic, calm; none takes a label back"),
        ("z", "sad", "no such song in the catalog; bring it in with mer import, or correct the track_id"),
    ):
        assert label(browser, mood, song) == (400, {"detail": message})
