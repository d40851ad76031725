"""Airflow's REST API, as much of it as the demo needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import tenacity


@dataclass(frozen=True, slots=True)
class Task:
    """A task of a run as Airflow sees it now; times in UTC."""

    task_id: str
    map_index: int
    label: str
    state: str
    attempt: int
    start: datetime | None
    end: datetime | None

    @property
    def seconds(self) -> float:
        """How long it has been running, or ran."""
        if self.start is None:
            return 0.0
        return ((self.end or datetime.now(UTC)) - self.start).total_seconds()


def _passes(error: BaseException) -> bool:
    """Whether a failure may pass by itself: SQLite under load is answered with 500."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError)


class Airflow:
    """A client of one Airflow."""

    def __init__(self, url: str) -> None:
        """`url` is the API server's address."""
        self._client = httpx.Client(base_url=url, timeout=30)

    def is_up(self) -> bool:
        """Whether the API server answers people and tasks; tasks' first request takes it seconds."""
        try:
            paths = ("/api/v2/version", "/execution/health/ping")
            return all(self._client.get(path).is_success for path in paths)
        except httpx.TransportError:
            return False

    def log_in(self) -> None:
        """Get a token; with everyone an administrator no name is asked."""
        token = self._call("GET", "/auth/token")["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def knows(self, dag_id: str) -> bool:
        """Whether the DAG has been parsed."""
        response = self._client.get(f"/api/v2/dags/{dag_id}")
        return response.is_success

    def add_pool(self, name: str, slots: int, description: str) -> None:
        """Add a pool, unless it is there."""
        self._call("POST", "/api/v2/pools", {"name": name, "slots": slots, "description": description})

    def give_up_unfinished(self, dag_id: str) -> None:
        """Mark runs as failed that an earlier Airflow did not finish: no process works on them any more."""
        runs = f"/api/v2/dags/{dag_id}/dagRuns"
        for run in self._call("GET", f"{runs}?state=running&state=queued")["dag_runs"]:
            self._call("PATCH", f"{runs}/{run['dag_run_id']}", {"state": "failed"})

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run when its schedule says so."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Unpause a DAG, start a run with these fields of its form, and return the run's id."""
        run_id = f"demo__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"  # our own: trying again starts no second run
        self.unpause(dag_id)
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)
        return run_id

    def run_state(self, dag_id: str, run_id: str) -> str:
        """The state of a run: queued, running, success or failed."""
        return str(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[Task]:
        """The tasks of a run, first to last: Airflow gives a task the more weight the more depends on it."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100"
        instances = self._call("GET", path)["task_instances"]
        return [
            _task(one)
            for one in sorted(instances, key=lambda one: (-one["priority_weight"], one["map_index"]))
        ]

    def last_words(self, dag_id: str, run_id: str, task: Task, lines: int = 15) -> str:
        """The last lines of a task's log."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}/logs/{task.attempt}"
        events = self._call("GET", f"{path}?map_index={task.map_index}&full_content=true")["content"]
        lines_logged = [
            str(event.get("event", event) if isinstance(event, dict) else event) for event in events
        ]
        return "\n".join([line for line in lines_logged if not line.startswith("::")][-lines:])

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self._call("GET", f"{path}?deserialize=true")["value"]

    @tenacity.retry(
        retry=tenacity.retry_if_exception(_passes),
        stop=tenacity.stop_after_attempt(5),
        wait=tenacity.wait_fixed(1),
        reraise=True,
    )
    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request, tried again when it may pass; what is there already (409) is well."""
        response = self._client.request(method, path, json=body)
        if response.status_code == httpx.codes.CONFLICT:
            return None
        return response.raise_for_status().json()


def _task(instance: Mapping[str, Any]) -> Task:
    name = instance["rendered_map_index"]  # of a mapped task: its index, until it has begun
    return Task(
        task_id=instance["task_id"],
        map_index=instance["map_index"],
        label=instance["task_id"] if name is None or name.isdigit() else f"{instance['task_id']} {name}",
        state=instance["state"] or "waiting",
        attempt=instance["try_number"],
        start=_time(instance["start_date"]),
        end=_time(instance["end_date"]),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
