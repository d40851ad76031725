"""The week's charts: read every list as it is today, and report what is new.

Each chart of `params.yaml` is one mapped task, so that one that cannot be read stops no other.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Metadata, Param, TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException
from dag_common import (
    CATALOG,
    DEFAULT_ARGS,
    PROJECT,
    FailedBefore,
    RetryByKind,
    check_form,
    log_lines,
    mer_json,
)

Report = dict[str, Any]
"""What `mer charts --json` prints of a chart."""

FORM = {
    "chart": Param(
        None,
        type=["null", "string"],
        minLength=1,
        title="Chart",
        description="The one chart to read, by its name under charts in params.yaml. Empty: all of them.",
    )
}


@dag(
    schedule=CronTriggerTimetable("0 2 * * 1", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=FORM,
    tags=["mood"],
    doc_md=(
        "Reads the charts of `params.yaml` every Monday at 02:00 UTC, and by hand with **Trigger**.\n\n"
        "Every entry is kept by day and position; new songs are then fetched by `collect_clips`. A chart that "
        "cannot be read is red and sends an alert, as does one that suddenly has far fewer songs than it used to; "
        "one whose server is away is first tried again for about eight hours, or when the server asks to be. "
        "`docs/charts.md` explains where charts come from."
    ),
)
def refresh_charts() -> None:
    """One task a chart, then what came of all of them."""

    @task
    def list_charts() -> list[str]:
        """List which charts are read: the form's, or all of `params.yaml`."""
        from mer_tasks.settings import load_params

        check_form(FORM)
        chart = get_current_context()["params"]["chart"]
        return [chart] if chart else list(load_params(PROJECT / "params.yaml").charts)

    @task(
        pool="downloads",
        map_index_template="{{ task.op_kwargs['chart'] }}",
        retries=5,  # 8 hours: a chart that was not read waits for a week
        retry_policy=RetryByKind(first=timedelta(minutes=15)),
        doc_md="Read one chart and keep it; the result has how many songs it has and how many are new.",
    )
    def refresh(chart: str) -> Report:
        """Read one chart and keep it; the result has how many songs it has and how many are new."""
        return mer_json(PROJECT, "charts", "--", chart)

    @task(trigger_rule=TriggerRule.ALL_DONE, outlets=[CATALOG])
    def announce(reports: Sequence[Report]) -> Any:
        """Update the asset of the catalog, for `collect_clips`; skipped when nothing is new."""
        new = sum(report["new"] + report["changed"] for report in reports)
        if not new:
            raise AirflowSkipException("No chart has anything new")
        yield Metadata(CATALOG, {"new": new})

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def summarise(charts: list[str] | None, reports: Sequence[Report]) -> list[Report]:
        """Report what came of each chart; red when one could not be read."""
        if charts is None:
            raise FailedBefore("Nothing was read; see list_charts")
        for report in reports:
            log_lines(f"{report['chart']}: {report['n_entries']} songs, {report['new']} new")
        if unread := sorted(set(charts) - {report["chart"] for report in reports}):
            raise FailedBefore(f"{len(unread)} of {len(charts)} charts not read: {', '.join(unread)}")
        return list(reports)

    charts = list_charts()
    reports = refresh.expand(chart=charts)
    announce(reports)  # type: ignore[arg-type]  # Airflow gives what the task returned
    summarise(charts, reports)  # type: ignore[arg-type]


refresh_charts()
