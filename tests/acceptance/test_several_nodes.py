"""Three gateways on one database under load: killed, paused and left without it. Nothing is lost, doubled or overtaken."""

import asyncio
import random
import sys
from pathlib import Path
from typing import Final

import pytest

from adapters.channels.scripted.diary import Diary
from adapters.cores.scripted.ledger import read_attempts
from gateway.demo.scene import CorePart
from tests.acceptance.nodes import Cluster, clustered, database, replicated
from tests.acceptance.stage import seed

pytestmark = pytest.mark.process

RATE: Final = 30.0
PARTS: Final = (CorePart(name="a"),)


async def trouble(cluster: Cluster, diary: Diary) -> None:
    """Each kind of it once, with traffic before, during and after."""
    second, third = cluster.nodes
    await answers(diary, 40)
    await second.actor.kill()
    await answers(diary, 40)
    await second.actor.start()
    third.pause()
    await cluster.lease_lost(third.name)
    await answers(diary, 40)
    third.go_on()
    await answers(diary, 40)
    await cluster.fault("a", outage="refuse")
    await answers(diary, 40)
    await asyncio.to_thread(cluster.database.kill)
    await asyncio.to_thread(cluster.database.start)
    await answers(diary, 40)
    await cluster.heal("a")
    await answers(diary, 20)
    await cluster.restart()
    await answers(diary, 40)


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
        calm = asyncio.Event()
        async with cluster.crowd("a", RATE, chance, address=cluster.round_robin(), reversals=0.1) as (crowd, diary):
            sending = asyncio.create_task(crowd.send(calm))
            await trouble(cluster, diary)
            calm.set()
            await sending
            await cluster.quiet("a", crowd)
        codes = [await actor.stop() for actor in (cluster.gateway, *(node.actor for node in cluster.nodes))]
        code, verdict = await cluster.history("a")
        verified, words = await cluster.command("verify")
    attempts = read_attempts(cluster.scene.ledger("a"))
    sys.stdout.write(f"{verdict['text']}\n")
    assert (code, verdict["waiting"]) == (0, {}), verdict
    assert [each for each in attempts if each.in_flight] == []
    assert (codes, verified) == ([0, 0, 0], 0), words
    assert cluster.blunders() == []


async def test_a_primary_that_is_gone_and_its_standby_promoted_lose_and_double_nothing(tmp_path: Path) -> None:
    """Commits waited for the standby, so what was answered is there; nodes find it by the servers their URL names.

    How long nobody had a positive answer is printed.
    """
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    async with replicated() as (primary, standby):
        dsn = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/postgres"
        async with clustered(tmp_path, primary, PARTS, "second", dsn=dsn) as cluster:
            calm = asyncio.Event()
            async with cluster.crowd("a", RATE, chance, address=cluster.round_robin(), reversals=0.1) as (crowd, diary):
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
            codes = [await actor.stop() for actor in (cluster.gateway, cluster.nodes[0].actor)]
            code, verdict = await cluster.history("a")
            verified, words = await cluster.command("verify")
    assert (code, verdict["waiting"]) == (0, {}), verdict
    assert [each for each in read_attempts(cluster.scene.ledger("a")) if each.in_flight] == []
    assert (codes, verified) == ([0, 0], 0), words
    assert cluster.blunders() == []
