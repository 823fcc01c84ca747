"""Entries in hand: claimed together and ahead, sent with leave alone, recorded together, and none spoils another."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from adapters.core import Level
from adapters.payment import AnswerKind
from gateway.clock import settle
from gateway.route.record import Slowed
from spool.entry import Entry
from spool.keys import KeyRing
from spool.lifecycle import PARK, State
from spool.memory import MemoryStore
from spool.seal import Sealer
from spool.store import Move
from tests.unit.fake_core import SILENCE, Does, able
from tests.unit.heart import HOUR_US, KEYS, Heart, OpenHeart
from tests.unit.troubled_store import Trouble

BOOKED_SILENTLY = Does(SILENCE, books=True)


async def taken(heart: Heart, payments: int, accounts: int = 1_000) -> None:
    """Payments taken while the core was down, which it no longer is."""
    heart.open_route()
    for number in range(payments):
        answer = await heart.pay(f"k{number}", account=f"{number % accounts}")
        assert answer.kind is AnswerKind.PROVISIONAL
    heart.close_route()


async def states(heart: Heart) -> list[State]:
    """Of every entry, in order."""
    return [entry.state for entry in await heart.entries()]


def assert_each_is_booked_once(heart: Heart, payments: int) -> None:
    """Nothing lost, nothing doubled."""
    assert sorted(heart.core.bookings.values()) == [1] * payments
    assert heart.core.crossed_accounts == set()


# Leave


@pytest.mark.parametrize("level", Level)
async def test_what_is_being_claimed_when_the_route_opens_is_not_sent(open_heart: OpenHeart, level: Level) -> None:
    """Leave ends with the zone: at level C each one sent into the silence would be a person's work."""
    heart = await open_heart(level)
    await taken(heart, 4, accounts=2)
    heart.troubles.stop("move")
    await heart.forwards()
    heart.open_route()
    heart.troubles.go_on()
    await settle()
    assert (heart.core.calls, await states(heart)) == ([], [State.READY] * 4)
    heart.close_route()
    await heart.forwards(6)
    assert_each_is_booked_once(heart, 4)
    for account in ("0", "1"):
        sent = [call.number for call in heart.core.calls if call.delivery.account == account]
        assert sent == sorted(sent)


async def test_a_repeat_that_is_being_claimed_when_the_route_opens_stays_in_doubt(heart: Heart) -> None:
    """Ready, it could be cancelled here though the core has it."""
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    await heart.clock.advance(60.0)
    heart.troubles.stop("move")
    await heart.forwards()
    heart.open_route()
    heart.troubles.go_on()
    await settle()
    assert (len(heart.core.calls), await states(heart)) == (1, [State.IN_DOUBT])
    heart.close_route()
    await heart.later(60.0)
    assert_each_is_booked_once(heart, 1)
    assert await states(heart) == [State.POSTED]


async def test_a_repeat_whose_key_grew_too_old_while_it_was_claimed_is_asked_about(open_heart: OpenHeart) -> None:
    """The core may have forgotten the key, and would book it anew (seed 40011628 of the simulation)."""
    heart = await open_heart(capabilities=able(Level.A, key_lifetime_s=3_600.0))
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    await heart.clock.advance(60.0)
    heart.troubles.stop("move")
    await heart.forwards()
    await heart.clock.advance(3_600.0)
    heart.troubles.go_on()
    await settle()
    await heart.forwards(3)
    assert [call.operation for call in heart.core.calls] == ["post", "inquire"]
    assert_each_is_booked_once(heart, 1)


async def test_a_repeat_whose_key_grew_too_old_right_before_its_bytes_is_asked_about(open_heart: OpenHeart) -> None:
    """Between the decision to send and the bytes a process may stand still for as long as its machine likes."""
    heart = await open_heart(capabilities=able(Level.A, key_lifetime_s=3_600.0))
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    await heart.clock.advance(60.0)
    heart.core.on_the_way = partial(heart.clock.jump, 3_600.0)
    await heart.later(60.0)
    await heart.later(60.0)
    assert [call.operation for call in heart.core.calls] == ["post", "inquire"]
    assert_each_is_booked_once(heart, 1)


