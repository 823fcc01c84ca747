"""Sending again what billing refused wrongly, over loopback: by two persons, never by one, and not what was told."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Operation
from tests.integration.house import WAIT_S, House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house that stood in for billing, which then refused all it got: it was configured wrongly."""
    async with open_house(tmp_path) as made:
        await made.post("/admin/v1/routes/main/open")
        numbers = [await made.pay(str(key), str(100 + key)) for key in range(1, 4)]
        made.core.control.set(Fault(kind=FaultKind.FORBID, operation=Operation.PAY))
        await made.post("/admin/v1/routes/main/auto")
        for number in numbers:
            await made.until_state(number, "refused")
        made.core.control.clear()
        yield made


async def until(house: House, number: str, *stands: str) -> Any:
    """Look at a job until it stands so."""
    async with asyncio.timeout(WAIT_S):
        while (job := await house.get(f"/admin/v1/jobs/{number}"))["stand"] not in stands:
            pass
    return job


async def test_a_wrongly_refused_batch_is_sent_again_by_two_persons(house: House) -> None:
    """Counted, confirmed, booked once each, and owed back no more."""
    order = {"filter": {"route": "main", "channel": "kiosk"}, "reason": "billing ticket 991"}
    dry = await until(house, (await house.post("/admin/v1/entries/reopen", dry_run=True, **order))["id"], "counted")
    assert (dry["found"][0]["entries"], dry["unchanged"]) == (3, {})
    made = await house.post("/admin/v1/entries/reopen", **order)
    waiting = await until(house, made["id"], "waiting")
    assert len((await house.get("/admin/v1/returns"))["returns"]) == 3
    status, decided = await house.ask(
        "POST", f"/admin/v1/proposals/{waiting['proposal']}/confirm", "approver", {"reason": "saw the ticket"}
    )
    assert (status, decided["stand"]) == (200, "done")
    done = await until(house, made["id"], "done")
    assert done["changed"][0]["entries"] == 3
    for entry in (await house.get("/admin/v1/entries"))["entries"]:
        await house.until_state(entry["number"], "posted")
    assert len(house.core.ledger.bookings()) == 3
    assert (await house.get("/admin/v1/returns"))["returns"] == []
    status, found = await house.ask("POST", "/admin/v1/verify", body={"seals": True})
    assert (status, found["ok"]) == (200, True)


async def test_nobody_does_it_alone_however_small_it_is(house: House) -> None:
    """Not to one, and not by his own confirmation."""
    (entry, *_) = (await house.get("/admin/v1/entries?state=refused"))["entries"]
    status, _ = await house.ask("POST", f"/admin/v1/entries/{entry['number']}/reopen", body={"reason": "mine"})
    assert status == 404
    only = {"filter": {"channel": "kiosk", "key": entry["key"]}, "reason": "mine"}
    _, made = await house.ask("POST", "/admin/v1/entries/reopen", "approver", only)
    waiting = await until(house, made["id"], "waiting")
    path = f"/admin/v1/proposals/{waiting['proposal']}/confirm"
    status, _ = await house.ask("POST", path, "approver", {"reason": "mine again"})
    assert status == 409
    assert (await house.get(f"/admin/v1/entries/{entry['number']}"))["entry"]["state"] == "refused"


async def test_what_is_proposed_to_be_ended_is_left_alone(house: House) -> None:
    """Its money may have gone back."""
    (entry, *_) = (await house.get("/admin/v1/entries?state=refused"))["entries"]
    body = {"as": "returned", "evidence": "transfer 4711"}
    _, closed = await house.ask("POST", f"/admin/v1/entries/{entry['number']}/close", body=body)
    assert closed["done"] is False
    made = await house.post("/admin/v1/entries/reopen", all=True, dry_run=True)
    dry = await until(house, made["id"], "counted")
    assert (dry["found"][0]["entries"], dry["unchanged"]) == (2, {"returning": 1})
    assert dry["examples"] == [{"number": entry["number"], "state": "refused", "why": "returning"}]
