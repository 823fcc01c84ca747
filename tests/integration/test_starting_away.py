"""Services whose database is away when they start: at open doors they wait for it, or go on alone, and join when it is there."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.engines.moving import require_here
from gateway.service import Found, Service
from spool.away.store import AwayStore
from spool.errors import SpoolUnfit
from spool.keys import KeyRing
from spool.moving import MOVED
from tests.contracts.database_line import DatabaseLine
from tests.contracts.postgres_server import SHARED
from tests.integration.house import House
from tests.integration.postgres_house import node_file, open_nodes
from tests.integration.postgres_nodes import node, until
from tests.integration.test_away_service import ALONE, HASTY, is_yes, number, said, until_spool

AGAIN: Final = "<result>1</result>"
"""OSMP: a passing trouble, ask again with the same key."""


class Life:
    """One more start of a node, its way to the database in the test's hands."""

    def __init__(self, house: House, line: DatabaseLine, starting: "asyncio.Task[Any]") -> None:
        self.house, self.line, self.starting = house, line, starting

    async def joined(self) -> None:
        """The database is back, and the start goes to its end."""
        self.line.mend()
        await self.starting

    async def ready(self) -> tuple[int, list[str]]:
        """What /readyz says."""
        status, body = await self.house.ask("GET", "/readyz", "")
        return status, body["missing"]


class InterruptedStart(Service):
    """A service whose database goes when its start comes to a step; the steps after it meet none either."""

    line: DatabaseLine
    step = ""

    def _comes_to(self, step: str) -> None:
        if step == self.step:
            self.step = ""
            self.line.cut()

    async def _unlock(self, listed: tuple[int, ...]) -> KeyRing:
        self._comes_to("keys")
        await require_here(self.spool.store)
        self._comes_to("key store")
        return await self.keeper.unlock(listed)

    def _found(self) -> Found:
        self._comes_to("evidence")
        return super()._found()

    async def _open_admin_side(self) -> None:
        self._comes_to("admin side")
        await super()._open_admin_side()
        self._comes_to("what is set")


@contextlib.asynccontextmanager
async def started_away(
    folder: Path, dsn: str, more: str = "", *, how: str = "cut", step: str = ""
) -> AsyncGenerator[Life]:
    """A node that is being started while its line to the database is cut, or silent, or from a step on; it listens already."""
    async with (
        DatabaseLine(dsn) as line,
        ScriptedCore.start(Settings(ledger=folder / "ledger.db")) as core,
        aiohttp.ClientSession() as client,
    ):
        if not step:
            getattr(line, how)()
        file = node_file(folder, line.dsn, core.url, "one", more, database=HASTY)
        service = InterruptedStart(load(file), SystemClock(), file=file)
        service.line, service.step = line, step
        starting = asyncio.create_task(service.start())
        try:
            await until(lambda: service.joining.is_waiting or starting.done())
            yield Life(House(service, core, client), line, starting)
        finally:
            if starting.done() and starting.exception() is None:
                await service.stop()
            starting.cancel()
            await asyncio.wait([starting])


@pytest.mark.parametrize("step", ["keys", "key store", "evidence", "admin side", "what is set"])
async def test_a_database_that_goes_in_the_middle_of_the_start_is_waited_for(tmp_path: Path, step: str) -> None:
    """The process doesn't end for it: whoever watches it is told, its metrics too, and it joins when the database is back."""
    async with started_away(tmp_path, SHARED.schema(), step=step) as life:
        told, ready = await said(life.house, "1", "100"), await life.ready()
        _, body = await life.house.ask("GET", "/metrics")
        await life.joined()
        after, ready_after = await said(life.house, "1", "100"), await life.ready()

    assert (AGAIN in told, is_yes(after), ready_after) == (True, True, (200, []))
    assert (ready[0], "database can't be" in ready[1][0]) == (503, True)
    assert "\nnightsafe_ready 0.0\n" in body


async def lived_before(folder: Path, dsn: str, more: str) -> str:
    """A node that was at its database once, took a payment and ended in good order; the whole answer to that."""
    async with open_nodes(folder, dsn, "one", more=more, database=HASTY) as (house,):
        answer = await said(house, "1", "100")
        await house.core.recorded(1)
        return answer


