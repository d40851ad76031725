"""The clips of new songs: when a chart has changed, and hourly for what is to be tried again.

What is due is spread over mapped tasks, each of which takes songs from the catalog's queue a few at
a time; how many run at once is the size of the pool `downloads`.
"""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import (
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    Metadata,
    Param,
    TriggerRule,
    dag,
    get_current_context,
    task,
    task_group,
)
from airflow.sdk.exceptions import AirflowSkipException
from dag_common import (
    CATALOG,
    CLIPS,
    DEFAULT_ARGS,
    PROJECT,
    FailedBefore,
    check_form,
    log_lines,
    machine,
    mer_json,
)

BATCH = 100
"""Songs a task, if the form says nothing else: some minutes of work, so that starting it costs little."""

MOST_BATCHES = 20

Report = dict[str, Any]
"""What `mer clips --json` prints of a batch."""

FORM = {
    "limit": Param(
        None,
        type=["null", "integer"],
        minimum=1,
        title="At most so many songs",
        description=f"Empty: all that are due, up to {MOST_BATCHES} batches in one run.",
    ),
    "batch": Param(
        BATCH,
        type="integer",
        minimum=1,
        maximum=1000,
        title="Songs a batch",
        description="So many songs are fetched and cut by one task, and their features computed by the next.",
    ),
}


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("30 * * * *", timezone="UTC"), assets=[CATALOG]
    ),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=FORM,
    tags=["mood"],
    doc_md=(
        "Cuts the clips of songs that are due: when `refresh_charts` found new ones, and hourly for those whose "
        "next try has come.\n\nA song that cannot be had is a row in the catalog with its reason, and waits longer "
        "each time; only work that could not be done at all is red. `docs/audio.md` explains where audio comes from."
    ),
)
def collect_clips() -> None:
    """Plan batches, collect them, report what came of it."""

    @task
    def plan() -> list[int]:
        """Divide what is due into batches of songs; first send alerts that could not be sent before."""
        from mer_tasks.alerts import send_unsent

        check_form(FORM)
        send_unsent(machine())
        form = get_current_context()["params"]
        due, batch = mer_json(PROJECT, "clips", "--count")["due"], form["batch"]
        wanted = min(due, form["limit"] or due, batch * MOST_BATCHES)
        return [min(batch, wanted - batch * i) for i in range(math.ceil(wanted / batch))]

    @task(
        pool="downloads",
        map_index_template="{{ task.op_kwargs['limit'] }} songs",
        execution_timeout=timedelta(hours=6),
        doc_md="Fetch and cut a batch of songs; the result counts them, by reason where none came of it.",
    )
    def collect(limit: int) -> Report:
        """Fetch and cut a batch of songs; the result counts them, by reason where none came of it."""
        return mer_json(PROJECT, "clips", "--limit", str(limit))

    @task(
        map_index_template="{{ task.op_kwargs['report']['new'] }} clips",
        doc_md="Compute what models read of a batch's clips, so that the retraining only gathers it.",
    )
    def compute(report: Report) -> Report:
        """Compute what models read of a batch's clips, on whichever worker is free."""
        if not report["cut"]:
            raise AirflowSkipException("No new clips")
        return mer_json(PROJECT, "compute", *report["cut"])

    @task_group(prefix_group_id=False)
    def batch(limit: int) -> Any:
        """A batch's features are computed right after its clips were cut, while others are still being fetched."""
        report = collect(limit=limit)
        compute(report=report)  # type: ignore[arg-type]  # Airflow gives what the task returned
        return report

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def summarise(batches: list[int] | None, reports: Sequence[Report] | None) -> Report:
        """Report what came of all batches: new, kept, failed by reason, bytes, seconds; red when one was not done."""
        if batches is None:
            raise FailedBefore("Nothing was collected; see plan")
        done = reports or ()  # Airflow gives None where no batch of a group was done
        total = _total(done)
        log_lines(_in_words(total) if batches else "Nothing was due")
        if len(done) < len(batches):
            raise FailedBefore(f"{len(batches) - len(done)} batches were not done; see collect")
        return total

    @task(trigger_rule=TriggerRule.ALL_DONE, outlets=[CLIPS])
    def announce(reports: Sequence[Report] | None) -> Any:
        """Update the asset of clips; skipped when there are no new ones."""
        total = _total(reports or ())
        if not total["new"]:
            raise AirflowSkipException("No new clips")
        yield Metadata(CLIPS, total)

    batches = plan()
    reports: Any = batch.expand(limit=batches)
    summarise(batches, reports)  # type: ignore[arg-type]  # Airflow gives what the task returned
    announce(reports)


def _total(reports: Sequence[Report]) -> Report:
    """The reports of all batches as one; what was kept is the same store seen by each."""
    failed: dict[str, int] = {}
    for report in reports:
        for kind, n in report["failed"].items():
            failed[kind] = failed.get(kind, 0) + n
    sums = {name: sum(report[name] for report in reports) for name in ("new", "n_bytes", "seconds")}
    return {**sums, "kept": min((report["kept"] for report in reports), default=0), "failed": failed}


def _in_words(total: Report) -> str:
    failed = ", ".join(f"{n} {kind}" for kind, n in sorted(total["failed"].items())) or "none"
    cost = f"{total['n_bytes'] / 1e6:.1f} MB, {total['seconds']:.0f} s of work"
    return f"{total['new']} new clips, {total['kept']} kept; failed: {failed}; {cost}"


collect_clips()
