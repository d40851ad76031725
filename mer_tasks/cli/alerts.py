"""Commands about alerts: what was raised, what became of it, and what is to be silent."""

import json
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import AsJson, app, print_error, print_line
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.text import on_one_line

if TYPE_CHECKING:
    from mer_tasks.catalog.alerts import Incident

LONGEST_TITLE = 100


@app.command()
def alerts(
    days: Annotated[int, typer.Option(min=1, max=36_500, help="Raised in so many days.")] = 30,
    send: Annotated[bool, typer.Option("--send", help="First send what could not be sent.")] = False,
    as_json: AsJson = False,
) -> None:
    """What went wrong lately: an incident a line, how often it was raised, and what became of its message.

    With --json all that is known of each, one JSON object a line. The exit code of --send is 75 if a message
    still cannot be sent.

    Examples:

      [bold]mer alerts[/bold]

      [bold]mer alerts --send[/bold]      (after mending an address)
    """
    from mer_tasks.alerts import send_unsent
    from mer_tasks.catalog.alerts import active_silences, incidents_since

    left = send_unsent(project.machine()) if send else 0
    catalog, now = project.open_catalog(), datetime.now(UTC)
    found = incidents_since(catalog, now - timedelta(days=days))
    for line in [json.dumps(asdict(one), default=str) for one in found] if as_json else _table(found):
        print_line(line)
    if not as_json:
        for silence in active_silences(catalog, now):
            print_line(f"silent until {silence.until:%Y-%m-%d %H:%M} UTC: {silence.key}: {silence.reason}")
    if left:
        raise UnavailableError(f"{left} messages not sent; mer alerts shows why")


@app.command()
def silence(
    key: Annotated[str, typer.Argument(help="The key of an alert, as mer alerts shows it.")],
    until: Annotated[str, typer.Option(metavar="DATE", help="The last day of silence (UTC).")],
    reason: Annotated[str, typer.Option(help="Why.")],
) -> None:
    """Let alerts of a key send no message until the end of a day. They are still recorded, with your reason.

    A newer silence of the key replaces it.

    Example:  [bold]mer silence quality.two-moods --until 2026-12-06 --reason "Ann is at it"[/bold]
    """
    from mer_tasks.catalog.alerts import silence as silence_key

    given = silence_key(project.open_catalog(), key, _day(until), on_one_line(reason))
    print_line(f"{given.key}: silent until {given.until:%Y-%m-%d %H:%M} UTC: {given.reason}")


@app.command()
def digest(
    days: Annotated[int, typer.Option(min=1, max=366, help="Of so many days.")] = 7,
    send: Annotated[
        bool, typer.Option("--send", help="Send it as well, and count its warnings as sent.")
    ] = False,
) -> None:
    """The week for the music editor: the champion, new songs, what was left out and why, what to label, warnings.

    Example:  [bold]mer digest[/bold]
    """
    from mer_tasks.digest import send_digest, write_digest

    machine = project.machine()
    written = write_digest(project.params(), machine, days)
    for line in [written.title, "", *written.text.splitlines()]:
        print_line(line)
    if send:
        n = send_digest(written, machine)
        print_error(f"sent to {n} addresses" if n else "sent nowhere: set MER_ALERT_URLS (docs/alerts.md)")


def _table(found: "list[Incident]") -> list[str]:
    """A line an incident under a header, the newest last; what could not be sent has its reason below."""
    if not found:
        return ["no alerts"]
    rows = [("last raised (UTC)", "severity", "times", "message", "key", "title")]
    rows += [
        (
            f"{one.last_at:%Y-%m-%d %H:%M}",
            one.severity,
            str(one.times),
            one.state,
            one.key,
            on_one_line(one.title, LONGEST_TITLE),
        )
        for one in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for row, one in zip(rows, [None, *found], strict=True):
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*padded, row[-1]]))
        if one and one.problem and one.state == "unsent":
            lines.append(f"  not sent: {one.problem}")
    return lines


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--until {text}: not a day; write it as YYYY-MM-DD") from error
