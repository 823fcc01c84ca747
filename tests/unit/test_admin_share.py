"""The admin side's share of the loop: nobody is slowed while no payment waits, and a crowd costs others one turn."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

import pytest

from gateway.admin.http.share import BURST_S, DEBT_MAX_S, KNOWN_MAX, SHARE, Share, step_aside

LONG_S: Final = 60.0
COST_S: Final = 0.25
"""What a long request takes."""


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
    asked = [loop.asks("custodian", COST_S) for _ in range(10)]
    await turns()
    assert all(each.done() for each in asked)


async def test_what_was_answered_is_paid_for_before_the_next(loop: Loop) -> None:
    """While payments wait."""
    await loop.asks("viewer", COST_S)
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
    await loop.asks("lead", COST_S, is_in=True)
    strangers = [loop.asks(f"stranger {number}") for number in range(5)]
    lead = loop.asks("lead")
    await turns()
    loop.now_s += LONG_S
    await asyncio.gather(lead, *strangers)
    assert loop.answered.index("lead", 1) <= 2


async def test_payments_that_waited_a_moment_ago_count_as_waiting(loop: Loop) -> None:
    """Between two commits none does."""
    await loop.asks("viewer", COST_S)
    second = loop.asks("viewer")
    loop.is_pressed = False
    await turns()
    assert not second.done()
    loop.now_s += LONG_S
    await second


async def test_who_goes_away_leaves_his_place(loop: Loop) -> None:
    """What comes after is answered all the same."""
    await loop.asks("viewer", COST_S)
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


async def test_however_long_one_was_the_next_waits_for_seconds_at_most(loop: Loop) -> None:
    """What is owed is bounded."""
    await loop.asks("viewer", LONG_S)
    second = loop.asks("viewer")
    await turns()
    assert not second.done()
    loop.now_s += DEBT_MAX_S / SHARE + 0.001
    assert await second == "viewer"


async def test_who_had_least_goes_first(loop: Loop) -> None:
    """Of two who are known; in whatever order they came."""
    await loop.asks("lead", 0.0, is_in=True)
    await loop.asks("viewer", 0.0, is_in=True)
    await loop.asks("viewer", COST_S, is_in=True)
    viewer = loop.asks("viewer", is_in=True)
    await turns()
    lead = loop.asks("lead", is_in=True)
    await turns()
    loop.now_s += LONG_S
    await asyncio.gather(viewer, lead)
    assert loop.answered[-2:] == ["lead", "viewer"]


async def test_of_one_who_is_known_one_request_is_under_way(loop: Loop) -> None:
    """While payments wait: sixty that wait for the disk would all be there at once."""
    await loop.asks("viewer", is_in=True)
    held = asyncio.Event()
    first = asyncio.create_task(loop.share.run("viewer", held.wait, bool))
    second = loop.asks("viewer")
    await turns()
    assert not second.done()
    held.set()
    assert await first
    assert await second == "viewer"


async def test_a_long_one_steps_aside_between_its_pieces(loop: Loop) -> None:
    """It goes on when it is paid for, and the others have had their turn."""
    done = list[int]()

    async def writes() -> str:
        loop.now_s += COST_S
        done.append(1)
        await step_aside()
        done.append(2)
        return "written"

    export = asyncio.create_task(loop.share.run("viewer", writes, lambda _: True))
    await turns()
    assert done == [1]
    lead = loop.asks("lead")
    loop.now_s += LONG_S
    assert await lead == "lead"
    assert await export == "written"


async def test_stepping_aside_elsewhere_is_nothing() -> None:
    """A report that is made for nobody who asks."""
    await step_aside()


async def test_who_goes_away_as_his_turn_comes_gives_it_back(loop: Loop) -> None:
    """His next request is not kept waiting by it."""
    await loop.asks("viewer", is_in=True)
    held = asyncio.Event()
    first = asyncio.create_task(loop.share.run("viewer", held.wait, lambda _: gone.cancel()))
    await turns()
    gone = loop.asks("viewer")
    await turns()
    held.set()
    await first
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await loop.asks("viewer") == "viewer"


async def test_what_a_request_began_and_goes_on_after_it_takes_no_turn(loop: Loop) -> None:
    """A job steps aside in nobody's name: the person's next request is answered."""
    going = asyncio.Event()
    jobs = list[asyncio.Task[None]]()

    async def job() -> None:
        await going.wait()
        await step_aside()

    async def begins() -> str:
        jobs.append(asyncio.create_task(job()))
        return "begun"

    await loop.asks("viewer", is_in=True)
    await loop.share.run("viewer", begins, lambda _: True)
    going.set()
    await jobs[0]
    loop.now_s += LONG_S
    assert await loop.asks("viewer") == "viewer"


async def test_callers_that_come_no_more_are_forgotten(loop: Loop) -> None:
    """Short-lived tokens are another caller every few minutes."""
    loop.is_pressed = False
    for number in range(2 * KNOWN_MAX):
        await loop.asks(f"token {number}", is_in=True)
        await loop.asks(f"token {number}", is_in=True)
    assert len(loop.share._rows) <= KNOWN_MAX + 1
