"""A machine that runs short of memory, of file descriptors, or whose disk is slow: refused in words, nothing lost.

The real service as a process; the limits are the kernel's own, the delays are made by strace.
"""

import asyncio
import contextlib
import os
import random
import resource
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from adapters.core import Level
from gateway.demo.scene import CorePart
from tests.acceptance.stage import WAIT_S, Stage
from tests.faults.surroundings import staged_within

pytestmark = pytest.mark.process

CORE: Final = "billing"
PARTS: Final = (CorePart(name=CORE, level=Level.A),)
MIB: Final = 2**20
DESCRIPTORS: Final = 96
STRANGERS: Final = 300
PATIENCE_S: Final = 16.0
"""Twice as long as the gateway has for an answer: whoever hangs up was left hanging, however busy the machine."""
GREEDY: Final = b"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 65000\r\n\r\n" + b" " * 64_000
"""A request whose body is large and never ends."""


NEEDED: Final = [
    pytest.param(tool, marks=pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is missing (see .ci/run)"))
    for tool in ("ip", "nsenter", "prlimit", "strace", "unshare")
]


@pytest.mark.parametrize("tool", NEEDED)
def test_the_tools_of_these_tests_are_here(tool: str) -> None:
    """Or what needs them is skipped without a word; in CI this skip is a failure."""
    assert shutil.which(tool) is not None


async def pay(stage: Stage, serial: int, client: aiohttp.ClientSession) -> tuple[int, str]:
    """A payment by JSON over somebody's own connection: status and what was said."""
    speech = stage.scene.speeches(CORE)[1]
    headers = {"Authorization": f"Bearer {stage.scene.bank_token(CORE)}", "Idempotency-Key": speech.key(serial)}
    body = {"account": str(serial), "amount": "10.00", "currency": "RUB"}
    async with client.post(f"{stage.scene.url}/v1/payments", json=body, headers=headers) as answer:
        told: dict[str, Any] = await answer.json()
        return answer.status, told.get("status", "")


def pid_of(stage: Stage) -> int:
    """The gateway's process, as its lock file has it."""
    found = stage.scene.folder.joinpath("spool/nightsafe.db.lock").read_text(encoding="utf-8").split()
    return next(int(word) for word in found if word.isdecimal())


def figure(pid: int, name: str) -> int:
    """A figure of a process's memory in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


# File descriptors


@contextlib.asynccontextmanager
async def strangers(port: int, count: int) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """Connections that say nothing; gone at the end."""
    opened = list[asyncio.StreamWriter]()
    try:
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            opened.append(writer)
        yield opened
    finally:
        for writer in opened:
            writer.transport.abort()


async def test_out_of_descriptors_who_is_in_goes_on_and_it_recovers_by_itself(tmp_path: Path) -> None:
    """Expected: a crowd may take every descriptor there is, and no more than that.

    A connection that was open before keeps being answered from the disk, the file of the queue stays usable; when the
    crowd has gone new connections are served; nobody restarts it, and the log holds no flood.
    """
    before = ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")
    async with staged_within(before, tmp_path, PARTS) as stage, aiohttp.ClientSession() as known:
        first = await pay(stage, 1, known)
        async with strangers(stage.scene.port, STRANGERS):
            during = [await pay(stage, serial, known) for serial in (1, 2, 3)]
            taken = len(os.listdir(f"/proc/{pid_of(stage)}/fd"))  # noqa: PTH208 - /proc does not block
        async with aiohttp.ClientSession() as newcomer, asyncio.timeout(WAIT_S):
            while (after := await retried(stage, 4, newcomer))[0] not in (201, 202):
                pass
        await stage.drained()
        booked, lines = stage.booked(CORE), stage.scene.folder.joinpath("gateway.log").read_text("utf-8").splitlines()
        verified = await stage.verify()
        starts = stage.gateway.starts
    assert first == (201, "posted")
    assert taken >= DESCRIPTORS - 2, "the crowd had them all"
    assert [told[0] in (201, 202) for told in during] == [True] * 3
    assert after[0] in (201, 202)
    assert sorted(booked) == [f"{CORE}-bank.order-{serial}" for serial in range(1, 5)]
    assert verified["ok"]
    assert starts == 1
    assert len(lines) < STRANGERS


async def retried(stage: Stage, serial: int, client: aiohttp.ClientSession) -> tuple[int, str]:
    """As `pay`; who isn't let in is told 0."""
    try:
        return await pay(stage, serial, client)
    except aiohttp.ClientError:
        return 0, ""


# Memory


async def test_under_a_flood_memory_stays_within_a_bound(tmp_path: Path) -> None:
    """Expected: the core is down, hundreds ask at once, and what waits is on disk: memory holds a window of it."""
    async with staged_within(("prlimit", f"--as={1024 * MIB}"), tmp_path, PARTS) as stage:
        await stage.fault(CORE, outage="refuse")
        pid = pid_of(stage)
        calm = asyncio.Event()
        async with stage.crowd(CORE, 400.0, random.Random(5)) as (crowd, diary):  # noqa: S311 - repeatable on purpose
            sending = asyncio.create_task(crowd.send(calm))
            await diary.answers.reach(200)
            settled = figure(pid, "VmRSS")
            await diary.answers.reach(1_000)
            grown = figure(pid, "VmHWM") - settled
            await stage.heal(CORE)
            calm.set()
            await sending
            async with asyncio.timeout(WAIT_S):
                await crowd.settled()
        await stage.drained()
        verdict = stage.verdict(CORE)
    assert verdict.sound, str(verdict)
    assert grown < 48 * MIB
    assert stage.blunders() == []


async def test_out_of_memory_nothing_is_lost_whether_it_lives_or_dies(tmp_path: Path) -> None:
    """Expected: each request that gets no memory gets no yes; dead or alive, what was told stays true.

    Whoever runs it starts it again when it has died, as a service manager does.
    """
    async with staged_within((), tmp_path, PARTS) as stage:
        calm = asyncio.Event()
        async with stage.crowd(CORE, 60.0, random.Random(6)) as (crowd, diary):  # noqa: S311 - repeatable on purpose
            sending = asyncio.create_task(crowd.send(calm))
            await diary.answers.reach(20)
            pid = pid_of(stage)
            resource.prlimit(pid, resource.RLIMIT_AS, (figure(pid, "VmSize") - MIB, resource.RLIM_INFINITY))
            begun = crowd.begun
            async with strangers(stage.scene.port, STRANGERS) as crowding, asyncio.timeout(WAIT_S):
                for each in crowding:
                    each.write(GREEDY)
                while crowd.begun < begun + 60:
                    await stage.hits(CORE, 0)
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await stage.restart()
            calm.set()
            await sending
            async with asyncio.timeout(WAIT_S):
                await crowd.settled()
        await stage.drained()
        verdict, verified = stage.verdict(CORE), await stage.verify()
    assert verdict.sound, str(verdict)
    assert verdict.told_nothing == 0
    assert verified["ok"]


# A slow disk


@pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace makes the slow disk (Debian: apt-get install strace)"
)
@pytest.mark.parametrize(("delay_s", "when"), [(0.3, "20+1"), (6, "40..42")], ids=["slow", "hanging"])
async def test_a_slow_disk_answers_in_time_and_recovers_by_itself(tmp_path: Path, delay_s: float, when: str) -> None:
    """Expected: a sync of 0.3 s makes payers wait that long; one of 6 s makes them hear "ask again" within 8 s.

    Nobody hears a no that is not true; when the disk is itself again the service is too, without a restart.
    """
    inject = f"inject=fdatasync,fsync:delay_enter={round(delay_s * 1_000_000)}:when={when}"
    before = ("strace", "-f", "-D", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject)
    async with staged_within(before, tmp_path, PARTS) as stage:
        calm = asyncio.Event()
        async with stage.crowd(CORE, 20.0, random.Random(7), patience_s=PATIENCE_S) as (crowd, diary):  # noqa: S311 - repeatable on purpose
            sending = asyncio.create_task(crowd.send(calm))
            await diary.answers.reach(80)
            calm.set()
            await sending
            async with asyncio.timeout(WAIT_S):
                await crowd.settled()
        await stage.drained()
        verdict = stage.verdict(CORE)
        starts = stage.gateway.starts
    assert verdict.sound, str(verdict)
    assert verdict.told_nothing == 0
    assert delay_s / 2 < crowd.slowest_s
    assert crowd.hung_up == 0
    assert starts == 1
