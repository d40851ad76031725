"""Commands that decide which version is in service, and tell which was."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import AsJson, app, print_line, read_day
from mer_tasks.errors import InputError

if TYPE_CHECKING:
    from mer_tasks.catalog.ledger import Promotion
    from mer_tasks.registry.promotion import Decision

HEADER = ("when", "version", "before", "how", "songs", "by", "why")


@app.command()
def unchanged(as_json: AsJson = False) -> None:
    """Whether a training would only give the challenger again: the songs, settings and code are those it had.

    It counts once the gate or a person has decided of that version.

    Example:  [bold]mer unchanged[/bold]
    """
    from mer_tasks.registry.unchanged import unchanged_since

    number = unchanged_since(project.workspace(), project.params(), project.machine())
    if as_json:
        print_line(json.dumps({"version": number}))
    else:
        print_line(f"as in version {number}" if number else "a training would be another one")


@app.command("serve-check")
def serve_check(
    version: Annotated[str | None, typer.Option(help="Which version; else the challenger.")] = None,
    as_json: AsJson = False,
) -> None:
    """Load a version as it is loaded in service, and ask it a few songs of the data set.

    Example:  [bold]mer serve-check[/bold]
    """
    from mer_tasks.registry.serve_check import check_serving

    found = check_serving(project.workspace(), project.params(), project.machine(), version)
    if as_json:
        print_line(json.dumps(asdict(found) | {"line": found.line}))
    else:
        print_line(f"version {found.version} {found.line}")


@app.command()
def judge(
    version: Annotated[str | None, typer.Option(help="Which version; else the challenger.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a version with the champion on songs neither was trained on, and say whether it passes the gate.

    Writes data/verdict, and the same into MLflow beside the version's training. Promotes nothing.

    Example:  [bold]mer judge[/bold]
    """
    from mer_tasks.registry.promotion import judge_version

    judgement = judge_version(project.workspace(), project.params(), project.machine(), version)
    for line in [json.dumps(asdict(judgement))] if as_json else judgement.markdown.split("\n"):
        print_line(line)


@app.command()
def promote(
    version: Annotated[str | None, typer.Option(help="Which version; else the challenger.")] = None,
    force: Annotated[bool, typer.Option("--force", help="A person decides: compare nothing.")] = False,
    by: Annotated[str, typer.Option(help="With --force: who decides; else who runs this.")] = "",
    reason: Annotated[str, typer.Option(help="With --force: why.")] = "a person decided",
    instead_of: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="With --force: only if this one, or none, is in service."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put a version into service as mood@champion if it passes the gate: see mer judge.

    Examples:

      [bold]mer promote[/bold]

      [bold]mer promote --version 3 --force --reason "the editors prefer it"[/bold]
    """
    from mer_tasks.registry.promotion import PersonsWord
    from mer_tasks.registry.promotion import promote as promote_version

    person = PersonsWord(by, reason, instead_of) if force else None
    decision = promote_version(project.workspace(), project.params(), project.machine(), version, person)
    _print_decision(decision, as_json)


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="Why; the ledger keeps it.")],
    to: Annotated[str | None, typer.Option(help="Which version; else the last one before.")] = None,
    by: Annotated[str, typer.Option(help="Who decides; else who runs this.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put the version back into service that was there before; the one now there does not return by itself.

    Once more goes back one more.

    Example:  [bold]mer rollback --reason "calls everything calm"[/bold]
    """
    from mer_tasks.registry.promotion import PersonsWord, roll_back

    if not reason.strip():
        raise InputError("--reason: is empty; say why, for who reads the ledger later")
    decision = roll_back(project.params(), project.machine(), PersonsWord(by, reason), to)
    _print_decision(decision, as_json)


def _print_decision(decision: "Decision", as_json: bool) -> None:
    if as_json:
        print_line(json.dumps(asdict(decision)))
    else:
        outcome = "is the champion" if decision.promoted else "was not promoted"
        print_line(f"version {decision.version} {outcome}: {decision.reason}")


@app.command()
def ledger(
    on: Annotated[str | None, typer.Option(help="Only what was in service on this day, YYYY-MM-DD.")] = None,
    as_json: AsJson = False,
) -> None:
    """Which version was in service when, who put it there and why; times and days are UTC, the newest is last.

    Examples:

      [bold]mer ledger[/bold]

      [bold]mer ledger --on 2026-11-22 --json[/bold]
    """
    from mer_tasks.catalog.ledger import in_service_on, list_promotions

    catalog, name = project.open_catalog(), project.params().registration.model_name
    rows = (
        list_promotions(catalog, name) if on is None else in_service_on(catalog, name, read_day("--on", on))
    )
    if as_json:
        for row in rows:
            print_line(json.dumps(row.as_json()))
    elif rows:
        _print_table([HEADER, *map(_in_cells, rows)])
    else:
        print_line(f"no version of {name} was in service{'' if on is None else f' on {on}'}")


def _in_cells(row: "Promotion") -> tuple[str, ...]:
    return (
        f"{row.decided_at:%Y-%m-%d %H:%M}",
        row.to_version or "-",
        row.from_version or "-",
        row.kind,
        "-" if row.n_songs is None else str(row.n_songs),
        row.decided_by,
        row.reason,
    )


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        print_line("  ".join(cells).rstrip())
