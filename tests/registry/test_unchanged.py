"""A week in which nothing has changed is noticed."""

from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.registry.promotion import judge_version, promote
from mer_tasks.registry.unchanged import unchanged_since
from tests.registry.conftest import Project


def test_the_same_songs_settings_and_code_give_the_decided_version(served: Project) -> None:
    def found() -> str | None:
        return unchanged_since(served.workspace, served.params, served.machine)

    judge_version(served.workspace, served.params, served.machine)
    assert found() is None  # nothing was decided
    promote(served.workspace, served.params, served.machine)
    assert found() == "2"
    served.values["promotion"]["min_gain"] = 0.1
    served.values["snapshot"]["as_of"] = "2026-11-22"
    assert found() == "2"  # what no training reads
    served.values["evaluation"]["folds"] = 4
    assert found() is None
    served.values["evaluation"]["folds"] = 3
    served.workspace.code_revision("features").parent.mkdir(parents=True, exist_ok=True)
    served.workspace.code_revision("features").write_text("other code")
    assert found() is None
    served.workspace.code_revision("features").unlink()
    assert found() == "2"
    songs = served.workspace.snapshot / "songs.csv"
    songs.write_text("\n".join(songs.read_text().splitlines()[:-1]) + "\n")
    assert len(read_snapshot(served.workspace.snapshot).songs) and found() is None
