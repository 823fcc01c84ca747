"""Moving a spool from one engine to another while nobody works on it: all of it, or nothing.

The order is what keeps a payment from being sent by two spools. The new one is filled and held against the old one while
only that one can be worked on; then the old one is marked as moved, durably, and only then may the new one be worked on.
Whatever ends a move before its end leaves at most one spool that starts, and the same move again goes on from there.
"""

import asyncio
from typing import Final

import msgspec
from msgspec.structs import replace

from gateway.config.model import Config
from gateway.custody.provider import key_place
from gateway.engines.opening import database_of, place_of, reading_of, store_of
from spool.errors import KeysUnfit, SpoolAbsent, SpoolAway, SpoolUnfit
from spool.evidence.findings import Mark
from spool.moving import ARRIVING, MOVED, Carried, Filling, carry
from spool.postgres import PostgresStore
from spool.postgres.connection import lies_outside, passes_by_itself
from spool.postgres.filling import PostgresFilling
from spool.postgres.reading import PostgresReading
from spool.postgres.seat import unheard
from spool.sqlite.backup import Step, on
from spool.sqlite.filling import SqliteFilling
from spool.sqlite.reading import SqliteReading
from spool.store import Store
from spool.verify import Verdict, verify

SOURCE: Final = "the spool it was moved from"


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What a move came to."""

    entries: int
    events: int
    place: str
    #: True when the key store was carried as well.
    keys: bool


async def require_here(store: Store) -> None:
    """A spool may be worked on.

    Raises:
        SpoolUnfit: it was moved away, or has not wholly arrived.
    """
    moved = await store.recall(MOVED)
    if moved is not None:
        raise SpoolUnfit(f"this spool was moved away ({moved.decode()}): start the service with that configuration")
    if await store.recall(ARRIVING) is not None:
        raise SpoolUnfit("this spool was being moved here, and isn't whole: do the same move again")


async def move(source: Config, target: Config, now_us: int, step: Step = on) -> Moved:
    """Carry everything of `source` to the place of `target`, where there must be nothing, and have only that work on.

    Raises:
        SpoolHeld, SpoolUnfit, KeysUnfit: nothing was moved, or the same move has to be done again.
    """
    _require_one_log(source, target)
    await _require_all_there(source)
    store = _alone(source)
    await store.open(now_us)
    try:
        keys = await asyncio.to_thread(_carry_keys, source, target)
        carry_to = _to_database if target.spool.engine == "postgres" else _to_file
        carried = await carry_to(store, target, step)
    finally:
        await store.close()
    return Moved(entries=carried.entries, events=carried.head.size, place=place_of(target), keys=keys)


async def move_here(source: Config, target: Config, now_us: int, step: Step = on) -> Moved | None:
    """Move as `move` does, unless that was done; None where the spool is at its new place already.

    Whatever ended an earlier try, the same again goes on from there: so a service may do this at each start.

    Raises:
        SpoolAway: a database can't be reached now, or has no room; nothing was moved, or the same has to be done again.
        SpoolHeld, SpoolUnfit, KeysUnfit: as move.
    """
    try:
        if await _has_moved(source, target):
            return None
        step("carry")
        return await move(source, target, now_us, step)
    except Exception as error:
        if passes_by_itself(error):
            raise SpoolAway(
                f"a database that the spool is moved between can't be asked now: {type(error).__name__}"
            ) from error
        raise


async def _has_moved(source: Config, target: Config) -> bool:
    """The old spool says that it was moved, and the new one is there and whole."""
    old = await _marks(source)
    if old is None:
        raise SpoolUnfit(
            f"there is no spool {place_of(source)} to be moved: leave it where it is until this one is trusted"
        )
    new = await _marks(target)
    is_there = new is not None and ARRIVING not in new
    if is_there and MOVED not in old:
        raise SpoolUnfit(
            f"there is a spool {place_of(target)}, and the one {place_of(source)} was not moved there: which is it?"
        )
    return is_there


async def _marks(config: Config) -> frozenset[str] | None:
    """The marks on a spool; None where there is none, or nothing in it."""
    if config.spool.engine == "sqlite" and not config.spool.path.exists():
        return None
    store = reading_of(config)
    try:
        await store.open()
    except SpoolAbsent:
        return None
    try:
        async with store.records() as records:
            found = (await records.head()).size
        marks = {name for name in (MOVED, ARRIVING) if await store.recall(name) is not None}
    finally:
        await store.close()
    return frozenset(marks) if found or marks else None


def _require_one_log(source: Config, target: Config) -> None:
    """Checkpoints name the log, whichever engine keeps it."""
    names = [config.evidence.origin or config.node.name for config in (source, target)]
    if source.evidence.key_file is not None and names[0] != names[1]:
        raise SpoolUnfit(
            f"the log is called {names[0]} now: write [evidence] origin = {names[0]!r} for the new place too"
        )
    if "memory" in {source.spool.engine, target.spool.engine}:
        raise SpoolUnfit("the engine memory keeps nothing that could be moved")


async def _require_all_there(config: Config) -> None:
    """What a node took by itself would be left behind in its file, and nobody would send it."""
    names = []
    if config.spool.engine == "postgres":
        try:
            names = await unheard(database_of(config))
        except Exception as error:
            if not lies_outside(error):
                raise
    if names:
        raise SpoolUnfit(
            f"{', '.join(names)} may have payments that aren't in the database: start it, and stop it when status says that"
            " none is left to bring over"
        )


def _alone(config: Config) -> Store:
    """The spool in this process's sole hands."""
    if config.spool.engine == "postgres":
        return PostgresStore(replace(database_of(config), nodes_max=1, alone=False))
    return store_of(config)


