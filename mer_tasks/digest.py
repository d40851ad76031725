"""The week in one message: new songs, songs left out, songs the model is unsure of, the champion, and warnings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlflow.exceptions import MlflowException
from sqlalchemy import select

from mer_tasks.alerts import Alert, send_alert
from mer_tasks.alerts.sending import deliver
from mer_tasks.catalog.alerts import active_silences, record_delivery, unsent
from mer_tasks.catalog.clips import clip_recipe
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.schema import items, tracks
from mer_tasks.catalog.snapshot import take_snapshot
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.registry.aliases import CHAMPION, DECISION, Aliases
from mer_tasks.registry.connection import connected
from mer_tasks.registry.lookup import champion_id
from mer_tasks.registry.unsure import answered_unsure_songs
from mer_tasks.settings import Machine, Params
from mer_tasks.text import on_one_line

SHOWN = 10
MOST_LINES = 20
LONGEST_LINE = 200


@dataclass(frozen=True)
class Digest:
    """A message for the music editor; `warnings` are the ids of the alerts that it tells of."""

    title: str
    text: str
    warnings: tuple[int, ...]


def write_digest(params: Params, machine: Machine, days: int = 7) -> Digest:
    """The digest of the last `days` days; a part that cannot be had says why, and the others are there.

    Raises:
        InputError: the catalog cannot be used.
        UnavailableError: the catalog cannot be reached now.
    """
    catalog, now = Catalog.open(machine.catalog_url), datetime.now(UTC)
    start = now - timedelta(days=days)
    warnings = unsent(catalog, "warning")
    parts = [
        _champion(params, machine, start),
        _new_songs(catalog, start),
        _left_out(catalog, params),
        _unsure(catalog, params, machine),
        _part(
            f"Warnings: {len(warnings)}",
            [
                f"{one.title} (since {one.since:%Y-%m-%d}, {one.times} times); {one.remedy}"
                for one in warnings
            ],
            len(warnings),
        ),
    ]
    if silences := active_silences(catalog, now):
        lines = [f"{one.key}, until {one.until:%Y-%m-%d %H:%M} UTC: {one.reason}" for one in silences]
        parts.append(_part("Silenced", lines, len(lines)))
    title = f"[mer] digest of {start:%Y-%m-%d} to {now:%Y-%m-%d}"
    return Digest(title, "\n\n".join(parts), tuple(one.id for one in warnings))


def send_digest(digest: Digest, machine: Machine) -> int:
    """Send a digest to every address; return how many took it. Its warnings are in no other digest.

    Raises:
        UnavailableError: there are addresses, and none took it.
    """
    reached, problem = deliver(machine, digest.title, digest.text, "information")
    if problem and not reached:
        raise UnavailableError(f"digest: not sent: {problem}; mend the address, or try again later")
    catalog = Catalog.open(machine.catalog_url)
    record_delivery(catalog, digest.warnings, reached, None, datetime.now(UTC))
    if problem:
        remedy = "mend the address in MER_ALERT_URLS or MER_SMTP_URL, then type mer digest --send"
        title = "the digest did not reach everybody"
        send_alert(Alert(title, problem, "warning", "digest.undelivered", remedy), machine)
    return len(reached)


def _champion(params: Params, machine: Machine, start: datetime) -> str:
    """Which version is in service, and whether it was put there since a moment."""
    name = params.registration.model_name
    try:
        with connected(machine) as client:
            number = Aliases(client, name).number_at(CHAMPION)
            if number is None:
                return f"Champion: none yet of {name}"
            version = Aliases(client, name).version(number)
    except (InputError, UnavailableError, MlflowException) as error:
        return f"Champion: {on_one_line(str(error), LONGEST_LINE)}"
    decided = datetime.fromtimestamp((version.last_updated_timestamp or 0) / 1000, UTC)
    change = "changed" if decided >= start else "not changed"
    reason = on_one_line(str(version.tags.get(DECISION, "no reason recorded")), 2 * LONGEST_LINE)
    model = version.tags.get("mer.model", "?")
    return f"Champion {change}: {name} version {number} ({model}), since {decided:%Y-%m-%d}\n  {reason}"


def _new_songs(catalog: Catalog, start: datetime) -> str:
    """The songs first seen since a moment, and in which collections."""
    query = (
        select(tracks.c.track_id, items.c.artist, items.c.title, items.c.collection)
        .join_from(tracks, items)
        .where(tracks.c.first_seen_at >= start)
        .order_by(items.c.id)
    )
    songs: dict[str, str] = {}
    counts: dict[str, set[str]] = {}
    with catalog.reading() as connection:
        for row in connection.execute(query):
            songs.setdefault(row.track_id, f"{_name(row.track_id, row.artist, row.title)}, {row.collection}")
            counts.setdefault(row.collection, set()).add(row.track_id)
    where = ", ".join(f"{len(found)} in {name}" for name, found in sorted(counts.items()))
    return _part(f"New songs: {len(songs)}{f' ({where})' if where else ''}", songs.values(), len(songs))


def _left_out(catalog: Catalog, params: Params) -> str:
    """The songs that a data set of today leaves out, by reason, the commonest first."""
    try:
        snapshot = take_snapshot(catalog, params.snapshot, clip_recipe(params.clips))
    except InputError as error:
        return f"Left out: {on_one_line(str(error), LONGEST_LINE)}"
    table = snapshot.left_out
    total = len(table) + len(snapshot.songs)
    lines = []
    kinds = table["reason"].str.partition(":")[0]
    for kind, count in kinds.value_counts().items():
        lines.append(f"{kind}: {count}")
        for row in table[kinds == kind].head(3).to_dict("records"):
            lines.append(f"- {_name(row['track_id'], row['artist'], row['title'])}: {row['reason']}")
    return _part(f"Left out: {len(table)} of {total} songs", lines, len(lines))


def _unsure(catalog: Catalog, params: Params, machine: Machine) -> str:
    """The songs whose label would teach the model most, by the answers that are kept."""
    try:
        model_id = champion_id(machine, params.registration.model_name)
    except UnavailableError:  # the digest's first part says so
        model_id = None
    try:
        found, n_unlabelled = answered_unsure_songs(catalog, params, model_id, SHOWN)
    except InputError as error:
        return f"To label next: {on_one_line(str(error), LONGEST_LINE)}"
    lines = [f"{_name(one.track_id, one.artist, one.title)}: {one.between}" for one in found]
    if n_unlabelled and not found:
        lines = ["no version has answered them yet; run mer score"]
    title = f"To label next with mer label, of {n_unlabelled} songs without a mood"
    return _part(title, lines, len(lines))


def _part(title: str, lines: Iterable[str], n: int) -> str:
    """A title, the first lines under it, and how many more there are."""
    shown: Sequence[str] = [on_one_line(line, LONGEST_LINE) for line in list(lines)[:MOST_LINES]]
    more = [f"and {n - len(shown)} more"] if n > len(shown) else []
    return "\n".join([title, *(f"  {line}" for line in [*shown, *more])])


def _name(track_id: str, artist: str, title: str) -> str:
    return f"{track_id} ({artist} \N{EN DASH} {title})"
