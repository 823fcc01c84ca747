"""Sending what waits: in order, one per account, at a pace, whatever becomes of it, and nothing lost or doubled."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.core import Level
from adapters.outcome import Cause, Conflict, Misconfigured, NotSent, Pending, Refused, Unknown
from adapters.payment import AnswerKind, Refusal
from gateway.clock import ManualClock, settle
from gateway.forward.forwarder import IDLE_S
from gateway.forward.settings import ForwardSettings
from gateway.route.zone import Zone
from spool.entry import Entry
from spool.lifecycle import HOLD, PARK, RELEASE, RETRY, State, Transition
from spool.store import Move
from tests.unit.fake_core import NOT_SENT, SETTLE_S, SILENCE, Does, able
from tests.unit.heart import Heart, OpenHeart

LOST = Does(SILENCE)
BOOKED_SILENTLY = Does(SILENCE, books=True)


async def taken(heart: Heart, payments: int, accounts: int = 1_000) -> None:
    """Payments taken while the core was down, which it no longer is."""
    heart.open_route()
    for number in range(payments):
        answer = await heart.pay(f"k{number}", account=f"{number % accounts}")
        assert answer.kind is AnswerKind.PROVISIONAL
    heart.close_route()


async def by_hand(heart: Heart, key: str, transition: Transition, **details: Any) -> Entry:
    """A person's act on an entry."""
    move = Move(entry=await heart.entry(key), transition=transition, at_us=heart.clock.now_us(), **details)
    assert await heart.spool.move([move]) == [True]
    return move.after()


async def states(heart: Heart) -> list[State]:
    """Of every entry, in order."""
    return [entry.state for entry in await heart.entries()]


def assert_each_is_booked_once(heart: Heart, payments: int) -> None:
    """Nothing lost, nothing doubled."""
    assert sorted(heart.core.bookings.values()) == [1] * payments
    assert heart.core.crossed_accounts == set()


async def ended(clock: ManualClock, running: "asyncio.Future[None]") -> None:
    """A forwarder that was stopped comes to its end."""
    await clock.advance(2.0)
    await running


# In order, at a pace


async def test_the_backlog_goes_out_in_order_of_arrival(open_heart: OpenHeart) -> None:
    """One at a time here, so that the order shows."""
    heart = await open_heart(forward=ForwardSettings(in_flight_max=1))
    await taken(heart, 50)
    await heart.forwards(60)
    numbers = [entry.number for entry in await heart.entries()]
    assert heart.core.numbers("post") == numbers
    assert_each_is_booked_once(heart, 50)


async def test_one_of_an_account_is_under_way_and_each_account_in_order(heart: Heart) -> None:
    """The account's balance at the core must move as it did for the payer."""
    await taken(heart, 60, accounts=4)
    await heart.forwards(120)
    assert_each_is_booked_once(heart, 60)
    for lane in range(4):
        sent = [call.number for call in heart.core.calls if call.delivery.account == f"{lane}"]
        assert sent == sorted(sent)


async def test_no_more_is_under_way_than_the_pace_allows(heart: Heart) -> None:
    """Two after a recovery, one more per round of answers."""
    await taken(heart, 40)
    heart.core.hang()
    await heart.forwards(3)
    assert len(heart.core.under_way) == heart.forwarder.pace.limit == 2
    heart.core.let_go()
    await heart.forwards(3)
    assert heart.core.most_under_way > 2
    assert heart.core.most_under_way <= heart.forward.in_flight_max
    assert_each_is_booked_once(heart, 40)


async def test_trouble_halves_the_pace_and_a_new_recovery_begins_slowly(heart: Heart) -> None:
    """P8."""
    await taken(heart, 30)
    await heart.forwards(10)
    before = heart.forwarder.pace.limit
    heart.core.will(NOT_SENT)
    await heart.pay("k", account="x")
    await heart.later(2.0)
    heart.open_route()
    heart.close_route()
    assert (before > 4, heart.forwarder.pace.limit) == (True, 2)


