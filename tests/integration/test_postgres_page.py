"""Set-up and failover as docs/how-to/run-on-postgresql.md says: its own SQL, its own lines, its own tables, with real servers.

Its other sections are walked by `test_postgres_disaster.py` (backup), `acceptance/test_rolling_upgrade.py` (upgrade),
`faults/test_database_troubles.py` (troubles), `test_away_service.py` (alone).
"""

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import aiohttp

from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.clock import SystemClock
from gateway.config.init import make
from gateway.config.load import load
from gateway.service import Service
from tests.contracts.postgres_server import Server, free_port, new_folder
from tests.integration.house import WAIT_S, House, token_tables
from tests.integration.test_away_service import is_yes, said, said_yes
from tests.tidy.house import ROOT

PAGE: Final = ROOT / "docs/how-to/run-on-postgresql.md"
SETTING_UP: Final = PAGE.read_text(encoding="utf-8").partition("## When something goes")[0]
SECRET: Final = "correct-horse"
ASKED_FOR: Final = "host all nightsafe 127.0.0.1/32 scram-sha-256\n"
"""A line of the servers' pg_hba.conf: the page's user needs the password it was made with."""


def blocks(language: str) -> list[str]:
    """What the page has in a language before anything goes wrong."""
    return re.findall(rf"^```{language}\n(.*?)^```", SETTING_UP, re.MULTILINE | re.DOTALL)


@contextlib.asynccontextmanager
async def servers() -> AsyncGenerator[tuple[Server, Server, Server]]:
    """Three machines for databases, with nothing on them."""
    made = [Server(new_folder(), {"max_wal_size": "1GB"}, port=free_port()) for _ in range(3)]
    try:
        yield made[0], made[1], made[2]
    finally:
        for server in made:
            await asyncio.to_thread(server.stop)
            shutil.rmtree(server.folder, ignore_errors=True)


def lay_out(server: Server) -> None:
    """A database and its user, as the page makes them."""
    (sql,) = blocks("sql")
    server.prepare()
    rules = server.data / "pg_hba.conf"
    rules.write_text(ASKED_FOR + rules.read_text(encoding="utf-8"), encoding="utf-8")
    server.start()
    server.ask(*(each for each in sql.replace("'...'", f"'{SECRET}'").split(";") if each.strip()))


def follow(standby: Server, primary: Server) -> None:
    """A standby that commits wait for, by the page's line."""
    (line,) = re.findall(r"^synchronous_standby_names = .*$", blocks("ini")[0], re.MULTILINE)
    standby.copy(primary)
    standby.start()
    primary.ask(f"ALTER SYSTEM SET {line}", "SELECT pg_reload_conf()")
    while ("sync",) not in primary.ask("SELECT sync_state FROM pg_stat_replication"):
        pass


def configured(folder: Path, name: str, core_url: str, *servers: Server) -> Path:
    """What init makes, with the page's tables in place of its own, under another root."""
    required, node, *_ = blocks("toml")
    (url,) = re.findall(r"<<< '(.*)'", SETTING_UP)
    named = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    address = folder / "etc" / "database"
    address.parent.mkdir(exist_ok=True)
    address.write_text(url.replace("PASSWORD", SECRET).replace("db-1,db-2", named), encoding="utf-8")
    address.chmod(0o600)
    made = make(folder / "var", SystemClock(), if_missing=True).config.read_text(encoding="utf-8")
    for table in ("spool", "evidence"):
        made = re.sub(rf"^\[{table}\]\n(?:[^\[\n].*\n|\n)*", "", made, flags=re.MULTILINE)
    node = re.sub(r"^\[spool.postgres\]\nurl.*\n", required, node, flags=re.MULTILINE).replace("node-1", name)
    text = f"{node}\n{made}\n{token_tables()}"
    text = text.replace("/var/lib/nightsafe", str(folder / "var")).replace("/etc/nightsafe", str(folder / "etc"))
    text = text.replace("port = 8080", "port = 0").replace("port = 8081", "port = 0")
    file = folder / f"{name}.toml"
    file.write_text(text.replace("http://127.0.0.1:8090", core_url), encoding="utf-8")
    return file


@contextlib.asynccontextmanager
async def nodes(folder: Path, *servers: Server) -> AsyncGenerator[tuple[House, House]]:
    """Two of them before one core."""
    async with contextlib.AsyncExitStack() as stack:
        core = await stack.enter_async_context(ScriptedCore.start(Settings(ledger=folder / "ledger.db")))
        client = await stack.enter_async_context(aiohttp.ClientSession())
        houses = list[House]()
        for name in ("node-1", "node-2"):
            service = Service(load(configured(folder, name, core.url, *servers)), SystemClock())
            await service.start()
            stack.push_async_callback(service.stop)
            houses.append(House(service, core, client))
        yield houses[0], houses[1]


async def test_what_the_page_sets_up_takes_payments_and_goes_on_at_the_standby(tmp_path: Path) -> None:
    """By a user who is nobody special. With `standbys_min` nothing new is taken from the failover to the next standby."""
    async with servers() as (primary, standby, next_one):
        await asyncio.to_thread(lay_out, primary)
        await asyncio.to_thread(follow, standby, primary)
        async with nodes(tmp_path, primary, standby) as (one, two):
            ready = [(await each.ask("GET", "/readyz"))[0] for each in (one, two)]
            numbers = [await one.pay("1"), await two.pay("2", "200")]
            books = [len((await each.get("/admin/v1/entries"))["entries"]) for each in (one, two)]

            await asyncio.to_thread(primary.kill)
            await asyncio.to_thread(standby.promote)
            async with asyncio.timeout(WAIT_S):
                while not is_yes(repeated := await said(two, "1", "100")):
                    pass
            without = await said(one, "3", "300")
            await asyncio.to_thread(follow, next_one, standby)
            anew = await said_yes(one, "3", "300")
            _, found = await two.ask("POST", "/admin/v1/verify", body={"seals": True})
            bookings = [each.reference for each in one.core.ledger.bookings()]

    assert (ready, books) == ([200, 200], [2, 2])
    assert (numbers[0] in repeated, is_yes(without), is_yes(anew)) == (True, False, True)
    assert (found["ok"], len(bookings), len(set(bookings))) == (True, 3, 3)
