"""What the spool says by itself: the admin side's answers while the service is stopped, and the export at any time.

All of it is read only, from the file or database alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from adapters.secret import SecretMissing
from gateway.admin import asks
from gateway.admin.duties.proposals import Proposals
from gateway.admin.entries import exporting
from gateway.admin.entries.looking import leaf, page_of
from gateway.admin.http.problem import Trouble
from gateway.admin.state.shown import KeyShown, Status
from gateway.admin.state.status import returns_of, spool_shown
from gateway.admin.views import (
    EntryPage,
    EntryRow,
    EntryShown,
    VerdictShown,
    by_state,
    conservation,
    entry_row,
    entry_shown,
    moment,
    netted_of,
    verdict_shown,
)
from gateway.cli.exits import Exit, Failure
from gateway.clock import SystemClock
from gateway.config.model import Config
from gateway.custody.provider import key_place, ring_of
from gateway.engines.opening import Reading, place_of, reading_of
from gateway.evidence.evidence import witnesses_of
from gateway.evidence.marks import NOTHING_WITNESSED, Witnessed, witnessed
from spool.entry import Event
from spool.errors import KeysUnfit, SpoolAbsent, SpoolUnfit
from spool.evidence.checkpoint import public_path, read_public_key
from spool.seal import Sealer
from spool.spool import LISTED
from spool.verify import verify as verify_store

T = TypeVar("T")

EXPORT_STEP: Final = 500
"""Entries read at once while exporting."""


class TurnExported(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an exported entry's history: what `show` tells, without what a person wrote."""

    at: str
    name: str
    source: str
    target: str
    attempt: int
    reason: str
    #: Who did it; empty for the machine.
    actor: str


