"""Requests that are given up, overtaken or cut off while they are recorded: nothing is held for them, nothing denied."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn

import pytest
from msgspec.structs import replace

from adapters.payment import AnswerKind, Check, Refusal
from gateway.accept.acceptor import Acceptor
from gateway.clock import settle
from gateway.route.route import Routing
from spool.entry import Draft, Entry
from spool.lifecycle import State
from spool.memory import MemoryStore
from spool.store import Inserted, Known, Ready
from tests.unit.heart import DEADLINE_S, Heart, OpenHeart
from tests.unit.troubled_store import Trouble

YES, NO, PROVISIONAL = AnswerKind.POSTED, AnswerKind.REFUSED, AnswerKind.PROVISIONAL
UNDER_WAY, CONFLICT = AnswerKind.IN_PROGRESS, AnswerKind.CONFLICT


class Belated(MemoryStore):
    """Its readers may see the disk as it was a moment ago: a look that began before a commit ends after it."""

    def __init__(self) -> None:
        """Begin up to date."""
        super().__init__()
        #: Keys that readers don't see yet.
        self.unseen: set[str] = set()
        #: Until this is set, what was read in arrival order is on its way to whoever asked.
        self.arrives = asyncio.Event()
        self.arrives.set()

    async def find(self, channel: str, key: str) -> Entry | None:
        """The entry that owns this key, as far as it is seen."""
        return None if key in self.unseen else await super().find(channel, key)

    async def ready(self, route: str, rank: int, after: int, limit: int) -> list[Ready]:
        """Entries waiting in arrival order, as they were when this was asked."""
        found = await super().ready(route, rank, after, limit)
        await self.arrives.wait()
        return found


class Broken(MemoryStore):
    """Has a bug of its own: while `fails`, a recording raises what no seam allows."""

    def __init__(self) -> None:
        """Begin well."""
        super().__init__()
        self.fails = False

    def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Coroutine[Any, Any, Inserted | Known]:
        """Record a payment, or break on the way."""
        return _broken() if self.fails else super().insert(draft, key_id, sealed)


async def _broken() -> NoReturn:
    raise ZeroDivisionError("a bug")


# Given up


async def test_a_payer_who_leaves_while_his_payment_is_recorded_holds_no_leave(heart: Heart) -> None:
    """Leave that nobody uses would count as an attempt under way, for ever."""
    heart.troubles.stop("insert")
    paying = asyncio.ensure_future(heart.pay())
    await settle()
    paying.cancel()
    await asyncio.wait([paying])
    assert (paying.cancelled(), heart.health.counts.withdrawn, heart.health.counts.waiting) == (True, 1, 0)
    assert heart.core.calls == []


async def test_who_leaves_while_a_reversal_is_recorded_holds_no_leave(heart: Heart) -> None:
    """As with payments."""
    await heart.pay()
    await settle()
    heart.troubles.stop("reverse")
    undoing = asyncio.ensure_future(heart.undo())
    await settle()
    undoing.cancel()
    await asyncio.wait([undoing])
    assert (undoing.cancelled(), heart.health.counts.withdrawn, heart.health.counts.waiting) == (True, 1, 0)
    assert heart.core.numbers("reverse") == []


async def test_a_payment_that_is_cut_off_by_the_end_of_the_spool_is_not_told_that_nothing_was_taken(
    heart: Heart,
) -> None:
    """Nothing can be looked up any more, and it may have been taken earlier: a no would be believed (P3b)."""
    heart.troubles.stop("insert")
    paying = asyncio.ensure_future(heart.pay())
    await settle()
    await heart.store.close()
    heart.troubles.go_on()
    assert ((await paying).kind, heart.health.counts.withdrawn, heart.core.calls) == (UNDER_WAY, 1, [])
    await heart.open()


@pytest.mark.parametrize("route_is_open", [True, False])
async def test_a_bug_while_a_payment_is_recorded_is_told_to_be_asked_again_and_holds_nothing(
    open_heart: OpenHeart,
    route_is_open: bool,  # noqa: FBT001 - two cases
) -> None:
    """Nobody knows what became of it: never a no (P3b); and once it is mended the same key is taken, once."""
    store = Broken()
    heart = await open_heart(store=store)
    (heart.open_route if route_is_open else heart.close_route)()
    store.fails = True
    first = await heart.pay()
    store.fails = False
    again = await heart.pay()
    assert (first.kind, heart.health.counts.waiting) == (UNDER_WAY, 0)
    assert (again.kind, again.replayed) == (PROVISIONAL if route_is_open else YES, False)
    assert len(await heart.entries()) == 1


# Overtaken


@pytest.mark.parametrize("sent", [True, False])
async def test_a_payment_that_was_recorded_a_moment_ago_is_not_recorded_again(
    open_heart: OpenHeart,
    sent: bool,  # noqa: FBT001 - two cases
) -> None:
    """One entry per key is the store's word, whatever a look at it said before; and its repeat holds no leave."""
    store = Belated()
    heart = await open_heart(store=store)
    (heart.close_route if sent else heart.open_route)()
    first = await heart.pay()
    await settle()
    store.unseen.add("k1")
    again = await heart.pay()
    assert (again.kind, again.number, again.replayed) == (first.kind, first.number, True)
    assert (len(await heart.entries()), heart.health.counts.waiting) == (1, 0)
    assert len(heart.core.calls) == sent


