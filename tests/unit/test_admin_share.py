"""The admin side's share of the loop: nobody is slowed while no payment waits, and a crowd costs others one turn."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

import pytest

from gateway.admin.http.share import BURST_S, COST_MAX_S, Share

LONG_S: Final = 60.0


class Loop:
    """What the share goes by: the time, and whether payments wait; and who was answered, in order."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.is_pressed = True
        self.answered: list[str] = []
        self.share = Share(self, lambda: self.now_s)

    @property
    def in_hand(self) -> int:
        """Many, or none."""
        return 64 if self.is_pressed else 0

    def asks(self, who: str, cost_s: float = 0.0, *, is_in: bool = False) -> "asyncio.Task[str]":
        """A request on its way that takes the loop for so long."""
        return asyncio.create_task(self.share.run(who, self._answer(who, cost_s), lambda _: is_in))

    def _answer(self, who: str, cost_s: float) -> Callable[[], Coroutine[None, None, str]]:
        async def answer() -> str:
            self.now_s += cost_s
            self.answered.append(who)
            return who

        return answer


@pytest.fixture
async def loop() -> Loop:
    """Payments wait."""
    return Loop()


async def turns() -> None:
    """Let everything go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_nobody_is_slowed_while_no_payment_waits(loop: Loop) -> None:
    """Whatever it costs: an export, an import of a million accounts."""
    loop.is_pressed = False
    asked = [loop.asks("custodian", COST_MAX_S) for _ in range(10)]
    await turns()
    assert all(each.done() for each in asked)


async def test_what_was_answered_is_paid_for_before_the_next(loop: Loop) -> None:
    """While payments wait."""
    await loop.asks("viewer", COST_MAX_S)
    second = loop.asks("viewer")
    await turns()
    assert not second.done()
    loop.now_s += LONG_S
    assert await second == "viewer"


async def test_a_page_that_is_opened_is_there_at_once(loop: Loop) -> None:
    """A few short requests are within what is saved up."""
    asked = [loop.asks("lead", BURST_S / 20) for _ in range(5)]
    await turns()
    assert all(each.done() for each in asked)


async def test_a_crowd_of_strangers_costs_the_known_one_turn(loop: Loop) -> None:
    """He was let in before; they were not."""
    await loop.asks("lead", COST_MAX_S, is_in=True)
    strangers = [loop.asks(f"stranger {number}") for number in range(5)]
    lead = loop.asks("lead")
    await turns()
    loop.now_s += LONG_S
    await asyncio.gather(lead, *strangers)
    assert loop.answered.index("lead", 1) <= 2


async def test_payments_that_waited_a_moment_ago_count_as_waiting(loop: Loop) -> None:
    """Between two commits none does."""
    await loop.asks("viewer", COST_MAX_S)
    second = loop.asks("viewer")
    loop.is_pressed = False
    await turns()
    assert not second.done()
    loop.now_s += LONG_S
    await second


async def test_who_goes_away_leaves_his_place(loop: Loop) -> None:
    """What comes after is answered all the same."""
    await loop.asks("viewer", COST_MAX_S)
    gone, stays = loop.asks("gone"), loop.asks("stays")
    await turns()
    gone.cancel()
    loop.now_s += LONG_S
    assert await stays == "stays"
    assert "gone" not in loop.answered


async def test_waiting_is_not_charged(loop: Loop) -> None:
    """A stream of the page lives for hours and hardly uses the loop."""
    opened = asyncio.Event()

    async def streams() -> str:
        await opened.wait()
        return "ended"

    stream = asyncio.create_task(loop.share.run("screen", streams, lambda _: True))
    await turns()
    loop.now_s += LONG_S
    opened.set()
    assert await stream == "ended"
    again = loop.asks("screen")
    await turns()
    assert again.done()


async def test_a_failure_and_a_cancellation_go_where_they_belong(loop: Loop) -> None:
    """Into the request, and out of it."""
    cleaned = list[str]()

    async def hangs() -> str:
        try:
            return str(await asyncio.Event().wait())
        finally:
            cleaned.append("cleaned")

    request = asyncio.create_task(loop.share.run("viewer", hangs, lambda _: True))
    await turns()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert cleaned == ["cleaned"]
