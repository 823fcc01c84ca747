"""The report of a day: what belongs to it, in which state it is counted, and that it adds up or says that it does not."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from gateway.admin.reports.day import STEP, DayShown, count, day_of, shown, today_of
from gateway.clock import ManualClock
from spool import lifecycle as way
from spool.entry import Entry
from spool.lifecycle import State, Told
from spool.memory import MemoryStore
from spool.number import number_at
from tests.contracts.spool_examples import draft, go, put_as, reversal, undo

HOUR_US = 3_600_000_000
DAY = day_of(date(2026, 3, 10), "Europe/Moscow")


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    """An open spool with nothing in it."""
    made = MemoryStore()
    await made.open(DAY.begins_us)
    yield made
    await made.close()


async def taken(store: MemoryStore, hour: float, state: State = State.READY, **changes: Any) -> Entry:
    """A payment accepted so many hours after the day's beginning, in a state right after it."""
    at_us = DAY.begins_us + round(hour * HOUR_US)
    number = number_at(at_us) + await store.highest_number() % 1_000 + 1
    return await put_as(store, draft(number, accepted_at_us=at_us, **changes), state)


async def report(store: MemoryStore, as_of_us: int = DAY.ends_us) -> DayShown:
    """The report of the day."""
    return shown(DAY, await count(store, ManualClock(), DAY, as_of_us), as_of_us)


@pytest.mark.parametrize(
    ("day", "zone", "begins", "hours"),
    [
        (date(2026, 3, 10), "UTC", "2026-03-10T00:00:00.000000Z", 24),
        (date(2026, 3, 10), "Europe/Moscow", "2026-03-09T21:00:00.000000Z", 24),
        (date(2026, 3, 29), "Europe/Berlin", "2026-03-28T23:00:00.000000Z", 23),
        (date(2026, 10, 25), "Europe/Berlin", "2026-10-24T22:00:00.000000Z", 25),
    ],
)
async def test_a_day_is_one_of_its_zone(store: MemoryStore, day: date, zone: str, begins: str, hours: int) -> None:
    """Where clocks are put forward or back it is shorter or longer."""
    found = day_of(day, zone)
    assert (found.ends_us - found.begins_us) // HOUR_US == hours
    told = shown(found, await count(store, ManualClock(), found, found.ends_us), found.ends_us)
    assert (told.begins, told.rows, told.adds_up) == (begins, (), True)
    assert today_of(found.begins_us, zone) == day
    assert today_of(found.ends_us, zone) > day


async def test_what_was_taken_in_the_day_is_counted_by_channel_and_state(store: MemoryStore) -> None:
    """And nothing of the day before or after, at the edges of which it begins and ends."""
    await taken(store, -0.001, State.POSTED)
    await taken(store, 0, State.POSTED)
    await taken(store, 9, State.REFUSED, channel="bank")
    await taken(store, 10, State.REFUSED, channel="bank", told=Told.NOTHING)
    await taken(store, 12, State.IN_DOUBT)
    await taken(store, 23.999, State.PARKED)
    await taken(store, 24, State.POSTED)
    bank, kiosk = (await report(store)).rows
    assert (bank.channel, bank.taken.entries, bank.refused.entries, bank.owed.entries) == ("bank", 2, 2, 1)
    assert (kiosk.taken.entries, kiosk.posted.entries, kiosk.waiting.entries, kiosk.in_doubt.entries) == (3, 1, 2, 1)
    assert kiosk.taken.amount == "300.00"


async def test_a_day_that_is_over_stays_as_it_was(store: MemoryStore) -> None:
    """What became of its payments later is said as of now, and not of then."""
    entry = await taken(store, 23)
    claimed = await go(store, entry, way.CLAIM, at_us=DAY.ends_us)
    await go(store, claimed, way.POST, at_us=DAY.ends_us + HOUR_US)
    (then,), (now,) = (await report(store)).rows, (await report(store, DAY.ends_us + 2 * HOUR_US)).rows
    assert (then.waiting.entries, then.posted.entries) == (1, 0)
    assert (now.waiting.entries, now.posted.entries) == (0, 1)
    assert (await report(store)).is_whole


async def test_reversals_have_rows_of_their_own(store: MemoryStore) -> None:
    """Netted, both are cancelled."""
    payment = await taken(store, 5)
    await undo(store, reversal(payment.number + 1, payment, accepted_at_us=payment.accepted_at_us + 1))
    found = await report(store)
    assert [(row.kind, row.cancelled.entries) for row in found.rows] == [("payment", 1), ("reversal", 1)]
    assert [line.cancelled.entries for line in found.totals] == [1, 1]


async def test_more_than_one_step_is_counted(store: MemoryStore) -> None:
    """And between steps it rests."""
    for each in range(STEP + 1):
        await put_as(store, draft(number_at(DAY.begins_us) + each + 1, accepted_at_us=DAY.begins_us), State.READY)
    assert (await report(store)).rows[0].taken.entries == STEP + 1


async def test_what_no_history_accounts_for_is_said(store: MemoryStore) -> None:
    """An entry without a past was in no state then: the report does not add up."""
    entry = await taken(store, 5)
    await go(store, entry, way.HOLD, at_us=DAY.ends_us + 1)
    store._history[entry.number].clear()
    found = await report(store)
    assert (found.adds_up, found.rows[0].taken.entries, found.rows[0].waiting.entries) == (False, 1, 0)
