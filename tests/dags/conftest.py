"""Airflow reads where its home is while it is imported, so that is set before any test is."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

HOME = Path(tempfile.mkdtemp(prefix="airflow-"))

DAGS = Path(__file__).parents[2] / "dags"

PLUGINS = DAGS.with_name("plugins")

sys.path.append(str(DAGS))  # as Airflow does where DAGs are parsed and where tasks run

os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}",
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
}


@pytest.fixture(scope="session")
def bag() -> "DagBag":
    """All DAGs of the project, as Airflow reads them."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(DAGS)


@pytest.fixture
def database() -> Iterator[None]:
    """Airflow's own database, made if need be."""
    from airflow.utils.db import initdb

    initdb()
    yield
