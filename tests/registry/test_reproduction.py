"""A real version rebuilt by real DVC from what it carries, and what is said of one that is not as it was."""

from pathlib import Path

import pytest

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.labelling import add_labels, label_of
from mer_tasks.errors import InputError
from mer_tasks.reproduction import Reproduction, reproduce_version
from tests.registry.conftest import Project


@pytest.mark.slow
def test_a_version_is_rebuilt_elsewhere_and_equal_until_its_data_are_others(
    served: Project, tmp_path: Path
) -> None:
    found = reproduce_version(served.workspace, served.machine, "models:/mood/2", tmp_path / "rebuilt")
    assert found.is_equal, found.lines
    assert (found.model, found.n_moods, found.has_same_data) == ("good", 0, True)
    assert found.n_songs > 20
    with pytest.raises(InputError, match="rebuilt: is there already; delete it"):
        reproduce_version(served.workspace, served.machine, "models:/mood/2", tmp_path / "rebuilt")

    add_labels(Catalog.open(served.machine.catalog_url), [label_of("song-00-0", "calm", "ann")])
    found = reproduce_version(served.workspace, served.machine, "models:/mood/2", None)
    assert not found.is_equal and not found.has_same_data
    assert Path(found.folder) == served.machine.home / "reproductions" / "mood-2"
    assert found.lines[-1] == "not equal"


def test_other_code_is_a_warning_and_a_difference_is_said_in_numbers() -> None:
    found = Reproduction("mood version 2", "svm", "f", True, ("abc", None), (0.7, 0.65), 40, 3, 0.25)
    assert found.lines == [
        "mood version 2 (svm), rebuilt in f",
        "data: the same songs, moods and clips",
        "code: WARNING: trained by commit abc, rebuilt by unknown",
        "accuracy: 0.7000, rebuilt 0.6500 (-0.0500)",
        "predictions: of 40 songs 3 have another mood; probabilities differ by 0.250000 at most",
        "not equal",
    ]
