"""Keys changed under traffic, records sealed anew, SIGKILLs in the middle of it: nothing lost, nothing unreadable.

A few kills in the suite; more with NIGHTSAFE_KILLS. The seed is printed, and NIGHTSAFE_SEED plays it again as far as chance
goes.
"""

import asyncio
import hashlib
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from adapters.channels.scripted.diary import Diary
from adapters.core import Level
from gateway.demo.scene import CorePart
from tests.acceptance.stage import Stage, seed, staged

pytestmark = pytest.mark.process

KILLS: Final = int(os.environ.get("NIGHTSAFE_KILLS", "3"))
RATE: Final = 40.0
CORE: Final = "a"
FAULTS: Final = (
    *("lost", "doubled", "ghost", "credited_after_negative", "not_undone", "wrong_effect", "inconsistent_answers"),
    *("out_of_order", "concurrent", "unbalanced", "broken_history", "mixed_lanes", "guessed", "unparked"),
)
CHANGES: Final = ("data", "index", "master", "reseal")
FIRST_KEY: Final = 1
"""What is sealed under it is sealed anew, again and again, as far as the kills let it."""
TOKEN: Final = "nightsafe_custodian_example"


async def change(stage: Stage, which: str) -> str:
    """Ask for another key, or for records sealed anew; what came of it, in a word."""
    path, body = "rotate", {"reason": "a drill", "key": which}
    if which == "reseal":
        path, body = f"{FIRST_KEY}/reseal", {"reason": "a drill"}
    url = f"{stage.scene.admin_url}/admin/v1/keys/{path}"
    try:
        async with stage.client.post(url, json=body, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            return which if answer.status == 200 else str((await answer.json())["code"])
    except aiohttp.ClientError:
        return "killed"


async def change_keys(stage: Stage, diary: Diary, chance: random.Random, over: Callable[[], bool]) -> Counter[str]:
    """Again and again, by the progress of the traffic, until it is over; what came of it, counted."""
    told = Counter[str]()
    while not told["data"]:  # the first key seals what comes in until then, and isn't sealed anew from
        told[await change(stage, "data")] += 1
        await diary.answers.reach(diary.answers.count + 1)
    while not over():
        await diary.answers.reach(diary.answers.count + chance.randint(1, 12))
        told[await change(stage, chance.choice(CHANGES))] += 1
    told.update([await change(stage, which) for which in CHANGES])
    return told


async def test_keys_change_under_load_and_kills_with_nothing_lost(tmp_path: Path) -> None:
    """Diary, ledger and export have it; every seal opens in the end, under whichever key it was made."""
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    async with staged(tmp_path, [CorePart(name=CORE, level=Level.A)]) as stage:
        with stage.scene.config.open("a", encoding="utf-8") as file:
            digest = hashlib.sha256(TOKEN.encode()).hexdigest()
            file.write(f'\n[admin.tokens.keeper]\nrole = "custodian"\nsha256 = "{digest}"\n')
        await stage.restart()
        async with stage.traffic([CORE], RATE, chance, reversals=0.15) as diary:
            killed = False
            changing = asyncio.create_task(change_keys(stage, diary, chance, lambda: killed))
            for _ in range(KILLS):
                await diary.answers.reach(diary.answers.count + chance.randint(10, 60))
                await stage.restart()
            killed = True
            told = await changing
        opened = await stage.verify()
        exit_code = await stage.gateway.stop()
        _, verdict = await stage.history(CORE)
        verified, words = await stage.command("verify")
    sys.stdout.write(f"{stage.gateway.kills} kills, changes of keys {dict(told)}: {verdict['text']}\n")
    # An account changes its lane with the index key, once nothing of it waits: to the judge, who knows of no keys, that is
    # a fault, and the only one.
    assert {name for name in FAULTS if verdict[name]} <= {"mixed_lanes"}
    assert (exit_code, verified) == (0, 0), words
    assert (opened["ok"], opened["opened"], verdict["waiting"]) == (True, opened["counted"], {})
    assert min(told[which] for which in CHANGES) > 0
    assert set(told) <= {*CHANGES, "killed"}
    assert stage.gateway.kills == KILLS + 1
    assert stage.blunders() == []
