"""Which songs are to be cut now, and which worker is at them."""

import os
import re
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psutil
from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, or_, select, true, update

from mer_tasks.catalog.database import Catalog, patiently
from mer_tasks.catalog.reading import in_parts, is_cut_by, songs_anywhere, songs_in
from mer_tasks.catalog.schema import clips, items, queue
from mer_tasks.domain import Failure, Track
from mer_tasks.validation import is_video

LEASE = timedelta(minutes=30)
"""Longer than one song may take, so that only a dead worker's lease ends."""

CLOCK_STEP_S = 600
"""How far a clock may be set without making a process look like another: its start is reckoned from the clock."""

FIRST_WAIT = {
    Failure.LOCAL: timedelta(hours=1),
    Failure.BUSY: timedelta(minutes=15),
    Failure.REFUSED: timedelta(days=7),
    Failure.GONE: timedelta(days=30),
    Failure.BAD: timedelta(days=30),
}
LONGEST_WAIT = {Failure.LOCAL: timedelta(days=1), Failure.BUSY: timedelta(days=7)}
A_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class ClaimPolicy:
    """Which songs a worker may claim: of which collections, cut how, and how many searched for in an hour.

    `recipe` names how clips are cut, `attempt` that and how they are fetched: what failed by another attempt's
    settings is tried again. `searches_per_hour` is 0 where the settings do not permit YouTube.
    """

    collections: tuple[str, ...]
    recipe: str
    attempt: str = ""
    searches_per_hour: int = 0


def own_worker_id() -> str:
    """An id of this process that no other has: its host, its process id, and when it was started."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def is_dead(worker_id: str) -> bool:
    """Whether a worker ran on this machine and has ended."""
    name = re.fullmatch(r"(.+):(\d+):([\d.]+)", worker_id)
    if name is None or name[1] != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(name[2]))
        is_another = abs(process.create_time() - float(name[3])) > CLOCK_STEP_S
        return is_another or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def enqueue(connection: Connection, songs: Sequence[Track], at: datetime) -> None:
    """Make songs due whose audio has moved; one that may not be fetched never is.

    A worker loses its claim to such a song. Clips of the earlier address no longer count.
    """
    newest_clip = connection.scalar(select(func.max(clips.c.id)))
    rows: list[dict[str, Any]] = [
        {
            "track_id": song.track_id,
            "due_at": at if song.may_fetch else None,
            "searched": asks_youtube(song),
            "n_failures": 0,
            "recipe": None,
            "moved_after": newest_clip,
            "worker_id": None,
            "lease_until": None,
        }
        for song in songs
    ]
    known: set[str] = set()
    for part in in_parts(song.track_id for song in songs):
        known.update(connection.scalars(select(queue.c.track_id).where(queue.c.track_id.in_(part))))
    if again := [row | {"id": row["track_id"]} for row in rows if row["track_id"] in known]:
        connection.execute(update(queue).where(queue.c.track_id == bindparam("id")), again)
    if new := [row for row in rows if row["track_id"] not in known]:
        connection.execute(insert(queue), new)


def asks_youtube(song: Track) -> bool:
    """Whether a song is had from YouTube only: by search, or because its address is a video's there."""
    return not song.path and (song.url is None or is_video(song.url))


@patiently
def tidy_queue(catalog: Catalog, policy: ClaimPolicy, now: datetime) -> None:
    """Make due what has no clip of this recipe, and release the claims of dead workers of this machine."""
    other_way = _in(policy) & queue.c.recipe.not_in([policy.recipe, policy.attempt])
    with catalog.transaction() as connection:
        for stale, due_at in ((other_way & _has_clip(policy.recipe), None), (other_way, now)):
            values = {"due_at": due_at, "n_failures": 0, "recipe": policy.recipe}
            connection.execute(update(queue).where(stale).values(values))
        worker_ids = connection.scalars(
            select(queue.c.worker_id).where(queue.c.worker_id.is_not(None)).distinct()
        )
        if dead := [worker_id for worker_id in worker_ids if is_dead(worker_id)]:
            release = update(queue).where(queue.c.worker_id.in_(dead))
            connection.execute(release.values(worker_id=None, lease_until=None))


@patiently
def end_waiting(catalog: Catalog, policy: ClaimPolicy, now: datetime) -> None:
    """Make due what waits for its next try."""
    with catalog.transaction() as connection:
        waiting = update(queue).where(_is_for(policy), queue.c.due_at > now)
        connection.execute(waiting.values(due_at=now))


@patiently
def n_due(catalog: Catalog, policy: ClaimPolicy, by: datetime) -> int:
    """How many songs are due, those that may not be searched for now left out.

    Raises:
        InputError: a collection holds no song.
    """
    with catalog.reading() as connection:
        songs_in(connection, policy.collections, only=())
        count = select(func.count()).select_from(queue).where(_is_for(policy), queue.c.due_at <= by)
        direct = connection.scalar(count.where(~queue.c.searched)) or 0
        searched = connection.scalar(count.where(queue.c.searched)) or 0
        return direct + min(searched, _searches_left(connection, policy, by))


