"""SIGKILLs of the gateway while its cores go on and off, under mixed traffic: nothing lost, nothing doubled or guessed.

Eight kills in the suite; `make storm KILLS=200` for more of them. The seed is printed, and NIGHTSAFE_SEED plays it again
as far as chance goes. Three cores hang on one gateway, one of each level, so every kill hits all of them.

On PostgreSQL (`make storm ENGINE=postgres`) two gateways share a database, and each kill hits one of the three. Beside them what is
over is forgotten, seconds after it ended.
"""

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.channels.scripted.crowd import Crowd
from adapters.channels.scripted.diary import Diary
from adapters.core import Level
from gateway.demo.scene import CorePart
from tests.acceptance.leaving import Leaving, leaving
from tests.acceptance.nodes import Cluster, clustered, database
from tests.acceptance.stage import Stage, seed, staged

pytestmark = pytest.mark.process

KILLS: Final = int(os.environ.get("NIGHTSAFE_KILLS", "8"))
KILLS_SHARED: Final = int(os.environ.get("NIGHTSAFE_KILLS", "3"))
"""Of two gateways and their database."""

RATE: Final = 25.0
"""New payments a second and core."""

RATE_SHARED: Final = 6.0
"""The same where two gateways and a database share the machine."""

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

Kill = Callable[[], Awaitable[None]]
"""Kills one thing and starts it again."""

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


async def kill_again_and_again(kills: list[Kill], diaries: list[Diary], chance: random.Random) -> None:
    """At moments of the traffic that nobody chose; the senders go on asking meanwhile."""
    for kill in kills:
        diary = chance.choice(diaries)
        await diary.answers.reach(diary.answers.count + chance.randint(1, 40))
        await kill()


async def storm(
    stage: Stage,
    chance: random.Random,
    crowds: dict[str, tuple[Crowd, Diary]],
    kills: list[Kill],
    beside: Callable[[Diary], Coroutine[Any, Any, None]],
) -> int:
    """Traffic, troubles and kills at once; then health until all is answered or parked. How often a core was off."""
    calm, killed = asyncio.Event(), False
    working = asyncio.create_task(beside(crowds["a"][1]))
    sending = [asyncio.create_task(crowd.send(calm)) for crowd, _ in crowds.values()]
    troubles = [
        asyncio.create_task(trouble(stage, core, diary, random.Random(chance.random()), lambda: killed))  # noqa: S311 - repeatable on purpose
        for core, (_, diary) in crowds.items()
    ]
    await kill_again_and_again(kills, [diary for _, diary in crowds.values()], chance)
    killed = True
    offs = sum(await asyncio.gather(*troubles))
    calm.set()
    await asyncio.gather(*sending)
    for core, (crowd, _) in crowds.items():
        await stage.quiet(core, crowd)
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    return offs


async def nothing(_diary: Diary) -> None:
    """Nothing goes on beside it."""


async def play(
    stage: Stage,
    chance: random.Random,
    kills: list[Kill],
    rate: float,
    left: Leaving | None = None,
    **habits: Any,
) -> dict[str, tuple[int, dict[str, Any]]]:
    """The whole storm, and what the judge says of each core, once the gateways are stopped."""
    several = bool(habits)
    async with (
        stage.crowd("a", rate, chance, reversals=REVERSALS, **habits) as a,
        stage.crowd("b", rate, chance, reversals=REVERSALS, **habits) as b,
        stage.crowd("c", rate, chance, reversals=REVERSALS, **BLIND, **habits) as c,
    ):
        offs = await storm(stage, chance, {"a": a, "b": b, "c": c}, kills, left.run if left else nothing)
    await stage.stop()
    gone = {core: await left.exported(core) if left else None for core in stage.cores}
    judged = {
        core: await stage.history(core, blind=core == "c", several=several, forgotten=gone[core])
        for core in stage.cores
    }
    sys.stdout.write(f"{len(kills)} kills, cores off {offs} times\n")
    for core, (_, verdict) in judged.items():
        sys.stdout.write(f"core {core}: {verdict['text']}\n")
    return judged


def insist(judged: dict[str, tuple[int, dict[str, Any]]]) -> None:
    """P1, P2, P3, P3b and P5, as diaries, ledgers and the spool's export have it; the gateway has no word in it."""
    assert {core: verdict for core, (code, verdict) in judged.items() if code} == {}
    assert {core: verdict["waiting"] for core, (_, verdict) in judged.items() if core != "c"} == {"a": {}, "b": {}}
    assert judged["c"][1]["waiting"].get("parked", 0) > 0, "nothing unclear happened to the core that can't tell"


async def test_nothing_is_lost_doubled_or_guessed_over_many_kills(tmp_path: Path) -> None:
    """One gateway on a file of its own: SIGKILL, and a new start."""
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    async with staged(tmp_path, PARTS) as stage:
        judged = await play(stage, chance, [stage.restart] * KILLS, RATE)
        verified, words = await stage.command("verify")
    found = [event for event in stage.events() if event["event"] == "spool_opened"]
    insist(judged)
    assert stage.gateway.kills == KILLS
    assert sum(event.get("in_doubt", 0) for event in found) > 0, "no kill came between sending and recording"
    assert verified == 0, words
    assert stage.blunders() == []


async def unclear(stage: Cluster) -> None:
    """All gateways are gone while the core that can't tell has an order in hand that it never answers."""
    await stage.fault("c", outage="hang")
    await stage.hits("c", 1)
    for actor in stage.actors:
        await actor.kill()
    await stage.heal("c")
    for actor in stage.actors:
        await actor.start()


async def test_nothing_is_lost_doubled_or_guessed_when_nodes_and_their_database_are_killed(tmp_path: Path) -> None:
    """Whose attempts were under way is put in doubt by whoever is left; what then is unclear is parked, never guessed."""
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    async with database() as server, clustered(tmp_path, server, PARTS, "second") as stage:
        each: list[Kill] = [stage.restart_database, stage.restart, stage.nodes[0].restart]
        kills = [each[i % 3] for i in range(KILLS_SHARED - 1)]
        chance.shuffle(kills)
        async with leaving(stage) as left:
            judged = await play(
                stage, chance, [lambda: unclear(stage), *kills], RATE_SHARED, left, address=stage.round_robin()
            )
        verified, words = await stage.command("verify")
        ((doubted,),) = server.ask("SELECT count(*) FROM event WHERE reason IN ('restart', 'node_gone', 'lease_lost')")
    insist(judged)
    assert doubted > 0, "no kill came between sending and recording"
    assert verified == 0, words
    assert stage.blunders() == []
