"""One core behind two endpoints, over loopback: failing over and back, with a common ledger and with one for each."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Operation
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from tests.integration.engine import both_engines
from tests.integration.house import WAIT_S, House, open_house
from tests.integration.reader import Reader

REFUSE = Fault(kind=FaultKind.REFUSE)
HANG = Fault(kind=FaultKind.HANG, operation=Operation.PAY)
BOOKS_AND_BREAKS = Fault(kind=FaultKind.RESET_AFTER, operation=Operation.PAY, count=1)
BREAKS = Fault(kind=FaultKind.RESET_BEFORE, operation=Operation.PAY, count=1)


@dataclass
class Row:
    """A house before two endpoints of one core."""

    house: House
    first: ScriptedCore
    second: ScriptedCore

    async def pay(self, *keys: str) -> list[str]:
        """Payments, each on an account of its own, one after the other; what status their numbers are in."""
        return [(await self.entry(await self.house.pay(key, account=key)))["state"] for key in keys]

    async def entry(self, number: str) -> Any:
        """An entry as it is shown."""
        return (await self.house.get(f"/admin/v1/entries/{number}"))["entry"]

    async def zones(self) -> list[str]:
        """Of the route, and of its endpoints."""
        (route,) = (await self.house.get("/admin/v1/status"))["routes"]
        return [route["zone"], *(each["zone"] for each in route["endpoints"])]

    async def told_of_endpoints(self) -> list[tuple[str, str]]:
        """What each is there for, and what is wrong with it."""
        (route,) = (await self.house.get("/admin/v1/status"))["routes"]
        return [(each["use"], (each["diagnosis"] or {"cause": ""})["cause"]) for each in route["endpoints"]]

    async def until(self, *zones: str) -> None:
        """Wait until route and endpoints stand so."""
        async with asyncio.timeout(WAIT_S):
            while await self.zones() != [*zones]:
                pass


def with_endpoints(second: ScriptedCore, *, shared: bool) -> tuple[str, Callable[[str], str]]:
    """What is added to the configuration, and changed in it."""
    endpoint = f'[[cores.billing.endpoints]]\nurl = "{second.url}"\n'
    more = f"{endpoint}[routes.main.forward]\nattempt_timeout_s = 1.0\nbackoff_first_s = 0.1\n"

    def change(text: str) -> str:
        head = "[cores.billing]\n"
        assert text.count(head) == 1
        contract = "not_found_is_final = true\nsettle_delay_s = 1.0\n"
        return text.replace(head, f"{head}shared_ledger = {str(shared).lower()}\n{contract}")

    return more, change


@contextlib.asynccontextmanager
async def row_before(folder: Path, second: ScriptedCore | None) -> AsyncGenerator[Row]:
    """A row whose second endpoint has a ledger of its own, or (None given) the first one's."""
    async with contextlib.AsyncExitStack() as stack:
        if second is None:
            # The books must be there before the house is: so the house's own core is none of the two.
            first = await stack.enter_async_context(ScriptedCore.start(Settings(ledger=folder / "shared.db")))
            other = await stack.enter_async_context(first.beside())
        else:
            first = await stack.enter_async_context(ScriptedCore.start(Settings(ledger=folder / "first.db")))
            other = second
        more, change = with_endpoints(other, shared=second is None)
        house = await stack.enter_async_context(open_house(folder, more, lambda text: _before(first, change(text))))
        yield Row(house, first, other)


def _before(first: ScriptedCore, text: str) -> str:
    """The configuration with the first endpoint in the place of the house's own core."""
    lines = [f'url = "{first.url}"' if line.startswith("url = ") else line for line in text.splitlines()]
    return "\n".join(lines)


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Row]:
    """Two endpoints of one ledger."""
    async with row_before(tmp_path, None) as made:
        yield made


@pytest.fixture
async def apart(tmp_path: Path) -> AsyncIterator[Row]:
    """Two endpoints that know nothing of each other."""
    async with (
        ScriptedCore.start(Settings(ledger=tmp_path / "second.db")) as second,
        row_before(tmp_path, second) as made,
    ):
        yield made


