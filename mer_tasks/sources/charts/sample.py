"""The project's own synthetic songs as a chart."""

from mer_tasks.settings import Machine
from mer_tasks.sources.charts import ChartSettings, Reading


class Settings(ChartSettings):
    """Nothing of its own."""


def read(chart: Settings, machine: Machine, known: str | None) -> Reading:
    """The sample songs."""
    return Reading([])
