"""Which version is in service: the ledger in the catalog says so, and MLflow's alias `champion` follows it."""

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow.tracking import MlflowClient

from mer_tasks.airflow_run import airflow_run
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.ledger import Kind, Promotion, add_promotion, list_promotions
from mer_tasks.registry.aliases import CHAMPION, Aliases

LOCK = "promote"
"""The section of the catalog in which `Service` is used: one process at a time changes what is in service."""


@dataclass(frozen=True)
class Change:
    """Why a version goes into service, and by which comparison; `decided_by` is who runs `mer` where it is empty."""

    kind: Kind
    reason: str
    decided_by: str = ""
    scores: Mapping[str, float] | None = None
    n_songs: int | None = None


class Service:
    """The version of one registered model that is in service.

    A change is first a row of the ledger, then tags and aliases, the champion's last, then a mark in MLflow that
    this row is carried out. So whoever comes next sees by the mark whether a process was killed in between, or a
    person has moved the alias in MLflow.
    """

    def __init__(self, catalog: Catalog, client: MlflowClient, name: str) -> None:
        """Change nothing yet."""
        self.aliases, self.name = Aliases(client, name), name
        self._catalog = catalog

    def champion(self) -> str | None:
        """The version in service, after the ledger and MLflow's alias were brought together."""
        rows = list_promotions(self._catalog, self.name)
        last, before = (rows[-1] if rows else None), (rows[-2] if len(rows) > 1 else None)
        alias, mark = self.aliases.number_at(CHAMPION), self.aliases.mark()
        if last and mark == _mark(before) and alias in (last.from_version, last.to_version):
            return self._finish(last)
        if alias != (last.to_version if last else None):
            return self._note(last, alias)
        if mark != _mark(last):
            self.aliases.set_mark(_mark(last))
        return alias

    def put(self, number: str, champion: str | None, change: Change) -> None:
        """Put a version in the place of the champion; `champion` is what the method of this name gave."""
        self._carry_out(self._add(champion, number, change))

    def former_champions(self, champion: str | None) -> list[str]:
        """The versions that were in service before, each once, the latest first, whether or not they still exist."""
        numbers = dict.fromkeys(row.to_version for row in reversed(list_promotions(self._catalog, self.name)))
        return [one for one in numbers if one is not None and one != champion]

    def versions_to_go_back_to(self, champion: str | None) -> list[str]:
        """Those of them that nobody went back from, the last time that they were in service."""
        left_by = {row.from_version: row.kind for row in list_promotions(self._catalog, self.name)}
        former = self.former_champions(champion)
        return [one for one in former if left_by.get(one) not in ("rollback", "mlflow")]

    def _add(self, old: str | None, new: str | None, change: Change) -> Promotion:
        who = change.decided_by or who_runs()
        row = Promotion(
            self.name,
            change.kind,
            old,
            new,
            who,
            change.reason,
            change.scores,
            change.n_songs,
            datetime.now(UTC),
        )
        add_promotion(self._catalog, row)
        return row

    def _carry_out(self, row: Promotion) -> None:
        assert row.to_version is not None  # only a person takes the last one out, in MLflow
        if row.kind in (
            "person",
            "rollback",
        ):  # else the same training, registered again, would undo the decision
            self.aliases.mark_taken_out(row.from_version, f"for version {row.to_version}")
        self.aliases.move_champion(row.to_version, row.from_version)
        self.aliases.set_mark(_mark(row))

    def _finish(self, row: Promotion) -> str | None:
        """Carry out what a process wrote into the ledger before it was killed."""
        if row.to_version is None or not self.aliases.exists(row.to_version):
            return self._note(row, self.aliases.number_at(CHAMPION))
        self._carry_out(row)
        return row.to_version

    def _note(self, last: Promotion | None, alias: str | None) -> str | None:
        """Write into the ledger what was done in MLflow itself, by a person whose name nobody knows."""
        old = last.to_version if last else None
        if last is None:
            reason = "was in service before the ledger began"
        elif old is not None and not self.aliases.exists(old):
            reason = f"version {old} was deleted in MLflow"
        else:
            reason = "the alias was moved in MLflow, before this time"
        row = self._add(old, alias, Change("mlflow", reason, "unknown"))
        if last is not None:
            self.aliases.mark_taken_out(old, f"by hand, for version {alias}" if alias else "by hand")
        self.aliases.set_mark(_mark(row))
        return alias


def who_runs() -> str:
    """Who runs `mer`: a run of Airflow, or the user of this machine."""
    if run := airflow_run():
        return f"Airflow run {run.run_id}"
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need have no name
        return f"user {os.getuid()}"


def _mark(row: Promotion | None) -> str:
    """How MLflow's tag names a row: its version and its moment, which no other row has; "" for no row."""
    return f"{row.to_version} since {row.decided_at.isoformat()}" if row else ""
