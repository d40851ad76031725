"""Airflow's settings, which are set before it is imported."""

from tests.dags.conftest import HOME, database  # noqa: F401
