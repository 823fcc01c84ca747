"""Looking through many entries of a spool's file: pages by filter, how far they get, and the shape of what waits.

A page reads in the order of numbers and stops when it is full, so what passes seldom makes it read much: whoever asks
bounds that by `horizon`. Entries that went another way than most have an index of their own, and so have those that wait;
a filter by such states reads nothing else.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Sequence
from heapq import merge
from operator import attrgetter
from typing import Any, Final

from spool.entry import Act, Entry
from spool.lifecycle import USUAL, Kind, State
from spool.rows import act_in, aged_in, deeds_in_order, entry_of, event_in
from spool.sqlite.questions import Questions
from spool.sqlite.statements import SQL
from spool.store import Aged, Filter
from spool.tally import NOTHING, Sum

_UNFINISHED: Final = frozenset({State.READY, State.IN_FLIGHT})

_number: Final = attrgetter("number")


class Looking(Questions):
    """The part of the reading half for persons; see `spool.store.Store` for what each promises."""

    async def page(self, wanted: Filter, limit: int) -> list[Entry]:
        """Entries that pass the filter, a page of at most `limit`."""
        if wanted.states and wanted.states <= _UNFINISHED:
            pages = [await self._narrowed("page_aside", wanted, limit)]
            if State.READY in wanted.states:
                pages += [
                    await self._narrowed("page_arrival", wanted, limit, own) for own in await self._routes(wanted)
                ]
            return list(merge(*pages, key=_number, reverse=wanted.newest_first))[:limit]
        return await self._narrowed("page_apart" if _is_apart(wanted) else "page", wanted, limit)

    async def horizon(self, wanted: Filter, count: int) -> int:
        """How far a look through so many entries gets. See `Store.horizon`."""
        bounds = {"after": wanted.after, "before": wanted.before, "count": count - 1}
        if wanted.states and wanted.states <= _UNFINISHED:
            if State.READY not in wanted.states:
                return 0
            name = _way("horizon_arrival", wanted)
            ends = [await self._figure(SQL[name], {**bounds, "own": own}) for own in await self._routes(wanted)]
            # Where one route's stretch ends, the others' may go on.
            return min(filter(None, ends), default=0) if not wanted.newest_first else max(ends, default=0)
        return await self._figure(SQL[_way("horizon_apart" if _is_apart(wanted) else "horizon", wanted)], bounds)

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
        ends = (0, *edges, 2**63 - 1)
        for bucket, before in enumerate(ends[1:]):
            after = max(0, ends[bucket] - 1)
            while rows := await self._rows(SQL["shape_arrival"], (route, after, before)):
                for channel, currency, kind, entries, amount, last in rows:
                    yield Aged(channel, currency, Kind(kind), State.READY, "", bucket), Sum(entries, amount)
                    after = max(after, last)
        place = (-(2**63), 0)
        while rows := await self._rows(SQL["shape_aside"], (route, *place)):
            for *header, number, amount, lane in rows:
                yield aged_in((*header, bisect_right(edges, number))), Sum(1, amount)
                place = (lane, number)

    async def _narrowed(self, name: str, wanted: Filter, limit: int, own: str = "") -> list[Entry]:
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
            "before": wanted.before,
            "limit": limit,
            "own": own,
        }
        rows: list[Any] = await self._rows(SQL[_way(name, wanted)], parameters)
        await self._on_disk(rows)
        return [entry_of(row) for row in rows]

    async def _routes(self, wanted: Filter) -> Iterable[str]:
        """Routes whose entries may pass."""
        if wanted.route:
            return (wanted.route,)
        return [row[0] for row in await self._rows(SQL["routes"], ())]


def _is_apart(wanted: Filter) -> bool:
    return bool(wanted.states) and wanted.states.isdisjoint(USUAL)


def _way(name: str, wanted: Filter) -> str:
    return f"{name}_{'descending' if wanted.newest_first else 'ascending'}"
