"""Clips that are not in the store as they were cut: found, taken away, recorded, and due again.

A clip is known by the SHA-256 of its bytes, so another process, or a person, may always put it back.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, insert, select

from mer_tasks.audio.store import Flaw, clear_place, find_flaws, find_new_flaws
from mer_tasks.catalog.clips import clips_of
from mer_tasks.catalog.database import Catalog, patiently
from mer_tasks.catalog.queue import complete_attempt, make_due
from mer_tasks.catalog.reading import in_parts, is_kept
from mer_tasks.catalog.schema import clips, items, queue
from mer_tasks.domain import Alert
from mer_tasks.objects import ObjectStore
from mer_tasks.settings import Machine

PAGE = 1_000
"""Clips that are read from the catalog at a time."""

SONGS_IN_ALERT = 10


class LostClip(NamedTuple):
    """A song whose clip is missing or altered; `kind` is the flaw's."""

    track_id: str
    sha256: str
    kind: str
    reason: str


class StoreCheck(NamedTuple):
    """What a look at the clips of some songs found: how many songs have a whole one, and which have lost theirs."""

    kept: int
    lost: tuple[LostClip, ...]


def check_store(
    catalog: Catalog,
    collections: Collection[str],
    recipe: str,
    store: ObjectStore,
    n_threads: int,
    now: datetime,
) -> StoreCheck:
    """See that the newest clip of a recipe of every song of some collections is in the store as it was cut.

    Only files that have changed since they were read are read. What is lost is recorded; what was lost and is
    back counts again.
    """
    _take_back(catalog, collections, recipe, store, n_threads, now)
    seen = _newest_id(catalog)
    stored = clips_of(catalog, collections, recipe)
    flaws = find_new_flaws(store, set(stored.values()), n_threads)
    lost = _lose(catalog, flaws, store, seen, now)
    return StoreCheck(sum(sha256 not in flaws for sha256 in stored.values()), lost)


def watch_store(
    catalog: Catalog, collections: Collection[str], recipe: str, machine: Machine
) -> tuple[LostClip, ...]:
    """`check_store` where there is a store: a machine without any clip knows nothing of those of others."""
    store = machine.clip_store
    if store.is_empty():
        return ()
    return check_store(catalog, collections, recipe, store, machine.n_workers, datetime.now(UTC)).lost


@patiently
def count_clips(catalog: Catalog) -> int:
    """How many clips `verify_clips` looks at."""
    with catalog.reading() as connection:
        return connection.scalar(select(func.count(clips.c.sha256.distinct())).where(is_kept())) or 0


def verify_clips(
    catalog: Catalog, store: ObjectStore, n_threads: int, now: datetime
) -> Iterator[tuple[LostClip, ...]]:
    """Read every clip that the catalog knows, of any collection and recipe; record what is lost.

    Gives, clip by clip, the songs that have lost it: none, mostly. Stopped at any instant, what was found
    is recorded.
    """
    seen = _newest_id(catalog)
    for page in _pages(catalog):
        flaws = {sha256: flaw for sha256, flaw in find_flaws(store, page, n_threads) if flaw}
        lost = _lose(catalog, flaws, store, seen, now)
        for sha256 in page:
            yield tuple(clip for clip in lost if clip.sha256 == sha256)


def lost_alert(lost: Sequence[LostClip], store: ObjectStore) -> Alert:
    """The alert about lost clips: how many, and the first of them with what is wrong."""
    lines = [f"{clip.track_id}: {clip.reason}" for clip in lost[:SONGS_IN_ALERT]]
    if len(lost) > SONGS_IN_ALERT:
        lines.append(f"and {len(lost) - SONGS_IN_ALERT} more")
    songs = f"{len(lost)} song{'s' if len(lost) > 1 else ''}"
    lines += ["", f"Their clips count no more. The store: {store}"]
    return Alert(
        title=f"clip store: {songs} lost their clip",
        text="\n".join(lines),
        severity="warning",
        key="lost-clips",
        remedy="run mer clips, which cuts them again; if it happens again, look at the disk of the store",
    )


