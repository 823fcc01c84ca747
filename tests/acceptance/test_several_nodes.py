"""Three gateways on one database under load: killed, paused and left without it. Nothing is lost, doubled or overtaken.

One round of it in the suite; `make nodes ROUNDS=20` for more of them. The seed is printed, and NIGHTSAFE_SEED plays it
again as far as chance goes.
"""

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Final

import pytest

from adapters.channels.scripted.diary import Diary
from adapters.core import Level
from adapters.cores.scripted.ledger import read_attempts
from gateway.demo.scene import CorePart
from tests.acceptance.nodes import Cluster, clustered, database, replicated
from tests.acceptance.stage import seed

pytestmark = pytest.mark.process

RATE: Final = 15.0
"""New payments a second and core."""

PARTS: Final = (CorePart(name="a"), CorePart(name="b", level=Level.B))
ROUNDS: Final = int(os.environ.get("NIGHTSAFE_ROUNDS", "1"))

BOTH: Final = ("a", "b")


async def trouble(cluster: Cluster, diary: Diary, chance: random.Random) -> None:
    """Each kind of it once, with traffic before, during and after, in an order nobody chose."""
    killed, paused = chance.sample(cluster.nodes, 2)
    await answers(diary, chance.randint(10, 60))
    await killed.actor.kill()
    await answers(diary, chance.randint(10, 60))
    await killed.actor.start()
    paused.pause()
    await cluster.lease_lost(paused.name)
    await answers(diary, chance.randint(10, 60))
    paused.go_on()
    await answers(diary, chance.randint(10, 60))
    for core in BOTH:
        await cluster.fault(core, outage=chance.choice(["refuse", "hang"]))
    await answers(diary, chance.randint(10, 60))
    await cluster.restart_database()
    await answers(diary, chance.randint(10, 60))
    for core in BOTH:
        await cluster.heal(core)
    await answers(diary, chance.randint(10, 40))
    await cluster.restart()
    await answers(diary, chance.randint(10, 60))


async def answers(diary: Diary, more: int) -> None:
    """Wait until the senders have had so many final answers more."""
    await diary.answers.reach(diary.answers.count + more)


async def test_nodes_that_die_sleep_and_lose_their_database_lose_and_double_nothing(tmp_path: Path) -> None:
    """As the senders' diary, the core's ledger and the database have it; whoever a request came to.

    A node that slept has lost its claims: what it says then is not stored. The core's own log shows one attempt of an
    account at a time, from first to last.
    """
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    async with database() as server, clustered(tmp_path, server, PARTS, "second", "third") as cluster:
        async with cluster.traffic(BOTH, RATE, chance, address=cluster.round_robin(), reversals=0.1) as diary:
            for _ in range(ROUNDS):
                await trouble(cluster, diary, chance)
        await cluster.stop()
        judged = {core: await cluster.history(core, several=True) for core in BOTH}
        verified, words = await cluster.command("verify")
    crossed = [each for core in BOTH for each in read_attempts(cluster.scene.ledger(core)) if each.in_flight]
    for _, verdict in judged.values():
        sys.stdout.write(f"{verdict['text']}\n")
    assert {core: verdict for core, (code, verdict) in judged.items() if code or verdict["waiting"]} == {}
    assert crossed == []
    assert verified == 0, words
    assert cluster.blunders() == []


async def test_a_primary_that_is_gone_and_its_standby_promoted_lose_and_double_nothing(tmp_path: Path) -> None:
    """Commits waited for the standby, so what was answered is there; nodes find it by the servers their URL names.

    How long nobody had a positive answer is printed.
    """
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    async with replicated() as (primary, standby):
        dsn = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/postgres"
        async with clustered(tmp_path, primary, PARTS[:1], "second", dsn=dsn) as cluster:
            calm = asyncio.Event()
            async with cluster.crowd("a", 2 * RATE, chance, address=cluster.round_robin()) as (crowd, diary):
                sending = asyncio.create_task(crowd.send(calm))
                await answers(diary, 60)
                await asyncio.to_thread(primary.kill)
                gone = asyncio.get_running_loop().time()
                await asyncio.to_thread(standby.promote)
                promoted = asyncio.get_running_loop().time()
                await answers(diary, 3)
                sys.stdout.write(
                    f"promoted after {promoted - gone:.2f} s, answered after {asyncio.get_running_loop().time() - gone:.2f} s\n"
                )
                await answers(diary, 60)
                calm.set()
                await sending
                await cluster.quiet("a", crowd)
            await cluster.stop()
            code, verdict = await cluster.history("a", several=True)
            verified, words = await cluster.command("verify")
    assert (code, verdict["waiting"]) == (0, {}), verdict
    assert [each for each in read_attempts(cluster.scene.ledger("a")) if each.in_flight] == []
    assert verified == 0, words
    assert cluster.blunders() == []