async def test_while_the_route_is_open_nothing_is_sent_and_no_time_passes_for_anything(heart: Heart) -> None:
    """P4: an outage of a month changes nothing."""
    await taken(heart, 5)
    heart.open_route()
    before = await heart.entries()
    for _ in range(10):
        await heart.later(60.0)
    assert (heart.core.calls, await heart.entries()) == ([], before)


async def test_on_a_route_in_trial_one_entry_goes_at_a_time(open_heart: OpenHeart) -> None:
    """A core that may be back is asked gently."""
    heart = await open_heart()
    heart.core.will(*[NOT_SENT] * 3)
    for number in range(3):
        await heart.pay(f"k{number}", account=f"{number}")
    assert heart.health.zone is Zone.OPEN
    await heart.clock.advance(2.0)
    heart.health.watch_once()
    heart.core.hang()
    await heart.forwards(3)
    assert len(heart.core.calls[3:]) == 1
    heart.core.let_go()
    for _ in range(5):
        await heart.later(0.1)
    assert _zone(heart) is Zone.CLOSED
    assert_each_is_booked_once(heart, 3)


def _zone(heart: Heart) -> Zone:
    return heart.health.zone


async def test_a_backlog_larger_than_the_window_goes_out_whole_and_memory_stays_bounded(
    open_heart: OpenHeart,
) -> None:
    """Whatever waits, the window holds its maximum."""
    heart = await open_heart(forward=ForwardSettings(window_entries_max=64, lane_entries_max=4, slow_start_s=0.0))
    await taken(heart, 2_000, accounts=140)
    most = 0
    for _ in range(180):
        await heart.forwarder.run_once()
        await settle(6)
        most = max(most, len(heart.forwarder._window))
    assert most <= 64
    assert_each_is_booked_once(heart, 2_000)


async def test_a_hot_account_does_not_starve_the_others(open_heart: OpenHeart) -> None:
    """A thousand of one account wait behind each other, not before everybody."""
    heart = await open_heart(forward=ForwardSettings(window_entries_max=64, lane_entries_max=4, slow_start_s=0.0))
    heart.open_route()
    for number in range(1_000):
        await heart.pay(f"hot{number}", account="hot")
    for number in range(20):
        await heart.pay(f"k{number}", account=f"{number}")
    heart.close_route()
    await heart.forwards(60)
    hot = [call for call in heart.core.calls if call.delivery.account == "hot"]
    assert len(heart.core.calls) - len(hot) == 20
    await heart.forwards(1_100)
    assert [call.number for call in heart.core.calls if call.delivery.account == "hot"] == [
        entry.number for entry in (await heart.entries())[:1_000]
    ]
    assert_each_is_booked_once(heart, 1_020)


async def test_what_fell_due_starts_no_more_than_the_pace_allows_when_it_halves_meanwhile(heart: Heart) -> None:
    """While the disk was read the core failed."""
    await taken(heart, 4)
    heart.core.will(*[BOOKED_SILENTLY] * 4)
    await heart.forwards(3)
    await heart.clock.advance(60.0)
    assert await states(heart) == [State.IN_DOUBT] * 4
    heart.forwarder.pace.restart()
    heart.troubles.stop("due")
    heart.core.hang()
    round_ = asyncio.ensure_future(heart.forwarder.run_once())
    await settle()
    heart.forwarder.pace.ramp.failed(heart.clock.monotonic())
    heart.troubles.go_on()
    await round_
    assert heart.forwarder.in_hand == 2


