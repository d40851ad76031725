"""What is needed no longer, freed once a day; and messages that could not be sent, tried again."""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSkipException
from dag_common import DEFAULT_ARGS, PROJECT, check_form, log_lines, machine

FORM = {
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Free nothing; the logs of the tasks say what would be freed.",
    )
}


@dag(
    schedule=CronTriggerTimetable("0 1 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=FORM,
    tags=["mood"],
    doc_md=(
        "Frees what is needed no longer, every day at 01:00 UTC and by hand with **Trigger**: workspaces of runs, DVC's "
        "cache, features, MLflow's deleted runs, and Airflow's own logs and rows. Each says what it freed. A champion "
        "that has not been retrained for long is a warning.\n\n"
        "The rules are `housekeeping` in `params.yaml`; `docs/housekeeping.md` explains them."
    ),
)
def housekeeping() -> None:
    """Three tasks, none of which waits for another."""

    @task(execution_timeout=timedelta(hours=2))
    def free() -> None:
        """Free what mer keeps, by its rules; red if one of them could not be followed."""
        from mer_tasks.command import run

        run(["mer", "housekeeping", *_dry_run()], PROJECT, machine())

    @task
    def clean_logs() -> None:
        """Delete the logs of Airflow's tasks that are older than `housekeeping.keep_airflow_days`."""
        from mer_tasks.housekeeping import old_files

        check_form(FORM)
        folder = conf.get_mandatory_value("logging", "base_log_folder")
        old = old_files(folder, _days())
        log_lines(f"{folder}: {len(old)} files older than {_days()} days, {sum(old.values()) / 1e6:.1f} MB")
        for file in () if _dry_run() else old:
            file.unlink(missing_ok=True)

    @task
    def clean_database() -> None:
        """Delete rows of Airflow's database that are older; skipped where its address is not given.

        Airflow lets no task into its database, so that this needs `MER_AIRFLOW_DATABASE_URL`.
        """
        from datetime import UTC, datetime

        from mer_tasks.command import run

        check_form(FORM)
        if (url := machine().airflow_database_url) is None:
            raise AirflowSkipException("MER_AIRFLOW_DATABASE_URL is not set (docs/housekeeping.md)")
        before = (datetime.now(UTC) - timedelta(days=_days())).isoformat()
        run(
            [
                "airflow",
                "db",
                "clean",
                "--clean-before-timestamp",
                before,
                "--skip-archive",
                "--yes",
                *_dry_run(),
            ],
            PROJECT,
            machine(),
            variables={"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url.get_secret_value()},
        )

    free()
    clean_logs()
    clean_database()


def _dry_run() -> list[str]:
    return ["--dry-run"] if get_current_context()["params"]["dry_run"] else []


def _days() -> int:
    from mer_tasks.settings import load_params

    return load_params(PROJECT / "params.yaml").housekeeping.keep_airflow_days


housekeeping()
