"""The database is lost, and a copy of it put in its place: the section on backups of docs/how-to/run-on-postgresql.md."""

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
from gateway.config.load import load
from gateway.service import Service
from tests.contracts.postgres_server import Server, free_port, new_folder
from tests.integration.command import nightsafe
from tests.integration.engine import ORIGIN
from tests.integration.house import House
from tests.integration.postgres_house import node_file
from tests.tidy.house import ROOT

PAGE: Final = ROOT / "docs/how-to/run-on-postgresql.md"


@contextlib.asynccontextmanager
async def copied(folder: Path) -> AsyncGenerator[Server]:
    """A server that keeps what a plain copy of it needs."""
    server = Server(folder, {"max_wal_size": "1GB"}, port=free_port())
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def serving(folder: Path, dsn: str, core: ScriptedCore, client: aiohttp.ClientSession) -> AsyncGenerator[House]:
    """One node with a witness, on this database."""
    file = node_file(folder, dsn, core.url)
    witness = f'{ORIGIN}witness_files = ["{folder}/checkpoint"]\n'
    file.write_text(file.read_text().replace(ORIGIN, witness))
    service = Service(load(file), SystemClock(), file=file)
    await service.start()
    try:
        yield House(service, core, client)
    finally:
        await service.stop()


def offline(folder: Path, dsn: str) -> Path:
    """The node's configuration on another database, with an admin side where nobody is."""
    (folder / "database").write_text(dsn)
    file = folder / "offline.toml"
    file.write_text((folder / "one.toml").read_text().replace("port = 0", f"port = {free_port()}"))
    return file


async def verdict(house: House) -> tuple[bool, list[str]]:
    """What verify finds."""
    _, found = await house.ask("POST", "/admin/v1/verify", body={"seals": True})
    return found["ok"], sorted(found["faults"])


def test_the_page_has_the_steps_this_test_walks() -> None:
    """Who changes the one changes the other."""
    section = PAGE.read_text().partition("## Back up")[2]
    commands = re.findall(r"^\$ ([\w-]+(?: [a-z]+)*)", section, re.MULTILINE)
    assert commands == [
        "pg_basebackup",
        "nightsafe status",
        "nightsafe verify",
        "nightsafe evidence accept",
        "nightsafe verify",
    ]


async def test_a_copy_in_the_database_s_place_is_noticed_said_and_accepted_by_a_person(tmp_path: Path) -> None:
    """Nothing is taken or sent before; what waited is in doubt then, and nothing is booked twice."""
    async with (
        ScriptedCore.start(Settings(ledger=tmp_path / "ledger.db")) as core,
        aiohttp.ClientSession() as client,
        copied(new_folder()) as first,
        copied(new_folder()) as second,
    ):
        await asyncio.to_thread(first.prepare)
        await asyncio.to_thread(first.start)
        async with serving(tmp_path, first.dsn(), core, client) as house:
            await house.post("/admin/v1/routes/main/open")
            waiting = await house.pay("1")
            await asyncio.to_thread(second.copy, first)
            await house.post("/admin/v1/routes/main/auto")
            await house.until_state(waiting, "posted")
            await house.pay("2", "200")
        await asyncio.to_thread(first.kill)
        (second.data / "standby.signal").unlink()
        await asyncio.to_thread(second.start)
        looked = await asyncio.to_thread(nightsafe, "verify", "--config", offline(tmp_path, second.dsn()))
        async with serving(tmp_path, second.dsn(), core, client) as house:
            shown, found = await house.get("/admin/v1/status"), await verdict(house)
            listens = house.service.channel_listener.port
            await house.post("/admin/v1/gap")
            await house.until_state(waiting, "posted")
            after = await verdict(house)
        bookings = [each.reference for each in core.ledger.bookings()]

    assert (shown["ready"], bool(shown["evidence"]["gap"]), listens) == (False, True, 0)
    assert found == (False, ["rolled_back"])
    assert (looked.returncode, "rolled_back" in looked.stdout) == (1, True), looked
    assert after == (True, [])
    assert len(bookings) == len(set(bookings)) == 2
