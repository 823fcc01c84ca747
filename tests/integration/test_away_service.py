"""Running services whose database is away: payers go on being served, nothing is lost or doubled, one answer per key."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from adapters.cores.scripted.orders import Operation
from gateway.telling.event import Kind
from spool.number import number_of
from tests.contracts.database_line import DatabaseLine
from tests.contracts.postgres_server import SHARED
from tests.integration.house import WAIT_S, House
from tests.integration.postgres_house import open_nodes

ALONE: Final = '[spool.postgres.alone]\npath = "{folder}/alone-one.db"\n'
HASTY: Final = "connect_timeout_s = 0.5\nstatement_timeout_s = 0.5\n"

AWAY: Final[dict[str, Callable[[DatabaseLine], None]]] = {"cut": DatabaseLine.cut, "silent": DatabaseLine.stop}


@contextlib.asynccontextmanager
async def away_house(folder: Path) -> AsyncGenerator[tuple[House, DatabaseLine]]:
    """One node, with a file beside its database, and the line between the two."""
    async with (
        DatabaseLine(SHARED.schema()) as line,
        open_nodes(folder, line.dsn, "one", more=ALONE.format(folder=folder), database=HASTY) as (house,),
    ):
        yield house, line


async def said(house: House, key: str, account: str, sum_: str = "10.00") -> str:
    """The whole answer to a payment by OSMP."""
    query = f"command=pay&txn_id={key}&txn_date=20260115120000&account={account}&sum={sum_}"
    url = f"http://127.0.0.1:{house.service.channel_listener.port}/osmp/kiosk?{query}"
    async with house.client.get(url) as answer:
        return await answer.text()


async def said_yes(house: House, key: str, account: str) -> str:
    """The answer in the end, as a channel asks again that is told to: a line that was silent may break once more."""
    async with asyncio.timeout(WAIT_S):
        while not is_yes(answer := await said(house, key, account)):
            pass
    return answer


async def spool(house: House) -> Any:
    """The engine, as status shows it."""
    return (await house.get("/admin/v1/status"))["spool"]


async def until_spool(house: House, **shown: Any) -> None:
    """Wait until status shows so."""
    async with asyncio.timeout(WAIT_S):
        while {name: (found := await spool(house))[name] for name in shown} != shown:
            assert found["engine"] == "postgres"


async def until_told(house: House, kind: Kind) -> None:
    """Wait until people are told."""
    async with asyncio.timeout(WAIT_S):
        while not any(each.kind is kind for each in house.service.telling.journal.stand.values()):
            await spool(house)


def number(answer: str) -> str:
    """The receipt number in an answer."""
    return answer.partition("<prv_txn>")[2].partition("<")[0]


def is_yes(answer: str) -> bool:
    """It was taken."""
    return "<result>0</result>" in answer


@pytest.mark.parametrize("how", AWAY)
async def test_payers_are_served_while_the_database_is_away_and_each_is_booked_once(tmp_path: Path, how: str) -> None:
    """Broken off or silent: the same key gets the same answer, then and afterwards; order within an account is kept."""
    async with away_house(tmp_path) as (house, line):
        before = await said(house, "1", "100")
        AWAY[how](line)
        await until_spool(house, alone=True)
        accounts = ["200", "200", "300", "400", "200"]
        answers = [await said(house, str(20 + at), account) for at, account in enumerate(accounts)]
        again = [await said(house, str(20 + at), account) for at, account in enumerate(accounts)]
        conflict = await said(house, "20", "200", "99.00")
        shown, attempts = await spool(house), len(house.core.ledger.attempts())
        await until_told(house, Kind.DATABASE_AWAY)
        line.mend()
        await house.core.recorded(6)
        await until_spool(house, alone=False, beside=0)
        after = [await said_yes(house, str(20 + at), account) for at, account in enumerate(accounts)]
        bookings = house.core.ledger.bookings()
        _, verdict = await house.ask("POST", "/admin/v1/verify", body={"seals": True})

    assert (is_yes(before), all(map(is_yes, answers))) == (True, True)
    assert answers == again == after
    assert not is_yes(conflict)
    assert (shown["accepting"], shown["beside"], attempts) == (True, 5, 1)
    references = [each.reference for each in bookings if each.account == "200"]
    assert [str(number_of(UUID(each).bytes)) for each in references] == [number(answers[at]) for at in (0, 1, 4)]
    assert len(bookings) == len({each.reference for each in bookings}) == 6
    assert verdict["ok"] is True
    assert {each.operation for each in house.core.ledger.attempts()} == {Operation.PAY}


async def test_a_node_that_was_stopped_with_payments_in_its_file_brings_them_at_its_next_start(tmp_path: Path) -> None:
    """Nothing of it is in the stopped process's memory alone."""
    dsn = SHARED.schema()
    more = ALONE.format(folder=tmp_path)
    async with DatabaseLine(dsn) as line, open_nodes(tmp_path, line.dsn, "one", more=more, database=HASTY) as (house,):
        line.cut()
        await until_spool(house, alone=True)
        first = await said(house, "1", "100")
    async with open_nodes(tmp_path, dsn, "one", more=more, database=HASTY) as (house,):
        await house.core.recorded(1)
        await until_spool(house, beside=0)
        again = await said(house, "1", "100")
        bookings = house.core.ledger.bookings()

    assert is_yes(first)
    assert (again, len(bookings)) == (first, 1)


async def test_without_leave_to_go_on_alone_a_node_tells_channels_to_ask_again(tmp_path: Path) -> None:
    """Nobody can look whether the key was taken before, so it is no "try later"; and nothing is kept anywhere."""
    async with (
        DatabaseLine(SHARED.schema()) as line,
        open_nodes(tmp_path, line.dsn, "one", database=HASTY) as (house,),
    ):
        line.cut()
        await until_spool(house, accepting=False)
        answer = await said(house, "1", "100")
        line.mend()
        await until_spool(house, accepting=True)
        after = await said(house, "1", "100")

    assert (is_yes(answer), is_yes(after)) == (False, True)
    assert not (tmp_path / "alone-one.db").exists()
