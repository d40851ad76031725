"""The week in one message for the music editor, sent when the retraining of Monday morning is over."""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task
from dag_common import DEFAULT_ARGS, PROJECT, check_form, machine


@dag(
    schedule=CronTriggerTimetable("0 12 * * 1", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["mood"],
    doc_md=(
        "Sends the digest of the week every Monday at 12:00 UTC, and by hand with **Trigger**: new songs, what was "
        "left out and why, which songs to label next, whether the champion changed, and the week's warnings.\n\n"
        "The log of its task has it as text. `docs/alerts.md` explains where messages go."
    ),
)
def weekly_digest() -> None:
    """One task."""

    @task(execution_timeout=timedelta(minutes=30))
    def send() -> None:
        """Write the digest, by the settings of the newest run that was evaluated, and send it."""
        from mer_tasks.command import run
        from mer_tasks.pipeline import newest_evaluated
        from mer_tasks.workspace import Workspace

        check_form({})
        workspace = newest_evaluated(machine().home) or Workspace(PROJECT)
        run(["mer", "digest", "--send"], workspace.root, machine())

    send()


weekly_digest()
