"""Which code a result comes from: what changes its identity, and what does not."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mer_tasks import code_identity as module
from mer_tasks.code_identity import code_identity
from mer_tasks.pipeline import COMPUTED_BEFORE
from mer_tasks.settings import plugin_names

FILES = {
    "__init__.py": '"""The package."""\n',
    "settings.py": "LIMIT = 1\n",
    "start.py": '''"""Where a stage begins."""

from typing import TYPE_CHECKING

import toylib
from mer_tasks.settings import LIMIT
from mer_tasks.near import near

if TYPE_CHECKING:
    from mer_tasks.types import Shape


def start(x: "Shape") -> int:
    """Start."""
    from mer_tasks.inner.late import late  # not before it is needed

    return near(x) + late(x) + toylib.ONE + LIMIT
''',
    "near.py": "from mer_tasks.far import FAR\n\n\ndef near(x: int) -> int:\n    return x + FAR\n",
    "far.py": "FAR = 3\n",
    "types.py": "Shape = int\n",
    "unrelated.py": "from mer_tasks.near import near\n\nTWO = 2\n",
    "inner/__init__.py": "",
    "inner/late.py": "def late(x: int) -> int:\n    return 2 * x\n",
    "inner/other.py": "OTHER = 1\n",
}

PROGRAM = "import sys; from mer_tasks.code_identity import code_identity; print(code_identity(*sys.argv[1:]))"


class Project:
    """A package of its own called `mer_tasks`, with a library that it imports; each look is a new process."""

    def __init__(self, root: Path) -> None:
        self.package = root / "mer_tasks"
        for name, text in FILES.items():
            self.write(name, text)
        shutil.copy(module.__file__, self.package / "code_identity.py")
        self.libraries = root / "libraries"
        self.install("toylib", "1.0")
        self.install("otherlib", "1.0")

    def write(self, name: str, text: str) -> None:
        """Write a module."""
        path = self.package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def change(self, name: str, old: str, new: str) -> None:
        """Replace a part of a module."""
        text = (self.package / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def install(self, name: str, version: str) -> None:
        """Put a library there, in place of an earlier version."""
        for old in self.libraries.glob(f"{name}-*"):
            shutil.rmtree(old)
        info = self.libraries / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "top_level.txt").write_text(f"{name}\n")
        (self.libraries / f"{name}.py").write_text("ONE = 1\n")

    def identity(self, *modules: str) -> str:
        """What a new process finds."""
        found = subprocess.run(
            [sys.executable, "-c", PROGRAM, *(modules or ("mer_tasks.start",))],
            cwd=self.package.parent,
            env={"PYTHONPATH": f"{self.package.parent}:{self.libraries}", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stderr
        return found.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def reword(project: Project) -> None:
    project.change("start.py", "Where a stage begins.", "A stage begins here.")
    project.change("start.py", '"""Start."""', '"""Begin.\n\n    At once.\n    """')
    project.change("start.py", "not before it is needed", "as late as can be")
    project.change("near.py", "def near", "# What is near.\ndef near")


def reformat(project: Project) -> None:
    project.change(
        "start.py",
        "near(x) + late(x)",
        "(\n        near(\n            x\n        )\n        + late(x)\n    )",
    )
    project.change("start.py", '"Shape"', "'Shape'")
    project.change("far.py", "FAR = 3", "\n\nFAR   =   0x3")


def drop_docstrings(project: Project) -> None:
    project.change("start.py", '"""Where a stage begins."""\n', "")
    project.change("start.py", '    """Start."""\n', "")
    project.change("far.py", "FAR = 3\n", 'FAR = 3\n"""How far it is."""\n')


KEPT: dict[str, Callable[[Project], None]] = {
    "other words": reword,
    "another layout": reformat,
    "no docstrings": drop_docstrings,
    "what only type checkers import": lambda project: project.write("types.py", "Shape = float\n"),
    "what reads settings": lambda project: project.write("settings.py", "LIMIT = 2\n"),
    "unrelated modules": lambda project: project.write("unrelated.py", "TWO = 3\n"),
    "a module beside": lambda project: project.write("inner/other.py", "OTHER = 2\n"),
    "a new module": lambda project: project.write("new.py", "from mer_tasks.start import start\n"),
    "a library that is not used": lambda project: project.install("otherlib", "2.0"),
    "a folder of a module's name": lambda project: (project.package / "far" / "__pycache__").mkdir(
        parents=True
    ),
}

CHANGED: dict[str, Callable[[Project], None]] = {
    "a statement": lambda project: project.change("start.py", "+ LIMIT", "- LIMIT"),
    "a module that it imports": lambda project: project.change("near.py", "x + FAR", "x - FAR"),
    "a module that this one imports": lambda project: project.change("far.py", "3", "4"),
    "a module that is imported late": lambda project: project.change("inner/late.py", "2 * x", "3 * x"),
    "the package of such a module": lambda project: project.write("inner/__init__.py", "import sys\n"),
    "a library's version": lambda project: project.install("toylib", "1.1"),
    "one more import": lambda project: project.change("far.py", "FAR = 3\n", "import otherlib\n\nFAR = 3\n"),
    "a text that is no docstring": lambda project: project.change("far.py", "3", '"3"'),
    "an annotation": lambda project: project.change("near.py", "x: int", "x: float"),
    "another name": lambda project: project.change("near.py", "FAR\n\n\n", "FAR as F\n\n\nFAR = F\n"),
}


@pytest.mark.parametrize("what", KEPT)
def test_what_changes_no_number_keeps_the_identity(what: str, project: Project) -> None:
    before = project.identity()
    KEPT[what](project)
    assert project.identity() == before


@pytest.mark.parametrize("what", CHANGED)
def test_what_may_change_a_number_changes_the_identity(what: str, project: Project) -> None:
    before = project.identity()
    CHANGED[what](project)
    assert project.identity() != before


def test_a_library_imported_deep_below_counts(project: Project) -> None:
    project.change("far.py", "FAR = 3", "import otherlib\n\nFAR = 3")
    before = project.identity()
    project.install("otherlib", "2.0")
    assert project.identity() != before


def test_several_modules_have_one_identity_in_whatever_order(project: Project) -> None:
    both = project.identity("mer_tasks.near", "mer_tasks.inner.late")
    assert both == project.identity("mer_tasks.inner.late", "mer_tasks.near", "mer_tasks.near")
    assert both != project.identity("mer_tasks.near")
    assert project.identity("mer_tasks.near") == project.identity("mer_tasks.near", "mer_tasks.far")


def test_modules_that_import_each_other_have_an_identity(project: Project) -> None:
    project.write("far.py", "import mer_tasks.near\n\nFAR = 3\n")
    before = project.identity("mer_tasks.far")
    assert before == project.identity("mer_tasks.near")
    project.change("near.py", "x + FAR", "x - FAR")
    assert project.identity("mer_tasks.far") != before


def test_a_module_that_is_not_there_is_an_error(project: Project) -> None:
    with pytest.raises(AssertionError, match="nowhere"):
        project.identity("mer_tasks.nowhere")


def test_every_system_has_an_identity_of_its_own() -> None:
    names = plugin_names("models")
    identities = {code_identity(f"mer_tasks.models.{name}") for name in names}
    assert len(identities) == len(names)
    assert all(len(identity) == 16 and int(identity, 16) >= 0 for identity in identities)


def test_training_depends_on_what_it_computes_with_and_not_on_the_database() -> None:
    ours, libraries = module._imported(frozenset({"mer_tasks.evaluation.training"}), COMPUTED_BEFORE)
    assert {
        "mer_tasks.evaluation.folds",
        "mer_tasks.persistence",
        "mer_tasks.networks.torch_classifier",
    } <= ours
    assert not any(
        name.startswith(("mer_tasks.catalog.database", "mer_tasks.cli", "mer_tasks.registry"))
        or name in ("mer_tasks.features.summary", "mer_tasks.features.frames")
        for name in ours
    )
    assert "mer_tasks.settings" not in ours
    assert {"scikit-learn", "torch", "skorch", "numpy", "skops"} <= libraries
    assert not {"librosa", "mlflow", "apache-airflow-core", "sqlalchemy"} & {
        name.lower() for name in libraries
    }