async def test_with_no_room_it_waits_to_be_woken_however_much_is_due(open_heart: OpenHeart) -> None:
    """Looking every ten milliseconds until a slow core answers would keep the processor busy for nothing."""
    heart = await open_heart(capabilities=able(Level.B, not_found_is_final=False))
    await taken(heart, 9)
    heart.core.will(*[LOST] * 9)
    await heart.forwards(3)
    await heart.clock.advance(60.0)
    assert await states(heart) == [State.IN_DOUBT] * 9
    heart.forwarder.pace.restart()
    heart.core.hang()
    assert [(await heart.forwarder.run_once()).wait_s for _ in range(2)] == [IDLE_S, IDLE_S]
    running = asyncio.ensure_future(heart.forwarder.run())
    await settle()
    heart.core.let_go()
    for _ in range(5):
        await heart.clock.advance(0.1)
    assert await states(heart) == [State.PARKED] * 9
    await heart.forwarder.stop(0)
    await ended(heart.clock, running)


# What becomes of an attempt


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        (Refused(refusal=Refusal.UNKNOWN_ACCOUNT), State.REFUSED, "unknown_account"),
        (Conflict(found="amount"), State.PARKED, "conflict"),
        (Pending(poll_after_s=9.0), State.IN_DOUBT, "pending"),
        (NotSent(cause=Cause.THROTTLED, retry_after_s=9.0), State.READY, "throttled"),
    ],
)
async def test_an_outcome_is_recorded_with_its_reason(heart: Heart, outcome: Any, state: State, reason: str) -> None:
    """The lifecycle's table, on disk."""
    await taken(heart, 1)
    heart.core.will(outcome)
    await heart.forwards(2)
    entry = await heart.entry("k0")
    assert (entry.state, entry.reason) == (state, reason)


async def test_at_level_a_a_doubt_is_sent_again_with_the_same_bytes_marked_as_repeat(heart: Heart) -> None:
    """The core dedupes."""
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    await heart.later(60.0)
    first, second = [call.delivery for call in heart.core.calls]
    assert second == replace(first, attempt=2)
    assert_each_is_booked_once(heart, 1)
    assert await states(heart) == [State.POSTED]


async def test_at_level_b_a_doubt_is_asked_about_after_the_settle_delay(open_heart: OpenHeart) -> None:
    """Never sent again before the core has said that it has nothing."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    await heart.later(SETTLE_S - 0.1)
    assert heart.core.numbers("inquire") == []
    await heart.later(0.2)
    assert (len(heart.core.numbers("inquire")), await states(heart)) == (1, [State.POSTED])
    assert_each_is_booked_once(heart, 1)


async def test_at_level_b_what_the_core_surely_has_not_is_sent_again(open_heart: OpenHeart) -> None:
    """The request was lost on the way."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.will(LOST)
    await heart.forwards()
    await heart.later(SETTLE_S, rounds=4)
    assert [call.operation for call in heart.core.calls] == ["post", "inquire", "post"]
    assert_each_is_booked_once(heart, 1)
    (counted,) = [each for each in heart.meter.collect() if each.name == "nightsafe_attempts"]
    asked = {(each.labels["operation"], each.labels["outcome"]): each.value for each in counted.samples}
    assert asked["inquiry", "NotFound"] == 1


async def test_at_level_c_a_doubt_is_parked(open_heart: OpenHeart) -> None:
    """Nobody but a person can find out."""
    heart = await open_heart(Level.C)
    await taken(heart, 1)
    heart.core.will(LOST)
    await heart.forwards()
    await heart.later(3_600.0)
    assert (len(heart.core.calls), (await heart.entry("k0")).reason) == (1, "core_cannot_tell")


async def test_past_the_keys_lifetime_a_doubt_is_asked_about_also_at_level_a(open_heart: OpenHeart) -> None:
    """The core has forgotten the key and would book it anew."""
    heart = await open_heart(capabilities=able(Level.A, key_lifetime_s=3_600.0))
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    heart.open_route()
    await heart.clock.advance(3_600.0)
    heart.close_route()
    await heart.forwards(3)
    assert [call.operation for call in heart.core.calls] == ["post", "inquire"]
    assert_each_is_booked_once(heart, 1)


