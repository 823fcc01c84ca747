"""SIGTERM under load: no new requests, what is in hand is answered, nothing is lost, and the exit code is 0."""

import asyncio
import random
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.core import Level
from gateway.demo.scene import CorePart
from tests.acceptance.stage import WAIT_S, seed, staged

pytestmark = pytest.mark.process

CORE: Final = "billing"
STOPS: Final = 2

MOODS: Final[dict[str, list[dict[str, Any]]]] = {
    "in health": [],
    "with a slow core": [{"kind": "slow", "delay_s": 0.3}],
    "with a core that hangs": [{"outage": "hang"}],
    "in an outage": [{"outage": "refuse"}],
}


@pytest.mark.parametrize(
    ("mood", "level"),
    [
        ("in health", Level.A),
        ("with a slow core", Level.B),
        ("with a core that hangs", Level.A),
        ("with a core that hangs", Level.B),
        ("in an outage", Level.A),
    ],
)
async def test_a_stop_under_load_loses_nothing(tmp_path: Path, mood: str, level: Level) -> None:
    """Stopped and started again and again while senders go on asking; each stop ends by itself, with 0."""
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    calm = asyncio.Event()
    async with staged(tmp_path, [CorePart(name=CORE, level=level)], stop_grace_s=4.0) as stage:
        for fault in MOODS[mood]:
            await stage.fault(CORE, **fault)
        async with stage.crowd(CORE, 40.0, chance) as (crowd, diary):
            sending = asyncio.create_task(crowd.send(calm))
            codes = list[int]()
            for _ in range(STOPS):
                await diary.answers.reach(diary.answers.count + chance.randint(5, 60))
                codes.append(await stage.gateway.stop())
                await stage.gateway.start()
            await stage.heal(CORE)
            calm.set()
            await sending
            async with asyncio.timeout(WAIT_S):
                await crowd.settled()
            await stage.drained()
        verdict = stage.verdict(CORE)
    assert codes == [0] * STOPS
    assert verdict.sound, str(verdict)
    assert verdict.told_nothing == 0
    assert stage.blunders() == []
