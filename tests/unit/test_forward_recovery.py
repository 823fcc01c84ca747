"""The forwarder while a core comes back: caps, live payments beside it, the estimate, and reversals a core doesn't take."""

import asyncio
import math

import pytest

from adapters.payment import AnswerKind
from gateway.clock import settle
from gateway.forward.settings import ForwardSettings
from gateway.route.zone import Operation, Zone
from spool.lifecycle import State
from tests.unit.fake_core import SETTLE_S, SILENCE
from tests.unit.heart import Heart, OpenHeart
from tests.unit.test_forwarder import assert_each_is_booked_once, taken


async def test_a_cap_a_second_holds_what_is_claimed_and_is_not_asked_about_again_and_again(
    open_heart: OpenHeart,
) -> None:
    """One a second, though the core would take eight at once: the forwarder sleeps until the next may go."""
    heart = await open_heart(forward=ForwardSettings(rate_max_per_s=1.0, in_flight_max=8, slow_start_s=0.0))
    await taken(heart, 3)
    await heart.clock.advance(2.0)
    await heart.forwards(2)
    done = await heart.forwarder.run_once()
    assert len(heart.core.calls) == 1
    assert done.wait_s == pytest.approx(0.9)
    await heart.later(1.0)
    assert len(heart.core.calls) == 2
    await heart.later(1.0)
    assert_each_is_booked_once(heart, 3)


async def test_a_live_payment_that_leaves_a_core_that_comes_back_makes_room_for_one_that_waits(heart: Heart) -> None:
    """At two at once: one place each, and nobody has to look for it."""
    await taken(heart, 3)
    heart.close_route()
    heart.core.hang()
    paying = asyncio.ensure_future(heart.pay("live", account="live"))
    await heart.forwards(2)
    assert [each.account for each in heart.core.under_way] == ["live", "0"]
    second = await heart.pay("aside", account="aside")
    assert second.kind is AnswerKind.PROVISIONAL
    heart.core.let_go()
    assert (await paying).kind is AnswerKind.POSTED
    await settle()
    await heart.later(1.0, rounds=8)
    assert set(heart.core.bookings.values()) == {1}
    assert len(heart.core.bookings) == 5


async def test_the_estimate_follows_the_backlog(heart: Heart) -> None:
    """Sixty wait, two of an account a second: what waits is counted, and so is what was finished."""
    await taken(heart, 60)
    assert heart.forwarder.estimate.empty_s == math.inf
    for _ in range(5):
        await heart.later(1.0, rounds=1)
    found = heart.forwarder.estimate
    assert found.rate_out > 0
    assert (found.rate_in, found.low_s <= found.empty_s) == (0.0, True)


async def test_payments_that_wait_go_past_reversals_the_core_does_not_take(heart: Heart) -> None:
    """In the same round, though these came first: by the next they would be met by the same reversal."""
    many = heart.breaker.failures_in_a_row
    for number in range(many + 2):
        await heart.pay(f"k{number}", account=f"{number}")
    heart.open_route()
    for number in range(many + 2):
        await heart.undo(f"r{number}", f"k{number}")
    heart.close_route()
    heart.core.will(*[SILENCE] * many)
    await heart.forwards(12)
    heart.open_route()
    for number in range(3):
        await heart.pay(f"late{number}", account=f"late{number}")
    heart.close_route()
    assert heart.health.zone_of(Operation.REVERSAL) is Zone.OPEN

    await heart.forwards(12)

    assert {(await heart.entry(f"late{number}")).state for number in range(3)} == {State.POSTED}
    assert (await heart.entry(f"r{many + 1}")).state is State.READY


async def test_reversals_the_core_does_not_take_wait_with_their_lanes_and_hold_up_nobody_else(heart: Heart) -> None:
    """Its booking works. After a while one reversal tries, and once enough were taken the others follow."""
    many = heart.breaker.failures_in_a_row
    for number in range(many + 2):
        await heart.pay(f"k{number}", account=f"{number}")
    heart.open_route()
    for number in range(many + 2):
        await heart.undo(f"r{number}", f"k{number}")
    await heart.pay("behind", account="0")
    heart.close_route()
    heart.core.will(*[SILENCE] * many)
    await heart.forwards(12)
    assert heart.health.zone_of(Operation.REVERSAL) is Zone.OPEN
    await heart.pay("other", account="other")
    await settle()
    assert (await heart.entry("other")).state is State.POSTED
    calls = len(heart.core.calls)
    await heart.forwards(5)
    assert len(heart.core.calls) == calls
    for _ in range(20):
        heart.health.watch_once()
        await heart.later(SETTLE_S)
    assert heart.health.zone_of(Operation.REVERSAL) is Zone.CLOSED
    assert sorted(heart.core.undone.values()) == [1] * (many + 2)
    assert (await heart.entry("behind")).state is State.POSTED
