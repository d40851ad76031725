"""Alerts in the catalog, in either database."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mer_tasks.catalog.alerts import (
    active_silences,
    incidents_since,
    record_alert,
    record_delivery,
    silence,
    unsent,
)
from mer_tasks.catalog.database import Catalog
from mer_tasks.domain import Alert
from mer_tasks.errors import InputError

MONDAY = datetime(2026, 11, 23, 4, tzinfo=UTC)


def alert(**values: Any) -> Alert:
    return Alert(**{"title": "t", "text": "x", "severity": "critical", "key": "k", "remedy": "r"} | values)


def record(catalog: Catalog, after: timedelta, run: str | None = None, **values: Any) -> bool:
    return record_alert(catalog, alert(**values), run, True, MONDAY + after)


def hours(n: float) -> timedelta:
    return timedelta(hours=n)


def test_one_incident_is_counted_and_a_reminder_comes_after_a_day(catalog: Catalog) -> None:
    new = [record(catalog, hours(n), f"collect hour {n}") for n in (0, 1, 2, 23.5, 24, 25)]
    assert new == [True, False, False, False, True, False]
    first, second = incidents_since(catalog, MONDAY)
    assert (first.times, second.times) == (4, 2)
    assert (first.last_at, second.since) == (MONDAY + hours(23.5), MONDAY)


def test_tasks_of_one_run_are_one_incident_however_far_apart(catalog: Catalog) -> None:
    assert [record(catalog, hours(n), "retrain one") for n in (0, 30)] == [True, False]


def test_another_key_or_severity_is_another_incident(catalog: Catalog) -> None:
    assert record(catalog, hours(0), severity="warning") is False
    assert [record(catalog, hours(1)), record(catalog, hours(1), key="other")] == [True, True]
    assert [one.state for one in incidents_since(catalog, MONDAY)] == ["for the digest", "unsent", "unsent"]


@pytest.mark.parametrize(("weeks", "since"), [(1, MONDAY), (2, MONDAY + timedelta(weeks=2))])
def test_since_when_is_kept_from_week_to_week_and_not_longer(
    catalog: Catalog, weeks: int, since: datetime
) -> None:
    record(catalog, hours(0))
    record(catalog, timedelta(weeks=weeks))
    assert incidents_since(catalog, MONDAY)[-1].since == since


def test_unsent_is_what_has_not_reached_everybody(catalog: Catalog) -> None:
    record(catalog, hours(0))
    (incident,) = unsent(catalog, "critical")
    record_delivery(catalog, [incident.id], ["a"], "b: busy", MONDAY)
    (incident,) = unsent(catalog, "critical")
    assert (incident.reached, incident.problem) == (("a",), "b: busy")
    record_delivery(catalog, [incident.id], ["b"], None, MONDAY)
    assert unsent(catalog, "critical") == []
    assert incidents_since(catalog, MONDAY)[0].reached == ("a", "b")


def test_a_silenced_key_is_recorded_and_sent_again_when_the_silence_is_over(catalog: Catalog) -> None:
    record(catalog, hours(0))
    silence(catalog, "k", date(2026, 11, 24), "known", MONDAY)
    assert [one.key for one in active_silences(catalog, MONDAY)] == ["k"]
    assert record(catalog, hours(25)) is False
    assert record(catalog, hours(43.9)) is False
    assert record(catalog, hours(44)) is True
    states = [(one.state, one.times) for one in incidents_since(catalog, MONDAY)]
    assert states == [("unsent", 1), ("silenced", 2), ("unsent", 1)]
    assert active_silences(catalog, MONDAY + hours(44)) == []


def test_a_newer_silence_replaces_the_older(catalog: Catalog) -> None:
    record(catalog, hours(0))
    silence(catalog, "k", date(2026, 12, 24), "long", MONDAY)
    silence(catalog, "k", date(2026, 11, 23), "short", MONDAY)
    assert [one.reason for one in active_silences(catalog, MONDAY)] == ["short"]
    assert record(catalog, hours(25)) is True


@pytest.mark.parametrize(
    ("key", "day", "reason", "message"),
    [
        ("other", date(2026, 11, 24), "why", "other: no alert has this key"),
        ("k", date(2026, 11, 22), "why", "--until 2026-11-22: write a day from today on"),
        ("k", date(2028, 1, 1), "why", "within a year"),
        ("k", date(2026, 11, 24), "", "--reason: say why"),
    ],
)
def test_a_silence_needs_a_known_key_an_end_and_a_reason(
    catalog: Catalog, key: str, day: date, reason: str, message: str
) -> None:
    record(catalog, hours(0))
    with pytest.raises(InputError, match=message):
        silence(catalog, key, day, reason, MONDAY)


def test_an_alert_is_no_observation_of_songs(catalog: Catalog) -> None:
    before = catalog.revision()
    record(catalog, hours(0))
    silence(catalog, "k", date(2026, 11, 24), "why", MONDAY)
    assert catalog.revision() == before