class EntryExported(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an export: an entry's header and its history. Nothing sealed is opened for it."""

    entry: EntryRow
    history: tuple[TurnExported, ...]


def is_there(config: Config) -> bool:
    """Is there something to look at: a file, or a database? Whether that one has a spool is found by looking."""
    return config.spool.engine == "postgres" or (config.spool.engine == "sqlite" and config.spool.path.is_file())


def has_keys(config: Config) -> bool:
    """Was anything sealed in this spool?"""

    async def read(store: Reading) -> bool:
        return bool(await store.recall(LISTED))

    try:
        return asyncio.run(_looking(config, read))
    except SpoolAbsent:
        return False


def status(config: Config) -> Status:
    """Books and engine; routes and keys are known to a running service alone."""
    return look(config, lambda store: _status(config, store))


def page(config: Config, query: str) -> EntryPage:
    """A page of entries, asked for as the admin side is."""

    async def read(store: Reading) -> EntryPage:
        listing = asks.listing(query, _currency(config))
        return page_of(*await leaf(store, listing.wanted, listing.limit))

    return look(config, read)


def _currency(config: Config) -> str:
    """What amounts are in where it isn't said; empty where there are several."""
    currencies = {route.currency for route in config.routes.values()}
    return currencies.pop() if len(currencies) == 1 else ""


def entry(config: Config, reference: str) -> EntryShown | None:
    """One entry by number or id; None when there is none."""

    async def read(store: Reading) -> EntryShown | None:
        number, id_ = asks.number_asked(reference)
        found = await store.get(number)
        if found is None or (id_ and found.id != id_):
            return None
        return entry_shown(found, await store.history(number), await _destroyed(config))

    return look(config, read)


def entry_by_key(config: Config, channel: str, key: str) -> EntryShown | None:
    """One entry by channel and key; None when there is none."""

    async def read(store: Reading) -> EntryShown | None:
        found = await store.find(channel, key)
        return (
            None if found is None else entry_shown(found, await store.history(found.number), await _destroyed(config))
        )

    return look(config, read)


async def _destroyed(config: Config) -> frozenset[int]:
    """Data keys that are gone, as far as there is a key store to tell."""
    try:
        kept = await asyncio.to_thread(key_place(config).read)
    except KeysUnfit:
        return frozenset()
    return frozenset(key.id for key in kept.data_keys if key.destroyed_us)


def verify(config: Config, *, seals: bool) -> VerdictShown:
    """Count everything anew, and open every seal if asked.

    Raises:
        Failure: the key file can't be used.
    """
    try:
        sealer = Sealer(asyncio.run(ring_of(config))) if seals else None
    except KeysUnfit as error:
        raise Failure(str(error), Exit.CANNOT_START) from error

    async def read(store: Reading) -> VerdictShown:
        kept = await _witnessed(config, store)
        return verdict_shown(await verify_store(store, sealer, kept.marks, kept.findings))

    return look(config, read)


async def _witnessed(config: Config, store: Reading) -> Witnessed:
    """What was kept of the log elsewhere, by the public half of the key."""
    key_file = config.evidence.key_file
    if key_file is None:
        return NOTHING_WITNESSED
    try:
        public = read_public_key(public_path(key_file))
    except KeysUnfit as error:
        raise Failure(str(error), Exit.CANNOT_START) from error
    return await witnessed(store, witnesses_of(config), config.evidence.origin or config.node.name, public)


def export(config: Config, query: str, say: Callable[[bytes], object], *, csv: bool = False) -> int:
    """Say every entry that is asked for, oldest first, all of one moment; how many there were.

    One line of JSON each, with its history; or, with `csv`, as the admin side writes them out.

    Raises:
        Failure: there is no spool, or the filter is none.
    """
    if not is_there(config):
        raise Failure(f"there is no spool {place_of(config)} to export", Exit.CANNOT_START)

    async def read(store: Reading) -> int:
        wanted, said = asks.listing(query, _currency(config)).wanted, 0
        say(exporting.head("csv") if csv else b"")
        async with store.still():
            while found := await store.page(wanted, EXPORT_STEP):
                if csv:
                    say(exporting.body("csv", found))
                for each in () if csv else found:
                    line = EntryExported(entry=entry_row(each), history=_turns(await store.history(each.number)))
                    say(msgspec.json.encode(line) + b"\n")
                said += len(found)
                wanted = msgspec.structs.replace(wanted, after=found[-1].number)
        return said

    return look(config, read)


def export_sheet(config: Config, query: str) -> bytes:
    """Every entry that is asked for, oldest first, as a spreadsheet's file. Errors: as `export`, and it may be too many."""
    if not is_there(config):
        raise Failure(f"there is no spool {place_of(config)} to export", Exit.CANNOT_START)

    async def read(store: Reading) -> bytes:
        made_at = datetime.fromtimestamp(SystemClock().now_us() / 1_000_000, UTC)
        async with store.still():
            return await exporting.sheet(store, asks.listing(query, _currency(config)).wanted, made_at)

    return look(config, read)


def _turns(history: list[Event]) -> tuple[TurnExported, ...]:
    return tuple(
        TurnExported(
            at=moment(event.at_us),
            name=event.name,
            source="" if event.source is None else event.source.word,
            target=event.target.word,
            attempt=event.attempt,
            reason=event.reason,
            actor=event.actor,
        )
        for event in history
    )


async def _status(config: Config, store: Reading) -> Status:
    cells, clock = list(store.tally.cells()), SystemClock()
    waiting = Proposals(store, clock, expires_s=config.admin.second_person.proposal_expires_s, doers={})
    return Status(
        node=config.node.name,
        running=False,
        ready=False,
        now=moment(clock.now_us()),
        started="",
        routes=(),
        states=by_state(cells),
        conservation=conservation(cells),
        spool=spool_shown(await store.health()),
        custody=None,
        keys=tuple[KeyShown, ...](),
        returns=await returns_of(store, config.returns, clock.now_us()),
        proposals=len(await waiting.waiting()),
        netted=netted_of(cells),
    )


def look(config: Config, read: Callable[[Reading], Awaitable[T]]) -> T:
    """What is read of the spool, beside those who work on it or while nobody does.

    Raises:
        Failure: there is none, or it can't be read.
    """
    try:
        return asyncio.run(_looking(config, read))
    except (SpoolUnfit, SecretMissing) as error:
        raise Failure(str(error), Exit.CANNOT_START) from error
    except Trouble as trouble:
        raise Failure(str(trouble), Exit.UNFIT) from trouble


async def _looking(config: Config, read: Callable[[Reading], Awaitable[T]]) -> T:
    store = reading_of(config)
    await store.open()
    try:
        return await read(store)
    finally:
        await store.close()
