"""What the table of the database's troubles says (docs/how-to/run-on-postgresql.md), each with the service and a real server."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Final

import asyncpg  # type: ignore[import-untyped]  # it comes without types
import pytest

from gateway.route.zone import Zone
from tests.contracts.database_line import DatabaseLine
from tests.contracts.postgres_server import SHARED, as_nobody, new_folder
from tests.integration.house import WAIT_S, House
from tests.integration.postgres_house import open_nodes

SMALL_DISK_MIB: Final = 8
HASTY: Final = "connect_timeout_s = 0.5\nstatement_timeout_s = 0.5\n"
"""So long a statement may take."""

SLOW_S: Final = 0.01
"""For each piece on its way; a payment takes some of them."""


@contextlib.asynccontextmanager
async def one_node(folder: Path, dsn: str, database: str = "") -> AsyncGenerator[tuple[House, DatabaseLine]]:
    """A node, and the line to its database."""
    async with DatabaseLine(dsn) as line, open_nodes(folder, line.dsn, "one", database=database) as (house,):
        yield house, line


async def said(house: House, key: str) -> str:
    """The result code of a payment by OSMP, of an account of its own: 0 yes, 1 ask again (see `told`)."""
    query = f"command=pay&txn_id={key}&txn_date=20260115120000&account={100 + int(key)}&sum=10.00"
    url = f"http://127.0.0.1:{house.service.channel_listener.port}/osmp/kiosk?{query}"
    async with house.client.get(url) as answer:
        return (await answer.text()).partition("<result>")[2].partition("<")[0]


def told(house: House, kind: str) -> int:
    """How many requests were answered so: OSMP has one code for "in progress" and "try later"."""
    answers, _ = house.service.meter.of_channel("kiosk")
    return answers.get(kind, 0)


async def until_said(house: House, key: str, code: str) -> None:
    """Ask with the same key until the answer is this."""
    async with asyncio.timeout(WAIT_S):
        while await said(house, key) != code:
            pass


async def until_accepting(house: House, *, accepting: bool) -> None:
    """Wait until status says whether new payments are taken."""
    async with asyncio.timeout(WAIT_S):
        while (await house.get("/admin/v1/status"))["spool"]["accepting"] is not accepting:
            pass


def zone(house: House) -> Zone:
    """How the one route stands."""
    return house.service.routes[0].health.zone


def booked(house: House) -> list[str]:
    """References of all that was booked."""
    return [booking.reference for booking in house.core.ledger.bookings()]


async def test_a_slow_database_makes_answers_late_and_nothing_else(tmp_path: Path) -> None:
    """Payments pass, billing isn't blamed, and those that wait together share commits."""
    async with one_node(tmp_path, SHARED.schema()) as (house, line):
        line.delay_s = SLOW_S
        answers = await asyncio.gather(*(said(house, str(key)) for key in range(1, 13)))

        assert answers == ["0"] * 12
        assert zone(house) is Zone.CLOSED
    assert len(booked(house)) == len(set(booked(house))) == 12


async def test_a_database_that_is_silent_for_longer_than_it_may_is_no_yes_and_no_no(tmp_path: Path) -> None:
    """In progress; asked again with the same key when it is well, each is one payment."""
    async with one_node(tmp_path, SHARED.schema(), HASTY) as (house, line):
        line.stop()
        await asyncio.gather(*(said(house, str(key)) for key in (1, 2)))
        during = told(house, "in_progress"), told(house, "try_later")
        line.mend()
        for key in ("1", "2"):
            await until_said(house, key, "0")

        assert during == (2, 0)
        assert zone(house) is Zone.CLOSED
    assert len(booked(house)) == len(set(booked(house))) == 2


@pytest.fixture
def few() -> Iterator[str]:
    """The URL of a schema for a user whose connections are counted, and whom a test lets have none."""
    dsn = SHARED.schema()
    schema = dsn.partition("search_path=")[2].partition("&")[0]
    SHARED.server.ask("CREATE ROLE few LOGIN", f"GRANT ALL ON SCHEMA {schema} TO few")
    yield dsn.replace("postgres@", "few@")
    SHARED.server.ask("DROP OWNED BY few CASCADE", "DROP ROLE few")


