"""Payers are told over a real socket, and never before billing's ledger or our disk has what they are told."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from gateway.cli import sinks
from gateway.cli.exits import Exit
from gateway.cli.options import Reach
from tests.integration.engine import both_engines
from tests.integration.house import WAIT_S, House, open_house


class Provider:
    """A provider of SMS: keeps what it was sent; where it is told so, only after a refusal."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.refuses = 1
        self._came = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        """Take one."""
        if self.refuses:
            self.refuses -= 1
            return web.Response(status=503)
        told = json.loads(await request.read())
        self.sent.append((told["to"], told["text"]))
        self._came.set()
        return web.Response()

    async def until_sent(self, count: int) -> None:
        """Wait until so many were sent."""
        async with asyncio.timeout(WAIT_S):
            while len(self.sent) < count:
                self._came.clear()
                await self._came.wait()


@pytest.fixture
async def provider() -> AsyncIterator[tuple[Provider, str]]:
    """A provider, and where it listens."""
    made, app = Provider(), web.Application()
    app.router.add_post("/send", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield made, f"http://127.0.0.1:{runner.addresses[0][1]}/send"
    await runner.cleanup()


def tables(url: str) -> str:
    """The kiosk's accounts are its payers' numbers."""
    body = '{"to": {{ to | tojson }}, "text": {{ text | tojson }}}'
    sink = f'[telling.sinks.sms]\nprotocol = "http_sms"\nurl = "{url}"\nbody = \'{body}\''
    payers = (
        '[telling.payers.kiosk]\nsink = "sms"\ncontact = "account"\nnumber_prefix = "+"\nlanguage = "ru"\nwait_s = 0\n'
        'accepted_text = "{{ amount }}: accepted"\n'
    )
    return f"{sink}\n{payers}"


def hurried(text: str) -> str:
    """Channels whose answers are final after two seconds."""
    return re.sub(r"^(\[channels\.\w+\])$", r"\1\ndeadline_s = 2.0", text, flags=re.MULTILINE)


@pytest.fixture
async def house(tmp_path: Path, provider: tuple[Provider, str]) -> AsyncIterator[House]:
    """An open house that tells payers."""
    async with open_house(tmp_path, tables(provider[1]), hurried) as made:
        yield made


@both_engines
async def test_a_payer_is_told_that_it_was_taken_and_that_it_was_credited(
    house: House, provider: tuple[Provider, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a provider that refused at first; and the operator sees how many were told, and not who."""
    made, _ = provider
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    number = await house.pay("1", account="992900000001")
    await made.until_sent(1)
    assert made.sent == [("+992900000001", "10.00: accepted")]
    await house.post("/admin/v1/routes/main/close", **{"for": 600})
    await house.until_state(number, "posted")
    await made.until_sent(2)
    assert made.sent[1] == ("+992900000001", f"Ваш платёж 10.00 RUB зачислен. Платёж {number}")
    (tmp_path / "operator.token").write_text("operator")
    url = f"http://127.0.0.1:{house.service.admin_listener.port}"
    reach = Reach(url=url, token_file=tmp_path / "operator.token")
    assert await asyncio.to_thread(sinks.list_sinks, reach, json=False) == Exit.DONE
    shown = capsys.readouterr().out
    assert "payers: 2 told, 0 not to be reached" in shown
    assert "992900000001" not in shown
