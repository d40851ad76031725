"""From a chart's source to the catalog."""

from datetime import UTC, datetime

from mer_tasks.alert_keys import slug
from mer_tasks.catalog.charts import ChartReport, known_version, record_chart
from mer_tasks.catalog.database import Catalog
from mer_tasks.domain import Alert
from mer_tasks.errors import InputError
from mer_tasks.settings import Machine, Params
from mer_tasks.sources.charts import read_chart


def refresh_chart(catalog: Catalog, name: str, params: Params, machine: Machine) -> ChartReport:
    """Read one of the charts of `params.yaml` and keep it as it is now.

    Raises:
        InputError: there is no such chart, or it cannot be read.
        UnavailableError: its server, or the catalog's, is away for now.
    """
    if name not in params.charts:
        raise InputError(
            f"{name}: no such chart; charts in params.yaml has {', '.join(params.charts) or 'none'}"
        )
    chart = params.charts[name]
    reading = read_chart(name, chart, machine, known_version(catalog, name))
    return record_chart(catalog, name, chart.mood, reading.entries, reading.version, datetime.now(UTC))


def fall_alert(report: ChartReport) -> Alert:
    """The alert about a chart that suddenly has far fewer songs."""
    return Alert(
        title=f"chart {report.chart} fell to {report.n_entries} songs",
        text=f"It usually has {report.usual:g}. What was there stays in the catalog.",
        severity="warning",
        key=f"chart-fell.{slug(report.chart)}",
        remedy="see whether the source has changed its rules, or the list was emptied or moved",
    )