async def test_a_repeat_that_was_not_sent_leaves_it_in_doubt_so_no_reversal_cancels_it_here(heart: Heart) -> None:
    """The first attempt was booked: cancelled here, the payer would have his money and the operator's too."""
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY, NOT_SENT)
    await heart.forwards()
    await heart.later(2.0, rounds=1)
    assert (len(heart.core.calls), await states(heart)) == (2, [State.IN_DOUBT])
    answer = await heart.undo("r1", "k0")
    await heart.later(60.0, rounds=6)
    assert answer.kind is AnswerKind.PROVISIONAL
    assert await states(heart) == [State.POSTED, State.POSTED]
    assert list(heart.core.undone.values()) == [1]


@pytest.mark.parametrize("level", [Level.A, Level.B])
async def test_an_inquiry_without_an_answer_is_asked_again_ever_later_and_parks_nothing(
    open_heart: OpenHeart, level: Level
) -> None:
    """It costs nobody anything but time."""
    heart = await open_heart(capabilities=able(level, key_lifetime_s=1.0))
    await taken(heart, 1)
    await heart.clock.advance(2.0)
    heart.core.will(BOOKED_SILENTLY)
    heart.core.will_tell(*[SILENCE] * 10, Misconfigured(cause=Cause.CREDENTIALS), ZeroDivisionError("a bug"))
    for _ in range(80):
        await heart.later(30.0)
    assert await states(heart) == [State.POSTED]
    assert_each_is_booked_once(heart, 1)


async def test_after_too_many_unclear_attempts_on_a_well_route_it_is_parked_and_its_account_waits(
    open_heart: OpenHeart,
) -> None:
    """It fails while others are booked: its own fault, a person's matter."""
    heart = await open_heart(forward=ForwardSettings(attempts_max=3))
    await taken(heart, 2, accounts=1)
    heart.core.will(*[LOST] * 3)
    await heart.forwards()
    for _ in range(5):
        await heart.later(300.0)
    assert [(entry.state, entry.reason) for entry in await heart.entries()] == [
        (State.PARKED, "attempts"),
        (State.READY, ""),
    ]


async def test_a_failure_of_its_own_makes_an_account_wait_and_nobody_else(heart: Heart) -> None:
    """With full jitter; and its next payment comes behind it, in order."""
    await taken(heart, 6, accounts=3)
    heart.core.will(NOT_SENT)
    await heart.forwards(8)
    booked = set(heart.core.bookings)
    entries = await heart.entries()
    assert booked == {entry.number for entry in entries} - {entries[0].number, entries[3].number}
    await heart.later(60.0, rounds=6)
    assert_each_is_booked_once(heart, 6)
    sent = heart.core.numbers("post")
    assert sent[-2:] == [entries[0].number, entries[3].number]


