"""Reading: all questions that change nothing, on connections apart from the one that writes."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import product
from typing import Any, Final

from spool.account import AccountNote
from spool.entry import Act, Entry, Event
from spool.errors import SpoolClosed
from spool.lifecycle import UNFINISHED, USUAL, Kind, State
from spool.nodes import ALL, Share
from spool.number import NUMBER_MAX
from spool.postgres.connection import Connection, Pool, Trouble, trouble_of
from spool.postgres.records import PostgresRecords
from spool.postgres.statements import SQL
from spool.rank import Rank
from spool.rows import account_of, act_in, aged_in, cell_in, deeds_in_order, entry_of, event_in, key_uses_in
from spool.store import FIRST, Aged, Filter, Owed, Ready
from spool.tally import NOTHING, Cell, Sum
from spool.uses import KeyUse, Recount

_LEAST: Final = -(2**63)

_SHAPE: Final[dict[str, Sequence[int]]] = {
    "shape_behind": (0, 0),
    "shape_later": (0, 0),
    "shape_in_flight": (_LEAST, 0),
    "shape_apart": (0, 0),
}
"""What is unfinished besides arrivals, in parts that have an index each, and where each begins."""

ALL_STATES: Final = [+state for state in State]


class Questions:
    """The reading half of the engine; see `spool.store.Store` for what each promises."""

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._readers: Pool | None = None
        #: By route, and under "" of every other route.
        self._shares: dict[str, Share] = {}

    async def get(self, number: int) -> Entry | None:
        """The entry with this number."""
        return await self._one("get_entry", number)

    async def find(self, channel: str, key: str) -> Entry | None:
        """The entry that owns this key."""
        return await self._one("find_entry", channel, key)

    async def reversal_of(self, number: int) -> Entry | None:
        """The reversal of a payment that was not refused, if there is one."""
        return await self._one("reversal_of", number)

    async def reversals_of(self, number: int) -> list[Entry]:
        """All reversals of a payment there ever were, oldest first."""
        return list(map(entry_of, await self._rows("reversals_of", number)))

    async def ready(self, route: str, rank: int, after: int, limit: int) -> list[Ready]:
        """Entries of a rank waiting in arrival order above number `after`, of this node's share of the lanes."""
        share = self._share(route)
        rows = await self._rows("ready", route, after, limit, share.of, share.at, rank)
        return [Ready(entry=entry_of(row), blocked=row["blocked"]) for row in rows]

    async def due(self, route: str, now_us: int, limit: int) -> list[Entry]:
        """Entries whose time has come, soonest first, of this node's share of the lanes."""
        share = self._share(route)
        return list(map(entry_of, await self._rows("due", route, now_us, limit, share.of, share.at)))

    async def next_due_us(self, route: str) -> int:
        """When the next entry of the route falls due; 0 when none waits for a time."""
        return await self._figure("next_due", route)

    async def oldest_waiting_us(self, route: str) -> int:
        """When the oldest entry waiting in arrival order was accepted; 0 when none waits."""
        return await self._figure("oldest_arrival", route)

    async def highest_number(self) -> int:
        """The highest number of any entry; 0 when there is none."""
        return await self._figure("highest_number")

    async def page(self, wanted: Filter, limit: int) -> list[Entry]:
        """Entries that pass the filter, a page of at most `limit`."""
        rows = await self._in_order(
            f"page_{_part(wanted)}{_way(wanted)}",
            wanted.after,
            wanted.before or NUMBER_MAX,
            sorted(+state for state in wanted.states) or ALL_STATES,
            wanted.route,
            wanted.channel,
            +wanted.kind if wanted.kind else 0,
            wanted.key,
            wanted.lane is None,
            wanted.lane or 0,
            wanted.accepted_from_us,
            wanted.accepted_before_us,
            wanted.reason,
            wanted.currency,
            wanted.amount_min,
            wanted.amount_max,
            limit,
        )
        return list(map(entry_of, rows))

    async def horizon(self, wanted: Filter, count: int) -> int:
        """How far a look through so many entries gets. See `Store.horizon`."""
        part = _part(wanted)
        if part == "flight_":
            return 0
        own: dict[str, list[Any]] = {"waiting_": [wanted.route], "apart_": [sorted(map(int, wanted.states))]}
        bounds = (wanted.after, wanted.before or NUMBER_MAX, count - 1)
        rows = await self._in_order(f"horizon_{part}{_way(wanted)}", *bounds, *own.get(part, []))
        return rows[0][0] if rows else 0

    async def find_core_id(self, core_id: str, limit: int) -> list[Entry]:
        """Entries that their core knows by this id, oldest first."""
        return list(map(entry_of, await self._rows("find_core_id", core_id, limit)))

    async def deeds(self, first: int, limit: int) -> list[Act]:
        """What persons did, in the order of the log. See `Store.deeds`."""
        acts = [act_in(row) for row in await self._rows("deeds_acts", first, limit)]
        moved = [event_in(row[11], row) for row in await self._rows("deeds_moves", first, limit)]
        return deeds_in_order(acts, moved, limit)

    async def shape(self, route: str, edges: Sequence[int]) -> dict[Aged, Sum]:
        """Unfinished entries of a route by age. See `Store.shape`."""
        found = dict[Aged, Sum]()
        with told_as_closed():
            async with snapshot(self._reading) as db:
                async for aged, total in _arrivals(db, route, sorted(edges)):
                    found[aged] = found.get(aged, NOTHING) + total
                for part, first in _SHAPE.items():
                    reached = first
                    while rows := await db.fetch(SQL[part], route, sorted(edges), *reached):
                        for row in rows:
                            found[aged_in(row)] = found.get(aged_in(row), NOTHING) + Sum(row[6], row[7])
                        reached = max(row[8] for row in rows)
        return {aged: total for aged, total in found.items() if total.entries}

    async def history(self, number: int) -> list[Event]:
        """Everything that happened to an entry, oldest first."""
        first = await self._row("recorded", number)
        if first is None:
            return []
        attempt = 1 if first[1] == State.IN_FLIGHT else 0
        recorded = event_in(number, (first[0], "record", 0, first[1], attempt, "", "", "", first[2], "", first[3]))
        return [recorded, *(event_in(number, row) for row in await self._rows("history", number))]

    async def returns_due(self, route: str, limit: int, *, channel: str = "", after: Owed = FIRST) -> list[Entry]:
        """Refused entries of a route whose channel had a positive answer, refused first first."""
        return list(map(entry_of, await self._rows("returns_due", route, *after, channel, limit)))

    async def recall_some(self, prefix: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Names of this beginning after `after`, with their values."""
        return [(row[0], row[1]) for row in await self._rows("recall_some", prefix, after, limit)]

    async def account(self, lane: int) -> AccountNote | None:
        """What is known of an account."""
        row = await self._row("account", lane)
        return None if row is None else account_of(row)

    async def notes_under(self, key_id: int, limit: int) -> list[AccountNote]:
        """Accounts of which what was said is sealed under this key."""
        return [account_of(row) for row in await self._rows("notes_under", key_id, limit)]

    async def accounts_counted(self) -> tuple[int, int]:
        """How many are known, and how many denied."""
        known, denied = await self._row("accounts_counted")
        return known, denied

    async def denies(self) -> bool:
        """Any account is denied."""
        return bool(await self._figure("denies"))

    async def key_uses(self) -> dict[int, KeyUse]:
        """By data key: what needs it."""
        return key_uses_in(await self._rows("key_uses"))

    async def lanes(self) -> AsyncIterator[Sequence[int]]:
        """The lanes of all unfinished entries, of one moment."""
        async with snapshot(self._reading) as db:
            after: tuple[int, str, int] = (-(2**63), "", 0)
            while rows := await db.fetch(SQL["lanes"], *after):
                yield [row[0] for row in rows]
                after = tuple(rows[-1])

    async def recall(self, name: str) -> bytes | None:
        """The value kept under this name."""
        row = await self._row("recall", name)
        return None if row is None else row[0]

    async def recount(self) -> AsyncIterator[dict[Cell, tuple[int, int]]]:
        """Count entries and sums anew, in steps, in one snapshot. See `Store.recount`."""
        async with snapshot(self._reading) as db:
            yield counted(await db.fetch(SQL["tally"]))
            found: dict[Cell, tuple[int, int]] = {}
            after = 0
            while rows := await db.fetch(SQL["recount"], after):
                for row in rows:
                    entries, amount = found.get(cell_in(row), (0, 0))
                    found[cell_in(row)] = (entries + row[6], amount + row[7])
                after = max(row[8] for row in rows)
                yield found
            yield found

    async def recount_keys(self) -> tuple[dict[int, KeyUse], dict[int, KeyUse]]:
        """What needs data keys, kept and counted anew, in one snapshot. See `Store.recount_keys`."""
        async with snapshot(self._reading) as db:
            found = Recount(key_uses_in(await db.fetch(SQL["key_uses"])))
            while rows := await db.fetch(SQL["recount_keys"], found.after):
                found.add(rows)
        return found.both()

    @asynccontextmanager
    async def records(self) -> AsyncGenerator[PostgresRecords]:
        """Everything there is and its evidence, as of this moment."""
        with told_as_closed():
            async with snapshot(self._reading) as db:
                yield PostgresRecords(db)

    def _share(self, route: str) -> Share:
        return self._shares.get(route) or self._shares.get("") or ALL

    @property
    def _reading(self) -> Pool:
        if self._readers is None:
            raise SpoolClosed("the spool isn't open")
        return self._readers

    async def _rows(self, name: str, *values: Any) -> list[Any]:
        with told_as_closed():
            found: list[Any] = await self._reading.fetch(SQL[name], *values)
        return found

    async def _in_order(self, name: str, *values: Any) -> list[Any]:
        """The same, by the order of the indexes that hold it."""
        with told_as_closed():
            async with self._reading.acquire() as db, db.transaction():
                await db.execute(SQL["in_order"])
                found: list[Any] = await db.fetch(SQL[name], *values)
                # Whoever reads in stillness goes on in the same transaction.
                await db.execute(SQL["in_any_order"])
        return found

    async def _row(self, name: str, *values: Any) -> Any:
        rows = await self._rows(name, *values)
        return rows[0] if rows else None

    async def _one(self, name: str, *values: Any) -> Entry | None:
        row = await self._row(name, *values)
        return None if row is None else entry_of(row)

    async def _figure(self, name: str, *values: Any) -> int:
        row = await self._row(name, *values)
        return 0 if row is None else row[0] or 0


@contextmanager
def told_as_closed() -> Generator[None]:
    """The database went, has no room, or others were in the way: no answer now, and no error of the driver's."""
    try:
        yield
    except Exception as error:
        if trouble_of(error) is not Trouble.ITS_OWN:
            raise SpoolClosed(f"the database can't be asked now: {type(error).__name__}") from error
        raise


@asynccontextmanager
async def snapshot(readers: Pool) -> AsyncGenerator[Connection]:
    """A connection that reads what was there at this moment, whatever is written meanwhile."""
    async with readers.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
        # The moment is that of the first statement.
        await db.fetchval(SQL["is_there"])
        yield db


async def _arrivals(db: Connection, route: str, edges: Sequence[int]) -> AsyncIterator[tuple[Aged, Sum]]:
    """What waits in arrival order, by age: twenty thousand at once, from an index that holds all that is counted of them."""
    ends = (0, *edges, NUMBER_MAX)
    for rank, (bucket, before) in product(Rank, enumerate(ends[1:])):
        after = max(0, ends[bucket] - 1)
        while rows := await db.fetch(SQL["shape_arrival"], route, rank, after, before):
            for channel, currency, kind, entries, amount, last in rows:
                yield Aged(channel, currency, Kind(kind), State.READY, "", bucket), Sum(entries, amount)
                after = max(after, last)


def counted(rows: list[Any]) -> dict[Cell, tuple[int, int]]:
    """The cells of a tally."""
    return {cell_in(row): (row[6], row[7]) for row in rows}


def _part(wanted: Filter) -> str:
    """Which part of a spool's entries has an index of its own and holds all that may pass; empty: none but the whole."""
    if wanted.states == frozenset({State.IN_FLIGHT}):
        return "flight_"
    if wanted.states and wanted.states <= UNFINISHED:
        return "waiting_"
    return "apart_" if wanted.states and wanted.states.isdisjoint(USUAL) else ""


def _way(wanted: Filter) -> str:
    return "descending" if wanted.newest_first else "ascending"
