"""The service on PostgreSQL: alone as on a file, and several nodes on one database before one core."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Operation
from gateway.cli import offline
from gateway.config.load import load
from gateway.route.zone import Zone
from gateway.windows.plan import ACTOR
from spool.evidence.epoch import Epoch, keep_epoch
from tests.contracts.postgres_server import SHARED
from tests.integration.house import WAIT_S, House
from tests.integration.postgres_house import node_file, open_nodes

DRILL_US: Final = 60_000_000
LONG_S: Final = 60.0
"""A lease that outlasts every pause of a busy machine."""

SLOW: Final = Fault(kind=FaultKind.SLOW, operation=Operation.PAY, delay_s=0.3)


@pytest.fixture
def dsn() -> str:
    """A schema of its own, with nothing in it."""
    return SHARED.schema()


def force(house: House, zone: Zone, actor: str = "drill") -> None:
    """An operator's word about the one route; that of a planned window is each node's own."""
    health = house.service.routes[0].health
    health.force(zone, until_us=house.service.clock.now_us() + DRILL_US, actor=actor, reason="a drill")


async def said(house: House, key: str, account: str = "100") -> str:
    """The whole answer to a payment of 10.00 by OSMP."""
    query = f"command=pay&txn_id={key}&txn_date=20260115120000&account={account}&sum=10.00"
    url = f"http://127.0.0.1:{house.service.channel_listener.port}/osmp/kiosk?{query}"
    async with house.client.get(url) as answer:
        return await answer.text()


def taken(answers: list[str]) -> int:
    """How many were taken."""
    return sum("<result>0</result>" in each for each in answers)


async def test_a_node_alone_does_on_a_database_what_it_does_on_a_file(dsn: str, tmp_path: Path) -> None:
    """Live, in an outage, by a person's hand; and what is counted anew is what was kept."""
    async with open_nodes(tmp_path, dsn, "one") as (house,):
        await house.until_state(await house.pay("1"), "posted")
        force(house, Zone.OPEN)
        held, waits = await house.pay("2", "200"), await house.pay("3", "300")
        await house.post(f"/admin/v1/entries/{held}/hold")
        house.service.routes[0].health.release()
        await house.until_state(waits, "posted")
        shown = await house.get("/admin/v1/status")
        await house.post(f"/admin/v1/entries/{held}/release")
        await house.until_state(held, "posted")
        _, verdict = await house.ask("POST", "/admin/v1/verify", body={"seals": True})

    assert (shown["spool"]["engine"], shown["spool"]["accepting"]) == ("postgres", True)
    assert shown["states"]["held"][0]["entries"] == 1
    assert verdict["ok"] is True
    assert [booking.amount for booking in house.core.ledger.bookings()] == [1000, 1000, 1000]


async def test_the_next_start_finds_what_was_there(dsn: str, tmp_path: Path) -> None:
    """Entries, their keys, and the key store, which is in the database as well."""
    async with open_nodes(tmp_path, dsn, "one") as (house,):
        force(house, Zone.OPEN)
        number = await house.pay("1")

    async with open_nodes(tmp_path, dsn, "one") as (house,):
        house.service.routes[0].health.release()
        await house.until_state(number, "posted")

    assert house.service.keeper.store_place == "in the database"


async def test_a_stopped_spool_is_looked_at_as_a_file_is(dsn: str, tmp_path: Path) -> None:
    """Status, list, one entry, count and export, each read from the database alone."""
    async with open_nodes(tmp_path, dsn, "one") as (house,):
        number = await house.pay("1")
        await house.until_state(number, "posted")
    config, lines = load(node_file(tmp_path, dsn, "http://127.0.0.1:8090")), list[bytes]()

    status = await asyncio.to_thread(offline.status, config)
    page = await asyncio.to_thread(offline.page, config, "state=posted")
    shown = await asyncio.to_thread(offline.entry_by_key, config, "kiosk", "1")
    verdict = await asyncio.to_thread(lambda: offline.verify(config, seals=True))
    exported = await asyncio.to_thread(offline.export, config, "", lines.append)

    assert (status.running, status.spool.engine) == (False, "postgres")
    assert [entry.number for entry in page.entries] == [number]
    assert shown is not None
    assert [turn.name for turn in shown.history] == ["record", "post"]
    assert (verdict.ok, exported) == (True, 1)
    assert json.loads(b"".join(lines))["entry"]["key"] == "1"


