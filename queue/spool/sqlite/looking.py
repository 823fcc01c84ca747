"""Looking through many entries of a spool's file: pages by filter, how far they get, and the shape of what waits.

A page reads in the order of numbers and stops when it is full, so what passes seldom makes it read much: whoever asks
bounds that by `horizon`. Entries that went another way than most have an index of their own, and so have those that wait;
a filter by such states reads nothing else.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Sequence
from heapq import merge
from itertools import product
from operator import attrgetter
from typing import Any, Final, NamedTuple

from spool.entry import Act, Entry
from spool.lifecycle import UNFINISHED, USUAL, Kind, State
from spool.number import NUMBER_MAX
from spool.rank import Rank
from spool.rows import act_in, aged_in, deeds_in_order, entry_of, event_in
from spool.sqlite.questions import Questions
from spool.sqlite.statements import SQL
from spool.store import Aged, Filter
from spool.tally import NOTHING, Sum

_number: Final = attrgetter("number")


class _Way(NamedTuple):
    """One place to look: the table, or an index, and what part of it."""

    name: str = ""
    #: A state, or a route.
    own: str | int = ""
    rank: int = 0


class Looking(Questions):
    """The part of the reading half for persons; see `spool.store.Store` for what each promises."""

    async def page(self, wanted: Filter, limit: int) -> list[Entry]:
        """Entries that pass the filter, a page of at most `limit`."""
        pages = [await self._narrowed(way, wanted, limit) for way in await self._ways(wanted)]
        if len(pages) == 1:
            return pages[0]
        return list(merge(*pages, key=_number, reverse=wanted.newest_first))[:limit]

    async def horizon(self, wanted: Filter, count: int) -> int:
        """How far a look through so many entries gets. See `Store.horizon`."""
        bounds = {"after": wanted.after, "before": wanted.before or NUMBER_MAX, "count": count - 1}
        ends = list[int]()
        for way in await self._ways(wanted):
            # What is under way or waits aside is sorted each time, so no part of it is cheaper than the whole.
            if way.name != "aside":
                of_way = {**bounds, "own": way.own, "rank": way.rank}
                ends.append(await self._figure(SQL[_statement("horizon", way.name, wanted)], of_way))
        # Where one way's stretch ends, the others' may go on.
        found = list(filter(None, ends))
        return (max(found) if wanted.newest_first else min(found)) if found else 0

    async def _ways(self, wanted: Filter) -> list[_Way]:
        """Where to look: through the table, or through indexes that hold all that may pass."""
        if not wanted.states:
            return [_Way()]
        if wanted.states.isdisjoint(USUAL):
            return [_Way("apart", +state) for state in sorted(wanted.states)]
        if not wanted.states <= UNFINISHED:
            return [_Way()]
        arrivals = await self._routes(wanted) if State.READY in wanted.states else ()
        return [_Way("aside"), *(_Way("arrival", route, rank) for route in arrivals for rank in Rank)]

    async def find_core_id(self, core_id: str, limit: int) -> list[Entry]:
        """Entries that their core knows by this id, oldest first."""
        return await self._many(SQL["find_core_id"], (core_id, limit))

    async def deeds(self, first: int, limit: int) -> list[Act]:
        """What persons did, in the order of the log. See `Store.deeds`."""
        acts = [act_in(row) for row in await self._rows(SQL["deeds_acts"], (first, limit))]
        rows = await self._rows(SQL["deeds_moves"], (first, limit))
        await self._on_disk([(row[11],) for row in rows])
        return deeds_in_order(acts, (event_in(row[11], row) for row in rows), limit)

    async def shape(self, route: str, edges: Sequence[int]) -> dict[Aged, Sum]:
        """Unfinished entries of a route by age. See `Store.shape`."""
        found = dict[Aged, Sum]()
        async for aged, total in self._aged(route, edges):
            found[aged] = found.get(aged, NOTHING) + total
        return found

    async def _aged(self, route: str, edges: Sequence[int]) -> AsyncIterator[tuple[Aged, Sum]]:
        ends = (0, *edges, NUMBER_MAX)
        for rank, (bucket, before) in product(Rank, enumerate(ends[1:])):
            after = max(0, ends[bucket] - 1)
            while rows := await self._rows(SQL["shape_arrival"], (route, rank, after, before)):
                for channel, currency, kind, entries, amount, last in rows:
                    yield Aged(channel, currency, Kind(kind), State.READY, "", bucket), Sum(entries, amount)
                    after = max(after, last)
        place = (-(2**63), 0)
        while rows := await self._rows(SQL["shape_aside"], (route, *place)):
            for *header, number, amount, lane in rows:
                yield aged_in((*header, bisect_right(edges, number))), Sum(1, amount)
                place = (lane, number)

    async def _narrowed(self, way: _Way, wanted: Filter, limit: int) -> list[Entry]:
        parameters = {
            "states": sum(1 << state for state in wanted.states),
            "route": wanted.route,
            "channel": wanted.channel,
            "kind": wanted.kind or 0,
            "key": wanted.key,
            "any_lane": wanted.lane is None,
            "lane": wanted.lane or 0,
            "reason": wanted.reason,
            "currency": wanted.currency,
            "amount_min": wanted.amount_min,
            "amount_max": wanted.amount_max,
            "accepted_from_us": wanted.accepted_from_us,
            "accepted_before_us": wanted.accepted_before_us,
            "after": wanted.after,
            "before": wanted.before or NUMBER_MAX,
            "limit": limit,
            "own": way.own,
            "rank": way.rank,
        }
        rows: list[Any] = await self._rows(SQL[_statement("page", way.name, wanted)], parameters)
        await self._on_disk(rows)
        return [entry_of(row) for row in rows]

    async def _routes(self, wanted: Filter) -> Iterable[str]:
        """Routes whose entries may pass."""
        if wanted.route:
            return (wanted.route,)
        return [row[0] for row in await self._rows(SQL["routes"], ())]


def _statement(what: str, way: str, wanted: Filter) -> str:
    parts = (what, way, "descending" if wanted.newest_first else "ascending")
    return "_".join(filter(None, parts))
