"""Which run of Airflow this process works for, and the address of its page, by the variables of Airflow's tasks."""

import os
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

BASE_URL = "AIRFLOW__API__BASE_URL"
"""Airflow's own variable with its address; `dags/dag_common.py` sets it where only `airflow.cfg` has it."""


@dataclass(frozen=True, slots=True)
class AirflowRun:
    """A run of a DAG; `page` is its address in Airflow's pages, None where Airflow's address is not known."""

    dag_id: str
    run_id: str
    page: str | None


def airflow_run() -> AirflowRun | None:
    """The run whose task this process is or was started by; None outside Airflow."""
    dag_id, run_id = (os.environ.get(f"AIRFLOW_CTX_{name}") for name in ("DAG_ID", "DAG_RUN_ID"))
    if not dag_id or not run_id:
        return None
    base = _base_url()
    page = f"{base}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}" if base else None
    return AirflowRun(dag_id, run_id, page)


def for_readers(page: str) -> str:
    """A page's address as a message shows it: one of this machine alone says so, and what to set."""
    if not _is_loopback(urlsplit(page).hostname or ""):
        return page
    return f"{page} (opens on {socket.gethostname()} only; elsewhere, set {BASE_URL} to what readers reach)"


def _base_url() -> str | None:
    """Airflow's address without a user's name and password; None for what is no address."""
    try:
        parts = urlsplit(os.environ.get(BASE_URL, ""))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}".rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
