"""One node after the other is stopped and started as this program, while payments flow: the page's way to upgrade.

The older program is a real one, out of this repository's history, whose layout is three steps behind.
"""

import io
import random
import subprocess
import tarfile
from pathlib import Path
from typing import Final

import pytest

from adapters.cores.scripted.ledger import read_attempts
from gateway.demo.scene import CorePart
from spool.postgres.statements import migrations
from tests.acceptance.nodes import SERVE, Cluster, clustered, database
from tests.acceptance.stage import seed
from tests.tidy.house import ROOT

pytestmark = pytest.mark.process

OLDER: Final = "a5d5e49d7432040bfb0eb4264c2ea4084231030b"
"""The last commit before indexes were made apart from transactions: layout 6."""

OLDER_LAYOUT: Final = 6
RATE: Final = 15.0

RUN: Final = """
import runpy, sys
sys.path[:0] = [{folder!r}, {folder!r} + "/queue"]
runpy.run_module("gateway", run_name="__main__", alter_sys=True)
"""


def older(folder: Path) -> tuple[str, ...]:
    """What Python is told to be the older program."""
    found = subprocess.run(
        ["git", "archive", OLDER, "gateway", "adapters", "queue"],  # noqa: S607 - whichever the tests were fetched by
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if found.returncode:
        pytest.skip(f"the history is needed, to upgrade from it (git fetch --unshallow): {found.stderr!r}")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return ("-P", "-c", RUN.format(folder=str(folder)), *SERVE[2:])


def layout(cluster: Cluster) -> int:
    """The version of the tables."""
    ((version,),) = cluster.database.ask("SELECT max(version) FROM migration")
    return int(version)


async def test_nodes_are_upgraded_one_by_one_while_payments_flow(tmp_path: Path) -> None:
    """Both versions work on the same tables meanwhile; no payment is lost, doubled, or told no."""
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    command = older(tmp_path / "older")
    layouts = list[int]()
    async with (
        database() as server,
        clustered(tmp_path, server, [CorePart(name="a")], "second", command=command) as cluster,
    ):
        async with cluster.traffic(["a"], RATE, chance, address=cluster.round_robin(), reversals=0.1) as diary:
            await diary.answers.reach(30)
            layouts.append(layout(cluster))
            assert await cluster.nodes[0].actor.stop() == 0
            cluster.nodes[0].install(SERVE)
            await cluster.nodes[0].actor.start()
            layouts.append(layout(cluster))
            await diary.answers.reach(diary.answers.count + 60)
            assert await cluster.gateway.stop() == 0
            cluster.gateway = cluster.scene.gateway()
            await cluster.gateway.start()
            await diary.answers.reach(diary.answers.count + 30)
        await cluster.stop()
        code, verdict = await cluster.history("a", several=True)
        verified, words = await cluster.command("verify")
    assert layouts == [OLDER_LAYOUT, migrations()[-1].version]
    assert (code, verdict["waiting"]) == (0, {}), verdict
    assert [each for each in read_attempts(cluster.scene.ledger("a")) if each.in_flight] == []
    assert verified == 0, words
    assert cluster.blunders() == []
