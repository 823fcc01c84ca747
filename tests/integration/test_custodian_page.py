"""The custodian's page, walked through: its commands as they stand there, on a running service."""

import asyncio
import contextlib
import re
import shlex
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.clock import SystemClock
from gateway.config.init import make
from gateway.config.load import load
from gateway.service import Service
from spool.errors import KeysUnfit
from spool.verify import Verdict, verify
from tests.integration.house import WAIT_S, digest

PAGE: Final = Path(__file__).parents[2] / "docs/how-to/look-after-keys.md"
FENCE: Final = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
HOME: Final = "/var/lib/nightsafe"
OLD_MASTER: Final = "local:0123456789abcdef"
TOKEN: Final = "nightsafe_custodian_example"


@dataclass
class Site:
    """What the page is about: an installation by init, with a custodian's token, on free ports."""

    folder: Path
    config: Path

    @property
    def store(self) -> Path:
        """The key store."""
        return self.folder / "keys/nightsafe.key.store"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[Service]:
        """A service on it. Its core is away, so what it takes waits."""
        service = Service(load(self.config), SystemClock())
        await service.start()
        try:
            yield service
        finally:
            await service.stop()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Made, and not started yet."""
    folder = tmp_path / "var"
    made = make(folder, SystemClock())
    (folder / "secrets/custodian.token").write_text(f"{TOKEN}\n", encoding="ascii")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = made.config.read_text().replace("port = 8080", "port = 0").replace("port = 8081", f"port = {port}")
    table = f'\n[admin.tokens.custodian]\nrole = "custodian"\nsha256 = "{digest(TOKEN)}"\n'
    made.config.write_text(text.replace("127.0.0.1:8090", "127.0.0.1:1") + table, encoding="utf-8")
    return Site(folder, made.config)


def section(heading: str) -> list[list[str]]:
    """The commands of one part of the page."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    part = rest.partition("\n## ")[0]
    return [shlex.split(line)[1:] for block in FENCE.findall(part) for line in block.splitlines()]


async def typed(site: Site, words: list[str], **names: str) -> str:
    """Type a command of the page as it stands there, for this site; what it says."""
    arguments = [names.get(word, word.replace(HOME, str(site.folder))) for word in words]
    done = await asyncio.to_thread(partial(CliRunner().invoke, app, arguments, prog_name="nightsafe"))
    assert done.exit_code == 0, f"{words}: {done.stderr} {done.exception}"
    return done.stdout


async def walk(site: Site, heading: str, **names: str) -> str:
    """One command after the other; what the last one said."""
    said = ""
    for words in section(heading):
        said = await typed(site, words, **names)
    return said


async def status(site: Site) -> str:
    """How the keys stand, as the page has one look."""
    return await typed(site, ["keys", "status", "--config", f"{HOME}/nightsafe.toml"])


async def masters(site: Site) -> set[str]:
    """Names of the masters."""
    return set(re.findall(r"local:[0-9a-f]{16}", await status(site)))


async def pay(service: Service, key: str) -> None:
    """A payment of 10.00 by OSMP, on an account of its own."""
    query = f"command=pay&txn_id={key}&txn_date=20260115120000&account={key}&sum=10.00"
    url = f"http://127.0.0.1:{service.channel_listener.port}/osmp/kiosk?{query}"
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        assert "<result>0</result>" in await answer.text()


async def opened(service: Service) -> tuple[bool, int, int]:
    """Whether all is well, how many seals open, and how many are shredded."""
    found: Verdict = await verify(service.spool.store, service.spool.sealer)
    return found.ok, found.opened, found.shredded


async def test_first_keys_are_made_before_the_first_start(site: Site) -> None:
    """And shown, while nothing runs."""
    said = await walk(site, "First keys")

    assert site.store.stat().st_mode & 0o777 == 0o600
    assert re.search(r"data 1 .* seals", said)
    assert "everything is there already" in await typed(site, ["keys", "init", "--config", str(site.config)])


async def test_keys_are_changed_while_it_runs(site: Site) -> None:
    """A payment of before is read by the next start."""
    async with site.running() as service:
        await pay(service, "1")
        before = await masters(site)

        said = await walk(site, "Change keys")

        assert not before & await masters(site)
    assert re.search(r"data 3 .* seals", said)
    assert re.search(r"index 2 .* hashes", said)
    async with site.running() as service:
        assert await opened(service) == (True, 1, 0)


async def test_a_day_is_forgotten(site: Site) -> None:
    """Its payments are there, and who paid is not."""
    async with site.running() as service:
        await walk(site, "Change keys")

        said = await walk(site, "Let old days be forgotten")

        assert said.strip().splitlines()[-1] == "key 1 is destroyed, and with it the content of 0 entries"
        assert await opened(service) == (True, 0, 0)


async def test_a_lost_key_is_told_and_put_back(site: Site) -> None:
    """A start without it changes nothing."""
    async with site.running() as service:
        await pay(service, "1")
    copy = site.store.read_bytes()
    site.store.unlink()
    with pytest.raises(KeysUnfit, match="put the key store back"):
        async with site.running():
            pass
    site.store.write_bytes(copy)
    site.store.chmod(0o600)

    said = await walk(site, "A key is lost")

    assert "data 1" in said
    async with site.running() as service:
        assert await opened(service) == (True, 1, 0)


async def test_a_leaked_master_is_replaced_and_what_it_opened_is_sealed_anew(site: Site) -> None:
    """Nothing that he who has the old keys could open is left in the spool, and all of it opens by the new ones."""
    async with site.running() as service:
        await pay(service, "1")
        (old,) = await masters(site)
        *first, look, destroy = section("A key leaked")
        for words in first:
            await typed(site, words, **{OLD_MASTER: old})
        async with asyncio.timeout(WAIT_S):
            while "key 1 was sealed anew under key 3: nothing needs it" not in await typed(site, look):
                pass

        said = await typed(site, destroy)

        assert said.strip().splitlines()[-1] == "key 1 is destroyed, and with it the content of 0 entries"
        assert old not in await masters(site)
        assert await opened(service) == (True, 1, 0)
        assert set(await service.shelf.key_uses()) == {3}
    assert (site.folder / "keys/nightsafe.key").read_text(encoding="utf-8").count('"key"') == 1
    async with site.running() as service:
        assert await opened(service) == (True, 1, 0)
