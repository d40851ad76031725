"""What the DAGs share: how they fail, who is alerted, where the project is."""

import json
import logging
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    Asset,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryDecision,
    RetryRule,
    get_current_context,
)
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mer_tasks.settings import Machine

log = logging.getLogger(__name__)

if AIRFLOW_URL := conf.get("api", "base_url", fallback=""):
    os.environ.setdefault("AIRFLOW__API__BASE_URL", AIRFLOW_URL)  # for mer, where only airflow.cfg has it

PROJECT = Path(__file__).resolve().parents[1]
"""The folder with `params.yaml` and `dvc.yaml`."""

CATALOG = Asset("catalog")
"""What is known of songs; updated when a chart has changed."""

CLIPS = Asset("clips")
"""The store of clips; updated when some were cut."""

VERSIONS = Asset("versions")
"""The registered versions; updated by each retraining, with its scores and the decision."""


class FailedBefore(AirflowFailException):
    """A task is red because others are, which have sent their alerts: its own is only recorded."""


def alert(context: Mapping[str, Any]) -> None:
    """Alert a person that a task failed."""
    from mer_tasks.alerts import alert_on_failure

    is_known = isinstance(context.get("exception"), FailedBefore)
    alert_on_failure(context, "information" if is_known else "critical")


class RetryByKind(ExceptionRetryPolicy):
    """Wrong input is not tried again. What is away is, after `first`, then twice as long, and when it asked to be."""

    LONGEST_WAIT = timedelta(hours=8)
    LONGEST_ASKED = timedelta(hours=25)
    """Who asks to be left alone for longer is left to the next week's run."""

    def __init__(self, first: timedelta) -> None:
        """`first` is the wait before the first retry."""
        wrong = RetryRule(
            exception="mer_tasks.errors.InputError",
            action=RetryAction.FAIL,
            reason="The input is wrong: trying again changes nothing",
        )
        super().__init__(rules=[wrong])
        self.first = first

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: "Context | None" = None
    ) -> RetryDecision:
        """What to do after this exception."""
        from mer_tasks.errors import UnavailableError

        if not isinstance(exception, UnavailableError):
            return super().evaluate(exception, try_number, max_tries, context)
        asked = timedelta(seconds=exception.retry_after_s or 0)
        if asked > self.LONGEST_ASKED:
            return RetryDecision.fail(f"It asks to be left alone for {asked}: the next run comes before that")
        wait = max(asked, min(self.first * 2 ** min(try_number - 1, 10), self.LONGEST_WAIT))
        return RetryDecision.retry(wait, f"It is away for now: the next try is in {wait}")


DEFAULT_ARGS = {
    "owner": "mer",
    # A worker that is lost or a database that is busy comes back within minutes. What was finished is
    # kept, so a retry repeats only what failed.
    "retries": 2,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2,
    "retry_policy": RetryByKind(first=timedelta(minutes=1)),
    "execution_timeout": timedelta(hours=2),
    "on_failure_callback": alert,  # here, because Airflow never calls one given to the DAG
    "pool": "default_pool",
    "queue": "default",
}


def machine() -> "Machine":
    """The machine's settings, as `mer` reads them in the project's folder."""
    from mer_tasks.settings import load_machine

    return load_machine(PROJECT)


def log_lines(text: str) -> None:
    """Put lines in the task's log; Airflow's page folds away what is printed, which comes in late."""
    for line in text.splitlines():
        log.info("%s", line)


def check_form(form: Mapping[str, Param]) -> None:
    """Refuse a run whose `conf` has a field that the form does not: a misspelt one would change nothing, unseen.

    Raises:
        AirflowFailException: it has; names the field and those that there are.
    """
    conf = get_current_context()["dag_run"].conf or {}
    if unknown := sorted(set(conf) - set(form)):
        raise AirflowFailException(
            f"{', '.join(unknown)}: no such field; there are {', '.join(form) or 'none'}"
        )


def params_section(name: str) -> dict[str, Any]:
    """A section of `params.yaml` as it is written there, unchecked, so that parsing a DAG stays cheap."""
    import yaml

    section: dict[str, Any] = yaml.safe_load((PROJECT / "params.yaml").read_text(encoding="utf-8"))[name]
    return section


def model_names() -> list[str]:
    """The models of `params.yaml`, for a form."""
    return list(params_section("models"))


def mer_json(folder: Path, *command: str) -> dict[str, Any]:
    """Run a `mer` command in a folder and return the JSON line it prints."""
    from mer_tasks.command import run

    name, *arguments = command
    lines = run(["mer", name, "--json", *arguments], folder, machine())
    printed: dict[str, Any] = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
    return printed
