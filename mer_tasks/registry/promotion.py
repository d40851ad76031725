"""From challenger to champion: by a rule on songs that neither was trained on, or because a person says so."""

from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from mer_tasks.catalog.database import Catalog
from mer_tasks.errors import InputError
from mer_tasks.registry.aliases import CHALLENGER, TAKEN_OUT, Aliases
from mer_tasks.registry.connection import connected
from mer_tasks.registry.gate import Verdict, judge
from mer_tasks.registry.lookup import READY
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

DECISION = "mer.decision"
"""The tag of a version with what was decided of it last, and why."""


@dataclass(frozen=True)
class Decision:
    """Whether a version went into service, and why; `champion` is the version in service afterwards."""

    version: str
    promoted: bool
    champion: str | None
    reason: str


def promote(
    workspace: Workspace, params: Params, machine: Machine, version: str | None = None, force: bool = False
) -> Decision:
    """Put `version`, or the challenger, into service if it passes the rule (docs/registry.md).

    With `force` a person decides: nothing is compared. The former champion keeps the alias `previous`. The
    decision is written on the version.

    Raises:
        InputError: there is no such version, or one cannot answer here as when it was registered.
        UnavailableError: MLflow cannot be reached now, or a version's process died.
    """
    name = params.registration.model_name
    with connected(machine) as client:
        aliases = Aliases(client, name)
        champion = aliases.champion()
        number = version or aliases.number_at(CHALLENGER)
        if number is None:
            raise InputError(f"{name}@{CHALLENGER}: no such version; run mer register, or give --version")
        tags = _ready(aliases, name, number, at_alias=not version).tags
        if champion == number:
            return Decision(number, False, champion, "is the champion already")
        if TAKEN_OUT in tags and not version:
            reason = f"was taken out of service {tags[TAKEN_OUT]}; give --version to try it again"
            return Decision(number, False, champion, reason)
        verdict = Verdict(True, "a person decided")
        if not force:
            _check_champion(aliases, name, champion)
            verdict = judge(workspace, params, machine, number, champion)
        with Catalog.open(machine.catalog_url).exclusively("promote"):
            if (now := aliases.champion()) != champion:  # a comparison takes minutes, a person's word counts
                verdict = Verdict(False, f"version {now} was put in service meanwhile; run mer promote again")
                champion = now
            if verdict.passed:
                aliases.put_in_service(number, champion, by_person=force)
        decided = "promoted" if verdict.passed else "kept out"
        client.set_model_version_tag(name, number, DECISION, f"{decided}: {verdict.reason}")
    return Decision(number, verdict.passed, number if verdict.passed else champion, verdict.reason)


def _ready(aliases: Aliases, name: str, number: str, at_alias: bool) -> ModelVersion:
    """A version that can go into service; one that stands at the alias `challenger` may have been deleted."""
    try:
        found = aliases.version(number)
    except InputError as error:
        if not at_alias:
            raise
        raise InputError(
            f"{name}@{CHALLENGER}: is version {number}, which was deleted in MLflow; run mer register, or give"
            " --version"
        ) from error
    if found.status != READY:
        raise InputError(
            f"{name} version {number}: is {found.status} in MLflow; delete it there and run mer register, or give"
            " --version of another one"
        )
    return found


def _check_champion(aliases: Aliases, name: str, champion: str | None) -> None:
    try:
        if champion:
            aliases.version(champion)
    except InputError as error:
        raise InputError(
            f"{name}@champion: is version {champion}, which was deleted in MLflow; choose another one with"
            " mer promote --version N --force"
        ) from error
