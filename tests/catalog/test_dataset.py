"""A data set's files can be used without the database that they come from."""

import subprocess
import sys

import grimp
import pytest

from tests.conftest import ROOT


def test_reading_a_data_set_imports_no_database() -> None:
    names = "[name for name in ('sqlalchemy', 'alembic') if name in sys.modules]"
    code = f"import sys, mer_tasks.catalog.dataset; print({names})"
    output = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT)
    assert output.strip() == "[]"


@pytest.mark.parametrize("package", ["features", "models", "evaluation"])
def test_training_does_not_depend_on_the_database(package: str) -> None:
    graph = grimp.build_graph("mer_tasks")
    upstream = graph.find_upstream_modules(f"mer_tasks.{package}", as_package=True)
    assert ("mer_tasks.catalog.dataset" in upstream) == (package != "models")  # which know of no data set
    assert upstream.isdisjoint({"mer_tasks.catalog.database", "mer_tasks.catalog.schema"})
