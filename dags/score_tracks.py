"""The moods of all songs: when there is a new version, or new clips; then the mood board with them."""

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetAny, TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowSkipException
from dag_common import CATALOG, CLIPS, DEFAULT_ARGS, PROJECT, VERSIONS, log_lines, machine, mer_json


@dag(
    schedule=AssetAny(VERSIONS, CLIPS, CATALOG),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["mood"],
    doc_md=(
        "Asks the version in service for the mood of every song with a clip that it has not answered yet: after a "
        "retraining, when new clips were cut, and when a chart has changed.\n\nThen it writes the mood board, which "
        "**Mood board** in the navigation shows. `docs/board.md` explains both."
    ),
)
def score_tracks() -> None:
    """Score, then write the board."""

    @task(execution_timeout=timedelta(hours=6))
    def score() -> dict[str, Any]:
        """Ask for the moods that are missing; what was answered is kept, so a retry goes on where it was.

        Skipped while there is no champion.
        """
        from mer_tasks.registry.lookup import has_champion
        from mer_tasks.settings import load_params

        if not has_champion(machine(), load_params(PROJECT / "params.yaml").registration.model_name):
            raise AirflowSkipException("There is no champion yet")
        report = mer_json(PROJECT, "score")
        log_lines(f"{report['version']}: {report['new']} songs scored")
        for song, reason in {**report["unusable"], **report["lost"]}.items():
            log_lines(f"{song}: no mood: {reason}")
        return {name: report[name] for name in ("version", "new")}

    @task(trigger_rule=TriggerRule.NONE_FAILED)
    def write_board() -> None:
        """Write the page Mood board anew."""
        from mer_tasks.command import run

        run(["mer", "board"], PROJECT, machine())

    score() >> write_board()


score_tracks()
