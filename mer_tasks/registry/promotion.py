"""From challenger to champion: by a rule on songs that neither was trained on, or because a person says so."""

from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.ledger import Kind
from mer_tasks.errors import InputError
from mer_tasks.registry.aliases import CHALLENGER, TAKEN_OUT
from mer_tasks.registry.connection import connected
from mer_tasks.registry.gate import Verdict, judge
from mer_tasks.registry.lookup import READY
from mer_tasks.registry.service import LOCK, Change, Service
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

DECISION = "mer.decision"
"""The tag of a version with what was decided of it last, and why."""


@dataclass(frozen=True)
class PersonsWord:
    """Who decides, empty for who runs `mer`, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """Whether a version went into service, and why; `champion` is the version in service afterwards."""

    version: str
    promoted: bool
    champion: str | None
    reason: str


def promote(
    workspace: Workspace,
    params: Params,
    machine: Machine,
    version: str | None = None,
    person: PersonsWord | None = None,
) -> Decision:
    """Put `version`, or the challenger, into service if it passes the rule (docs/registry.md).

    With a `person`'s word nothing is compared. The former champion keeps the alias `previous`. The decision is
    written on the version, a change of what is in service in the ledger.

    Raises:
        InputError: there is no such version, or one cannot answer here as when it was registered.
        UnavailableError: MLflow or the catalog cannot be reached now, or a version's process died.
    """
    name, catalog = params.registration.model_name, Catalog.open(machine.catalog_url)
    with connected(machine) as client:
        service = Service(catalog, client, name)
        with catalog.exclusively(LOCK):
            champion = service.champion()
        number, settled = _candidate(service, version, champion)
        if settled:
            return Decision(number, False, champion, settled)
        verdict = Verdict(True, person.reason) if person else None
        if verdict is None:
            _check_champion(service, champion)
            verdict = judge(workspace, params, machine, number, champion)
        with catalog.exclusively(LOCK):
            now = service.champion()
            if now != champion:  # a comparison takes minutes, a person's word counts
                verdict = Verdict(False, f"version {now} was put in service meanwhile; run mer promote again")
            if verdict.passed:
                kind: Kind = "person" if person else "rule"
                service.put(number, now, Change(kind, verdict.reason, person.name if person else ""))
        decided = "promoted" if verdict.passed else "kept out"
        client.set_model_version_tag(name, number, DECISION, f"{decided}: {verdict.reason}")
    return Decision(number, verdict.passed, number if verdict.passed else now, verdict.reason)


def roll_back(params: Params, machine: Machine, person: PersonsWord, version: str | None = None) -> Decision:
    """Put `version` back into service, or the latest of the ledger that still exists and that nobody went back from.

    The version that it replaces does not return by itself.

    Raises:
        InputError: there is no such version.
        UnavailableError: MLflow or the catalog cannot be reached now.
    """
    name, catalog = params.registration.model_name, Catalog.open(machine.catalog_url)
    with connected(machine) as client, catalog.exclusively(LOCK):
        service = Service(catalog, client, name)
        champion = service.champion()
        number = version or _last_good(service, champion)
        _ready(service, number, at_alias=False)
        if number == champion:
            return Decision(number, False, champion, "is the champion already")
        service.put(number, champion, Change("rollback", person.reason, person.name))
        client.set_model_version_tag(name, number, DECISION, f"promoted: rolled back to, {person.reason}")
    return Decision(number, True, number, person.reason)


def _candidate(service: Service, version: str | None, champion: str | None) -> tuple[str, str | None]:
    """The version to be promoted, and why there is nothing to decide, if so."""
    number = version or service.aliases.number_at(CHALLENGER)
    if number is None:
        raise InputError(f"{service.name}@{CHALLENGER}: no such version; run mer register, or give --version")
    tags = _ready(service, number, at_alias=not version).tags
    if champion == number:
        return number, "is the champion already"
    if TAKEN_OUT in tags and not version:
        return number, f"was taken out of service {tags[TAKEN_OUT]}; give --version to try it again"
    return number, None


def _last_good(service: Service, champion: str | None) -> str:
    for number in service.versions_before(champion):
        if service.aliases.exists(number):
            return number
    raise InputError(
        f"{service.name}@champion: the ledger has no earlier version that still exists and that nobody went back"
        " from; see mer ledger, and give --to"
    )


def _ready(service: Service, number: str, at_alias: bool) -> ModelVersion:
    """A version that can go into service; one that stands at the alias `challenger` may have been deleted."""
    name = service.name
    try:
        found = service.aliases.version(number)
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


def _check_champion(service: Service, champion: str | None) -> None:
    if champion and not service.aliases.exists(champion):
        raise InputError(
            f"{service.name}@champion: is version {champion}, which was deleted in MLflow; choose another one with"
            " mer rollback, or mer promote --version N --force"
        )
