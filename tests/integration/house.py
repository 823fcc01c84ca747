"""A running service before a scripted core, on the engine that was asked for, and somebody at the doors of its admin side."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.clock import SystemClock
from gateway.config.init import make
from gateway.config.load import load
from gateway.service import Service
from tests.integration.engine import on_engine

ROLES: Final = ("viewer", "operator", "approver", "auditor", "custodian")
WAIT_S: Final = 20.0
AT_ONCE: Final = 50
"""Who look for their payment: the admin side has 64 connections."""

Told = tuple[int, Any]


def digest(token: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def token_tables() -> str:
    """A token of each role, named for it, one that is over, one of the core's own team, and one of another installation."""
    tables = [f'[admin.tokens.{role}]\nrole = "{role}"\nsha256 = "{digest(role)}"\n' for role in ROLES]
    over = f'[admin.tokens.former]\nrole = "operator"\nsha256 = "{digest("former")}"\nexpires = 2025-06-01T00:00:00Z\n'
    core = f'[admin.tokens.release]\nrole = "core"\ncores = ["billing"]\nsha256 = "{digest("release")}"\n'
    peer = f'[admin.tokens.second]\nrole = "peer"\nsha256 = "{digest("second")}"\n'
    return "\n".join([*tables, over, core, peer])


@dataclass
class House:
    """A running service, its core, and somebody at its doors."""

    service: Service
    core: ScriptedCore
    client: aiohttp.ClientSession
    looking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def ask(self, method: str, path: str, as_: str = "operator", body: Any = None) -> Told:
        """Ask the admin side; the status, and the body."""
        headers = {"Authorization": f"Bearer {as_}"} if as_ else {}
        url = f"http://127.0.0.1:{self.service.admin_listener.port}{path}"
        async with self.client.request(method, url, headers=headers, json=body) as answer:
            is_json = "json" in answer.content_type
            return answer.status, await answer.json() if is_json else await answer.text()

    async def get(self, path: str) -> Any:
        """What the admin side shows."""
        status, body = await self.ask("GET", path)
        assert status == 200, body
        return body

    async def post(self, path: str, **body: Any) -> Any:
        """What the admin side says of an act."""
        status, told = await self.ask("POST", path, body={"reason": "a drill", **body})
        assert status == 200, told
        return told

    async def pay(self, key: str, account: str = "100", amount: str = "10.00") -> str:
        """A payment by OSMP; its number."""
        query = f"command=pay&txn_id={key}&txn_date=20260115120000&account={account}&sum={amount}"
        url = f"http://127.0.0.1:{self.service.channel_listener.port}/osmp/kiosk?{query}"
        async with self.client.get(url) as answer:
            assert "<result>0</result>" in await answer.text()
        async with self.looking, asyncio.timeout(WAIT_S):
            # That it was told posted is recorded a moment later, with whatever else comes (docs/decisions/0054).
            while (entry := await self._entry_of(key))["state"] == "in_flight" and entry["told"] == "nothing":
                pass
        number: str = entry["number"]
        return number

    async def _entry_of(self, key: str) -> Any:
        return (await self.get(f"/admin/v1/entries/find?channel=kiosk&key={key}"))["entry"]

    async def until_state(self, number: str, state: str) -> None:
        """Wait until an entry is in a state."""
        async with asyncio.timeout(WAIT_S):
            while (await self.get(f"/admin/v1/entries/{number}"))["entry"]["state"] != state:
                pass


def made_file(folder: Path, core_url: str, more: str = "", change: Callable[[str], str] = str) -> Path:
    """The configuration that init makes, changed, before a core, on free ports, with a token of each role and `more` at its end."""
    file = make(folder / "var", SystemClock()).config
    text = file.read_text().replace("port = 8080", "port = 0").replace("port = 8081", "port = 0")
    text = on_engine(text.replace("http://127.0.0.1:8090", core_url), folder)
    file.write_text(f"{change(text)}\n{token_tables()}\n{more}")
    return file


@contextlib.asynccontextmanager
async def open_house(folder: Path, more: str = "", change: Callable[[str], str] = str) -> AsyncGenerator[House]:
    """A house by such a configuration."""
    async with ScriptedCore.start(Settings(ledger=folder / "ledger.db")) as core, aiohttp.ClientSession() as client:
        config = made_file(folder, core.url, more, change)
        service = Service(load(config), SystemClock(), file=config)
        await service.start()
        try:
            yield House(service, core, client)
        finally:
            await service.stop()


@contextlib.asynccontextmanager
async def lived(config: Path) -> AsyncGenerator[Service]:
    """One life of a service."""
    service = Service(load(config), SystemClock())
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
