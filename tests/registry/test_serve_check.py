"""Whether a version serves is tried before the gate is asked."""

from pathlib import Path

import pytest

from mer_tasks.errors import InputError
from mer_tasks.registry.serve_check import SERVE_CHECK, check_serving
from tests.registry.conftest import Project
from tests.registry.scene import Scene


@pytest.fixture
def scene(tmp_path: Path, empty_registry: Path) -> Scene:
    return Scene(tmp_path, empty_registry)


def test_a_version_that_answers_is_told_with_its_times(scene: Scene) -> None:
    number = scene.add()
    found = check_serving(scene.workspace, scene.params, scene.machine)
    assert (found.version, found.n_songs) == (number, 5)
    assert scene.tags(number)[SERVE_CHECK] == f"passed: {found.line}"
    run = scene.client.get_run(scene.client.get_model_version("mood", number).run_id)
    assert run.data.metrics == {"serve.ready_s": found.ready_s, "serve.song_s": found.song_s}


def test_a_version_that_cannot_answer_a_clip_is_refused(scene: Scene) -> None:
    number = scene.add(fails=list(scene.songs["track_id"]))
    with pytest.raises(InputError, match="cannot be decoded"):
        check_serving(scene.workspace, scene.params, scene.machine)
    assert scene.tags(number)[SERVE_CHECK].startswith("failed: ")


def test_without_a_challenger_or_clips_it_is_one_line(scene: Scene) -> None:
    with pytest.raises(InputError, match=r"^mood@challenger: no such version"):
        check_serving(scene.workspace, scene.params, scene.machine)
    scene.add()
    for track in scene.songs["track_id"]:
        scene.clip(track).unlink()
    with pytest.raises(InputError, match=r"has no clip in .*; run mer clips$"):
        check_serving(scene.workspace, scene.params, scene.machine)


def test_a_real_version_serves(served: Project) -> None:
    found = check_serving(served.workspace, served.params, served.machine)
    assert found.n_songs == 5 and found.ready_s > found.song_s > 0