@patiently
def claim_songs(
    catalog: Catalog, policy: ClaimPolicy, n: int, worker_id: str, due_by: datetime, now: datetime
) -> list[Track]:
    """Take up to `n` songs that were due at `due_by` and that no other worker has claimed, until the lease ends."""
    free = or_(queue.c.lease_until.is_(None), queue.c.lease_until <= now)
    due = select(queue.c.track_id).where(_is_for(policy), queue.c.due_at <= due_by, free)
    due = due.order_by(queue.c.due_at, queue.c.track_id).with_for_update(skip_locked=True)
    with catalog.claiming() as connection:
        taken = list(connection.scalars(due.where(~queue.c.searched).limit(n)))
        if len(taken) < n and policy.searches_per_hour:
            catalog.count_alone(connection)
            left = _searches_left(connection, policy, now)
            taken += connection.scalars(due.where(queue.c.searched).limit(min(n - len(taken), left)))
        lease = update(queue).where(queue.c.track_id.in_(taken))
        connection.execute(lease.values(worker_id=worker_id, lease_until=now + LEASE))
        songs = songs_anywhere(connection, taken)
    return [songs[track_id] for track_id in taken]


@patiently
def release_songs(catalog: Catalog, worker_id: str) -> None:
    """Release a worker's claims to songs that it has not done."""
    with catalog.claiming() as connection:
        claimed = update(queue).where(queue.c.worker_id == worker_id)
        connection.execute(claimed.values(worker_id=None, lease_until=None))


def make_due(connection: Connection, songs: Collection[str], now: datetime) -> None:
    """Make due those of some songs that were done and have no clip of their recipe any more."""
    done = queue.c.due_at.is_(None) & queue.c.worker_id.is_(None)
    for part in in_parts(songs):
        again = update(queue).where(queue.c.track_id.in_(part), done, ~_has_clip(queue.c.recipe))
        connection.execute(again.values(due_at=now, n_failures=0))


def complete_attempt(
    connection: Connection,
    track_id: str,
    recipe: str | None,
    worker_id: str | None,
    failure: Failure | None,
    retry_after_s: float | None,
    now: datetime,
) -> datetime | None:
    """Record in the queue that an attempt is over; return when the next one is due, None after a success.

    Nothing changes where the worker has lost its claim meanwhile, as the audio moved or its lease ended.
    """
    mine = (queue.c.track_id == track_id) & (queue.c.worker_id == worker_id if worker_id else true())
    row = connection.execute(select(queue).where(mine)).one_or_none()
    if row is None:
        return None
    n_failures = row.n_failures + 1 if failure else 0
    due_at = now + waiting_time(failure, n_failures, retry_after_s) if failure else None
    connection.execute(
        update(queue)
        .where(mine)
        .values(due_at=due_at, n_failures=n_failures, recipe=recipe, worker_id=None, lease_until=None)
    )
    return due_at


def waiting_time(failure: Failure, n_failures: int, retry_after_s: float | None) -> timedelta:
    """How long a song is left alone after so many failures in a row: twice as long each time, up to a limit."""
    wait: timedelta = FIRST_WAIT[failure] * 2 ** min(n_failures - 1, 20)
    asked_for = timedelta(seconds=min(retry_after_s or 0, A_YEAR.total_seconds()))
    return max(min(wait, LONGEST_WAIT.get(failure, A_YEAR)), asked_for)


def _in(policy: ClaimPolicy) -> ColumnElement[bool]:
    return queue.c.track_id.in_(select(items.c.track_id).where(items.c.collection.in_(policy.collections)))


def _is_for(policy: ClaimPolicy) -> ColumnElement[bool]:
    """That a song is due by this policy: another recipe may have come between since the queue was tidied."""
    return _in(policy) & or_(queue.c.recipe.is_(None), queue.c.recipe.in_([policy.recipe, policy.attempt]))


def _has_clip(recipe: str | ColumnElement[Any]) -> ColumnElement[bool]:
    """That a song has a clip of a recipe, cut since its audio is where it is."""
    own = (clips.c.track_id == queue.c.track_id) & (clips.c.id > func.coalesce(queue.c.moved_after, 0))
    return select(clips.c.id).where(own, is_cut_by(recipe)).correlate(queue).exists()


def _searches_left(connection: Connection, policy: ClaimPolicy, now: datetime) -> int:
    """How many more songs may be searched for in this hour: those of the last one and those under way are counted."""
    if not policy.searches_per_hour:
        return 0
    searched = select(func.count()).select_from(clips.join(queue, clips.c.track_id == queue.c.track_id))
    lately = clips.c.observed_at > now - timedelta(hours=1)
    attempted = clips.c.seconds.is_not(None)
    done = connection.scalar(searched.where(queue.c.searched, lately, attempted)) or 0
    claimed = select(func.count()).select_from(queue).where(queue.c.searched, queue.c.lease_until > now)
    return max(0, policy.searches_per_hour - done - (connection.scalar(claimed) or 0))
