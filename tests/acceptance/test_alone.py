"""A gateway whose database is frozen or killed, killed itself while it is alone and while it brings over: the judge looks on."""

import asyncio
import contextlib
import json
import os
import random
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from adapters.channels.scripted.diary import Diary
from adapters.core import Level
from adapters.cores.scripted.ledger import read_attempts
from gateway.demo.scene import CorePart
from spool.away.fate import TAKEN_TWICE
from tests.acceptance.nodes import Cluster, clustered, database
from tests.acceptance.stage import WAIT_S, seed

pytestmark = pytest.mark.process

RATE: Final = 15.0
PARTS: Final = (CorePart(name="a"), CorePart(name="b", level=Level.B))
BOTH: Final = ("a", "b")
ROUNDS: Final = int(os.environ.get("NIGHTSAFE_ROUNDS", "1"))


async def spool_of(cluster: Cluster) -> Any:
    """The engine, as status shows it; None while there is no status, as the gateway is on its way to its database."""
    headers = {"Authorization": f"Bearer {cluster.scene.admin_token}"}
    with contextlib.suppress(aiohttp.ClientError):
        async with cluster.client.get(f"{cluster.scene.admin_url}/admin/v1/status", headers=headers) as answer:
            return (await answer.json())["spool"] if answer.status == HTTPStatus.OK else None
    return None


async def until_alone(cluster: Cluster, *, alone: bool = True) -> None:
    """Wait until the gateway takes payments by itself, or doesn't any more."""
    async with asyncio.timeout(WAIT_S):
        while (found := await spool_of(cluster)) is None or found["alone"] is not alone:
            pass


async def answers(diary: Diary, more: int) -> None:
    """Wait until the senders have had so many final answers more."""
    await diary.answers.reach(diary.answers.count + more)


def faults_of(cluster: Cluster, core: str, verdict: Any) -> dict[str, Any]:
    """What the judge has against it.

    A payment that was answered before, and asked for again while the node was alone, is told a second number, and is said yes
    to by both (docs/decisions/0050). Any other key has one answer.
    """
    lines = (cluster.scene.folder / f"{core}.export.jsonl").read_text(encoding="utf-8").splitlines()
    twice = {
        f"{line['entry']['channel']}.{line['entry']['key']}"
        for line in map(json.loads, lines)
        if any(turn["reason"] == TAKEN_TWICE for turn in line["history"])
    }
    found = {name: value for name, value in verdict.items() if isinstance(value, list) and name != "books"}
    found["inconsistent_answers"] = [each for each in found["inconsistent_answers"] if each not in twice]
    counted = {name: verdict[name] for name in ("waiting", "told_no", "told_nothing")}
    return {name: value for name, value in (found | counted).items() if value}


async def trouble(cluster: Cluster, diary: Diary, chance: random.Random) -> None:
    """The database stands still, then is killed; the gateway dies bringing over, alone, and started alone."""
    await answers(diary, chance.randint(5, 20))
    await asyncio.to_thread(cluster.database.pause)
    await until_alone(cluster)
    await answers(diary, chance.randint(20, 40))
    await asyncio.to_thread(cluster.database.go_on)
    await until_alone(cluster, alone=False)
    await cluster.gateway.kill()
    await cluster.gateway.start()
    await answers(diary, chance.randint(5, 20))
    await asyncio.to_thread(cluster.database.kill)
    await until_alone(cluster)
    await answers(diary, chance.randint(20, 40))
    await cluster.restart()
    await until_alone(cluster)
    await answers(diary, chance.randint(20, 40))
    await cluster.restart()
    await until_alone(cluster)
    await asyncio.to_thread(cluster.database.start)
    await until_alone(cluster, alone=False)
    await answers(diary, chance.randint(5, 20))


async def test_a_gateway_alone_loses_and_doubles_nothing_however_it_ends(tmp_path: Path) -> None:
    """One answer and one booking per key, in the order senders know of, as diary, ledger and database have it."""
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    alone = {"path": str(tmp_path / "alone.db"), "share_percent": 100}
    quick: dict[str, Any] = {"connect_timeout_s": 0.5, "statement_timeout_s": 1.0}
    async with database() as server, clustered(tmp_path, server, PARTS, alone=alone, **quick) as cluster:
        async with cluster.traffic(BOTH, RATE, chance, reversals=0.1) as diary:
            for _ in range(ROUNDS):
                await trouble(cluster, diary, chance)
        shown = (await cluster.status())["spool"]
        code = await cluster.gateway.stop()
        judged = {core: (await cluster.history(core, several=True))[1] for core in BOTH}
        verified, words = await cluster.command("verify")
    for verdict in judged.values():
        sys.stdout.write(f"{verdict['text']}\n")
    crossed = [each for core in BOTH for each in read_attempts(cluster.scene.ledger(core)) if each.in_flight]
    assert {core: found for core, verdict in judged.items() if (found := faults_of(cluster, core, verdict))} == {}
    assert (crossed, shown["beside"]) == ([], 0)
    assert (code, verified) == (0, 0), words
    assert cluster.blunders() == []