async def test_the_first_endpoint_is_preferred(shared: Row) -> None:
    """The second is asked nothing but whether it is there."""
    assert await shared.pay("1", "2") == ["posted"] * 2
    assert [each.operation for each in shared.first.ledger.attempts()] == [Operation.PAY] * 2
    assert await shared.zones() == ["closed"] * 3


@both_engines
async def test_while_the_first_refuses_the_second_takes_all_and_no_payer_notices(shared: Row) -> None:
    """Nothing of a refused connection was sent, so the same payment goes on at once; and goes back when it is there again."""
    fault = shared.first.control.set(REFUSE)
    assert await shared.pay("1", "2", "3", "4") == ["posted"] * 4
    assert await shared.zones() == ["closed", "open", "closed"]
    assert await shared.told_of_endpoints() == [("left_out", "refused_connection"), ("in_use", "")]
    metrics = await shared.house.get("/metrics")
    assert 'nightsafe_endpoint_in_use{endpoint="2",route="main"} 1.0' in metrics
    assert 'nightsafe_endpoint_zone{endpoint="1",route="main",zone="open"} 1.0' in metrics
    reader = Reader(shared.house)
    await reader.sign_in("viewer")
    page = (await reader.get("/page/")).text
    assert all(word in page for word in ("Endpoint 1", "left out", "refuses connections", "Endpoint 2", "asked first"))
    shared.first.control.clear(fault)
    await shared.until("closed", "trial", "closed")
    assert await shared.pay("5", "6", "7") == ["posted"] * 3
    await shared.until("closed", "closed", "closed")
    assert len(shared.first.ledger.bookings()) == 7


@both_engines
async def test_what_is_in_doubt_at_one_is_sent_to_the_other_where_they_share_a_ledger(shared: Row) -> None:
    """It was booked by the first; the second knows the key, and books nothing."""
    shared.first.control.set(BOOKS_AND_BREAKS)
    number = await shared.house.pay("1")
    shared.first.control.set(REFUSE)
    await shared.house.until_state(number, "posted")
    assert len(shared.first.ledger.bookings()) == 1
    assert len(shared.first.ledger.attempts()) >= 2


@both_engines
async def test_what_is_in_doubt_at_one_is_never_sent_to_another_that_knows_nothing_of_it(apart: Row) -> None:
    """The first booked it and is gone; the second, asked, has nothing of it: that proves nothing."""
    apart.first.control.set(BOOKS_AND_BREAKS)
    number = await apart.house.pay("1")
    fault = apart.first.control.set(REFUSE)
    assert await apart.pay("2", "3", "4", "5") == ["posted"] * 4
    async with asyncio.timeout(WAIT_S):
        while Operation.STATUS not in {each.operation for each in apart.second.ledger.attempts()}:
            await apart.zones()
    assert (await apart.entry(number))["state"] == "in_doubt"
    apart.first.control.clear(fault)
    await apart.house.until_state(number, "posted")
    assert [len(apart.first.ledger.bookings()), len(apart.second.ledger.bookings())] == [1, 4]


async def test_what_none_of_them_has_is_sent_again(apart: Row) -> None:
    """Each says so, and means it."""
    apart.first.control.set(BREAKS)
    number = await apart.house.pay("1")
    await apart.house.until_state(number, "posted")
    assert [len(apart.first.ledger.bookings()), len(apart.second.ledger.bookings())] == [1, 0]


async def test_while_the_first_hangs_payers_wait_a_moment_and_then_the_second_takes_all(shared: Row) -> None:
    """Whose call hangs is answered provisionally, and sent to the second."""
    shared.first.control.set(HANG)
    keys = [str(number) for number in range(8)]
    await asyncio.gather(*(shared.house.pay(key, account=key) for key in keys))
    async with asyncio.timeout(WAIT_S):
        while (await shared.zones())[0] != "closed":
            pass
    await shared.house.until_state(await shared.house.pay("99"), "posted")
    async with asyncio.timeout(WAIT_S):
        while len(shared.first.ledger.bookings()) < 9:
            await shared.zones()
