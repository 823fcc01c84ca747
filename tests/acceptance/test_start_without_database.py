"""The service started while its PostgreSQL is down: it stays up, says why, ends when told to, and joins when it is there."""

import asyncio
import random
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.core import Level
from gateway.demo.scene import CorePart
from tests.acceptance.nodes import Cluster, clustered, database
from tests.acceptance.stage import WAIT_S, moment, seed

pytestmark = pytest.mark.process

PARTS: Final = (CorePart(name="a"), CorePart(name="b", level=Level.B))
BOTH: Final = ("a", "b")


async def ready(cluster: Cluster) -> tuple[int, Any]:
    """What /readyz says."""
    async with cluster.client.get(f"{cluster.scene.admin_url}/readyz") as answer:
        return answer.status, await answer.json()


async def shown(cluster: Cluster) -> Any:
    """What status says."""
    headers = {"Authorization": f"Bearer {cluster.scene.admin_token}"}
    async with cluster.client.get(f"{cluster.scene.admin_url}/admin/v1/status", headers=headers) as answer:
        return await answer.json()


async def test_a_service_that_starts_without_its_database_waits_for_it_and_loses_nothing(tmp_path: Path) -> None:
    """Senders are told to ask again, and each has one answer and one booking in the end."""
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    async with database() as server, clustered(tmp_path, server, PARTS, connect_timeout_s=0.5) as cluster:
        async with cluster.traffic(BOTH, 15.0, chance, reversals=0.1) as diary:
            await diary.answers.reach(20)
            await cluster.gateway.kill()
            await asyncio.to_thread(server.stop)
            await cluster.gateway.start()
            status, why = await ready(cluster)
            told = await shown(cluster)
            code = await cluster.gateway.stop()
            await cluster.gateway.start()
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(WAIT_S):
                while (await ready(cluster))[0] != 200:
                    await moment()
            await diary.answers.reach(diary.answers.count + 20)
        stopped = await cluster.gateway.stop()
        judged = {core: await cluster.history(core) for core in BOTH}
        verified, found = await cluster.command("verify")
    assert (status, why["ready"], "database can't be reached" in why["missing"][0]) == (503, False, True)
    assert (code, stopped, verified) == (0, 0, 0), found
    assert "the database can't be reached" in told["detail"]
    assert {core: verdict for core, (wrong, verdict) in judged.items() if wrong or verdict["waiting"]} == {}
    assert cluster.blunders() == []
