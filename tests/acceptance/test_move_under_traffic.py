"""A service is started anew with its spool at another engine while senders go on asking: moved at open doors, and once."""

import random
import sys
from pathlib import Path
from typing import Final

import pytest

from adapters.channels.scripted.diary import Diary
from adapters.core import Level
from gateway.demo.actor import Actor
from gateway.demo.scene import CorePart
from tests.acceptance.nodes import SERVE, database
from tests.acceptance.stage import Stage, run_python, seed, staged

pytestmark = pytest.mark.process

PARTS: Final = (CorePart(name="a"), CorePart(name="b", level=Level.B))
BOTH: Final = ("a", "b")
STEPS: Final = ("carry", "compare", "marked")
"""Where the service is killed, one start after the other."""


def there(stage: Stage, name: str, spool: str) -> Path:
    """The scene's configuration with another spool."""
    text = stage.scene.config.read_text(encoding="utf-8")
    head, _, rest = text.partition("[spool]\n")
    key_file = next(line for line in rest.splitlines() if line.startswith("key_file"))
    made = stage.scene.folder / f"{name}.toml"
    tables = rest[rest.index("[listen.channels]") :]
    made.write_text(f"{head}[spool]\n{key_file}\n{spool}\n{tables}", encoding="utf-8")
    return made


def install(stage: Stage, old: Path, new: Path, until: str) -> None:
    """From now on the service is started with this configuration, its spool moved from the other's place."""
    stage.gateway = Actor(
        "gateway",
        (sys.executable, *SERVE, str(new), "--moved-from", str(old)),
        # A kill may come too late, when all is done: then there is nothing to move at the next start.
        is_ready=lambda line: until in line or '"spool_moved"' in line,
        log=stage.scene.folder / "gateway.log",
    )


async def moved(stage: Stage, old: Path, new: Path, diary: Diary) -> None:
    """Stopped, started with the new configuration, killed at each step of the move, and started again."""
    await diary.answers.reach(diary.answers.count + 20)
    assert await stage.gateway.stop() == 0
    for step in STEPS:
        install(stage, old, new, f'"step": "{step}"')
        await stage.gateway.start()
        await stage.gateway.kill()
    install(stage, old, new, '"spool_moved"')
    await stage.gateway.start()
    await diary.answers.reach(diary.answers.count + 20)


async def test_a_spool_moves_to_a_database_and_back_under_traffic_and_kills(tmp_path: Path) -> None:
    """One answer and one booking per key; the places it left are served by nobody any more."""
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    async with database() as server, staged(tmp_path, PARTS, stop_grace_s=4.0) as stage:
        url = tmp_path / "database.url"
        url.write_text(server.dsn(), encoding="utf-8")
        first = stage.scene.config
        second = there(
            stage, "second", f'engine = "postgres"\n[spool.postgres]\nurl = {{ file = "{url}" }}\nlease_s = 1.5\n'
        )
        keys = f'[keys]\nstore_file = "{tmp_path}/third.store"\n'
        third = there(stage, "third", f'path = "{tmp_path}/third/nightsafe.db"\n{keys}')
        async with stage.traffic(BOTH, 15.0, chance, reversals=0.1) as diary:
            await moved(stage, first, second, diary)
            await moved(stage, second, third, diary)
        assert await stage.gateway.stop() == 0
        refused = [await run_python("-m", "gateway", "serve", "--config", str(each)) for each in (first, second)]
        stage.scene.config = third
        # In a database, what came at the same moment is in the order in which it was committed.
        judged = {core: await stage.history(core, several=True) for core in BOTH}
        verified, words = await stage.command("verify")
    assert [(code != 0, b"moved away" in said) for code, said in refused] == [(True, True), (True, True)]
    assert {core: verdict for core, (wrong, verdict) in judged.items() if wrong or verdict["waiting"]} == {}
    assert verified == 0, words
    assert stage.blunders() == []
