"""Back to the version that was in service before: one task, by hand, with a reason."""

from typing import Any

from airflow.sdk import Param, dag, get_current_context, task
from dag_common import DEFAULT_ARGS, PROJECT, VERSIONS, check_form, log_lines, mer_json

FORM = {
    "reason": Param(
        type="string",
        minLength=3,
        title="Why",
        description="What is wrong with the version in service; the ledger keeps it with your name.",
    ),
    "version": Param(
        None,
        type=["null", "string"],
        pattern="^[0-9]+$",
        title="Version",
        description="Which version to go back to. Empty: the last one before, as mer ledger shows it.",
    ),
}


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=FORM,
    tags=["mood"],
    doc_md=(
        "Puts the version back into service that was there before, or the one of the form, at once and without a "
        "comparison: the same as `mer rollback`. The one that it replaces does not return by itself."
    ),
)
def rollback() -> None:
    """One task."""

    @task(outlets=[VERSIONS])
    def roll_back() -> dict[str, Any]:
        """Put the earlier version in service; the result says which one is there now."""
        from mer_tasks.text import on_one_line

        check_form(FORM)
        context = get_current_context()
        form, who = context["params"], context["dag_run"].triggering_user_name
        options = [f"--reason={on_one_line(form['reason'])}", f"--by={on_one_line(who or '')}"]
        if form["version"]:
            options.append(f"--to={form['version']}")
        decision = mer_json(PROJECT, "rollback", *options)
        log_lines(f"Version {decision['champion']} is in service: {decision['reason']}")
        context["outlet_events"][VERSIONS].extra = {"decision": decision}
        return decision

    roll_back()


rollback()
