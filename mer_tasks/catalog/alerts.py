"""Alerts in the catalog: every one that was raised, what became of its message, and what is silenced."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, func, insert, select

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.schema import alerts, deliveries, silences
from mer_tasks.domain import Alert, Severity
from mer_tasks.errors import InputError

REMINDED_AFTER = timedelta(hours=24)
"""What goes on being wrong is a new message after so long; until then it is counted."""

GOES_ON_WITHIN = timedelta(days=8)
"""What is wrong again within so long, a week's run and a day, has been wrong all the time."""

LONGEST_SILENCE = timedelta(days=366)
LONGEST_REASON = 500

State = Literal["sent", "unsent", "kept", "for the digest", "silenced"]
"""What became of an incident's message; `kept` is what goes nowhere, as no address is set up or it is information."""


@dataclass(frozen=True, slots=True)
class Incident:
    """What is wrong: its first alert, how often it was raised, and what became of its message.

    `reached` are the ids of the addresses that took it; `problem` is why others did not, or the silence's reason.
    """

    id: int
    key: str
    severity: Severity
    title: str
    text: str
    remedy: str
    page: str | None
    run: str | None
    since: datetime
    raised_at: datetime
    last_at: datetime
    times: int
    state: State
    reached: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """Until when the alerts of a key send no message, and why."""

    key: str
    until: datetime
    reason: str


def record_alert(catalog: Catalog, alert: Alert, run: str | None, to_send: bool, now: datetime) -> bool:
    """Add an alert; return whether it is a new incident whose message is to be sent at once.

    It repeats the key's last incident if that is of the same run, or less than a day old. With `to_send` false
    there is no address, so that nothing is sent later either.
    """
    with catalog.transaction() as connection:
        silence = _silence_of(connection, alert.key, now)
        earlier = _last_incident(connection, alert)
        repeats = earlier is not None and _is_repeated(earlier, run, silence is None, now)
        row = {
            "key": alert.key,
            "severity": alert.severity,
            "title": alert.title,
            "text": alert.text,
            "remedy": alert.remedy,
            "page": alert.page,
            "run": run,
            "since": _since(connection, alert.key, now),
            "incident_id": earlier.id if earlier is not None and repeats else None,
            "silence_id": silence.id if silence else None,
            "raised_at": now,
        }
        added = connection.execute(insert(alerts).returning(alerts.c.id), row).scalar_one()
        is_new = not repeats and silence is None
        if is_new and (alert.severity == "information" or (alert.severity == "critical" and not to_send)):
            _add_delivery(connection, [added], (), None, now)
    return is_new and alert.severity == "critical" and to_send


def record_delivery(
    catalog: Catalog, ids: Collection[int], reached: Iterable[str], problem: str | None, now: datetime
) -> None:
    """Add what came of a try to send the message of some incidents."""
    with catalog.transaction() as connection:
        _add_delivery(connection, ids, reached, problem, now)


def unsent(catalog: Catalog, severity: Severity) -> list[Incident]:
    """The incidents of a severity whose message has not reached every address, the oldest first."""
    done = select(deliveries.c.alert_id).where(deliveries.c.problem.is_(None))
    wanted = alerts.c.silence_id.is_(None) & alerts.c.id.not_in(done) & (alerts.c.severity == severity)
    with catalog.reading() as connection:
        return _incidents(connection, _heads().where(wanted))


def incidents_since(catalog: Catalog, start: datetime) -> list[Incident]:
    """The incidents that were raised, or raised again, since a moment, the oldest first."""
    last = func.coalesce(alerts.c.incident_id, alerts.c.id)
    lately = select(last).where(alerts.c.raised_at >= start)
    with catalog.reading() as connection:
        return _incidents(connection, _heads().where(alerts.c.id.in_(lately)))


def silence(catalog: Catalog, key: str, last_day: date, reason: str, now: datetime | None = None) -> Silence:
    """Let alerts of a key send no message until the end of a day (UTC); they are recorded as before.

    Raises:
        InputError: no alert ever had this key, the reason is empty or long, or the day is over or too far off.
    """
    now = now or datetime.now(UTC)
    until = datetime.combine(last_day + timedelta(days=1), time(), UTC)
    if not reason or len(reason) > LONGEST_REASON:
        raise InputError(f"--reason: say why, in 1 to {LONGEST_REASON} characters")
    if not now < until <= now + LONGEST_SILENCE:
        raise InputError(f"--until {last_day}: write a day from today on, within a year")
    given = Silence(key, until, reason)
    with catalog.transaction() as connection:
        if connection.scalar(select(alerts.c.id).where(alerts.c.key == key).limit(1)) is None:
            raise InputError(f"{key}: no alert has this key; mer alerts shows those that there are")
        row = {"key": key, "until": until, "reason": reason, "given_at": now}
        connection.execute(insert(silences), row)
    return given


