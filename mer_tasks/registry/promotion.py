"""From challenger to champion: by a rule on songs that neither was trained on, or because a person says so."""

from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from mer_tasks.catalog.database import Catalog
from mer_tasks.errors import InputError
from mer_tasks.registry.aliases import CHALLENGER, DECISION, TAKEN_OUT
from mer_tasks.registry.connection import connected
from mer_tasks.registry.judge import Judge
from mer_tasks.registry.lookup import READY
from mer_tasks.registry.service import LOCK, Change, Service
from mer_tasks.registry.verdict import Verdict
from mer_tasks.registry.verdict_document import as_markdown
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace


@dataclass(frozen=True)
class PersonsWord:
    """Who decides, empty for who runs `mer`, and why.

    `instead_of` is the champion that the person has looked at, "none" if there was none: the word does not count
    where another one is in service by then. None asks for nothing.
    """

    name: str
    reason: str
    instead_of: str | None = None


@dataclass(frozen=True)
class Decision:
    """Whether a version went into service, and why; `champion` is the version in service afterwards."""

    version: str
    promoted: bool
    champion: str | None
    reason: str


@dataclass(frozen=True)
class Judgement:
    """What the gate says of a version beside `champion`; `settled` where there is nothing to decide."""

    version: str
    champion: str | None
    settled: bool
    passed: bool
    reason: str
    markdown: str


def judge_version(
    workspace: Workspace, params: Params, machine: Machine, version: str | None = None
) -> Judgement:
    """Let the gate judge `version`, or the challenger, and change nothing but its documents.

    Raises:
        InputError: there is no such version, or one cannot answer here as when it was registered.
        UnavailableError: MLflow or the catalog cannot be reached now, or a version's process died.
    """
    with connected(machine) as client:
        catalog = Catalog.open(machine.catalog_url)
        service = Service(catalog, client, params.registration.model_name)
        judge = Judge(workspace, params, machine, client, service)
        with catalog.exclusively(LOCK):
            champion = service.champion()
        number, settled = _candidate(service, version, champion)
        if settled:
            return Judgement(number, champion, True, False, settled, f"version {number} {settled}")
        verdict = judge.verdict(number, champion)
    text = as_markdown(judge.title(number), verdict)
    return Judgement(number, champion, False, verdict.passed, verdict.reason, text)


def promote(
    workspace: Workspace,
    params: Params,
    machine: Machine,
    version: str | None = None,
    person: PersonsWord | None = None,
) -> Decision:
    """Put `version`, or the challenger, into service if it passes the gate (docs/registry.md).

    With a `person`'s word nothing is compared. The former champion keeps the alias `previous`. The decision is
    written on the version, a change of what is in service in the ledger.

    Raises:
        InputError: there is no such version, or one cannot answer here as when it was registered.
        UnavailableError: MLflow or the catalog cannot be reached now, or a version's process died.
    """
    with connected(machine) as client:
        catalog = Catalog.open(machine.catalog_url)
        service = Service(catalog, client, params.registration.model_name)
        judge = Judge(workspace, params, machine, client, service)
        with catalog.exclusively(LOCK):
            champion = service.champion()
        number, settled = _candidate(service, version, champion)
        if settled:
            return Decision(number, False, champion, settled)
        known = judge.kept(number, champion) if person else judge.verdict(number, champion)
        verdict = Verdict(True, person.reason) if person else known
        assert verdict is not None
        expected = _looked_at(person, champion)
        with catalog.exclusively(LOCK):
            champion = service.champion()
            # a comparison takes minutes and a person days: what was done meanwhile counts
            if champion != expected:
                reason = f"version {champion} was put in service meanwhile; run mer promote again"
                verdict = Verdict(False, reason)
            if verdict.passed:
                service.put(number, champion, _change(verdict.reason, known, person))
                champion = number
        decided = "promoted" if verdict.passed else "kept out"
        client.set_model_version_tag(service.name, number, DECISION, f"{decided}: {verdict.reason}")
    return Decision(number, verdict.passed, champion, verdict.reason)


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


def _looked_at(person: PersonsWord | None, champion: str | None) -> str | None:
    if person is None or person.instead_of is None:
        return champion
    return None if person.instead_of == "none" else person.instead_of


def _change(reason: str, known: Verdict | None, person: PersonsWord | None) -> Change:
    scores, n_songs = (known.scores, known.n_songs) if known else (None, None)
    if person:
        return Change("person", reason, person.name, scores, n_songs)
    return Change("rule", reason, "", scores, n_songs)


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
    for number in service.versions_to_go_back_to(champion):
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
