"""Sending what waits while the disk has bad moments: whatever it did or did not do, all is found again, in order."""

import asyncio

import pytest

from adapters.core import Level
from gateway.clock import settle
from gateway.forward.forwarder import PAUSE_S
from gateway.forward.settings import ForwardSettings
from spool.lifecycle import State
from tests.unit.heart import Heart, OpenHeart
from tests.unit.test_forwarder import BOOKED_SILENTLY, assert_each_is_booked_once, ended, states, taken
from tests.unit.troubled_store import Trouble


async def test_after_a_disk_took_nothing_it_comes_back_at_the_end_of_the_pause(heart: Heart) -> None:
    """Neither sooner, time and again, nor only when it would have looked anyway."""
    await taken(heart, 1)
    heart.forwarder.pause()
    assert (await heart.forwarder.run_once()).wait_s == PAUSE_S


@pytest.mark.parametrize("trouble", [Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST, Trouble.CLOSED])
async def test_followers_that_were_fetched_and_found_no_room_are_not_overtaken_when_the_disk_fails(
    open_heart: OpenHeart, trouble: Trouble
) -> None:
    """They stand in arrival order below what was read: nobody would look there again."""
    heart = await open_heart(forward=ForwardSettings(lane_entries_max=2, window_entries_max=16, in_flight_max=1))
    await taken(heart, 2)
    heart.open_route()
    for number in range(8):
        await heart.pay(f"hot{number}", account="hot")
    heart.close_route()
    heart.core.hang()
    running = asyncio.ensure_future(heart.forwarder.run())
    await settle()
    heart.troubles.will("set_behind", trouble)
    heart.forwarder.lane_freed((await heart.entry("hot0")).lane)
    await heart.clock.advance(0.0)
    heart.core.let_go()
    for _ in range(30):
        await heart.clock.advance(0.5)
    await heart.forwarder.stop(0)
    await ended(heart.clock, running)
    assert heart.core.numbers("post") == [entry.number for entry in await heart.entries()]
    assert_each_is_booked_once(heart, 10)


@pytest.mark.parametrize("trouble", [Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST, Trouble.CLOSED])
async def test_after_a_claim_that_failed_nothing_was_sent_and_it_goes_later_in_its_place(
    heart: Heart, trouble: Trouble
) -> None:
    """The core hears of nothing that isn't surely on disk; the account's next doesn't overtake."""
    await taken(heart, 4, accounts=2)
    heart.troubles.will("move", trouble, trouble)
    heart.troubles.will("remember", Trouble.CLOSED, Trouble.CLOSED)
    await heart.forwarder.run_once()
    await settle(3)
    assert heart.core.calls == []
    for _ in range(6):
        await heart.later(1.0)
    assert_each_is_booked_once(heart, 4)
    for account in ("0", "1"):
        sent = [call.number for call in heart.core.calls if call.delivery.account == account]
        assert sent == sorted(sent)
    assert heart.health.counts.waiting == 0


async def test_a_repeat_whose_claim_is_unsure_stays_in_doubt(heart: Heart) -> None:
    """Taken back as ready, it could be cancelled here though the core has it."""
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    heart.troubles.will("move", Trouble.UNSURE_KEPT)
    await heart.later(2.0, rounds=1)
    assert await states(heart) == [State.IN_DOUBT]
    await heart.later(60.0, rounds=4)
    assert await states(heart) == [State.POSTED]
    assert_each_is_booked_once(heart, 1)


@pytest.mark.parametrize("trouble", [Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST, Trouble.CLOSED])
async def test_a_full_window_does_not_wait_for_what_it_has_no_room_to_read(
    open_heart: OpenHeart, trouble: Trouble
) -> None:
    """The disk failed while the window was filled first: nobody knows how far it was read, and it is full."""
    heart = await open_heart(forward=ForwardSettings(lane_entries_max=2, window_entries_max=16))
    await taken(heart, 30, accounts=6)
    heart.troubles.will("set_behind", trouble)
    running = asyncio.ensure_future(heart.forwarder.run())
    for _ in range(60):
        await heart.clock.advance(0.5)
    await heart.forwarder.stop(0)
    await ended(heart.clock, running)
    assert_each_is_booked_once(heart, 30)


@pytest.mark.parametrize("method", ["set_behind", "followers", "get"])
@pytest.mark.parametrize("trouble", [Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST, Trouble.CLOSED])
async def test_trouble_while_lanes_are_sorted_strands_no_entry(
    open_heart: OpenHeart, method: str, trouble: Trouble
) -> None:
    """Whatever the disk did or did not do, all of it is found again, in order."""
    heart = await open_heart(Level.B, forward=ForwardSettings(lane_entries_max=2, window_entries_max=16))
    await taken(heart, 24, accounts=2)
    heart.core.will(BOOKED_SILENTLY)
    heart.troubles.will(method, *[trouble] * 3)
    running = asyncio.ensure_future(heart.forwarder.run())
    for _ in range(120):
        await heart.clock.advance(0.5)
    await heart.forwarder.stop(0)
    await ended(heart.clock, running)
    assert_each_is_booked_once(heart, 24)
    for account in ("0", "1"):
        sent = [call.number for call in heart.core.calls if call.delivery.account == account]
        assert sent == sorted(sent)
