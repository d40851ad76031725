"""What alerts' keys are made of: a scope, and what is wrong there."""

import hashlib
import re

from mer_tasks.airflow_run import airflow_run
from mer_tasks.text import on_one_line


def key_of_stop(error: str) -> str:
    """The key of work that stopped with an error: the same for every task of the DAG that fails of it.

    What `mer` prints, and what Airflow's task makes of it, give the same key.
    """
    run = airflow_run()
    return stop_key(run.dag_id if run else "mer", error)


def stop_key(scope: str, error: str) -> str:
    """The key of work that stopped in a DAG, or outside of Airflow in `mer`."""
    cause = re.sub(r"^(\w+: )?mer: ", "", on_one_line(error))
    cause = re.sub(r"^\w+(Error|Exception): ", "", cause)
    return f"{slug(scope)}-{hashlib.sha256(cause.encode()).hexdigest()[:8]}"


def slug(name: str) -> str:
    """A name as a part of a key that is easily typed: "two moods" is "two-moods"."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-")[:80] or "x"