async def test_without_a_connection_left_those_that_stand_serve_and_a_lost_one_is_tried_for(
    few: str, tmp_path: Path
) -> None:
    """As if the database were away, for that node; it goes on by itself when there is one again."""
    async with one_node(tmp_path, few) as (house, line):
        SHARED.server.ask("ALTER ROLE few CONNECTION LIMIT 0")
        standing = await said(house, "1")
        line.break_off()
        await until_accepting(house, accepting=False)
        lost = await said(house, "2"), told(house, "in_progress"), told(house, "try_later")
        SHARED.server.ask("ALTER ROLE few CONNECTION LIMIT -1")
        await until_said(house, "2", "0")

        assert (standing, lost) == ("0", ("1", 1, 0))
    assert len(booked(house)) == 2


@pytest.fixture
def small_disk() -> Iterator[str]:
    """The URL of a schema whose tables are on a disk of a few MiB, where we may mount one."""
    folder = new_folder()
    options = f"size={SMALL_DISK_MIB}m"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False)  # noqa: S607 - the system's own
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        subprocess.run(["mkdir", str(folder / "own")], check=True)  # noqa: S607 - the system's own
        subprocess.run(["chown", f"{as_nobody().get('user', 'root')}", str(folder / "own")], check=True)  # noqa: S607 - as above
        schema = SHARED.schema().partition("search_path=")[2].partition("&")[0]
        SHARED.server.ask(f"CREATE TABLESPACE small LOCATION '{folder}/own'")
        yield SHARED.server.dsn(search_path=schema, default_tablespace="small")
        SHARED.server.ask(f"DROP SCHEMA {schema} CASCADE", "DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - the system's own
        folder.rmdir()


def fill(dsn: str) -> None:
    """Take all room there is, down to the last page, beside the spool's tables."""
    schema = dsn.partition("search_path=")[2].partition("&")[0]
    table = f"{schema}.ballast"
    SHARED.server.ask(f"CREATE TABLE {table} (filler text) TABLESPACE small")
    for size in (100_000, 1_000, 10, 1):
        with contextlib.suppress(asyncpg.DiskFullError):
            while True:
                SHARED.server.ask(
                    f"INSERT INTO {table} SELECT repeat(md5(random()::text), 60) FROM generate_series(1, {size})"  # noqa: S608 - ours
                )


async def test_a_full_disk_is_try_later_and_no_attempt_begins_that_can_t_be_written_down(
    small_disk: str, tmp_path: Path
) -> None:
    """Known keys get their answer, what waits stays as it is, and all of it goes on when there is room."""
    async with one_node(tmp_path, small_disk) as (house, _):
        route = house.service.routes[0].health
        route.force(Zone.OPEN, until_us=house.service.clock.now_us() + 60_000_000, actor="drill", reason="a drill")
        before = [await said(house, str(key)) for key in range(1, 4)]
        await asyncio.to_thread(fill, small_disk)
        during = await first_turned_away(house)
        known = await said(house, "1")
        booked_before = booked(house)
        SHARED.server.ask(f"DROP TABLE {small_disk.partition('search_path=')[2].partition('&')[0]}.ballast")
        route.release()
        await until_said(house, str(during), "0")
        await house.core.recorded(4)

        assert (before, known, booked_before) == (["0"] * 3, "0", [])
        _, verdict = await house.ask("POST", "/admin/v1/verify", body={"seals": True})
        assert verdict["ok"] is True


async def first_turned_away(house: House) -> int:
    """The first key that there is no room for: pages that were begun before may have some left."""
    async with asyncio.timeout(WAIT_S):
        for key in range(100, 100_000):
            code = await said(house, str(key))
            if code != "0":
                assert told(house, "in_progress") == 0, "surely nothing was stored, and that may be said"
                return key
    raise AssertionError
