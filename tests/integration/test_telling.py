"""An outage is told on real sockets: a running service, a core that goes away, and a server that checks signatures."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from gateway.cli import sinks
from gateway.cli.exits import Exit
from gateway.cli.options import Reach
from tests.integration.house import WAIT_S, House, open_house

KEY = base64.b64encode(bytes(range(32))).decode()
FORMER = base64.b64encode(bytes(range(1, 33))).decode()


class Receiver:
    """A server that takes webhooks, and believes only what is signed."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.ids: list[str] = []
        #: What it answers; 204 takes.
        self.status = 204
        self.asked = 0
        self._asked = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        """Take one, checked by the standard's own library, under both secrets."""
        self.asked += 1
        body = await request.read()
        for secret in (KEY, FORMER):
            Webhook(secret).verify(body, dict(request.headers))
        if self.status == 204:
            self.ids.append(request.headers["webhook-id"])
            self.events += json.loads(body)["data"]["events"]
        self._asked.set()
        return web.Response(status=self.status)

    async def until_asked(self, times: int) -> None:
        """Wait until so many came."""
        async with asyncio.timeout(WAIT_S):
            while self.asked < times:
                self._asked.clear()
                await self._asked.wait()

    async def until(self, kind: str) -> Mapping[str, Any]:
        """Wait until there is an event of a type."""
        while not (found := [each for each in self.events if each["type"] == kind]):
            await self.until_asked(self.asked + 1)
        return found[-1]


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    """A receiver, and where it listens."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield made, f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await runner.cleanup()


def tables(url: str, folder: Path) -> str:
    """A webhook with two secrets, and a sink that nobody answers."""
    (folder / "key").write_text(f"whsec_{KEY}\n")
    (folder / "former").write_text(FORMER)
    secrets = f'[{{ file = "{folder}/key" }}, {{ file = "{folder}/former" }}]'
    pace = "gather_s = 0.0\nretry_first_s = 0.1\nretry_max_s = 0.2"
    return "[telling]\nclear_after_s = 0\n" + "\n".join(
        f'[telling.sinks.{name}]\nprotocol = "webhook"\nurl = "{at}"\nsecrets = {secrets}\n[telling.sinks.{name}.pace]\n{pace}'
        for name, at in (("ops", url), ("dead", "http://127.0.0.1:9/hook"))
    )


@pytest.fixture
async def house(tmp_path: Path, receiver: tuple[Receiver, str]) -> AsyncIterator[House]:
    """An open house that tells."""
    async with open_house(tmp_path, tables(receiver[1], tmp_path)) as made:
        yield made


async def run(house: House, folder: Path, verb: Any, *given: Any) -> int:
    """A verb's exit code; verbs block, so they run beside the loop that serves them."""
    token = folder / "operator.token"
    token.write_text("operator")
    reach = Reach(url=f"http://127.0.0.1:{house.service.admin_listener.port}", token_file=token)
    code: int = await asyncio.to_thread(verb, reach, *given, json=False)
    return code


async def test_an_outage_is_told_signed_and_payments_do_not_wait_for_it(
    house: House, receiver: tuple[Receiver, str]
) -> None:
    """Though the other sink is dead, and the first one refuses at first; each event comes once, with no account in it."""
    made, _ = receiver
    made.status = 500
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    for key in ("1", "2", "3"):
        number = await house.pay(key, account="79161234567")
    await made.until_asked(3)
    made.status = 204
    raised = await made.until("route.open.raised")
    await house.post("/admin/v1/routes/main/close", **{"for": 600})
    await house.until_state(number, "posted")
    cleared = await made.until("route.open.cleared")
    trouble = await made.until("sink.trouble.raised")
    assert (raised["subject"], raised["severity"], raised["facts"]["cause"]) == ("main", "critical", "forced")
    assert (cleared["facts"]["taken"], cleared["facts"]["taken_minor"], trouble["subject"]) == (3, 3_000, "dead")
    assert "79161234567" not in json.dumps(made.events)
    assert len(made.ids) == len(set(made.ids))
    assert [each["type"] for each in made.events].count("route.open.raised") == 1


async def test_a_sink_is_tried_by_hand(
    house: House, tmp_path: Path, receiver: tuple[Receiver, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The verb waits for what becomes of it, and says why where it was not taken."""
    assert await run(house, tmp_path, sinks.try_out, "ops", "does it work") == Exit.DONE
    assert "ops: the test was taken" in capsys.readouterr().out
    assert (await receiver[0].until("test.told"))["facts"] == {"actor": "operator"}
    assert await run(house, tmp_path, sinks.try_out, "dead", "does it work") == Exit.NO
    assert "dead: the test was not taken: can't be reached" in capsys.readouterr().out
    assert await run(house, tmp_path, sinks.list_sinks) == Exit.DONE
    shown = capsys.readouterr().out
    assert "webhook" in shown
    metrics = await house.get("/metrics")
    assert 'nightsafe_sink_failures{sink="ops"} 0.0' in metrics
    assert 'nightsafe_sink_faults{sink="ops"} 0.0' in metrics
    assert 'nightsafe_sink_events_waiting{sink="dead"} 1.0' in metrics
    assert "can't be reached" in shown


async def test_who_may_not_act_tries_no_sink(house: House) -> None:
    """And there are only those that are configured."""
    body = {"reason": "r"}
    assert (await house.ask("POST", "/admin/v1/sinks/ops/test", "viewer", body))[0] == 403
    assert (await house.ask("POST", "/admin/v1/sinks/other/test", "operator", body))[1]["code"] == "no_such_sink"
    assert {each["name"] for each in (await house.get("/admin/v1/sinks"))["sinks"]} == {"ops", "dead"}


async def test_a_restart_tells_nothing_twice(tmp_path: Path, receiver: tuple[Receiver, str]) -> None:
    """What was told before is not told by the next run, and what was not is."""
    made, url = receiver
    more = tables(url, tmp_path)
    async with open_house(tmp_path, more) as house:
        await house.post("/admin/v1/routes/main/open", **{"for": 600})
        first = await made.until("route.open.raised")
    made.events.clear()
    async with open_house(tmp_path / "again", more) as house:
        assert (await house.get("/admin/v1/sinks"))["sinks"]
    assert first["id"] not in [each["id"] for each in made.events]


async def test_a_window_is_announced_and_its_cancelling_told(house: House, receiver: tuple[Receiver, str]) -> None:
    """By a sink that hears of nothing less than warnings otherwise; one that nobody was told of is cancelled in silence."""
    begins = datetime.fromtimestamp(house.service.clock.now_us() // 1_000_000, UTC).replace(tzinfo=None)
    soon, late = [
        await house.post("/admin/v1/windows", begins=(begins + timedelta(seconds=s)).isoformat(), duration_s=3_600)
        for s in (1_800, 10 * 86_400)
    ]
    ahead = await receiver[0].until("window.ahead.told")
    assert ahead["facts"]["begins"] == soon["coming"][0]["begins"][:19] + "Z"
    await house.post(f"/admin/v1/windows/{late['id']}/cancel")
    await house.post(f"/admin/v1/windows/{soon['id']}/cancel")
    cancelled = await receiver[0].until("window.cancelled.told")
    assert cancelled["facts"] == {**ahead["facts"], "route": "all routes"}
    assert [each["type"] for each in receiver[0].events].count("window.cancelled.told") == 1
