"""A project with a champion that answers by loudness."""

from pathlib import Path

import pytest

from tests.prediction.versions import Registry
from tests.registry.conftest import empty_registry, variables  # noqa: F401


@pytest.fixture
def registry(empty_registry: Path, tmp_path: Path) -> Registry:  # noqa: F811
    made = Registry(tmp_path / "project", empty_registry)
    made.add_champion()
    return made
