"""Two routes to two cores in one service, over loopback: whatever becomes of one, the other's payers don't notice."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import aiohttp

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.clock import SystemClock
from tests.integration.core_peer import Line, peer
from tests.integration.engine import both_engines
from tests.integration.house import WAIT_S, House, open_house

CONNECTIONS = 24
"""As many as the channels' listener takes: eight for the payers of each route's core, and some left."""

HANG = Fault(kind=FaultKind.HANG)
OTHER = """
[channels.wallet]
protocol = "osmp"
currency = "RUB"
allow = ["127.0.0.0/8"]
deadline_s = 4

[cores.other]
protocol = "json"
url = "{url}"
level = "A"

[routes.other]
core = "{core}"
currency = "RUB"
channels = ["wallet"]

[routes.other.forward]
live_max = {live_max}

[routes.other.breaker]
hung_after_s = 30
slow_call_s = 60
failures_in_a_row = 1000
"""
"""A route whose breaker is of no help: its core counts as well, however long it says nothing."""


def narrow(text: str) -> str:
    """The configuration with few connections."""
    return text.replace("[listen.channels]\n", f"[listen.channels]\nconnections_max = {CONNECTIONS}\n")


@contextlib.asynccontextmanager
async def street(folder: Path, *, live_max: int, core: str = "other") -> AsyncGenerator[tuple[House, ScriptedCore]]:
    """A house with another route, to a core of its own or (by name) to the house's."""
    async with ScriptedCore.start(Settings(ledger=folder / "other.db")) as other:
        more = OTHER.format(url=other.url, core=core, live_max=live_max)
        async with open_house(folder, more, narrow) as house:
            yield house, other


async def hanging(house: House, payers: int) -> asyncio.Task[list[str]]:
    """So many payers by the other route, each over a connection of its own, all of them let in or turned away."""

    async def pay(number: int) -> str:
        query = f"command=pay&txn_id={number}&txn_date=20260115120000&account={number}&sum=10.00"
        url = f"http://127.0.0.1:{house.service.channel_listener.port}/osmp/wallet?{query}"
        try:
            async with aiohttp.ClientSession() as client, client.get(url) as answer:
                return str(answer.status)
        except aiohttp.ClientError as error:
            return type(error).__name__

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(pay(number) for number in range(payers)))

    return asyncio.create_task(all_of_them())


@both_engines
async def test_payers_of_a_core_that_hangs_take_no_connection_from_anothers(tmp_path: Path) -> None:
    """Eight wait for it, all others are answered at once; and the other route goes on."""
    async with street(tmp_path, live_max=0) as (house, other):
        other.control.set(HANG)
        waiting = await hanging(house, CONNECTIONS - 4)
        await other.arrived(CONNECTIONS // 3)
        for key in ("1", "2", "3"):
            assert await state_of(house, key) == "posted"
        assert not waiting.done()
        other.control.clear()
        assert set(await waiting) == {"200"}


async def test_without_that_limit_they_take_them_all(tmp_path: Path) -> None:
    """What the limit is for: each connection there is waits for the core that hangs."""
    async with street(tmp_path, live_max=1000) as (house, other):
        other.control.set(HANG)
        waiting = await hanging(house, 3 * CONNECTIONS)
        await other.arrived(CONNECTIONS)
        url = (
            f"http://127.0.0.1:{house.service.channel_listener.port}/osmp/kiosk?command=check&txn_id=1&account=1&sum=1"
        )
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            assert answer.status == 503
        other.control.clear()
        assert "503" in await waiting


async def test_routes_to_one_core_have_connections_of_their_own(tmp_path: Path) -> None:
    """One that used up its own at a core is no reason for another to wait for them."""
    async with street(tmp_path, live_max=0, core="billing") as (house, _):
        first, second = house.service.routes
        assert first.core is not second.core


ENDLESS_BYTES: Final = 64 * 2**20
"""The core gives up after so much of an answer that nobody should have read."""

PIECE: Final = b"x" * 65_536
ENDLESS: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


class Flood:
    """A core whose answers have no end, and how much of the largest was taken."""

    def __init__(self) -> None:
        """Nobody called yet."""
        self.largest = 0
        self.calls = 0

    async def act(self, line: Line) -> None:
        """Answer without end, as fast as it is read."""
        await line.hear()
        self.calls += 1
        sent = 0
        try:
            await line.say(ENDLESS)
            while sent < ENDLESS_BYTES:
                await line.say(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
                sent += len(PIECE)
        finally:
            self.largest = max(self.largest, sent)


async def test_answers_without_end_take_neither_memory_nor_another_routes_time(tmp_path: Path) -> None:
    """Of each no more is read than an answer may have, and what lies in the sockets; the others are paid meanwhile."""
    flood = Flood()
    async with peer(flood.act) as other:
        more = OTHER.format(url=f"http://127.0.0.1:{other.port}", core="other", live_max=0)
        async with open_house(tmp_path, more, narrow) as house:
            waiting = await hanging(house, 8)
            for key in ("1", "2", "3"):
                assert await state_of(house, key) == "posted"
            assert set(await waiting) == {"200"}
    assert flood.calls >= 8
    assert flood.largest < ENDLESS_BYTES // 4


async def drip(line: Line) -> None:
    """Answer so slowly that it never ends."""
    await line.hear()
    await line.say(ENDLESS)
    while True:
        await line.say(b"1\r\nx\r\n")
        await SystemClock().sleep(0.02)


async def test_answers_that_drip_take_no_longer_than_a_call_may_and_no_time_of_another_route(tmp_path: Path) -> None:
    """Each byte is news, and yet the payer is answered before his deadline; the others are paid meanwhile."""
    async with peer(drip) as other:
        more = OTHER.format(url=f"http://127.0.0.1:{other.port}", core="other", live_max=0)
        async with open_house(tmp_path, more.replace("deadline_s = 4", "deadline_s = 2"), narrow) as house:
            waiting = await hanging(house, 8)
            await other.line(7)
            for key in ("1", "2", "3"):
                assert await state_of(house, key) == "posted"
            async with asyncio.timeout(WAIT_S):
                assert set(await waiting) == {"200"}


async def state_of(house: House, key: str) -> str:
    """Pay by the house's own route; what became of it."""
    entry = await house.get(f"/admin/v1/entries/{await house.pay(key, account=key)}")
    state: str = entry["entry"]["state"]
    return state
