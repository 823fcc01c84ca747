"""The admin side while payments wait, over sockets: a crowd of strangers before its door, and who must not wait behind it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import pytest
from aiohttp.web import RequestHandler

from gateway.admin.http.share import STRANGERS_AT_ONCE
from tests.contracts.spool_examples import draft
from tests.integration.house import WAIT_S, House, open_house
from tests.integration.postgres_nodes import until

CROWD: Final = 100
MANY_ENTRIES: Final = 2_000
"""Written out, more than lies in buffers between here and there."""

TURNS: Final = 50
"""Of the loop, within which a head is read."""


class Many:
    """Payments in hand, always."""

    in_hand: Final = 64


async def turn() -> None:
    """Let everything else go on for one turn of the loop."""
    await asyncio.sleep(0)


async def crowd_at(house: House) -> list["asyncio.Task[tuple[int, object]]"]:
    """Strangers who asked and wait for their turn, all at once."""
    share = house.service.admin_listener._share
    goes, stands = share._now, share._now()
    share._payments, share._budget_s, share._now = Many(), -0.02, lambda: stands
    strangers = [asyncio.create_task(house.ask("GET", "/admin/v1/status", as_="nobody")) for _ in range(CROWD)]
    async with asyncio.timeout(WAIT_S):
        while sum(len(row.waiting) for row in share._rows.values()) < CROWD // 2:
            await turn()
    share._now, share._counted_at = goes, goes()
    return strangers


@pytest.mark.parametrize("probe", ["/livez", "/readyz"])
async def test_a_probe_waits_behind_no_crowd_of_strangers(tmp_path: Path, probe: str) -> None:
    """Else a balancer would take a node out whose payments are well."""
    async with open_house(tmp_path) as house:
        await house.ask("GET", probe, as_="")
        strangers = await crowd_at(house)
        status, _ = await house.ask("GET", probe, as_="")
        waiting = [each for each in strangers if not each.done()]
        for each in strangers:
            each.cancel()
        assert (status, len(waiting) > CROWD // 4) == (200, True)


async def test_who_dawdles_with_a_body_takes_nobodys_turn(tmp_path: Path) -> None:
    """Else as many as may be under way, each with a head and nothing more, would keep everybody out who is new."""
    async with open_house(tmp_path) as house, contextlib.AsyncExitStack() as stack:
        house.service.admin_listener._share._payments = Many()
        answers = [await stack.enter_async_context(dawdling(house)) for _ in range(2 * STRANGERS_AT_ONCE)]
        status, _ = await house.ask("GET", "/admin/v1/status", as_="nobody")
        assert (status, [each.done() for each in answers]) == (401, [False] * len(answers))


@contextlib.asynccontextmanager
async def dawdling(house: House) -> AsyncGenerator["asyncio.Task[bytes]"]:
    """A stranger who sent a head, and the first byte of his answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.service.admin_listener.port)
    writer.write(b"POST /admin/v1/routes/main/open HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
    answer = asyncio.create_task(reader.read(1))
    for _ in range(TURNS):
        await turn()
    yield answer
    answer.cancel()
    writer.close()


async def test_who_dawdles_over_an_export_may_ask_for_other_things_meanwhile(tmp_path: Path) -> None:
    """Of anybody known one request is under way while payments wait: a download over a slow line would else lock him out."""
    async with open_house(tmp_path) as house, asyncio.timeout(WAIT_S):
        await asyncio.gather(*[house.service.spool.record(draft(number)) for number in range(1, MANY_ENTRIES + 1)])
        await house.get("/admin/v1/status")
        house.service.admin_listener._share._payments = Many()
        async with reading_slowly(house):
            await house.get("/admin/v1/status")
            assert is_held_up(house)


@contextlib.asynccontextmanager
async def reading_slowly(house: House) -> AsyncGenerator[None]:
    """An operator who takes an export and, until the block is over, reads nothing of it, over a line that holds little."""
    before = len(connections(house))
    reader, writer = await asyncio.open_connection("127.0.0.1", house.service.admin_listener.port, limit=1)
    await until(lambda: len(connections(house)) > before)
    for end in (writer.transport, *(each.transport for each in connections(house))):
        assert end is not None, "nobody has hung up"
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    writer.write(b"GET /admin/v1/export?format=jsonl HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operator\r\n\r\n")
    await until(lambda: is_held_up(house))
    assert await reader.read(1) == b"H"
    yield
    writer.close()


def is_held_up(house: House) -> bool:
    """Is there an answer that can't be written on, as nobody reads it?"""
    return any(each.writing_paused for each in connections(house))


def connections(house: House) -> list[RequestHandler]:
    """Those to the admin side."""
    server = house.service.admin_listener._server
    assert server is not None, "it listens"
    return server.connections