def _carry_keys(source: Config, target: Config) -> bool:
    """The new place has all keys of the old one; where it has none, they are put there."""
    old, new = key_place(source), key_place(target)
    kept = old.read()
    if not new.exists():
        new.make(kept)
        return True
    there = {key.id: key.wrapped for key in new.read().data_keys}
    if any(there.get(key.id) != key.wrapped for key in kept.data_keys):
        raise KeysUnfit(
            f"the key store {new.place} has other keys than the one {old.place}: give the new spool its own"
        )
    return False


async def _to_file(store: Store, target: Config, step: Step) -> Carried:
    filling = SqliteFilling(target.spool.path)
    carried = await _filled(store, filling)
    step("compare")
    await _require_same(store, SqliteReading(filling.draft), carried)
    await _mark_moved(store, target)
    step("marked")
    filling.give_name()
    return carried


async def _to_database(store: Store, target: Config, step: Step) -> Carried:
    filling = await PostgresFilling.begin(database_of(target))
    try:
        carried = await _filled(store, filling)
        step("compare")
        await _require_same(store, PostgresReading(database_of(target)), carried)
        await _mark_moved(store, target)
        step("marked")
        await filling.let_work()
    finally:
        filling.close()
    return carried


async def _filled(store: Store, filling: Filling) -> Carried:
    async with store.records() as records:
        return await carry(records, filling)


async def _require_same(store: Store, new: SqliteReading | PostgresReading, carried: Carried) -> None:
    """Counted and proven anew, the new one is what the old one is, faults and all."""
    await new.open()
    try:
        found = await verify(new, marks=[Mark(size=carried.head.size, root=carried.head.root, source=SOURCE)])
    finally:
        await new.close()
    if _told(found) != _told(await verify(store)):
        raise SpoolUnfit("what arrived is not what was there: nothing was moved, and the spool is as it was")


def _told(verdict: Verdict) -> object:
    return verdict.counted, verdict.balances, verdict.events, verdict.root, verdict.faults


async def _mark_moved(store: Store, target: Config) -> None:
    await store.remember(MOVED, f"{place_of(target)}, by node {target.node.name}".encode())
