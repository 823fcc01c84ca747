"""The demo as anybody runs it: it ends by itself, says what was counted, and its exit code tells."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import pytest

from adapters.core import Level
from gateway.demo.scene import CorePart
from tests.acceptance.stage import staged

pytestmark = pytest.mark.process

CORE: Final = "billing"


async def demo(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the real command without a terminal: exit code and output."""
    command = [sys.executable, "-m", "gateway", "demo", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_the_demo_ends_well_and_says_what_it_counted(tmp_path: Path) -> None:
    """An outage and two kills in a few seconds; lost 0, doubled 0, and the books hold."""
    code, said = await demo(tmp_path, "--seconds", "6", "--rate", "40")
    assert code == 0, said
    assert "lost 0, doubled 0" in said
    assert "conservation holds" in said
    assert "over 2 kills" in said
    assert "The page: http://127.0.0.1:" in said


async def test_the_demo_does_not_play_in_a_folder_that_was_played_in(tmp_path: Path) -> None:
    """It writes over nothing, and says why it stops."""
    (tmp_path / "nightsafe.key").write_text("somebody's", encoding="utf-8")
    code, said = await demo(tmp_path, "--dir", str(tmp_path))
    assert code == 1
    assert "can't be played" in said
    assert (tmp_path / "nightsafe.key").read_text(encoding="utf-8") == "somebody's"


async def test_the_judge_sees_what_a_wrong_contract_does(tmp_path: Path) -> None:
    """A core that is said to dedupe and doesn't: a resend books twice, and the count at the ledger says so."""
    liar = CorePart(name=CORE, level=Level.A, arguments=("--level", Level.C.value))
    async with staged(tmp_path, [liar]) as stage:
        await stage.fault(CORE, kind="reset_after", operation="pay", count=1)
        speech = stage.scene.speeches(CORE)[0]
        query = f"command=pay&txn_id={speech.key(1)}&txn_date=20260115120133&account=100&sum=10.00"
        async with stage.client.get(f"{stage.scene.url}/osmp/{speech.channel}?{query}") as answer:
            assert "<result>0</result>" in await answer.text()
        await stage.drained()
        stage.scene.diary(CORE).touch()
        verdict = stage.verdict(CORE)
    assert verdict.doubled == [f"{speech.channel}.{speech.key(1)}"]
    assert not verdict.sound