async def test_a_key_that_comes_to_two_nodes_at_once_is_one_entry_and_has_one_answer(dsn: str, tmp_path: Path) -> None:
    """A channel that asks again elsewhere is told what it is told here, once that is known."""
    async with open_nodes(tmp_path, dsn, "one", "two", lease_s=LONG_S) as houses:
        houses[0].core.control.set(SLOW)
        with capture_logs() as logs:
            answers = await asyncio.gather(*(said(house, "7") for house in houses))
        again = [await said(house, "7") for house in houses]

    assert len(set(answers + again)) == 1
    assert taken(answers) == 2
    assert len(houses[0].core.ledger.bookings()) == 1
    assert blunders(logs) == []


async def booked(house: House, count: int) -> None:
    """Wait until so many bookings are made, however many attempts and questions it takes."""
    async with asyncio.timeout(WAIT_S):
        attempts = count
        while len(house.core.ledger.bookings()) < count:
            await house.core.recorded(attempts)
            attempts += 1


async def test_an_account_has_one_attempt_at_a_time_whichever_nodes_its_payments_come_to(
    dsn: str, tmp_path: Path
) -> None:
    """The second goes behind the first, as it would at one node; the core's own log is the witness."""
    async with open_nodes(tmp_path, dsn, "one", "two", lease_s=LONG_S) as houses:
        houses[0].core.control.set(SLOW)
        with capture_logs() as logs:
            answers = await asyncio.gather(*(said(houses[i % 2], str(100 + i)) for i in range(8)))
            await booked(houses[0], 8)
        attempts = houses[0].core.ledger.attempts()

    assert taken(answers) == 8
    assert {attempt.in_flight for attempt in attempts if attempt.operation is Operation.PAY} == {0}
    assert len({booking.reference for booking in houses[0].core.ledger.bookings()}) == 8
    assert blunders(logs) == []


async def test_what_nodes_take_together_stays_within_one_limit(dsn: str, tmp_path: Path) -> None:
    """Exactly: no node may tell a channel more than the route has room for, and none is turned away before."""
    async with open_nodes(tmp_path, dsn, "one", "two", more=limited(5), lease_s=LONG_S) as houses:
        for house in houses:
            force(house, Zone.OPEN)
        with capture_logs() as logs:
            answers = await asyncio.gather(*(said(houses[i % 2], str(100 + i), str(i)) for i in range(20)))

    assert taken(answers) == 5
    assert blunders(logs) == []


async def test_a_live_payment_that_told_nothing_keeps_within_the_limit_of_all_nodes(dsn: str, tmp_path: Path) -> None:
    """Its answer is decided after the core fell silent, when others may have used up what is left."""
    async with open_nodes(tmp_path, dsn, "one", "two", more=limited(2), lease_s=LONG_S) as houses:
        houses[0].core.control.set(Fault(kind=FaultKind.ERROR_BEFORE, operation=Operation.PAY))
        with capture_logs() as logs:
            answers = await asyncio.gather(*(said(houses[i % 2], str(100 + i), str(i)) for i in range(8)))

    assert taken(answers) == 2
    assert blunders(logs) == []


async def test_a_key_that_one_node_made_opens_at_every_node_at_once(dsn: str, tmp_path: Path) -> None:
    """What is sealed under it is sent by whichever node comes to it, and is never taken for damaged."""
    async with open_nodes(tmp_path, dsn, "one", "two") as (one, two):
        force(one, Zone.OPEN, ACTOR)
        await one.service.keeper.rotate()
        number = await one.pay("8")
        await two.until_state(number, "posted")

    assert one.service.spool.keys.current_id == two.service.spool.keys.current_id == 2
    assert len(one.core.ledger.bookings()) == 1


async def test_what_may_have_been_sent_by_a_lost_future_is_asked_about_all_of_it(dsn: str, tmp_path: Path) -> None:
    """Payments of one account too, of which one at a time may be in flight: none of them is simply sent again."""
    async with open_nodes(tmp_path, dsn, "one") as (house,):
        force(house, Zone.OPEN)
        numbers = [await house.pay(str(key), "100") for key in (1, 2, 3)]
        store = house.service.spool.store
        await keep_epoch(store, Epoch(number=1, began_number=await store.highest_number(), accepted=False))

        assert await house.service.evidence.accept("anna", "a drill")

        states = [(await house.get(f"/admin/v1/entries/{number}"))["entry"]["state"] for number in numbers]
    assert states == ["in_doubt"] * 3


def limited(count: int) -> str:
    """A policy that holds so many payments."""
    return f"[routes.main.standin.channels.kiosk]\nexposure_count_max = {count}\n"


def blunders(logs: list[Any]) -> list[Any]:
    """What was logged as an error: our own bugs."""
    return [event for event in logs if event["log_level"] == "error"]
