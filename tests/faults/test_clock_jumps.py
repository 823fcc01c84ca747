"""Clocks that are moved: an hour, a year, forward and back, while payments wait and while the service is stopped.

Within a process nobody moves the time (`gateway.clock`); between two processes anybody may.
"""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from adapters.core import Level
from adapters.outcome import NotFound
from gateway.clock import settle
from gateway.demo.scene import CorePart
from spool.lifecycle import State
from tests.acceptance.stage import WAIT_S, Stage
from tests.faults.surroundings import staged_within
from tests.unit.fake_core import SETTLE_S, SILENCE, Does, able
from tests.unit.heart import Heart, make

HOUR_S: Final = 3_600
YEAR_S: Final = 365 * 24 * HOUR_S
JUMPS: Final = (HOUR_S, -HOUR_S, YEAR_S, -YEAR_S)
CORE: Final = "billing"

OpenLife = Callable[[Heart], Awaitable[Heart]]


# The real service, its wall clock moved under its feet


class Wall:
    """The gateway's wall clock: how far it is off, in a file that is read at each look."""

    def __init__(self, path: Path) -> None:
        """Right, to begin with."""
        self.path = path
        self.moved(0)

    def moved(self, seconds: int) -> None:
        """Put it so many seconds off, at once."""
        new = self.path.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self.path)


@pytest.fixture
async def moving(tmp_path: Path) -> AsyncIterator[tuple[Stage, Wall]]:
    """A stage whose gateway lives by a wall that can be moved; the core has time of its own."""
    wall = Wall(tmp_path / "wall")
    serving = (sys.executable, "-m", "tests.faults.serving")
    config = str(tmp_path / "nightsafe.toml")
    async with staged_within(
        (), tmp_path, [CorePart(name=CORE, level=Level.B)], command=(*serving, config, str(wall.path))
    ) as stage:
        yield stage, wall


@pytest.mark.process
async def test_jumps_under_load_lose_and_double_nothing_and_make_nobody_wait(moving: tuple[Stage, Wall]) -> None:
    """Expected: as if nothing had happened.

    While payments pass and while a backlog waits (some in doubt, for the core's answers are cut off) the wall goes an
    hour and a year forward and back. Every sender gets its answer, everything is booked once, the backlog drains as
    soon as the core is well, numbers rise, and each jump is logged once.
    """
    stage, wall = moving
    calm = asyncio.Event()
    async with stage.crowd(CORE, 40.0, random.Random(3)) as (crowd, diary):  # noqa: S311 - repeatable on purpose
        sending = asyncio.create_task(crowd.send(calm))
        for jump in JUMPS:
            await stage.fault(CORE, kind="reset_after", probability=0.5)
            await diary.answers.reach(diary.answers.count + 25)
            wall.moved(jump)
            await diary.answers.reach(diary.answers.count + 25)
            await stage.heal(CORE)
            wall.moved(0)
            await diary.answers.reach(diary.answers.count + 10)
        calm.set()
        await sending
        async with asyncio.timeout(WAIT_S):
            await crowd.settled()
    await stage.drained()
    verdict = stage.verdict(CORE)
    assert verdict.sound, str(verdict)
    assert verdict.told_nothing == 0
    moves = [event for event in stage.events() if event["event"] == "clock_moved"]
    assert 1 <= len(moves) <= 2 * len(JUMPS)
    assert (stage.gateway.starts, stage.blunders()) == (1, [])


@pytest.mark.process
@pytest.mark.parametrize("jump", [-HOUR_S, YEAR_S])
async def test_what_waits_is_booked_once_when_the_clock_jumps_between_two_lives(
    moving: tuple[Stage, Wall], jump: int
) -> None:
    """Expected: the kept record of the open route, the backlog and the numbers survive; all of it is booked once.

    New payments come after old ones in order although the new clock may say they are a year older.
    """
    stage, wall = moving
    await stage.fault(CORE, outage="refuse")
    calm = asyncio.Event()
    async with stage.crowd(CORE, 60.0, random.Random(4)) as (crowd, diary):  # noqa: S311 - repeatable on purpose
        sending = asyncio.create_task(crowd.send(calm))
        await diary.answers.reach(30)
        await stage.gateway.kill()
        wall.moved(jump)
        await stage.gateway.start()
        await diary.answers.reach(diary.answers.count + 30)
        await stage.heal(CORE)
        calm.set()
        await sending
        async with asyncio.timeout(WAIT_S):
            await crowd.settled()
    await stage.drained()
    verdict = stage.verdict(CORE)
    assert verdict.sound, str(verdict)
    assert (await stage.verify())["ok"]
    assert stage.blunders() == []


