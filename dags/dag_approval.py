"""A person's yes: Airflow asks for it where the form says so, and without an answer it is no."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context, Param
from airflow.sdk.exceptions import AirflowSkipException
from dag_common import machine, params_section

SETTINGS = params_section("promotion")

ANSWER_WITHIN = timedelta(hours=SETTINGS["answer_within_h"])

BY_RULE, BY_PERSON, NEVER = "rule", "person", "never"
"""What a run's form may say of promotion."""


class PromotionApproval(ApprovalOperator):
    """Shows the gate's verdict and waits for a yes; skipped where nobody is to be asked."""

    def execute(self, context: Context) -> Any:
        """Ask, unless the form leaves it to the rule or to nobody, or there is nothing to decide."""
        wanted, verdict = context["params"]["promote"], context["ti"].xcom_pull(task_ids="gate")
        if wanted != BY_PERSON:
            raise AirflowSkipException(f"Nobody is asked: the form says {wanted}")
        if verdict["settled"]:
            raise AirflowSkipException(f"Nobody is asked: version {verdict['version']} {verdict['reason']}")
        _tell(verdict)
        return super().execute(context)


def _tell(verdict: Mapping[str, Any]) -> None:
    """Alert a person that one is asked; who does not look into Airflow would not know."""
    from mer_tasks.alerts import Alert, send_alert

    number, hours = verdict["version"], SETTINGS["answer_within_h"]
    alert = Alert(
        title=f"version {number} waits for a person's yes",
        text=f"{'It passes the gate' if verdict['passed'] else 'It does not pass the gate'}: {verdict['reason']}",
        severity="critical",  # a warning would wait for the weekly digest, beyond the deadline
        key=f"approval-{number}",
        remedy=f"answer under Required actions of the run within {hours:g} hours; no answer is no",
    )
    send_alert(alert, machine())


def ask_for_approval() -> PromotionApproval:
    """The task that asks; its result has who answered what, and why."""
    return PromotionApproval(
        task_id="approval",
        subject="Put version {{ ti.xcom_pull(task_ids='gate')['version'] }} in service?",
        body="{{ ti.xcom_pull(task_ids='gate')['markdown'] }}",
        defaults=ApprovalOperator.REJECT,
        response_timeout=ANSWER_WITHIN,
        execution_timeout=timedelta(minutes=10),  # of asking and of taking the answer, not of the wait
        assigned_users=[{"id": one, "name": one} for one in SETTINGS["approvers"]] or None,
        params={"reason": Param("", type="string", title="Why", description="The ledger keeps it.")},
        doc_md=(
            "Ask a person whether the version goes into service, where the form says so; the verdict is shown. No "
            f"answer within {SETTINGS['answer_within_h']:g} hours is no."
        ),
    )


def refusal(answer: Mapping[str, Any]) -> str | None:
    """How a report tells of an answer that is no; None for a yes."""
    if answer["chosen_options"] == [ApprovalOperator.APPROVE]:
        return None
    if not answer["responded_by_user"]:
        return f"nobody answered within {SETTINGS['answer_within_h']:g} hours, which is no"
    return f"rejected by {answer['responded_by_user']['name']}: {reason_of(answer) or 'no reason given'}"


def reason_of(answer: Mapping[str, Any]) -> str:
    """Why the person answered so, on one line."""
    from mer_tasks.text import on_one_line

    return on_one_line(str((answer["params_input"] or {}).get("reason") or ""))