@pytest.mark.parametrize("how", ["cut", "stop"])
async def test_a_service_whose_database_is_away_at_its_start_tells_channels_to_ask_again_and_joins(
    tmp_path: Path, how: str
) -> None:
    """Neither exits nor hangs: it says why to machines and persons, and takes payments once the database is there."""
    async with started_away(tmp_path, SHARED.schema(), how=how) as life:
        told = await said(life.house, "1", "100")
        check = await _asked(life.house, "check")
        ready, shown = await life.ready(), await life.house.ask("GET", "/admin/v1/status")
        stranger, live = await life.house.ask("GET", "/admin/v1/status", ""), await life.house.ask("GET", "/livez", "")
        await life.joined()
        after, ready_after = await said(life.house, "1", "100"), await life.ready()

    assert (told.count(AGAIN), is_yes(check), is_yes(after)) == (1, False, True)
    assert ready[0] == 503
    assert "database can't be reached" in ready[1][0]
    assert (shown[0], shown[1]["code"], "database can't be reached" in shown[1]["detail"]) == (503, "closed", True)
    assert (stranger[0], live[0], ready_after) == (401, 200, (200, []))


async def test_a_node_that_may_go_on_alone_takes_payments_though_its_database_was_away_at_its_start(
    tmp_path: Path,
) -> None:
    """Also a key of its former life, once more: when the database is back, each is booked once, under its number."""
    dsn, more = SHARED.schema(), ALONE.format(folder=tmp_path)
    before = await lived_before(tmp_path, dsn, more)
    async with started_away(tmp_path, dsn, more) as life:
        house = life.house
        await until_spool(house, alone=True)
        answers = [await said(house, str(20 + at), account) for at, account in enumerate(["200", "200", "300"])]
        again = [await said(house, str(20 + at), account) for at, account in enumerate(["200", "200", "300"])]
        known = await said(house, "1", "100")
        ready, shown = await life.ready(), await house.get("/admin/v1/status")
        await life.joined()
        await until_spool(house, alone=False, beside=0)
        after = [await said(house, str(20 + at), account) for at, account in enumerate(["200", "200", "300"])]
        await house.core.recorded(4)
        references = [each.reference for each in house.core.ledger.bookings()]

    assert (is_yes(before), all(map(is_yes, answers)), is_yes(known)) == (True, True, True)
    assert answers == again == after
    assert (ready, shown["spool"]["beside"], shown["ready"]) == ((200, []), 4, True)
    assert shown["states"]["posted"][0]["entries"] == 1
    assert (len(references), len(set(references))) == (4, 4)
    assert number(known) != number(before)


async def test_a_node_that_was_never_at_its_database_can_t_go_on_alone_and_says_so(tmp_path: Path) -> None:
    """It has no seat, so its numbers could be another's; and no keys."""
    async with started_away(tmp_path, SHARED.schema(), ALONE.format(folder=tmp_path)) as life:
        told = await said(life.house, "1", "100")
        status, why = await life.ready()
        await life.joined()
        after = await said(life.house, "1", "100")

    assert (AGAIN in told, status, is_yes(after)) == (True, 503, True)
    assert "never at its database" in why[0]


async def test_a_node_without_its_copy_of_the_keys_can_t_go_on_alone_and_says_so(tmp_path: Path) -> None:
    """What it took could be opened by nobody."""
    dsn, more = SHARED.schema(), ALONE.format(folder=tmp_path)
    await lived_before(tmp_path, dsn, more)
    (tmp_path / "alone-one.db.keys").unlink()
    async with started_away(tmp_path, dsn, more) as life:
        told = await said(life.house, "2", "100")
        _, why = await life.ready()

    assert AGAIN in told
    assert "can't go on alone: there is no key store" in why[0]


async def test_nothing_is_brought_into_a_database_that_was_moved_away_meanwhile(tmp_path: Path) -> None:
    """What must hold before a spool is worked on is looked at first; the payments stay in the file."""
    dsn, more = SHARED.schema(), ALONE.format(folder=tmp_path)
    await lived_before(tmp_path, dsn, more)
    async with started_away(tmp_path, dsn, more) as life:
        await until_spool(life.house, alone=True)
        answer = await said(life.house, "2", "100")
        async with node(dsn, "two") as other:
            await other.remember(MOVED, b"at another place")
        life.line.mend()
        with pytest.raises(SpoolUnfit, match="moved away"):
            await life.starting
        store = life.house.service.spool.store
        assert isinstance(store, AwayStore)
        kept = store.beside
        await kept.open(life.house.service.clock.now_us())
        waiting = [total.entries for cell, total in kept.tally.cells() if total.entries and cell.state.word == "ready"]
        await kept.close()

    assert (is_yes(answer), waiting) == (True, [1])


async def _asked(house: House, command: str) -> str:
    url = f"http://127.0.0.1:{house.service.channel_listener.port}/osmp/kiosk?command={command}&txn_id=9&account=100&sum=10"
    async with house.client.get(url) as answer:
        return await answer.text()
