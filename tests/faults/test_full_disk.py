"""A full disk: try later, the service stays up, what was taken stays taken, and it resumes by itself."""

import asyncio
import contextlib
import os
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from gateway.demo.scene import CorePart
from tests.acceptance.stage import WAIT_S, Stage, staged
from tests.integration.house import House, open_house
from tests.integration.test_planned_windows import TRIED_SOON, now, shown
from tests.integration.test_planned_windows import told as told_of_billing

pytestmark = pytest.mark.process

CORE: Final = "billing"
MIB: Final = 2**20
BALLAST_MIB_MAX: Final = 2048
SMALL_DISK_MIB: Final = 24


def free_bytes(folder: Path) -> int:
    """What a user may still write."""
    figures = os.statvfs(folder)
    return figures.f_bavail * figures.f_frsize


def load_ballast(path: Path, size: int) -> None:
    """Take so many bytes of the disk at once."""
    with path.open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, size)


def fill(path: Path) -> None:
    """Take everything that is left, to the last block."""
    with path.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"\0" * 4096)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few MiB, where we may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={SMALL_DISK_MIB}m"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False)  # noqa: S607 - the system's own
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - the system's own


async def pay(stage: Stage, serial: int) -> tuple[int, str, dict[str, str]]:
    """A payment by JSON: status, the problem's code or the status of the payment, the headers."""
    speech = stage.scene.speeches(CORE)[1]
    headers = {"Authorization": f"Bearer {stage.scene.bank_token(CORE)}", "Idempotency-Key": speech.key(serial)}
    body = {"account": str(serial), "amount": "10.00", "currency": "RUB"}
    async with stage.client.post(f"{stage.scene.url}/v1/payments", json=body, headers=headers) as answer:
        told = await answer.json()
        return answer.status, told.get("status") if answer.ok else told["type"].rpartition(":")[2], dict(answer.headers)


async def pay_by_kiosk(stage: Stage, txn_id: int) -> str:
    """A payment by OSMP: the whole answer."""
    query = f"command=pay&txn_id={txn_id}&txn_date=20260115120133&account={txn_id}&sum=10.00"
    async with stage.client.get(f"{stage.scene.url}/osmp/{CORE}-kiosk?{query}") as answer:
        return await answer.text()


async def readiness(stage: Stage) -> tuple[int, int]:
    """Statuses of `/livez` and `/readyz`."""
    statuses = list[int]()
    for path in ("livez", "readyz"):
        async with stage.client.get(f"{stage.scene.admin_url}/{path}") as answer:
            statuses.append(answer.status)
    return statuses[0], statuses[1]


async def resumed(stage: Stage, serial: int) -> tuple[int, str, dict[str, str]]:
    """Ask for a payment until it is taken."""
    async with asyncio.timeout(WAIT_S):
        while (told := await pay(stage, serial))[0] not in (201, 202):
            pass
    return told


