"""The shape of what waits, in the manner of Postfix's qshape: rows by what one likes, columns by age.

Each column but the last is twice as wide as the one before, so that a minute ago and last week both are seen. Counting
ten million entries takes seconds; so what took long is shown again for a while, with the time it is of.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.shown import SlowedShown, slowed_shown
from gateway.admin.views import Money, moment, moneys
from gateway.route.record import Slowed
from spool.number import number_at
from spool.store import Aged
from spool.tally import NOTHING, Sum

FIRST_S: Final = 300
"""Width of the first column, seconds."""

COLUMNS: Final = 11
"""From 5 minutes to 43 hours, and one for all that is older."""

AGAIN_FACTOR: Final = 20.0
"""What took a second to count is counted anew after so many; so it costs a twentieth of one core at most."""

US: Final = 1_000_000

ROWS: Final[Mapping[str, Callable[[str, Aged], str]]] = {
    "route": lambda route, _: route,
    "channel": lambda _, aged: aged.channel,
    "state": lambda _, aged: aged.state.word,
    "operation": lambda _, aged: aged.kind.word,
    "reason": lambda _, aged: aged.reason,
    "currency": lambda _, aged: aged.currency,
}
"""What rows may be by."""


class ShapeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what waits of it, in all and by age."""

    name: str
    total: tuple[Money, ...]
    #: One for each column, youngest first; empty where nothing is.
    cells: tuple[tuple[Money, ...], ...]


class ShapeShown(msgspec.Struct, frozen=True, kw_only=True):
    """How old what waits is."""

    by: str
    #: The moment it is of.
    at: str
    #: Upper end of each column but the last, in seconds of age.
    ages_s: tuple[int, ...]
    #: The whole first, named "", then each by itself.
    rows: tuple[ShapeRow, ...]
    #: By route, a person's word on its pace: why what waits there goes slower than it might. It is as of now.
    slowed: dict[str, SlowedShown] = {}


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """All that waited at a moment, by route and age."""

    at_us: int
    by_route: dict[str, dict[Aged, Sum]]


def ages_s() -> tuple[int, ...]:
    """Upper ends of all columns but the last, in seconds."""
    return tuple(FIRST_S << step for step in range(COLUMNS - 1))


def shape_shown(
    counted: Counted, by: str, route: str = "", words: Mapping[str, Slowed | None] = MappingProxyType({})
) -> ShapeShown:
    """What was counted, in rows, and whose `words` bound the pace there; of one route, or of all."""
    found: dict[str, dict[int, dict[str, Sum]]] = {"": {}}
    for name, aged_sums in counted.by_route.items():
        if route and name != route:
            continue
        for aged, total in aged_sums.items():
            # Edges ascend with time, columns with age.
            column = COLUMNS - 1 - aged.bucket
            for row in ("", ROWS[by](name, aged)) if ROWS[by](name, aged) else ("",):
                cell = found.setdefault(row, {}).setdefault(column, {})
                cell[aged.currency] = cell.get(aged.currency, NOTHING) + total
    return ShapeShown(
        by=by,
        at=moment(counted.at_us),
        ages_s=ages_s(),
        rows=tuple(_row(name, found[name]) for name in sorted(found)),
        slowed={
            name: shown
            for name, word in words.items()
            if name == (route or name) and (shown := slowed_shown(word)) is not None
        },
    )


def _row(name: str, columns: Mapping[int, Mapping[str, Sum]]) -> ShapeRow:
    return ShapeRow(
        name=name,
        total=moneys(_added(columns.values())),
        cells=tuple(moneys(columns.get(at, {})) for at in range(COLUMNS)),
    )


def _added(cells: Iterable[Mapping[str, Sum]]) -> dict[str, Sum]:
    found = dict[str, Sum]()
    for cell in cells:
        for currency, total in cell.items():
            found[currency] = found.get(currency, NOTHING) + total
    return found


class Shape:
    """Counts what waits, and keeps what it counted for a while where that took long."""

    def __init__(self, desk: Desk) -> None:
        """Count what is on the desk."""
        self._desk = desk
        self._counted: Counted | None = None
        #: Until then (monotonic) what was counted is shown again.
        self._good_until = 0.0
        self._counting = asyncio.Lock()

    async def shape(self, call: Call) -> Any:
        """The shape, as a query string asks for it."""
        by, route = asks.shape_asked(call.query)
        if by not in ROWS:
            raise Trouble(Code.INVALID, f"by is one of: {', '.join(ROWS)}")
        counted = await self.count()
        return shape_shown(counted, by, route, {each.name: each.health.pace.slowed for each in self._desk.routes})

    async def count(self) -> Counted:
        """What waits, by age. Of several who ask at once one has it counted: it may take long, and readers are few."""
        async with self._counting:
            return await self._count()

    async def _count(self) -> Counted:
        began = self._desk.clock.monotonic()
        if self._counted is not None and began < self._good_until:
            return self._counted
        now_us = self._desk.clock.now_us()
        edges = [number_at(now_us - age_s * US) for age_s in reversed(ages_s())]
        routes = {cell.route for cell, _ in self._desk.spool.store.tally.cells()}
        by_route = {route: await self._desk.shelf.shape(route, edges) for route in sorted(routes)}
        self._counted = Counted(at_us=now_us, by_route=by_route)
        ended = self._desk.clock.monotonic()
        self._good_until = ended + AGAIN_FACTOR * (ended - began)
        return self._counted
