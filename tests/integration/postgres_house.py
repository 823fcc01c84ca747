"""Running services on one spool in a real PostgreSQL before one scripted core."""

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import aiohttp

from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.clock import SystemClock
from gateway.config.init import make
from gateway.config.load import load
from gateway.service import Service
from tests.integration.engine import ORIGIN
from tests.integration.house import House, token_tables


def node_file(
    folder: Path,
    dsn: str,
    core_url: str,
    name: str = "one",
    more: str = "",
    *,
    database: str = "",
    lease_s: float = 1.0,
    change: Callable[[str], str] = str,
) -> Path:
    """The configuration of a node: what init makes, in the same folder for all, on a database and on free ports.

    `database` are more lines about the database, `more` are tables, `change` is made to what init wrote; a lease is short
    where it is to run out.
    """
    made = make(folder / "var", SystemClock(), if_missing=True)
    url = folder / "database"
    url.write_text(dsn)
    text = change(made.config.read_text()).replace("port = 8080", "port = 0").replace("port = 8081", "port = 0")
    text = text.replace("http://127.0.0.1:8090", core_url).replace("[evidence]\n", f"[evidence]\n{ORIGIN}")
    text = text.replace("[spool]\n", '[spool]\nengine = "postgres"\n').replace("/spool/", f"/{name}/")
    about = f'[spool.postgres]\nurl = {{ file = "{url}" }}\npoll_s = 0.05\nlease_s = {lease_s}\n{database}\n'
    file = folder / f"{name}.toml"
    file.write_text(f'[node]\nname = "{name}"\n\n{text}\n{about}\n{token_tables()}\n{more}')
    return file


def machine(ahead_s: int) -> SystemClock:
    """The clock of a machine that somebody set so many seconds ahead."""
    return SystemClock(wall_ns=lambda: time.time_ns() + ahead_s * 1_000_000_000)


@contextlib.asynccontextmanager
async def open_nodes(
    folder: Path,
    dsn: str,
    *names: str,
    more: str = "",
    core: Settings | None = None,
    database: str = "",
    lease_s: float = 1.0,
    ahead_s: Mapping[str, int] = MappingProxyType({}),
    change: Callable[[str], str] = str,
) -> AsyncGenerator[list[House]]:
    """Nodes of these names, started one after the other; stopped in the other order. Some machines' clocks may be ahead."""
    settings = core or Settings(ledger=folder / "ledger.db")
    async with contextlib.AsyncExitStack() as stack:
        billing = await stack.enter_async_context(ScriptedCore.start(settings))
        client = await stack.enter_async_context(aiohttp.ClientSession())
        houses = list[House]()
        for name in names:
            file = node_file(folder, dsn, billing.url, name, more, database=database, lease_s=lease_s, change=change)
            service = Service(load(file), machine(ahead_s.get(name, 0)))
            await service.start()
            stack.push_async_callback(service.stop)
            houses.append(House(service, billing, client))
        yield houses
