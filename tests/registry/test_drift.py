"""Drift against a real champion: its training's songs, its features, and its own predictions."""

import pytest
import soundfile

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.catalog.importing import import_songs
from mer_tasks.collect import collect_clips
from mer_tasks.features.build import build_features
from mer_tasks.registry.drift import check_drift
from mer_tasks.registry.promotion import PersonsWord, promote
from tests.registry.conftest import Project
from tests.small_project import SR, _song

N_NEW = 16


def add_energetic_songs(project: Project) -> None:
    """Songs of new artists, all of one kind, in the data set and its features."""
    songs, machine = project.workspace.root / "songs", project.machine
    rows = ["track_id,title,artist,mood,path"]
    for number in range(N_NEW):
        soundfile.write(songs / f"new-{number}.wav", _song("energetic", seed=1000 + number), SR)
        rows.append(f"new-{number},New {number},Newcomer {number},sad,new-{number}.wav")
    (songs / "new.csv").write_text("\n".join(rows))
    catalog = Catalog.open(machine.catalog_url)
    import_songs(catalog, songs / "new.csv", "songs")
    collect_clips(catalog, ("songs",), machine, project.params)
    project.snapshot()
    data = read_snapshot(project.workspace.snapshot)
    build_features(data, project.params, project.workspace, machine.clip_store, machine.feature_store, 1)


@pytest.mark.slow
def test_new_songs_of_one_kind_have_drifted_and_a_data_set_as_before_has_not(served: Project) -> None:
    served.values["quality"] |= {"drift_min_songs": 4}
    promote(served.workspace, served.params, served.machine, "2", PersonsWord("ann", "a test"))
    report = check_drift(served.workspace, served.params, served.machine)
    assert (report.champion, report.n_now, report.columns) == ("mood version 2", 0, ())
    assert report.n_before > 10
    add_energetic_songs(served)
    report = check_drift(served.workspace, served.params, served.machine)
    assert report.n_now > 8
    drifted = {column.column: column.line for column in report.drifted}
    assert "predicted mood" in drifted and len(drifted) > 1
    assert "energetic 100%" in drifted["predicted mood"].partition(" before, ")[2]
