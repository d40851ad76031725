"""Which unlabelled songs to label next, by a version of the real registry and a catalog."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mer_tasks.catalog.charts import record_chart
from mer_tasks.catalog.clips import clip_recipe, record_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.labelling import add_labels, label_of
from mer_tasks.domain import ChartEntry, Clip, ClipOutcome, Track
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.registry.scoring import score_songs
from mer_tasks.registry.unsure import Unsure, answered_unsure_songs, unsure_songs, unsure_table
from tests.registry.scene import Scene

MODEL = "models:/mood@challenger"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def scene(empty_registry: Path, tmp_path: Path) -> Scene:
    """Eight songs by four artists in a chart without a mood, each with its clip."""
    scene = Scene(tmp_path / "scene", empty_registry, n_artists=4)
    catalog = Catalog.open(scene.machine.catalog_url)
    songs = list(scene.songs.itertuples())
    entries = [
        ChartEntry(n, Track(row.track_id, row.title, row.artist)) for n, row in enumerate(songs, start=1)
    ]
    record_chart(catalog, "songs", None, entries, None, NOW)
    for row in songs:
        clip = Clip(row.clip_sha256, 0.0, 5.0, 22050, 1, -14.0)
        record_clip(catalog, ClipOutcome(row.track_id, clip), clip_recipe(scene.params.clips), NOW)
    return scene


def ask(scene: Scene, n: int = 20) -> Unsure:
    return unsure_songs(Catalog.open(scene.machine.catalog_url), scene.params, scene.machine, MODEL, n)


def test_songs_are_ranked_with_their_moods_and_those_without_an_answer_are_named(scene: Scene) -> None:
    scene.add(fails=("t00-0",))
    found = ask(scene)
    assert found.n_unlabelled == 8 and set(found.left_out) == {"t00-0"}
    assert "cannot be decoded" in found.left_out["t00-0"]
    assert sorted(song.artist for song in found.songs) == [f"Artist {n}" for n in range(4)]  # none twice
    assert {song.margin for song in found.songs} == {0.6}
    assert found.songs[0].worth == max(song.worth for song in found.songs)
    assert sum(found.shares.values()) == pytest.approx(1, abs=1e-3)
    lines = unsure_table(found).splitlines()
    assert lines[0].split() == ["track_id", "worth", "margin", "between", "song"] and len(lines) == 7
    assert lines[5].startswith("Of 8 songs without a mood; mood version 1 finds ")


def test_a_clip_is_answered_once_by_a_version(scene: Scene) -> None:
    scene.add(fails=("t00-0",))
    catalog = Catalog.open(scene.machine.catalog_url)
    score_songs(catalog, scene.machine, MODEL, limit=4)
    first = ask(scene)
    assert (len(first.songs), set(first.left_out)) == (4, {"t00-0"})
    for row in scene.songs.itertuples():
        scene.clip(row.track_id).unlink()
    assert ask(scene) == first and score_songs(catalog, scene.machine, MODEL).new == 0
    assert answered_unsure_songs(catalog, scene.params, None, 20) == (first.songs, 8)
    scene.add()
    with pytest.raises(UnavailableError, match=r"answered none of 8 songs: .*run mer verify"):
        ask(scene)


def test_labelled_songs_are_not_ranked_and_all_labelled_is_said(scene: Scene) -> None:
    scene.add()
    catalog = Catalog.open(scene.machine.catalog_url)
    add_labels(catalog, [label_of("t00-0", "sad", "ann"), label_of("t00-1", "sad", "ann")])
    assert {song.artist for song in ask(scene).songs} == {"Artist 1", "Artist 2", "Artist 3"}
    add_labels(catalog, [label_of(row.track_id, "sad", "ann") for row in scene.songs.itertuples()])
    assert unsure_table(ask(scene)) == (
        "no song without a mood has a clip that mood version 1 can answer: there is nothing to label"
    )


def test_without_a_champion_a_person_is_told_what_to_run(scene: Scene) -> None:
    champion = "models:/mood@champion"
    with pytest.raises(InputError, match=f"{champion}: no such version; run mer register and mer promote"):
        unsure_songs(Catalog.open(scene.machine.catalog_url), scene.params, scene.machine, champion, 5)
