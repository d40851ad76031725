"""The moods of all songs: asked once, kept as they come, and no song stops another."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mer_tasks.catalog.clips import record_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.predictions import newest_answers
from mer_tasks.catalog.recording import Statement, record_statements
from mer_tasks.catalog.schema import predictions
from mer_tasks.domain import Clip, ClipOutcome, LabelKind, Track
from mer_tasks.errors import InputError
from mer_tasks.registry.aliases import CHALLENGER
from mer_tasks.registry.scoring import score_songs
from tests.registry.scene import Scene

NOW = datetime(2026, 11, 25, tzinfo=UTC)

URI = f"models:/mood@{CHALLENGER}"


@pytest.fixture
def scene(empty_registry: Path, tmp_path: Path) -> Scene:
    """A version that can answer 11 of 12 songs."""
    scene = Scene(tmp_path / "scene", empty_registry, n_artists=6)
    scene.add(fails=("t05-1",))
    return scene


@pytest.fixture
def catalog(scene: Scene) -> Catalog:
    """A catalog with the songs' clips."""
    catalog = Catalog.open(scene.machine.catalog_url)
    songs = {name: Statement(Track(name, name, "Artist")) for name in scene.songs["track_id"]}
    with catalog.transaction() as connection:
        record_statements(connection, "songs", LabelKind.FILE, songs, NOW)
    for song in scene.songs.itertuples():
        clip = Clip(str(song.clip_sha256), 0.0, 30.0, 22050, 1, -14.0)
        record_clip(catalog, ClipOutcome(str(song.track_id), clip), "recipe", NOW)
    return catalog


def n_answers(catalog: Catalog) -> int:
    with catalog.reading() as connection:
        return connection.scalar(select(func.count()).select_from(predictions)) or 0


def test_every_song_is_answered_once_and_what_cannot_be_has_its_reason(
    scene: Scene, catalog: Catalog
) -> None:
    first = score_songs(catalog, scene.machine, URI, limit=4)
    assert (first.version, first.new) == ("mood version 1", 4)
    rest = score_songs(catalog, scene.machine, URI)
    assert (rest.new, list(rest.unusable), rest.lost) == (7, ["t05-1"], {})
    assert rest.unusable["t05-1"].endswith("cannot be decoded")
    assert score_songs(catalog, scene.machine, URI).new == 0
    assert n_answers(catalog) == 12
    with catalog.reading() as connection:
        found = newest_answers(connection, None)
    truth = scene.songs.set_index("track_id")["mood"].drop("t05-1").to_dict()
    assert {song: row.mood for song, row in found.items()} == truth


def test_a_clip_that_is_not_there_is_asked_for_again(scene: Scene, catalog: Catalog) -> None:
    clip = scene.clip("t00-0")
    content = clip.read_bytes()
    clip.unlink()
    report = score_songs(catalog, scene.machine, URI)
    assert (report.new, list(report.lost)) == (10, ["t00-0"])
    assert report.lost["t00-0"].endswith("run mer verify, then mer clips")
    clip.write_bytes(content)
    assert score_songs(catalog, scene.machine, URI).new == 1


def test_a_new_version_answers_all_of_them_again(scene: Scene, catalog: Catalog) -> None:
    assert score_songs(catalog, scene.machine, URI).new == 11
    scene.add()
    assert score_songs(catalog, scene.machine, URI).new == 12
    assert n_answers(catalog) == 24


def test_without_a_version_in_service_it_is_one_line(scene: Scene, catalog: Catalog) -> None:
    with pytest.raises(InputError, match="no such version; run mer register and mer promote"):
        score_songs(catalog, scene.machine, "models:/mood@champion")
