"""Gives the gate's verdicts, keeps them as documents, and gives none twice."""

from contextlib import suppress
from typing import Any

from mlflow.tracking import MlflowClient

from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.errors import InputError
from mer_tasks.registry.gate import judge, refused_by_day
from mer_tasks.registry.lookup import SEAL
from mer_tasks.registry.service import Service
from mer_tasks.registry.verdict import Verdict
from mer_tasks.registry.verdict_document import attach_verdict, kept_verdict, write_verdict
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

FORMER = 3
"""So many former champions a version is compared with besides the champion."""


class Judge:
    """Judges versions by a workspace's songs and settings."""

    def __init__(
        self, workspace: Workspace, params: Params, machine: Machine, client: MlflowClient, service: Service
    ) -> None:
        """Judge nothing yet."""
        self._workspace, self._params, self._machine = workspace, params, machine
        self._client, self._service = client, service

    def title(self, number: str) -> str:
        """How a document calls a version."""
        return f"{self._service.name} version {number}"

    def verdict(self, number: str, champion: str | None) -> Verdict:
        """The verdict on a version beside the champion; what was compared already is not compared once more.

        Raises:
            InputError: a version cannot answer here, or there is no snapshot.
            UnavailableError: MLflow cannot be reached now, or a version's process died.
        """
        self._check_champion(champion)
        kept = self.kept(number, champion)
        if kept and kept.checks and not refused_by_day(self._params):
            return kept
        aliases = self._service.aliases
        former = [
            one for one in self._service.former_champions(champion) if one != number and aliases.exists(one)
        ]
        verdict = judge(self._workspace, self._params, self._machine, number, champion, former[:FORMER])
        folder = self._workspace.verdict
        write_verdict(folder, self.title(number), self._key(number, champion), verdict)
        attach_verdict(self._client, self._service.name, number, aliases.version(number).run_id, folder)
        return verdict

    def kept(self, number: str, champion: str | None) -> Verdict | None:
        """What was said of the same versions on the same songs by the same rule, if anything."""
        with suppress(InputError):  # there is no snapshot
            return kept_verdict(self._workspace.verdict, self._key(number, champion))
        return None

    def _key(self, number: str, champion: str | None) -> dict[str, Any]:
        tags = {one: self._service.aliases.version(one).tags for one in (number, champion) if one}
        return {
            "versions": [self._service.name, number, champion],
            "seals": {one: tags[one].get(SEAL) for one in tags},
            "snapshot": read_snapshot(self._workspace.snapshot).identity,
            "rule": self._params.promotion.model_dump(mode="json"),
            "evaluation": self._params.evaluation.model_dump(mode="json"),
        }

    def _check_champion(self, champion: str | None) -> None:
        if champion and not self._service.aliases.exists(champion):
            raise InputError(
                f"{self._service.name}@champion: is version {champion}, which was deleted in MLflow; choose another"
                " one with mer rollback, or mer promote --version N --force"
            )