async def test_followers_of_a_doubt_go_in_order_once_it_is_over(open_heart: OpenHeart) -> None:
    """Set behind on disk, more than a window's share of them, and joined by newcomers."""
    heart = await open_heart(Level.B, forward=ForwardSettings(lane_entries_max=3, window_entries_max=16))
    await taken(heart, 20, accounts=1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards(3)
    await heart.pay("late", account="0")
    assert len(heart.core.calls) == 1
    await heart.later(SETTLE_S, rounds=80)
    assert heart.core.numbers("post") == [entry.number for entry in await heart.entries()]
    assert_each_is_booked_once(heart, 21)


async def test_an_adapter_that_raises_for_one_payment_stops_no_other(open_heart: OpenHeart) -> None:
    """P9: it is in doubt, tried again, parked in the end; the route stays closed."""
    heart = await open_heart(forward=ForwardSettings(attempts_max=2, backoff_max_s=1.0))
    heart.core.will(Does(ZeroDivisionError("a bug")))
    await heart.pay("poison", account="poison")
    heart.core.will(Does(ZeroDivisionError("a bug")))
    await heart.later(2.0)
    await heart.pay("k1")
    assert (_zone(heart), (await heart.entry("poison")).state) == (Zone.CLOSED, State.PARKED)
    assert_each_is_booked_once(heart, 1)


async def test_an_adapter_that_raises_for_one_payment_does_not_keep_a_route_open(open_heart: OpenHeart) -> None:
    """Were each trial lost to the same payment, the route would never close."""
    heart = await open_heart()
    heart.core.will(*[NOT_SENT] * 3)
    for number in range(3):
        await heart.pay(f"k{number}", account=f"{number}")
    await heart.clock.advance(2.0)
    heart.health.watch_once()
    heart.core.will(*[Does(ZeroDivisionError("a bug"))] * 2)
    for _ in range(10):
        await heart.later(1.0)
    assert _zone(heart) is Zone.CLOSED
    assert_each_is_booked_once(heart, 3)


async def test_a_misconfigured_core_opens_the_route_and_parks_nothing(heart: Heart) -> None:
    """Every payment would fail: never a payment's fault."""
    heart.health.release()
    heart.core.will(Misconfigured(cause=Cause.CREDENTIALS))
    await heart.pay("k1")
    assert (_zone(heart), await states(heart)) == (Zone.OPEN, [State.READY])


# Persons and damage


async def test_a_held_entry_holds_its_account_until_it_is_released(heart: Heart) -> None:
    """What came after it still comes after it."""
    await taken(heart, 4, accounts=2)
    held = await by_hand(heart, "k0", HOLD)
    await heart.forwards(5)
    assert await states(heart) == [State.HELD, State.POSTED, State.READY, State.POSTED]
    await by_hand(heart, "k0", RELEASE)
    heart.forwarder.lane_unsure(held.lane)
    await heart.forwards(5)
    entries = await heart.entries()
    assert heart.core.numbers("post")[-2:] == [entries[0].number, entries[2].number]
    assert_each_is_booked_once(heart, 4)


async def test_an_entry_that_was_held_while_it_waited_for_its_time_goes_on_when_it_is_released(heart: Heart) -> None:
    """Its failed attempt had shut its lane, and nobody else would ever open it."""
    await taken(heart, 2, accounts=1)
    heart.core.will(NOT_SENT)
    await heart.forwards(2)
    held = await by_hand(heart, "k0", HOLD)
    await heart.later(3_600.0)
    await by_hand(heart, "k0", RELEASE)
    heart.forwarder.lane_unsure(held.lane)
    await heart.forwards(5)
    assert heart.core.numbers("post")[1:] == [entry.number for entry in await heart.entries()]
    assert_each_is_booked_once(heart, 2)


async def test_a_parked_entry_is_asked_about_when_a_person_says_so_but_not_found_is_not_believed_at_once(
    open_heart: OpenHeart,
) -> None:
    """What was sent a moment before it was parked may still be in work at the core."""
    heart = await open_heart(Level.B, forward=ForwardSettings(attempts_max=1))
    await taken(heart, 1)
    heart.core.will(LOST)
    await heart.forwards()
    retried = await by_hand(heart, "k0", RETRY, due_at_us=heart.clock.now_us(), actor="anna", note="looked")
    heart.forwarder.entry_waits(retried.due_at_us)
    await heart.forwards(2)
    assert [call.operation for call in heart.core.calls] == ["post", "inquire"]
    await heart.later(SETTLE_S, rounds=4)
    assert [call.operation for call in heart.core.calls] == ["post", "inquire", "inquire", "post"]


async def test_a_damaged_record_is_put_in_quarantine_and_the_rest_goes_on(heart: Heart) -> None:
    """P9: one bad record stops its account, no other."""
    await taken(heart, 6, accounts=3)
    first = await heart.entry("k0")
    heart.store._entries[first.number] = replace(first, sealed=first.sealed[:-1] + b"\x00\x00")
    await heart.forwards(8)
    assert await states(heart) == [State.QUARANTINED, State.POSTED, State.POSTED, State.READY, *[State.POSTED] * 2]
    assert heart.health.counts.waiting == 0


async def test_an_entry_changed_by_a_person_while_it_waits_in_memory_is_not_sent(heart: Heart) -> None:
    """The claim is a compare-and-set; somebody else was faster."""
    await taken(heart, 5)
    heart.core.hang()
    await heart.forwards(2)
    await by_hand(heart, "k4", PARK, reason="by_hand")
    heart.core.let_go()
    await heart.forwards(4)
    assert await states(heart) == [*[State.POSTED] * 4, State.PARKED]
    assert len(heart.core.calls) == 4
    assert heart.health.counts.waiting == 0


# Starting and stopping


async def test_running_it_sends_newcomers_at_once_and_wakes_for_what_falls_due(heart: Heart) -> None:
    """`run` waits, and is woken."""
    running = asyncio.ensure_future(heart.forwarder.run())
    await settle()
    await taken(heart, 3)
    heart.core.will(BOOKED_SILENTLY)
    for _ in range(10):
        await heart.clock.advance(1.0)
    assert_each_is_booked_once(heart, 3)
    assert len(asyncio.all_tasks()) <= 4
    assert await heart.forwarder.stop(0) == 0
    await ended(heart.clock, running)


async def test_stopping_waits_for_what_is_under_way_and_starts_nothing_more(heart: Heart) -> None:
    """Nothing in hand is lost."""
    await taken(heart, 10)
    heart.core.hang()
    await heart.forwards()
    under_way = len(heart.core.under_way)
    stopping = asyncio.ensure_future(heart.forwarder.stop(20.0))
    await settle()
    heart.core.let_go()
    assert await stopping == 0
    await heart.forwarder.run_once()
    await settle()
    assert_each_is_booked_once(heart, under_way)


async def test_a_round_that_was_under_way_when_it_was_stopped_starts_nothing(heart: Heart) -> None:
    """The core's connections and the spool are closed right after."""
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    await heart.clock.advance(60.0)
    heart.troubles.stop("due")
    round_ = asyncio.ensure_future(heart.forwarder.run_once())
    await settle()
    assert await heart.forwarder.stop(0) == 0
    heart.troubles.go_on()
    await round_
    await settle()
    assert len(heart.core.calls) == 1


async def test_what_outlasts_the_grace_is_in_doubt_at_the_next_start_and_booked_once(heart: Heart) -> None:
    """The attempt had left."""
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    heart.core.hang()
    await heart.forwards()
    assert await heart.forwarder.stop(0) == 1
    assert heart.health.counts.waiting == 0
    again = await heart.restarted()
    assert await states(again) == [State.IN_DOUBT]
    await again.forwards(3)
    assert_each_is_booked_once(again, 1)
    await again.crash()


async def test_at_level_b_a_restart_does_not_believe_not_found_at_once(open_heart: OpenHeart) -> None:
    """What left a moment before the crash may still be in work: sent again, it would be booked twice."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.hang()
    await heart.forwards()
    again = await heart.restarted()
    await again.forwards(2)
    assert [call.operation for call in again.core.calls] == ["post", "inquire"]
    again.core._book("post", again.core.calls[0].delivery)
    await again.later(SETTLE_S, rounds=4)
    assert await states(again) == [State.POSTED]
    assert_each_is_booked_once(again, 1)
    await again.crash()


async def test_a_restart_in_the_middle_loses_and_doubles_nothing(heart: Heart) -> None:
    """A new forwarder over the same store goes on where the old one was killed."""
    await taken(heart, 200, accounts=40)
    await heart.forwards(5)
    heart.core.hang()
    await heart.forwards(2)
    again = await heart.restarted()
    await again.forwards(200)
    assert_each_is_booked_once(again, 200)
    await again.crash()


async def test_an_unsure_answer_of_the_core_is_asked_about_however_often_we_die(open_heart: OpenHeart) -> None:
    """Each start begins with the question."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    heart.core.will_tell(*[Unknown(cause=Cause.RESET)] * 3)
    await heart.forwards()
    for _ in range(3):
        heart = await heart.restarted()
        await heart.later(60.0)
    await heart.later(60.0, rounds=4)
    assert await states(heart) == [State.POSTED]
    assert_each_is_booked_once(heart, 1)
    await heart.crash()