@pytest.mark.parametrize("sent", [True, False])
async def test_a_reversal_that_was_recorded_a_moment_ago_is_not_recorded_again(
    open_heart: OpenHeart,
    sent: bool,  # noqa: FBT001 - two cases
) -> None:
    """As with payments; of one that goes to the core the core hears once."""
    store = Belated()
    heart = await open_heart(store=store)
    (heart.close_route if sent else heart.open_route)()
    await heart.pay()
    await settle()
    first = await heart.undo()
    await settle()
    store.unseen.add("r1")
    again = await heart.undo()
    assert (again.kind, again.number, again.replayed) == (first.kind, first.number, True)
    assert (len(await heart.entries()), heart.health.counts.waiting) == (2, 0)
    assert len(heart.core.numbers("reverse")) == sent


@pytest.mark.parametrize("route_is_open", [True, False])
async def test_however_long_the_disk_takes_to_tell_an_unsure_payment_is_not_denied(
    heart: Heart,
    route_is_open: bool,  # noqa: FBT001 - two cases
) -> None:
    """Nor is its repeat taken for a new one that there is no room for (P3b)."""
    (heart.open_route if route_is_open else heart.close_route)()
    heart.troubles.will("insert", Trouble.UNSURE_LOST, Trouble.FULL, Trouble.FULL)
    heart.troubles.stop("remember")
    told = [await heart.pay()]
    await settle()
    await heart.clock.advance(3_600.0)
    told.append(await heart.pay())
    heart.troubles.go_on()
    await settle()
    told.append(await heart.pay())
    assert [answer.kind for answer in told] == [UNDER_WAY, UNDER_WAY, AnswerKind.TRY_LATER]


async def test_of_two_reversals_at_once_one_is_taken_and_the_other_refused(heart: Heart) -> None:
    """Both found the payment booked and nothing in the way; the core undoes it once."""
    await heart.pay()
    await settle()
    told = await asyncio.gather(heart.undo("r1"), heart.undo("r2"))
    assert [(answer.kind, answer.refusal) for answer in told] == [(YES, None), (NO, Refusal.NOT_REVERSIBLE)]
    assert (len(heart.core.numbers("reverse")), heart.health.counts.waiting) == (1, 0)


async def test_what_ended_while_the_window_was_read_strands_nobody_behind_it(open_heart: OpenHeart) -> None:
    """Read as blocked and set behind after what blocked it had ended, nobody would look at it any more."""
    store = Belated()
    heart = await open_heart(store=store)
    heart.open_route()
    await heart.pay("k1")
    heart.close_route()
    heart.core.hang()
    await heart.forwards()
    assert (await heart.pay("k2")).kind is PROVISIONAL
    store.arrives.clear()
    reading = asyncio.ensure_future(heart.forwarder.run_once())
    await settle()
    heart.core.let_go()
    await settle()
    assert (await heart.entry("k1")).state is State.POSTED
    store.arrives.set()
    await reading
    await heart.forwards(3)
    assert heart.core.numbers("post") == [entry.number for entry in await heart.entries()]


async def test_a_payment_that_was_stored_late_and_unsurely_is_found_below_what_was_read_since(heart: Heart) -> None:
    """Its number is lower: read on from there alone, it would lie until the next start."""
    heart.open_route()
    heart.troubles.will("insert", Trouble.UNSURE_KEPT)
    heart.troubles.stop("insert")
    paying = asyncio.ensure_future(heart.pay("k1", account="1"))
    await settle()
    heart.troubles._stopped.clear()
    assert (await heart.pay("k2", account="2")).kind is PROVISIONAL
    heart.close_route()
    await heart.forwards(2)
    heart.troubles.go_on()
    assert (await paying).kind is UNDER_WAY
    await settle()
    await heart.forwards(3)
    first, second = await heart.entries()
    assert heart.core.numbers("post") == [second.number, first.number]


# Cut off from what is sealed, or from the core


async def test_other_content_under_the_key_of_a_damaged_record_is_a_conflict_that_names_nothing(heart: Heart) -> None:
    """What was accepted can't be read any more, and still is not taken anew."""
    await heart.pay()
    await settle()
    entry = await heart.entry()
    heart.store._entries[entry.number] = replace(entry, sealed=entry.sealed[:-1] + b"\x00\x00")
    answer = await heart.pay(amount=1_001)
    assert (answer.kind, answer.fields, answer.key) == (CONFLICT, (), "k1")
    assert (len(await heart.entries()), sum(heart.core.bookings.values())) == (1, 1)


async def test_a_check_without_a_route_is_refused(heart: Heart) -> None:
    """No service of that name goes anywhere: a payer is not told to try later."""
    nowhere = Acceptor(
        spool=heart.spool,
        routing=Routing([("kiosk", frozenset({"tv"}), heart.route)]),
        clock=heart.clock,
        numbers=heart.numbers,
        settler=heart.settler,
        meter=heart.meter,
        accounts=heart.accounts,
    )
    until = heart.clock.monotonic() + DEADLINE_S
    check = Check(channel="kiosk", key="c1", account="100", amount=1_000, currency="RUB", service="gas")
    answer = await nowhere.check(check, until)
    assert (answer.kind, answer.refusal) == (NO, Refusal.NO_ROUTE)