@pytest.fixture
async def short(tmp_path: Path) -> AsyncIterator[tuple[Stage, Path]]:
    """A stage, and the path of a ballast that will leave its disk less than the reserve."""
    free = free_bytes(tmp_path)
    ballast = min(BALLAST_MIB_MAX, free // MIB // 2)
    reserve = free // MIB - ballast // 2
    async with staged(tmp_path, [CorePart(name=CORE)], spool={"reserve_mib": reserve}) as stage:
        path = tmp_path / "ballast"
        yield stage, path
        path.unlink(missing_ok=True)


async def test_below_its_reserve_it_says_try_later_and_resumes_by_itself(short: tuple[Stage, Path]) -> None:
    """New payments are turned away by each protocol's own word; known ones keep their answer; nobody restarts it."""
    stage, ballast = short
    before = await pay(stage, 1)
    load_ballast(ballast, min(BALLAST_MIB_MAX * MIB, free_bytes(ballast.parent) // 2))
    during, by_kiosk, known = await pay(stage, 2), await pay_by_kiosk(stage, 1), await pay(stage, 1)
    ready, (route,) = await readiness(stage), (await stage.status())["routes"]
    ballast.unlink()
    after = await resumed(stage, 2)
    assert before[:2] == (201, "posted")
    assert during[:2] == (503, "try_later")
    assert "Retry-After" in during[2]
    assert "<result>1</result>" in by_kiosk
    assert known[:2] == before[:2]
    assert (ready, route["diagnosis"]["cause"]) == ((200, 503), "disk")
    assert after[:2] == (201, "posted")
    assert await readiness(stage) == (200, 200)
    assert (stage.gateway.starts, stage.blunders()) == (1, [])


async def test_with_not_a_byte_left_what_was_taken_is_posted_when_there_is_room(small_disk: Path) -> None:
    """Not even an attempt can be written down, so none is made: the key first, then the first byte."""
    more: dict[str, Any] = {"path": str(small_disk / "spool/nightsafe.db"), "reserve_mib": 1}
    parts = [CorePart(name=CORE)]
    async with staged(small_disk.parent, parts, spool=more) as stage:
        await stage.fault(CORE, outage="refuse")
        taken = [await pay(stage, serial) for serial in range(1, 31)]
        fill(small_disk / "ballast")
        turned_away = await pay(stage, 31)
        await stage.heal(CORE)
        await stage.zone("trial")
        still_up, booked_meanwhile = await readiness(stage), stage.booked(CORE)
        (small_disk / "ballast").unlink()
        last = await resumed(stage, 31)
        await stage.drained()
        code = await stage.gateway.stop()
        booked = stage.booked(CORE)
        verified, said = await stage.command("verify")
    assert {told[0] for told in taken} == {202}
    assert turned_away[0] in (409, 503)
    assert still_up[0] == 200
    assert booked_meanwhile == []
    assert last[0] in (201, 202)
    assert sorted(booked) == sorted(f"{CORE}-bank.order-{serial}" for serial in range(1, 32))
    assert (code, verified) == (0, 0), said
    assert stage.gateway.starts == 1


async def test_a_window_that_ends_on_a_full_disk_is_no_overrun_and_ends_by_itself(
    small_disk: Path, tmp_path: Path
) -> None:
    """The route is let go in time and billing tried; nothing can be written down, so nothing goes to it, and it isn't late.

    Channels are told the truth all the while. When there is room, what was taken is posted, and nobody has to do anything.
    """

    def onto_it(text: str) -> str:
        return text.replace(f'"{tmp_path}/var/spool/nightsafe.db"', f'"{small_disk}/nightsafe.db"\nreserve_mib = 1')

    async with open_house(tmp_path, TRIED_SOON, onto_it) as house:
        numbers = await planned(house)
        fill(small_disk / "ballast")
        await ends_in_vain(house, tmp_path)
        (small_disk / "ballast").unlink()
        await goes_on(house, len(numbers))


async def planned(house: House) -> list[str]:
    """A window that has begun, and numbers of payments that were taken in it."""
    begins = (now() - timedelta(minutes=1)).replace(tzinfo=None).isoformat()
    await house.post("/admin/v1/windows", route="main", begins=begins, time_zone="UTC", duration_s=3600)
    await shown(house, lambda route: route["forced"])
    return [await house.pay(str(key), account=f"1{key}") for key in range(3)]


async def ends_in_vain(house: House, folder: Path) -> None:
    """The window ends now, where nothing can be written down: billing is tried again and again, and it is no overrun."""
    plan = house.service.plan
    # As if it had been planned to end now: on this disk no plan can be changed.
    (window,) = plan.windows
    plan.windows = (replace(window, duration_s=60),)
    over = await shown(house, lambda route: route["zone"] == "trial" and route["diagnosis"]["cause"] == "disk")
    plan.back_within_us = 0
    tried_in_vain = over["diagnosis"]["seen"] + 3
    over = await shown(house, lambda route: route["diagnosis"]["seen"] >= tried_in_vain)
    _, told, _ = await told_of_billing(house, folder)
    assert (over["window_until"], over["overrun_since"]) == ("", "")
    assert ([*plan.returning], [*plan.overruns], house.core.ledger.bookings()) == (["main"], [], [])
    assert (told["services"][0]["billing"], told["services"][0]["payments"]) == ("down", "try_later")


async def goes_on(house: House, count: int) -> None:
    """All that was taken is booked by itself, and the window is over."""
    plan = house.service.plan
    async with asyncio.timeout(WAIT_S):
        while house.service.spool.store.tally.exposure("main").entries or plan.returning:
            await house.get("/metrics")
    assert (plan.overruns, len(house.core.ledger.bookings())) == ({}, count)


async def test_a_disk_that_fills_under_load_loses_and_doubles_nothing(small_disk: Path) -> None:
    """Full, with room, full again, while senders by both protocols go on asking."""
    more: dict[str, Any] = {"path": str(small_disk / "spool/nightsafe.db"), "reserve_mib": 1}
    calm = asyncio.Event()
    async with staged(small_disk.parent, [CorePart(name=CORE)], spool=more) as stage:
        async with stage.crowd(CORE, 60.0, random.Random(1)) as (crowd, diary):  # noqa: S311 - repeatable on purpose
            sending = asyncio.create_task(crowd.send(calm))
            for _ in range(4):
                await diary.answers.reach(diary.answers.count + 40)
                fill(small_disk / "ballast")
                begun = crowd.begun
                async with asyncio.timeout(WAIT_S):
                    while crowd.begun < begun + 60:
                        await readiness(stage)
                (small_disk / "ballast").unlink()
            calm.set()
            await sending
            async with asyncio.timeout(WAIT_S):
                await crowd.settled()
            await stage.drained()
        verdict = stage.verdict(CORE)
    assert verdict.sound, str(verdict)
    assert verdict.told_nothing == 0
    assert stage.gateway.starts == 1