def _pages(catalog: Catalog) -> Iterator[list[str]]:
    page = _page_after(catalog, "")
    while page:
        yield page
        page = _page_after(catalog, page[-1])


@patiently
def _page_after(catalog: Catalog, last: str) -> list[str]:
    page = select(clips.c.sha256).distinct().where(is_kept(), clips.c.sha256 > last)
    with catalog.reading() as connection:
        return list(connection.scalars(page.order_by(clips.c.sha256).limit(PAGE)))


@patiently
def _newest_id(catalog: Catalog) -> int:
    with catalog.reading() as connection:
        return connection.scalar(select(func.max(clips.c.id))) or 0


def _lose(
    catalog: Catalog, flaws: Mapping[str, Flaw], store: ObjectStore, seen: int, now: datetime
) -> tuple[LostClip, ...]:
    """Take altered files away, then record whose clips are lost: killed in between, they are missing next time."""
    if not flaws:
        return ()
    for sha256, flaw in flaws.items():
        if flaw.kind == "altered":
            clear_place(store, sha256)
    return _record_lost(catalog, flaws, seen, now)


@patiently
def _record_lost(
    catalog: Catalog, flaws: Mapping[str, Flaw], seen: int, now: datetime
) -> tuple[LostClip, ...]:
    """Record the loss of clips, as far as none of them has been cut since the row `seen`; their songs are due."""
    rows: list[dict[str, Any]] = []
    columns = (clips.c.track_id, clips.c.sha256, clips.c.recipe)
    with catalog.transaction() as connection:
        for part in in_parts(flaws):
            cut = select(*columns).where(clips.c.sha256.in_(part), is_kept()).group_by(*columns)
            for row in connection.execute(cut.having(func.max(clips.c.id) <= seen).order_by(*columns)):
                lost = {"track_id": row.track_id, "lost_sha256": row.sha256, "recipe": row.recipe}
                rows.append(lost | {"reason": flaws[row.sha256].reason, "observed_at": now})
        if rows:
            connection.execute(insert(clips), rows)
            make_due(connection, {row["track_id"] for row in rows}, now)
    found = sorted({(row["track_id"], row["lost_sha256"]) for row in rows})
    return tuple(LostClip(song, sha256, *flaws[sha256]) for song, sha256 in found)


def _take_back(
    catalog: Catalog,
    collections: Collection[str],
    recipe: str,
    store: ObjectStore,
    n_threads: int,
    now: datetime,
) -> None:
    """Record that lost clips count again whose files are back in the store."""
    with catalog.reading() as connection:
        lost = {row.sha256 for row in _lost_rows(connection, collections, recipe)}
    if lost and (back := lost - find_new_flaws(store, lost, n_threads).keys()):
        _record_found(catalog, collections, recipe, back, now)


@patiently
def _record_found(
    catalog: Catalog, collections: Collection[str], recipe: str, back: Collection[str], now: datetime
) -> None:
    with catalog.transaction() as connection:
        for row in _lost_rows(connection, collections, recipe):
            if row.sha256 in back:
                again = dict(row._mapping) | {"observed_at": now, "n_bytes": None, "seconds": None}
                del again["id"]
                connection.execute(insert(clips), again)
                complete_attempt(connection, row.track_id, recipe, None, None, None, now)


def _lost_rows(connection: Connection, collections: Collection[str], recipe: str) -> Sequence[Row[Any]]:
    """The lost clips of a recipe, cut since the song's audio is where it is, of songs that have no other since."""
    wanted = select(items.c.track_id).where(items.c.collection.in_(collections))
    newest = (
        select(func.max(clips.c.id))
        .join_from(clips, queue, clips.c.track_id == queue.c.track_id)
        .where(clips.c.sha256.is_not(None), clips.c.recipe == recipe, clips.c.track_id.in_(wanted))
        .where(clips.c.id > func.coalesce(queue.c.moved_after, 0))
        .group_by(clips.c.track_id)
    )
    return connection.execute(select(clips).where(clips.c.id.in_(newest), ~is_kept())).all()
