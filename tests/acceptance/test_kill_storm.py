"""SIGKILLs of the gateway while its cores go on and off, under mixed traffic: nothing lost, nothing doubled or guessed.

Twenty kills in the suite; `make storm KILLS=200` for more of them. The seed is printed, and NIGHTSAFE_SEED plays it again
as far as chance goes. Three cores hang on one gateway, one of each level, so every kill hits all of them.
"""

import asyncio
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.channels.scripted.crowd import Crowd
from adapters.channels.scripted.diary import Diary
from adapters.core import Level
from gateway.demo.scene import CorePart
from tests.acceptance.stage import Stage, seed, staged

pytestmark = pytest.mark.process

KILLS: Final = int(os.environ.get("NIGHTSAFE_KILLS", "20"))
RATE: Final = 25.0
"""New payments a second and core."""

REVERSALS: Final = 0.15
"""Share of the payments that are undone again by their senders."""

TROUBLES: Final[tuple[dict[str, Any], ...]] = (
    {"outage": "refuse"},
    {"outage": "hang"},
    {"kind": "reset_before", "probability": 0.5},
    {"kind": "reset_after", "probability": 0.5},
    {"kind": "error_before", "probability": 0.5},
    {"kind": "error_after", "probability": 0.5},
    {"kind": "late", "delay_s": 1.5, "probability": 0.3},
    {"kind": "slow", "delay_s": 0.7, "probability": 0.3},
    {"kind": "truncated", "probability": 0.3},
    {"kind": "garbage", "probability": 0.3},
    {"kind": "wrong_type", "probability": 0.3},
    {"kind": "maintenance", "retry_after_s": 1},
)
"""What befalls a core, in an order of the seed; each is slower than neither the attempt's time nor the settling."""

PARTS: Final = (
    CorePart(name="a", level=Level.A, protocol="osmp"),
    CorePart(name="b", level=Level.B, protocol="json"),
    CorePart(name="c", level=Level.C, protocol="json"),
)

BLIND: Final[dict[str, Any]] = {"accounts": 100_000, "pause_growth": 1.5, "pause_longest_s": 20.0}
"""Senders to the core that can't tell: what is parked holds its account for good and is never answered finally."""


async def trouble(stage: Stage, core: str, diary: Diary, chance: random.Random, over: Callable[[], bool]) -> int:
    """On and off, by the progress of the traffic, until it is over; how often it was off."""
    count = 0
    kinds = list(TROUBLES)
    chance.shuffle(kinds)
    while not over():
        await diary.answers.reach(diary.answers.count + chance.randint(10, 50))
        await stage.fault(core, **kinds[count % len(kinds)])
        count += 1
        await diary.answers.reach(diary.answers.count + chance.randint(10, 80))
        await stage.heal(core)
    return count


async def kill_again_and_again(stage: Stage, diaries: list[Diary], chance: random.Random) -> None:
    """At moments of the traffic that nobody chose; the senders go on asking meanwhile."""
    for _ in range(KILLS):
        diary = chance.choice(diaries)
        await diary.answers.reach(diary.answers.count + chance.randint(1, 40))
        await stage.restart()


async def storm(stage: Stage, chance: random.Random, crowds: dict[str, tuple[Crowd, Diary]]) -> int:
    """Traffic, troubles and kills at once; then health until all is answered or parked. How often a core was off."""
    calm, killed = asyncio.Event(), False
    sending = [asyncio.create_task(crowd.send(calm)) for crowd, _ in crowds.values()]
    troubles = [
        asyncio.create_task(trouble(stage, core, diary, random.Random(chance.random()), lambda: killed))  # noqa: S311 - repeatable on purpose
        for core, (_, diary) in crowds.items()
    ]
    await kill_again_and_again(stage, [diary for _, diary in crowds.values()], chance)
    killed = True
    offs = sum(await asyncio.gather(*troubles))
    calm.set()
    await asyncio.gather(*sending)
    for core, (crowd, _) in crowds.items():
        await stage.quiet(core, crowd)
    return offs


async def test_nothing_is_lost_doubled_or_guessed_over_many_kills(tmp_path: Path) -> None:
    """P1, P2, P3, P3b and P5, as diaries, ledgers and the spool's export have it; the gateway has no word in it."""
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    async with staged(tmp_path, PARTS) as stage:
        async with (
            stage.crowd("a", RATE, chance, reversals=REVERSALS) as a,
            stage.crowd("b", RATE, chance, reversals=REVERSALS) as b,
            stage.crowd("c", RATE, chance, reversals=REVERSALS, **BLIND) as c,
        ):
            offs = await storm(stage, chance, {"a": a, "b": b, "c": c})
        exit_code = await stage.gateway.stop()
        judged = {core: await stage.history(core, blind=core == "c") for core in stage.cores}
        verified, words = await stage.command("verify")
    sys.stdout.write(f"{stage.gateway.kills} kills, cores off {offs} times\n")
    for core, (_, verdict) in judged.items():
        sys.stdout.write(f"core {core}: {verdict['text']}\n")
    found = [event for event in stage.events() if event["event"] == "spool_opened"]
    assert {core: verdict for core, (code, verdict) in judged.items() if code} == {}
    assert {core: verdict["waiting"] for core, (_, verdict) in judged.items() if core != "c"} == {"a": {}, "b": {}}
    assert judged["c"][1]["waiting"].get("parked", 0) > 0, "nothing unclear happened to the core that can't tell"
    assert stage.gateway.kills == KILLS
    assert sum(event.get("in_doubt", 0) for event in found) > 0, "no kill came between sending and recording"
    assert (exit_code, verified) == (0, 0), words
    assert stage.blunders() == []