# One process and the next, with time in our hands


@pytest.fixture
async def open_life() -> AsyncIterator[OpenLife]:
    """Opens the first life of a spool, or the next one; the last is ended with the test."""
    lives = list[Heart]()

    async def open_one(heart: Heart) -> Heart:
        await heart.open()
        lives.append(heart)
        return heart

    yield open_one
    await lives[-1].crash()
    await settle()


async def next_life(heart: Heart, jump_s: int) -> Heart:
    """Killed, and the clock moved while it is down."""
    await heart.crash()
    heart.clock.jump(jump_s)
    return Heart(heart.store, heart.core, heart.clock, heart.standin, heart.forward, heart.breaker)


@pytest.mark.parametrize("jump", JUMPS)
async def test_numbers_rise_whatever_the_clock_says_after_a_restart(open_life: OpenLife, jump: int) -> None:
    """They order arrival, and a lane goes in their order."""
    heart = await open_life(make(Level.A))
    await heart.pay("before")
    again = await open_life(await next_life(heart, jump))
    await again.pay("after")
    assert (await again.entry("before")).number < (await again.entry("after")).number


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_repeat_after_a_jump_gets_the_answer_it_had(open_life: OpenLife, jump: int) -> None:
    """A key is kept as long as its payment; no clock ends that."""
    heart = await open_life(make(Level.A))
    first = await heart.pay()
    again = await open_life(await next_life(heart, jump))
    assert replace(await again.pay(), replayed=first.replayed) == first
    assert list(again.core.bookings.values()) == [1]


@pytest.mark.parametrize(
    "jump",
    [
        -HOUR_S,
        -YEAR_S,
        HOUR_S,
        YEAR_S,
    ],
)
async def test_what_waits_for_a_time_waits_no_longer_after_a_restart(open_life: OpenLife, jump: int) -> None:
    """Expected: an entry in doubt is asked about when it was meant to be, at the latest; its account waits for it."""
    heart = await open_life(make(Level.B))
    heart.core.will(Does(SILENCE, books=True))
    await heart.pay()
    again = await open_life(await next_life(heart, jump))
    await again.later(2 * SETTLE_S, rounds=4)
    assert (await again.entry()).state is State.POSTED
    assert list(again.core.bookings.values()) == [1]


@pytest.mark.parametrize("jump", [HOUR_S, YEAR_S, -HOUR_S])
async def test_not_there_is_not_believed_early_after_a_restart(open_life: OpenLife, jump: int) -> None:
    """Expected: what was sent a moment before the stop may still be in work at the core, whatever the clock says now.

    At level B "not there" leads to a new attempt: believed too early, the payer pays twice.
    """
    heart = await open_life(make(Level.B))
    heart.core.will(SILENCE)
    await heart.pay()
    again = await open_life(await next_life(heart, jump))
    again.core.will_tell(NotFound())
    await again.forwards(4)
    assert again.core.numbers("post") == [(await again.entry()).number]


@pytest.mark.parametrize("jump", [-HOUR_S, HOUR_S])
async def test_a_key_the_core_has_forgotten_is_not_sent_again_after_a_restart(open_life: OpenLife, jump: int) -> None:
    """Expected: past its lifetime the core is asked, not sent to; it would book the payment anew."""
    heart = await open_life(make(capabilities=able(Level.A, key_lifetime_s=1_800.0)))
    heart.core.will(Does(SILENCE, books=True))
    await heart.pay()
    heart.open_route()
    await heart.clock.advance(2_000.0)
    again = await open_life(await next_life(heart, jump))
    await again.forwards(3)
    assert [call.operation for call in again.core.calls] == ["post", "inquire"]
