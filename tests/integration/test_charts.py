"""The page's charts over a restart of the service, on a file and on a database."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.clock import SystemClock
from gateway.config.init import make
from tests.contracts.postgres_server import SHARED
from tests.integration.house import House, lived, token_tables
from tests.integration.postgres_house import node_file
from tests.integration.postgres_nodes import until
from tests.integration.reader import Reader

Configured = Callable[[Path, ScriptedCore], Path]


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[ScriptedCore]:
    """Billing."""
    async with ScriptedCore.start(Settings(ledger=tmp_path / "ledger.db")) as started:
        yield started


def on_a_file(folder: Path, core: ScriptedCore) -> Path:
    """The configuration that init makes, on free ports."""
    config = make(folder / "var", SystemClock()).config
    text = config.read_text().replace("port = 8080", "port = 0").replace("port = 8081", "port = 0")
    config.write_text(f"{text.replace('http://127.0.0.1:8090', core.url)}\n{token_tables()}")
    return config


def on_a_database(folder: Path, core: ScriptedCore) -> Path:
    """The same on PostgreSQL."""
    return node_file(folder, SHARED.schema(), core.url)


@pytest.mark.parametrize("configured", [on_a_file, on_a_database])
async def test_a_restart_forgets_no_chart(tmp_path: Path, core: ScriptedCore, configured: Configured) -> None:
    """What the page drew before it is there at once after it, and the next samples go on."""
    config = configured(tmp_path, core)
    async with aiohttp.ClientSession() as client:
        async with lived(config) as service:
            await until(lambda: len(service.trend.of("main")) > 0)
            await House(service, core, client).pay("1")
            await service.trend.run_once()
            before = service.trend.of("main")
        async with lived(config) as service:
            await until(lambda: len(service.trend.of("main")) > len(before))
            after = service.trend.of("main")
            reader = Reader(House(service, core, client))
            await reader.sign_in("viewer")
            page = await reader.get("/page/")
    assert after[: len(before)] == before
    assert [each.anew for each in after] == [True, False, True]
    assert [each.taken for each in after] == [0, 1, 1]
    assert 'class="plot"' in page.text
