"""Acts on many over loopback: counted, done as a job, confirmed by a second person above a limit."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.house import WAIT_S, House, open_house

SECOND: Final = "[admin.second_person]\nact_alone_entries_max = 2\n"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house whose route stands in; one person may move two payments at once."""
    async with open_house(tmp_path, SECOND) as made:
        await made.post("/admin/v1/routes/main/open")
        yield made


async def until(house: House, number: str, *stands: str) -> Any:
    """Look at a job until it stands so."""
    async with asyncio.timeout(WAIT_S):
        while (job := await house.get(f"/admin/v1/jobs/{number}"))["stand"] not in stands:
            pass
    return job


async def test_many_are_counted_first_and_then_held(house: House) -> None:
    """The dry run says count and sum, and changes nothing."""
    numbers = [await house.pay(str(key), str(key)) for key in range(1, 3)]
    order = {"filter": {"route": "main", "channel": "kiosk"}}
    dry = await until(house, (await house.post("/admin/v1/entries/hold", dry_run=True, **order))["id"], "counted")
    assert (dry["found"], dry["changed"]) == ([{"currency": "RUB", "entries": 2, "amount": "20.00"}], [])
    done = await until(house, (await house.post("/admin/v1/entries/hold", **order))["id"], "done")
    assert (done["changed"], done["progress"], done["actors"]) == (dry["found"], 1.0, "operator")
    listed = await house.get("/admin/v1/entries?state=held&order=oldest")
    assert [entry["number"] for entry in listed["entries"]] == numbers


@pytest.mark.parametrize("body", [{}, {"filter": {}}, {"filter": {"route": "main"}, "all": True}])
async def test_everything_is_only_meant_when_it_is_said(house: House, body: dict[str, Any]) -> None:
    """A filter forgotten by a program must not hold every payment."""
    status, _ = await house.ask("POST", "/admin/v1/entries/hold", body={"reason": "x", **body})
    assert status == 400


async def test_above_a_limit_a_second_person_confirms(house: House) -> None:
    """Nothing moves before; then both names stand in the histories."""
    numbers = [await house.pay(str(key), str(key)) for key in range(1, 4)]
    made = await house.post("/admin/v1/entries/hold", all=True)
    waiting = await until(house, made["id"], "waiting")
    assert (await house.get(f"/admin/v1/entries/{numbers[0]}"))["entry"]["state"] == "ready"
    (proposal,) = (await house.get("/admin/v1/proposals"))["proposals"]
    assert (proposal["id"], proposal["act"], proposal["summary"]) == (waiting["proposal"], "job", "hold 3 (30.00 RUB)")
    path = f"/admin/v1/proposals/{proposal['id']}/confirm"
    assert (await house.ask("POST", path, "operator", {"reason": "me too"}))[0] == 403
    status, decided = await house.ask("POST", path, "approver", {"reason": "seen"})
    assert (status, decided["stand"]) == (200, "done")
    done = await until(house, made["id"], "done")
    assert done["changed"][0]["entries"] == 3
    history = (await house.get(f"/admin/v1/entries/{numbers[0]}"))["history"]
    assert history[-1]["actor"] == "operator+approver"


async def test_one_that_is_dear_is_moved_by_two_and_held_by_anybody(tmp_path: Path) -> None:
    """Stopping it moves no money, and at night one is alone; letting it go on is for two."""
    async with open_house(tmp_path, '[admin.second_person]\nact_alone_max = "9.99"\n') as house:
        await house.post("/admin/v1/routes/main/open")
        number = await house.pay("1", "1")
        await house.post(f"/admin/v1/entries/{number}/hold")
        status, told = await house.ask("POST", f"/admin/v1/entries/{number}/release", body={"reason": "go on"})
        assert (status, "at most 9.99 RUB" in told["detail"]) == (409, True)
        made = await house.post("/admin/v1/entries/release", filter={"channel": "kiosk", "key": "1"})
        waiting = await until(house, made["id"], "waiting")
        path = f"/admin/v1/proposals/{waiting['proposal']}/confirm"
        assert (await house.ask("POST", path, "approver", {"reason": "seen"}))[0] == 200
        done = await until(house, made["id"], "done")
        assert done["actors"] == "operator+approver"
        assert (await house.get(f"/admin/v1/entries/{number}"))["entry"]["state"] == "ready"


async def test_who_orders_does_not_confirm(house: House) -> None:
    """An approver's own job waits for another one."""
    for key in range(1, 4):
        await house.pay(str(key))
    _, made = await house.ask("POST", "/admin/v1/entries/hold", "approver", {"reason": "x", "all": True})
    waiting = await until(house, made["id"], "waiting")
    path = f"/admin/v1/proposals/{waiting['proposal']}/confirm"
    status, problem = await house.ask("POST", path, "approver", {"reason": "fine"})
    assert (status, problem["code"]) == (409, "undecidable")


async def test_a_stopped_job_can_be_confirmed_no_more(house: House) -> None:
    """Its maker thought better of it."""
    for key in range(1, 4):
        await house.pay(str(key))
    made = await house.post("/admin/v1/entries/hold", all=True)
    waiting = await until(house, made["id"], "waiting")
    assert (await house.post(f"/admin/v1/jobs/{made['id']}/stop"))["stand"] == "stopped"
    path = f"/admin/v1/proposals/{waiting['proposal']}/confirm"
    _, decided = await house.ask("POST", path, "approver", {"reason": "seen"})
    assert (decided["stand"], decided["outcome"]) == ("failed", "the job was stopped")
    assert (await house.get("/admin/v1/entries?state=held"))["entries"] == []


async def test_a_slow_job_is_paused_hurried_and_ends(house: House) -> None:
    """One a second would take its time; a person's words are heeded at once."""
    for key in range(1, 3):
        await house.pay(str(key))
    made = await house.post("/admin/v1/entries/hold", all=True, per_s=1)
    await until(house, made["id"], "running")
    assert (await house.post(f"/admin/v1/jobs/{made['id']}/pause"))["stand"] == "paused"
    status, _ = await house.ask("POST", f"/admin/v1/jobs/{made['id']}/pause", body={"reason": "again"})
    assert status == 409
    assert (await house.post(f"/admin/v1/jobs/{made['id']}/speed", per_s=0))["per_s"] == 0
    await house.post(f"/admin/v1/jobs/{made['id']}/resume")
    await until(house, made["id"], "done")
    assert len((await house.get("/admin/v1/entries?state=held"))["entries"]) == 2


async def test_jobs_are_listed(house: House) -> None:
    """Those under way, or all there were."""
    made = await house.post("/admin/v1/entries/retry", all=True)
    await until(house, made["id"], "done")
    assert (await house.get("/admin/v1/jobs"))["jobs"] == []
    assert [job["id"] for job in (await house.get("/admin/v1/jobs?after=0"))["jobs"]] == [made["id"]]
    assert (await house.ask("GET", "/admin/v1/jobs/12"))[0] == 404
