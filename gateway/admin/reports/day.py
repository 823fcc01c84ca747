"""What was taken in a day, and what had become of it at the day's end, or by now. Counted from the entries and their histories.

A day is one of the configured time zone. An entry belongs to the day it was accepted in, and is counted in the state that its
history shows at the moment asked for: so `taken = posted + refused + returned + cancelled + waiting` holds at any moment, and
the report of a day that is over says the same whenever it is asked for.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from gateway.admin.asks import SLACK_US
from gateway.admin.http.share import step_aside
from gateway.admin.views import Conservation, Money, conservation, moment, money
from gateway.clock import Clock
from spool.entry import Entry
from spool.lifecycle import POSITIVE, WAITING, State, Told
from spool.number import number_at
from spool.store import Filter, Store
from spool.tally import NOTHING, Cell, Sum

STEP: Final = 500
"""Entries read at once; between two steps it rests as long as it worked, as payments come first."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A day of a zone, in microseconds since 1970 in UTC; its end is the next one's beginning."""

    date: date
    zone: str
    begins_us: int
    ends_us: int


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """Payments, or reversals, of one channel on one route in one currency."""

    channel: str
    route: str
    kind: str
    taken: Money
    posted: Money
    #: Of which so many had a yes, so that their money is owed back.
    refused: Money
    owed: Money
    returned: Money
    cancelled: Money
    #: Of which so many were in doubt.
    waiting: Money
    in_doubt: Money


class DayShown(msgspec.Struct, frozen=True, kw_only=True):
    """The report of a day."""

    day: str
    zone: str
    begins: str
    ends: str
    #: The moment at which the states are those shown.
    as_of: str
    #: Before that moment the day was over, so that nothing more comes to it.
    is_whole: bool
    rows: tuple[DayRow, ...]
    #: All channels and routes together.
    totals: tuple[Conservation, ...]
    #: What was taken is all there, in one state each, in count and money.
    adds_up: bool


def day_of(day: date, zone: str) -> Day:
    """A day of this zone; where clocks are changed it has another length than most."""
    begins, ends = (
        datetime.combine(each, time(), ZoneInfo(zone)).astimezone(UTC) - _EPOCH
        for each in (day, day + timedelta(days=1))
    )
    us = timedelta(microseconds=1)
    return Day(date=day, zone=zone, begins_us=max(0, begins // us), ends_us=max(1, ends // us))


def today_of(now_us: int, zone: str) -> date:
    """The day it is there."""
    return (_EPOCH + timedelta(microseconds=now_us)).astimezone(ZoneInfo(zone)).date()


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What a count found."""

    #: By channel, route, currency and kind, without regard to states.
    taken: dict[Cell, Sum]
    cells: dict[Cell, Sum]


async def count(store: Store, clock: Clock, day: Day, as_of_us: int) -> Counted:
    """Count what was taken in a day, in the states of this moment. Errors: see `Store.page`."""
    taken, cells = dict[Cell, Sum](), dict[Cell, Sum]()
    wanted = Filter(
        accepted_from_us=day.begins_us,
        accepted_before_us=min(day.ends_us, as_of_us),
        after=max(0, number_at(max(0, day.begins_us - SLACK_US)) - 1),
        before=number_at(day.ends_us + SLACK_US),
    )
    while True:
        began = clock.monotonic()
        page = await store.page(wanted, STEP)
        for entry in page:
            _add(taken, _cell_of(entry, State.READY, Told.NOTHING), entry.amount)
            state = entry.state if entry.changed_at_us < as_of_us else await _state_at(store, entry, as_of_us)
            if state is not None:
                _add(cells, _cell_of(entry, state, entry.told), entry.amount)
        if len(page) < STEP:
            return Counted(taken=taken, cells=cells)
        wanted = msgspec.structs.replace(wanted, after=page[-1].number)
        await clock.sleep(clock.monotonic() - began)
        await step_aside()


async def _state_at(store: Store, entry: Entry, as_of_us: int) -> State | None:
    """Where an entry was just before a moment; None where its history does not say."""
    found: State | None = None
    for event in await store.history(entry.number):
        if event.at_us < as_of_us:
            found = event.target
    return found


def _cell_of(entry: Entry, state: State, told: Told) -> Cell:
    return Cell(entry.route, entry.channel, entry.currency, entry.kind, state, told)


def _add(found: dict[Cell, Sum], cell: Cell, amount: int) -> None:
    found[cell] = found.get(cell, NOTHING) + Sum(1, amount)


def shown(day: Day, counted: Counted, as_of_us: int) -> DayShown:
    """A count as it is shown."""
    rows = tuple(_row(cell, total, counted.cells) for cell, total in sorted(counted.taken.items(), key=_by_channel))
    return DayShown(
        day=day.date.isoformat(),
        zone=day.zone,
        begins=moment(day.begins_us),
        ends=moment(day.ends_us),
        as_of=moment(as_of_us),
        is_whole=as_of_us >= day.ends_us,
        rows=rows,
        totals=conservation(counted.cells.items()),
        adds_up=sum(counted.taken.values(), NOTHING) == sum(counted.cells.values(), NOTHING)
        and all(_adds_up(cell, total, counted.cells) for cell, total in counted.taken.items()),
    )


def _by_channel(item: tuple[Cell, Sum]) -> tuple[str, str, int, str]:
    cell = item[0]
    return cell.channel, cell.route, cell.kind, cell.currency


def _of(row: Cell, cells: Mapping[Cell, Sum], *states: State, owed: bool = False) -> Sum:
    own = (row.route, row.channel, row.currency, row.kind)
    return sum(
        (
            total
            for cell, total in cells.items()
            if cell[:4] == own and cell.state in states and (not owed or cell.told in POSITIVE)
        ),
        NOTHING,
    )


def _adds_up(row: Cell, total: Sum, cells: Mapping[Cell, Sum]) -> bool:
    return _of(row, cells, *State) == total


def _row(row: Cell, total: Sum, cells: Mapping[Cell, Sum]) -> DayRow:
    def of(*states: State, owed: bool = False) -> Money:
        return money(row.currency, _of(row, cells, *states, owed=owed))

    return DayRow(
        channel=row.channel,
        route=row.route,
        kind=row.kind.word,
        taken=money(row.currency, total),
        posted=of(State.POSTED),
        refused=of(State.REFUSED),
        owed=of(State.REFUSED, owed=True),
        returned=of(State.RETURNED),
        cancelled=of(State.CANCELLED),
        waiting=of(*WAITING),
        in_doubt=of(State.IN_DOUBT),
    )