@pytest.mark.parametrize("level", Level)
async def test_a_trial_that_is_being_claimed_when_the_route_opens_is_not_sent(
    open_heart: OpenHeart, level: Level
) -> None:
    """Its leave ended too, and it proves nothing any more."""
    heart = await open_heart(level)
    await waiting_for_a_trial(heart)
    heart.open_route()
    heart.troubles.go_on()
    await settle()
    assert (heart.core.calls, await states(heart)) == ([], [State.READY])


async def test_a_trial_that_is_being_claimed_when_we_stop_is_not_sent(heart: Heart) -> None:
    """The core's connections are closed right after."""
    await waiting_for_a_trial(heart)
    stopping = asyncio.ensure_future(heart.forwarder.stop(20.0))
    await settle()
    heart.troubles.go_on()
    assert await stopping == 0
    assert (heart.core.calls, await states(heart), heart.health.trial() is None) == ([], [State.READY], False)


async def waiting_for_a_trial(heart: Heart) -> None:
    """One entry, on its way to disk as the trial of its route."""
    heart.open_route()
    await heart.pay()
    heart.health.release()
    heart.health.watch_once()
    heart.troubles.stop("move")
    await heart.forwards()
    assert heart.health.trial() is None


async def test_a_reversal_whose_payment_cannot_be_read_now_waits_a_moment(heart: Heart) -> None:
    """Trying at once, for ever, would only keep the processor busy."""
    await heart.pay()
    await settle()
    heart.open_route()
    await heart.undo()
    heart.close_route()
    heart.troubles.will("get", *[Trouble.CLOSED] * 50)
    await heart.forwards()
    assert len(heart.troubles.ahead["get"]) == 49
    heart.troubles.ahead.clear()
    await heart.later(1.0)
    assert await states(heart) == [State.POSTED, State.POSTED]


async def test_a_trial_that_cannot_be_read_now_holds_no_leave(heart: Heart) -> None:
    """Its route would wait for it for ever."""
    await heart.pay()
    await settle()
    heart.open_route()
    await heart.undo()
    heart.health.release()
    heart.health.watch_once()
    heart.troubles.will("get", Trouble.CLOSED)
    await heart.forwards()
    assert (heart.health.counts.withdrawn, heart.health.counts.waiting) == (1, 0)
    assert heart.core.numbers("reverse") == []


async def test_while_it_is_found_out_whether_some_were_claimed_others_go(heart: Heart) -> None:
    """Nobody is at the core for them: they take none of the pace."""
    await taken(heart, 8)
    heart.troubles.will("move", Trouble.UNSURE_LOST)
    heart.troubles.stop("remember")
    await heart.forwards(6)
    assert (await states(heart)).count(State.POSTED) == 4
    heart.troubles.go_on()
    await heart.forwards(6)
    assert_each_is_booked_once(heart, 8)


# Together, and ahead


@pytest.mark.parametrize(("level", "claimed"), [(Level.A, 4), (Level.B, 4), (Level.C, 2)])
async def test_entries_are_claimed_ahead_only_where_a_crash_makes_no_work_for_a_person(
    open_heart: OpenHeart, level: Level, claimed: int
) -> None:
    """The core needn't wait for the disk; but what is claimed is in doubt after a crash, and parked at level C."""
    heart = await open_heart(level)
    await taken(heart, 40)
    heart.core.hang()
    await heart.forwards(3)
    assert (len(heart.core.under_way), (await states(heart)).count(State.IN_FLIGHT)) == (2, claimed)


async def test_what_is_claimed_ahead_is_taken_back_when_the_route_opens(heart: Heart) -> None:
    """Nothing of it was sent: it waits like the others, and can be held or cancelled."""
    await taken(heart, 40)
    heart.core.hang()
    await heart.forwards(3)
    heart.open_route()
    await settle()
    assert ((await states(heart)).count(State.IN_FLIGHT), heart.forwarder.in_hand) == (2, 2)
    heart.core.let_go()
    heart.close_route()
    await heart.forwards(20)
    assert_each_is_booked_once(heart, 40)


async def test_what_is_claimed_ahead_is_taken_back_when_we_stop(heart: Heart) -> None:
    """At the next start it would be in doubt, though nothing was sent."""
    await taken(heart, 40)
    heart.core.hang()
    await heart.forwards(3)
    stopping = asyncio.ensure_future(heart.forwarder.stop(20.0))
    await settle()
    assert (await states(heart)).count(State.IN_FLIGHT) == 2
    heart.core.let_go()
    assert await stopping == 0
    assert_each_is_booked_once(heart, 2)


