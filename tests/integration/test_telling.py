"""An outage is told on real sockets: a running service, a core that goes away, and a server that checks signatures."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Operation
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.cli import sinks
from gateway.cli.exits import Exit
from gateway.cli.options import Reach
from tests.integration.bank import Bank
from tests.integration.engine import both_engines
from tests.integration.house import WAIT_S, House, lived, made_file, open_house

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


@both_engines
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


@both_engines
async def test_a_restart_tells_nothing_twice(tmp_path: Path, receiver: tuple[Receiver, str]) -> None:
    """What the next run finds still so was told before, in the moment before the first one ended; it tells when it is over."""
    made, url = receiver
    async with ScriptedCore.start(Settings(ledger=tmp_path / "ledger.db")) as core, aiohttp.ClientSession() as client:
        config = made_file(tmp_path, core.url, tables(url, tmp_path))
        async with lived(config) as service:
            house = House(service, core, client)
            await house.post("/admin/v1/routes/main/open", **{"for": 600})
            await made.until("route.open.raised")
        async with lived(config) as service:
            again = House(service, core, client)
            ((route,), number) = (await again.get("/admin/v1/status"))["routes"], await again.pay("1")
            await again.post("/admin/v1/routes/main/close", **{"for": 600})
            await again.until_state(number, "posted")
            await made.until("route.open.cleared")
    assert route["zone"] == "open"
    told = [each["type"] for each in made.events if each["subject"] == "main"]
    assert told == ["route.open.raised", "route.open.cleared"]


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


# What stands against all being well


TIMES: Final = """
[returns]
late_after_s = 1
overdue_after_s = 2
[telling.times]
operation_after_s = 0
[routes.main.standin.channels.bank]
exposure_count_max = 10
[routes.main.breaker]
open_for_s = 0.1
trial_pause_s = 0.01
[routes.main.forward]
slow_start_s = 0.0
"""


@pytest.fixture
async def told(tmp_path: Path, receiver: tuple[Receiver, str]) -> AsyncIterator[tuple[Bank, Receiver]]:
    """A bank before a house that tells all there is to tell."""
    made, url = receiver
    everything = tables(url, tmp_path).replace('protocol = "webhook"', 'protocol = "webhook"\nleast = "info"')
    async with open_house(tmp_path, everything + TIMES) as house:
        yield Bank(house, tmp_path), made


@both_engines
async def test_a_limit_is_told_when_it_is_near_and_when_it_is_reached(told: tuple[Bank, Receiver]) -> None:
    """With how much is held; what comes above it gets the channel's own try later, and nothing is dropped."""
    bank, receiver = told
    await bank.house.post("/admin/v1/routes/main/open", **{"for": 600})
    statuses = [(await bank.pay(str(key), f"1{key}", "1.00"))[0] for key in range(11)]
    assert statuses == [202] * 10 + [503]
    reached = await receiver.until("limit.reached.raised")
    near = await receiver.until("limit.near.raised")
    assert (reached["subject"], reached["severity"], near["severity"]) == ("main/bank", "critical", "warning")
    assert (reached["facts"]["share_percent"], reached["facts"]["held"]) == (100, 10)


@both_engines
async def test_money_that_billing_refused_after_a_yes_is_told_until_it_went_back(told: tuple[Bank, Receiver]) -> None:
    """Due, then late, then overdue; over when a person has said, with evidence and a second one, that it is back."""
    bank, receiver = told
    house = bank.house
    house.core.control.set(Fault(kind=FaultKind.FORBID, operation=Operation.PAY))
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    _, paid = await bank.pay("a", amount="20.00")
    await house.post("/admin/v1/routes/main/close", **{"for": 600})
    await house.until_state(paid["id"], "refused")
    assert await bank.stands(paid["id"]) == "refused"
    due = await receiver.until("return.due.raised")
    assert (due["subject"], due["facts"]["count"], due["facts"]["sum"]) == ("main", 1, "20.00 RUB")
    stages = [due["facts"]["stage"]]
    while stages[-1] != "overdue":
        stages.append((await next_of(receiver, "return.due.escalated", len(stages) - 1))["facts"]["stage"])
    assert stages[-1] == "overdue"
    (owed,) = (await house.get("/admin/v1/returns"))["returns"]
    assert (owed["entry"]["number"], owed["stage"]) == (paid["id"], "overdue")
    back = {"as": "returned", "evidence": "statement 17"}
    assert (await house.ask("POST", f"/admin/v1/entries/{paid['id']}/close", body=back))[0] == 200
    (waiting,) = (await house.get("/admin/v1/proposals"))["proposals"]
    await house.ask("POST", f"/admin/v1/proposals/{waiting['id']}/confirm", "approver", {"reason": "seen"})
    assert (await receiver.until("return.due.cleared"))["subject"] == "main"
    assert (await house.get("/admin/v1/returns"))["returns"] == []


async def next_of(receiver: Receiver, kind: str, place: int) -> Any:
    """The event of a type after so many others of it."""
    while len(found := [each for each in receiver.events if each["type"] == kind]) <= place:
        await receiver.until_asked(receiver.asked + 1)
    return found[place]


async def test_in_a_planned_window_nobody_is_woken(told: tuple[Bank, Receiver]) -> None:
    """That the route is open is told as something to know; the window itself to everybody."""
    bank, receiver = told
    begins = datetime.fromtimestamp(bank.house.service.clock.now_us() // 1_000_000, UTC).replace(tzinfo=None)
    await bank.house.post("/admin/v1/windows", begins=begins.isoformat(), duration_s=3600)
    opened = await receiver.until("route.open.raised")
    begun = await receiver.until("window.begun.raised")
    assert (opened["severity"], begun["severity"], begun["subject"]) == ("info", "info", "main")


async def test_that_checks_alone_do_not_pass_is_told(told: tuple[Bank, Receiver]) -> None:
    """As a warning: payments are posted as ever."""
    bank, receiver = told
    bank.house.core.control.set(Fault(kind=FaultKind.ERROR_BEFORE, operation=Operation.CHECK))
    for key in range(8):
        await bank.check(f"7{key}")
    raised = await receiver.until("operation.open.raised")
    assert (raised["subject"], raised["severity"], raised["facts"]["operation"]) == ("main/check", "warning", "check")
