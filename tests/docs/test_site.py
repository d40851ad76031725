"""The documentation's site: it builds without a warning, needs no network, and its reference is complete."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mer_tasks.settings import Machine
from tests.cli.test_cli import commands

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with broken links as errors."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def headings(page: Path) -> set[str]:
    """The ids of a page's headings."""
    return set(re.findall(r'<h\d id="([^"]+)"', page.read_text(encoding="utf-8")))


def test_every_command_is_in_the_reference(site: Path) -> None:
    assert {f"mer-{command}" for command in commands()} <= headings(site / "reference/commands.html")


def test_every_section_of_params_and_every_variable_is_in_the_reference(site: Path) -> None:
    page = site / "reference/settings.html"
    assert set(yaml.safe_load((ROOT / "params.yaml").read_text())) <= headings(page)
    text = page.read_text(encoding="utf-8")
    assert not [
        name for name in Machine.model_fields if name != "tracking_uri" and f"MER_{name}".upper() not in text
    ]


def test_every_dag_is_in_the_reference(site: Path) -> None:
    dags = {path.stem for path in (ROOT / "dags").glob("*.py") if not path.stem.startswith("dag_")}
    assert dags <= headings(site / "reference/dags.html")


def test_the_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(
        r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?//|<link\b[^>]*\bhref="(?:https?:)?//'
    )
    assert not [page for page in site.rglob("*.html") if loaded.search(page.read_text(encoding="utf-8"))]
