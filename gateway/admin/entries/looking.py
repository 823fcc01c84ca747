"""Looking for entries: pages of what passes a filter, and one payment by whatever is known of it.

A look costs no more than so many entries and so much time, however few of them pass: what it found by then is the page,
with the place to go on from.
"""

from collections.abc import Callable, Iterable, Sequence
from heapq import merge
from operator import attrgetter
from typing import Any, Final

from msgspec.structs import replace

from gateway.admin import asks
from gateway.admin.asks import Form
from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.views import EntryPage, entry_row
from gateway.clock import Clock
from spool.entry import Entry
from spool.number import NUMBER_MAX, id_bytes, number_of
from spool.store import Filter, Store

STRETCHES: Final = (1_000, *[3_000] * 20)
"""Entries looked at, one stretch after the other, until a page is full. The first is short, as most pages fill at once."""

LOOK_S: Final = 0.1
"""How long a person's look goes on to another stretch: what is read from a disk for the first time takes ten times as long."""

_number: Final = attrgetter("number")


async def leaf(
    store: Store,
    wanted: Filter,
    limit: int,
    stretches: Sequence[int] = STRETCHES,
    *,
    goes_on: Callable[[], bool] = lambda: True,
) -> tuple[list[Entry], int]:
    """A page of at most `limit`, and the number to go on from (as `after` or `before`); 0 when that is all.

    `goes_on` is asked before each stretch but the first.
    """
    found = list[Entry]()
    horizon = 0
    for count in stretches:
        horizon = await store.horizon(wanted, count)
        found += await store.page(_up_to(wanted, horizon), limit - len(found))
        if len(found) == limit:
            return found, found[-1].number
        if not horizon:
            return found, 0
        if not goes_on():
            break
        wanted = replace(wanted, **{"before" if wanted.newest_first else "after": horizon})
    return found, horizon


def patience(clock: Clock) -> Callable[[], bool]:
    """Whether a look that begins now may go on to another stretch."""
    ends = clock.monotonic() + LOOK_S
    return lambda: clock.monotonic() < ends


def _up_to(wanted: Filter, horizon: int) -> Filter:
    """The same filter, no further than its horizon."""
    if not horizon:
        return wanted
    return replace(wanted, after=horizon - 1) if wanted.newest_first else replace(wanted, before=horizon + 1)


def page_of(found: Iterable[Entry], following: int) -> EntryPage:
    """A page as it is shown."""
    return EntryPage(entries=tuple(map(entry_row, found)), next=str(following or ""))


class Looking:
    """Finds entries for persons."""

    def __init__(self, desk: Desk) -> None:
        """Look through what is on the desk."""
        self._desk = desk
        currencies = {route.currency for route in desk.routes}
        #: What amounts are in where it isn't said; empty where there are several.
        self.currency = currencies.pop() if len(currencies) == 1 else ""

    async def page(self, call: Call) -> EntryPage:
        """A page of entries."""
        listing = asks.listing(call.query, self.currency)
        return page_of(*await leaf(self._desk.shelf, listing.wanted, listing.limit, goes_on=patience(self._desk.clock)))

    def exported(self, query: str) -> tuple[Form, Filter]:
        """The form and the filter that an export is asked for with.

        Raises:
            Trouble: the form is none, or the filter.
        """
        form, rest = asks.form_asked(query)
        return form, asks.listing(rest, self.currency).wanted

    async def find(self, call: Call) -> EntryPage:
        """Entries by an id of any kind, or newest first by account."""
        told = asks.body_of(call.body, asks.FindBody)
        if bool(told.id) == bool(told.account):
            raise Trouble(Code.INVALID, "name an id or an account, and not both")
        if told.id:
            return page_of(await self._by_id(told.id, told.limit), 0)
        before = asks.after_asked(told.before)
        wanted = asks.wanted(told.filter, before=before, newest_first=True, currency=self.currency)
        return await self._by_account(told.account, wanted, told.limit)

    async def _by_id(self, text: str, limit: int) -> list[Entry]:
        """Whose number, id, key or core's id this is; each is a look at an index."""
        store = self._desk.spool.store
        found = dict[int, Entry]()
        asked = [await store.get(number) for number in _numbers(text)]
        asked += [await store.find(channel, text) for channel in self._channels()]
        asked += await store.find_core_id(text, limit)
        for entry in asked:
            if entry is not None:
                found[entry.number] = entry
        id_ = id_bytes(text)
        return [
            entry for entry in found.values() if id_ is None or entry.id == id_ or text in {entry.key, entry.core_id}
        ]

    def _channels(self) -> list[str]:
        """Channels that have entries, also those the configuration has no more."""
        cells = self._desk.spool.store.tally.cells()
        return sorted({cell.channel for cell, _ in cells})

    async def _by_account(self, account: str, wanted: Filter, limit: int) -> EntryPage:
        names = [wanted.route] if wanted.route else [route.name for route in self._desk.routes]
        lanes = {lane: name for name in names for lane in self._desk.spool.lanes_of(name, account)}
        pages, ends, goes_on = list[list[Entry]](), list[int](), patience(self._desk.clock)
        for lane, name in lanes.items():
            of_lane = replace(wanted, lane=lane, route=name)
            found, following = await leaf(self._desk.shelf, of_lane, limit, goes_on=goes_on)
            pages.append(found)
            ends.append(following)
        # Below the highest of the ends something of another route may be left.
        end = max(ends, default=0)
        merged = [entry for entry in merge(*pages, key=_number, reverse=True) if entry.number >= end][:limit]
        return page_of(merged, merged[-1].number if len(merged) == limit else end)


def _numbers(text: str) -> list[Any]:
    """The numbers a text may mean: digits, or a UUID made here."""
    if text.isascii() and text.isdigit() and 0 < int(text[:20]) <= NUMBER_MAX:
        return [int(text)]
    id_ = id_bytes(text)
    return [] if id_ is None else [number_of(id_)]