async def test_what_is_being_claimed_when_we_stop_is_taken_back(heart: Heart) -> None:
    """As above, a moment earlier."""
    await taken(heart, 4)
    heart.troubles.stop("move")
    await heart.forwards()
    stopping = asyncio.ensure_future(heart.forwarder.stop(20.0))
    await settle()
    heart.troubles.go_on()
    assert await stopping == 0
    assert (heart.core.calls, await states(heart)) == ([], [State.READY] * 4)


class Poisoned(MemoryStore):
    """Breaks when it moves one number, as an engine with a bug would; its neighbours in the same call aren't made."""

    def __init__(self, reason: str) -> None:
        """Break at moves of this kind."""
        super().__init__()
        self.poison = 0
        self._at = reason

    async def move(self, moves: Sequence[Move]) -> list[bool]:
        """Break, or move."""
        if any(move.entry.number == self.poison and move.transition.name == self._at for move in moves):
            raise ZeroDivisionError("a bug")
        return await super().move(moves)


@pytest.mark.parametrize("at", ["claim", "post"])
async def test_a_move_that_breaks_the_store_takes_no_neighbour_with_it(open_heart: OpenHeart, at: str) -> None:
    """P9: those that go to disk together don't fail together."""
    store = Poisoned(at)
    heart = await open_heart(store=store)
    await taken(heart, 40)
    store.poison = (await heart.entry("k1")).number
    await heart.forwards(30)
    assert (await states(heart)).count(State.POSTED) == 39
    assert heart.health.counts.waiting == 0


async def test_a_record_that_breaks_us_takes_no_neighbour_with_it(heart: Heart) -> None:
    """P9: nor do those that are opened together."""
    await taken(heart, 40)
    heart.spool._sealer = Cracked(KEYS, (await heart.entry("k1")).number)
    await heart.forwards(30)
    assert (await states(heart)).count(State.POSTED) == 39
    assert heart.forwarder.in_hand == 0


class Cracked(Sealer):
    """Breaks at one entry."""

    def __init__(self, keys: KeyRing, number: int) -> None:
        """As a sealer; break at this number."""
        super().__init__(keys)
        self._number = number

    def open(self, entry: Entry) -> bytes:
        """Break, or open."""
        if entry.number == self._number:
            raise ZeroDivisionError("a bug")
        return super().open(entry)


# Whatever comes of it


async def test_a_bug_behind_an_outcome_is_told_and_takes_no_other_account_with_it(open_heart: OpenHeart) -> None:
    """P9: the account whose followers could not be set behind stands; it is written down that it does."""
    heart = await open_heart(store=Clumsy())
    await taken(heart, 4, accounts=2)
    heart.core.will(BOOKED_SILENTLY)
    with capture_logs() as said:
        await heart.forwards(4)
    assert [(line["event"], line["error"]) for line in said] == [("forwarding_failed", "ZeroDivisionError")]
    assert (await heart.entry("k1")).state is (await heart.entry("k3")).state is State.POSTED


class Clumsy(MemoryStore):
    """Breaks when an entry is set behind."""

    async def set_behind(self, entries: Sequence[Entry]) -> None:
        """Break, or do nothing where there is nothing to do."""
        if entries:
            raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("trouble", [Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST, Trouble.CLOSED])
async def test_what_waits_behind_a_doubt_keeps_its_order_when_it_cannot_be_set_behind(
    heart: Heart, trouble: Trouble
) -> None:
    """It may still stand in arrival order, or not: it is read anew, and overtakes nobody."""
    await taken(heart, 6, accounts=1)
    heart.core.will(BOOKED_SILENTLY)
    heart.troubles.will("set_behind", trouble)
    await heart.forwards()
    assert not heart.troubles.ahead["set_behind"]
    for _ in range(20):
        await heart.later(1.0)
    assert_each_is_booked_once(heart, 6)
    sent = list(dict.fromkeys(call.number for call in heart.core.calls))
    assert sent == [entry.number for entry in await heart.entries()]


