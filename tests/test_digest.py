"""The week in one message, of a catalog, a training and a registry as they really are."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from mer_tasks.alerts import Alert, send_alert
from mer_tasks.catalog.alerts import incidents_since, silence
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.digest import send_digest, write_digest
from mer_tasks.errors import UnavailableError
from mer_tasks.settings import Machine, Params
from tests.alerts.servers import web_sink

LOST = Alert("clip store: 2 songs lost their clip", "song-1", "warning", "lost-clips", "run mer clips")


@pytest.fixture
def filled(machine: Machine, params: Params, tmp_path: Path) -> Params:
    """Two songs, of which one has two moods and none a clip, and a warning."""
    (tmp_path / "songs.csv").write_text(
        "track_id,title,artist,mood,url\na,One,Ann,sad,http://h/a\na,One,Ann,calm,http://h/a\n"
        "b,Two,Bob,calm,http://h/b\n"
    )
    import_songs(Catalog.open(machine.catalog_url), tmp_path / "songs.csv", "mine")
    send_alert(LOST, machine)
    settings = params.snapshot.model_copy(update={"collections": ("mine",)})
    return params.model_copy(update={"snapshot": settings})


def test_it_tells_of_the_week(filled: Params, machine: Machine, tmp_path: Path) -> None:
    silence(Catalog.open(machine.catalog_url), "lost-clips", datetime.now(UTC).date(), "Ann is at it")
    text = write_digest(filled, machine).text.replace("\N{EN DASH}", "-")
    assert "Champion: none yet of mood" in text
    assert "New songs: 2 (2 in mine)\n  a (Ann - One), mine\n  b (Bob - Two), mine" in text
    assert "Left out: 2 of 2 songs" in text
    assert "a (Ann - One): two moods: calm (file:mine), sad (file:mine)" in text
    assert "To label next with mer label, of 0 songs without a mood" in text
    assert "Warnings: 1\n  clip store: 2 songs lost their clip (since " in text
    assert "once" not in text and "run mer clips" in text
    assert "Silenced\n  lost-clips, until " in text and "Ann is at it" in text


def test_a_warning_is_in_one_digest(filled: Params, machine: Machine, tmp_path: Path) -> None:
    with web_sink() as web:
        there = machine.model_copy(update={"alert_urls": SecretStr(web.url)})
        assert send_digest(write_digest(filled, there), there) == 1
    assert "Warnings: 1" in web.posted[0]["message"]
    assert "Warnings: 0" in write_digest(filled, there).text


def test_what_nobody_took_is_in_the_next_digest(filled: Params, machine: Machine, tmp_path: Path) -> None:
    with web_sink(status=500) as web:
        there = machine.model_copy(update={"alert_urls": SecretStr(web.url)})
        with pytest.raises(UnavailableError, match="digest: not sent: MER_ALERT_URLS, address 1"):
            send_digest(write_digest(filled, there), there)
    assert "Warnings: 1" in write_digest(filled, there).text


def test_who_did_not_get_it_is_a_warning(filled: Params, machine: Machine, tmp_path: Path) -> None:
    with web_sink() as web, web_sink(status=500) as broken:
        there = machine.model_copy(update={"alert_urls": SecretStr(f"{web.url} {broken.url}")})
        assert send_digest(write_digest(filled, there), there) == 1
    found = incidents_since(Catalog.open(machine.catalog_url), datetime(2026, 1, 1, tzinfo=UTC))
    assert [(one.key, one.state) for one in found] == [
        ("lost-clips", "sent"),
        ("digest.undelivered", "for the digest"),
    ]