def active_silences(catalog: Catalog, now: datetime) -> list[Silence]:
    """What is silenced now, by key."""
    newest = select(func.max(silences.c.id)).group_by(silences.c.key)
    wanted = select(silences).where(silences.c.id.in_(newest), silences.c.until > now)
    with catalog.reading() as connection:
        found = connection.execute(wanted.order_by(silences.c.key)).all()
    return [Silence(row.key, row.until, row.reason) for row in found]


def _silence_of(connection: Connection, key: str, now: datetime) -> Row[Any] | None:
    """The key's newest silence, unless it is over."""
    newest = select(silences).where(silences.c.key == key).order_by(silences.c.id.desc()).limit(1)
    found = connection.execute(newest).one_or_none()
    return found if found is not None and found.until > now else None


def _last_incident(connection: Connection, alert: Alert) -> Row[Any] | None:
    same = (alerts.c.key == alert.key) & (alerts.c.severity == alert.severity)
    query = select(alerts).where(same, alerts.c.incident_id.is_(None)).order_by(alerts.c.id.desc()).limit(1)
    return connection.execute(query).one_or_none()


def _is_repeated(earlier: Row[Any], run: str | None, is_loud: bool, now: datetime) -> bool:
    """Whether an alert is the incident `earlier` again; what was silenced then and is not now is a new one."""
    if is_loud != (earlier.silence_id is None):
        return False
    if run is not None and earlier.run == run:
        return True
    return bool(now - earlier.raised_at < REMINDED_AFTER)


def _since(connection: Connection, key: str, now: datetime) -> datetime:
    newest = select(alerts).where(alerts.c.key == key).order_by(alerts.c.id.desc()).limit(1)
    last = connection.execute(newest).one_or_none()
    return last.since if last is not None and now - last.raised_at < GOES_ON_WITHIN else now


def _add_delivery(
    connection: Connection, ids: Collection[int], reached: Iterable[str], problem: str | None, now: datetime
) -> None:
    one = {"reached": sorted(reached), "problem": problem, "tried_at": now}
    if ids:
        connection.execute(insert(deliveries), [one | {"alert_id": alert_id} for alert_id in ids])


def _heads() -> Select[Any]:
    return select(alerts).where(alerts.c.incident_id.is_(None)).order_by(alerts.c.id)


def _incidents(connection: Connection, heads: Select[Any]) -> list[Incident]:
    found = connection.execute(heads).all()
    ids = [row.id for row in found]
    raised: dict[int, list[datetime]] = {row.id: [row.raised_at] for row in found}
    again = select(alerts.c.incident_id, alerts.c.raised_at).where(alerts.c.incident_id.in_(ids))
    for row in connection.execute(again.order_by(alerts.c.id)):
        raised[row.incident_id].append(row.raised_at)
    tries: dict[int, list[Row[Any]]] = {}
    tried = select(deliveries).where(deliveries.c.alert_id.in_(ids)).order_by(deliveries.c.id)
    for row in connection.execute(tried):
        tries.setdefault(row.alert_id, []).append(row)
    reasons = {row.id: row.reason for row in connection.execute(select(silences))}
    return [
        _incident(row, raised[row.id], tries.get(row.id, []), reasons.get(row.silence_id)) for row in found
    ]


def _incident(
    row: Row[Any], raised: Sequence[datetime], tries: Sequence[Row[Any]], silenced: str | None
) -> Incident:
    reached = tuple(dict.fromkeys(address for one in tries for address in one.reached))
    problem = silenced or (tries[-1].problem if tries else None)
    return Incident(
        id=row.id,
        key=row.key,
        severity=row.severity,
        title=row.title,
        text=row.text,
        remedy=row.remedy,
        page=row.page,
        run=row.run,
        since=row.since,
        raised_at=row.raised_at,
        last_at=raised[-1],
        times=len(raised),
        state=_state(row, bool(tries) and tries[-1].problem is None, bool(reached)),
        reached=reached,
        problem=problem,
    )


def _state(row: Row[Any], is_done: bool, is_reached: bool) -> State:
    if row.silence_id is not None:
        return "silenced"
    if is_done:
        return "sent" if is_reached else "kept"
    return "for the digest" if row.severity == "warning" else "unsent"