async def test_at_level_c_what_a_crash_left_under_way_is_a_persons_work(open_heart: OpenHeart) -> None:
    """It may have been booked, and this core can't be asked: sent again, it might be booked twice."""
    heart = await open_heart(Level.C)
    await taken(heart, 2, accounts=1)
    heart.core.hang()
    await heart.forwards()
    again = await heart.restarted()
    await again.forwards(4)
    assert await states(again) == [State.PARKED, State.READY]
    assert len(heart.core.calls) == 1


async def test_a_damaged_record_in_doubt_is_put_in_quarantine_and_not_asked_about(open_heart: OpenHeart) -> None:
    """Nobody knows what to ask for; its account waits for a person."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    entry = await heart.entry("k0")
    heart.store._entries[entry.number] = replace(entry, sealed=entry.sealed[:-1] + b"\x00\x00")
    await heart.later(60.0, rounds=3)
    assert (await states(heart), [call.operation for call in heart.core.calls]) == ([State.QUARANTINED], ["post"])


async def test_what_is_being_asked_about_is_in_hand(open_heart: OpenHeart) -> None:
    """It takes a place at the core like any other, and whoever stops us hears that it was left."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    heart.core.hang()
    await heart.later(60.0)
    assert (heart.core.calls[-1].operation, heart.forwarder.in_hand) == ("inquire", 1)
    assert await heart.forwarder.stop(0) == 1


async def asking(open_heart: OpenHeart) -> Heart:
    """Four in doubt, due to be asked about, and one place at a core that says nothing."""
    heart = await open_heart(Level.B)
    await taken(heart, 4)
    heart.core.will(*[BOOKED_SILENTLY] * 4)
    await heart.forwards(3)
    assert await states(heart) == [State.IN_DOUBT] * 4
    until_us = heart.clock.now_us() + HOUR_US
    heart.health.pace.say(Slowed(until_us=until_us, actor="anna", reason="their ask", in_flight_max=1))
    heart.core.most_under_way = 0
    heart.core.hang()
    await heart.later(60.0)
    return heart


async def test_a_question_waits_for_a_place_at_the_core(open_heart: OpenHeart) -> None:
    """Whoever lets one call at once go there sees one, whatever it asks for; the next one goes as it ends."""
    heart = await asking(open_heart)
    assert (heart.core.numbers("inquire"), heart.forwarder.in_hand) == ([(await heart.entry("k0")).number], 2)
    heart.core.let_go()
    for _ in range(4):
        await heart.later(1.0)
    assert (await states(heart), heart.core.most_under_way) == ([State.POSTED] * 4, 1)


async def test_a_question_that_waits_when_the_route_opens_is_asked_when_it_is_back(open_heart: OpenHeart) -> None:
    """Nothing of it is anywhere: it is due as it was."""
    heart = await asking(open_heart)
    heart.open_route()
    await settle()
    assert (len(heart.core.numbers("inquire")), heart.forwarder.in_hand) == (1, 1)
    heart.core.let_go()
    heart.close_route()
    for _ in range(4):
        await heart.later(1.0)
    assert await states(heart) == [State.POSTED] * 4


async def test_a_question_that_waits_when_we_stop_is_not_asked(open_heart: OpenHeart) -> None:
    """The next start does."""
    heart = await asking(open_heart)
    stopping = asyncio.ensure_future(heart.forwarder.stop(20.0))
    await settle()
    heart.core.let_go()
    assert (await stopping, len(heart.core.numbers("inquire"))) == (0, 1)


async def test_what_a_person_parks_while_the_core_is_asked_stays_parked_and_holds_its_account(
    open_heart: OpenHeart,
) -> None:
    """The first word counts: an answer that comes later finds another entry than it was asked for."""
    heart = await open_heart(Level.B)
    await taken(heart, 2, accounts=1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    heart.core.hang()
    await heart.later(60.0)
    parking = Move(entry=await heart.entry("k0"), transition=PARK, at_us=heart.clock.now_us(), actor="anna")
    assert await heart.spool.move([parking]) == [True]
    heart.core.let_go()
    await heart.later(60.0, rounds=4)
    assert await states(heart) == [State.PARKED, State.READY]
    assert [call.operation for call in heart.core.calls] == ["post", "inquire"]
