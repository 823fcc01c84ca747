"""What is learned of a core over loopback: how long it takes, how much it bears, how often it relapses, and when it is done.

No limit here is one on the machine's speed: where the core is to be slower than it was, it is by what it was.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import pytest

from adapters.core import Level
from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Attempt, Operation
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.route.record import BreakerRecord
from gateway.route.zone import Zone
from tests.integration.engine import both_engines
from tests.integration.house import House, lived, made_file

US: Final = 1_000_000
WAIT_S: Final = 120.0
"""Nothing waited for here takes so long on any machine."""

PATIENT: Final = """
[routes.main.breaker]
open_for_s = 0.1
probe_interval_s = 0.1
trial_pause_s = 0.01
slow_call_s = 60.0
{breaker}
[routes.main.forward]
slow_start_s = 0.0
attempt_timeout_s = 120.0
{forward}
"""
"""A route that is tried soon, and waits for long."""


class Rig:
    """A core, and the configuration of a service before it that lives more than once."""

    def __init__(self, core: ScriptedCore, config: Path, client: aiohttp.ClientSession) -> None:
        self.core = core
        self.config = config
        self.client = client

    @contextlib.asynccontextmanager
    async def life(self) -> AsyncGenerator[House]:
        """One of them."""
        async with lived(self.config) as service:
            yield House(service, self.core, self.client)

    def record(self, operation: str = "") -> BreakerRecord:
        """What a route's breaker has kept in its file."""
        (file,) = self.config.parent.rglob(f"route-main{operation}.json")
        return msgspec.json.decode(file.read_bytes(), type=BreakerRecord)

    @property
    def paid(self) -> list[Attempt]:
        """Orders to pay that came to the core, in order."""
        return [each for each in self.core.ledger.attempts() if each.operation is Operation.PAY]


@contextlib.asynccontextmanager
async def open_rig(
    folder: Path, *, breaker: str = "", forward: str = "", address: str = "http://{}"
) -> AsyncGenerator[Rig]:
    """Nothing runs yet but the core; `address` is made of its own."""
    settings = Settings(ledger=folder / "ledger.db", level=Level.A)
    async with ScriptedCore.start(settings) as core, aiohttp.ClientSession() as client:
        more = PATIENT.format(breaker=breaker, forward=forward)
        config = made_file(folder, address.format(core.url.removeprefix("http://")), more)
        yield Rig(core, config, client)


async def pay(house: House, keys: range) -> None:
    """Payments on an account each, ten at a time, each with a yes."""
    url = f"http://127.0.0.1:{house.service.channel_listener.port}/osmp/kiosk"

    async def one(key: int) -> None:
        query = f"command=pay&txn_id={key}&txn_date=20260115120000&account=1{key}&sum=10.00"
        async with house.client.get(f"{url}?{query}") as answer:
            assert "<result>0</result>" in await answer.text()

    for begin in range(keys.start, keys.stop, 10):
        await asyncio.gather(*(one(key) for key in range(begin, min(begin + 10, keys.stop))))


async def shown(house: House) -> Any:
    """The route, as status shows it."""
    (route,) = (await house.get("/admin/v1/status"))["routes"]
    return route


async def until(house: House, true: Callable[[Any], bool]) -> Any:
    """Ask for the status again and again until it is so; what it showed then."""
    async with asyncio.timeout(WAIT_S):
        while not true(route := await shown(house)):
            pass
    return route


def late(seconds: float) -> Fault:
    """Books at once, and answers so much later."""
    return Fault(kind=FaultKind.LATE, delay_s=seconds, operation=Operation.PAY)


@both_engines
async def test_a_core_slower_than_its_habit_turns_the_route_soft_also_after_a_restart(tmp_path: Path) -> None:
    """The habit is learned from a hundred answers and kept in the file beside the spool; soft, it isn't open."""
    async with open_rig(tmp_path, breaker="sluggish_min_s = 0.01\nhung_after_s = 60") as rig:
        async with rig.life() as house:
            await pay(house, range(120))
            learned = (await until(house, lambda route: route["operations"]["post"]["usual_s"] > 0))["operations"]
        async with rig.life() as house:
            known = (await shown(house))["operations"]["post"]
            assert known["usual_s"] == learned["post"]["usual_s"]
            rig.core.control.set(late(2 * house.service.routes[0].health.sluggish_s()))
            paying = asyncio.create_task(pay(house, range(200, 260)))
            soft = await until(house, lambda route: route["zone"] != "closed")
            assert (soft["zone"], soft["diagnosis"]["cause"]) == ("soft", "slow")
            await paying
            rig.core.control.clear()
            await until(house, lambda _: len(rig.core.ledger.bookings()) == 180)
            assert (await shown(house))["trip"] == ""


async def test_a_core_that_falls_silent_is_known_by_its_habit(tmp_path: Path) -> None:
    """Long before `hung_after_s`, and before any payer's time is up, when calls would begin to fail: it was quick."""
    rules = "hung_after_s = 60\nhung_early_share = 0.02\nwatch_interval_s = 0.5"
    async with open_rig(tmp_path, breaker=rules) as rig, rig.life() as house:
        await pay(house, range(120))
        await until(house, lambda route: 0 < route["operations"]["post"]["hung_s"] < 60)
        rig.core.control.set(Fault(kind=FaultKind.HANG, operation=Operation.PAY))
        await pay(house, range(200, 210))
        route = await until(house, lambda route: route["trip"] != "")
        assert (route["trip"], route["diagnosis"]["cause"]) == ("hung", "answer_timeout")
        rig.core.control.clear()
        await until(house, lambda _: len(rig.core.ledger.bookings()) == 130)


async def test_a_core_that_takes_longer_the_more_it_has_is_given_less(tmp_path: Path) -> None:
    """Without one failure: the round's middle time says so (Envoy's gradient)."""
    async with (
        open_rig(tmp_path, breaker="sluggish_factor = 1000\nhung_after_s = 8", forward="in_flight_max = 32") as rig,
        rig.life() as house,
    ):
        health = house.service.routes[0].health
        ramp = health.pace.ramp
        rig.core.control.outage(FaultKind.REFUSE)
        await pay(house, range(500))
        rig.core.control.clear()
        # So long that what a busy machine adds to it is little.
        rig.core.control.set(late(0.1))
        await until(house, lambda _: health.zone is Zone.CLOSED)
        # As if it had grown by five hundred answers.
        ramp.resume(32, asyncio.get_running_loop().time())
        booked = len(rig.core.ledger.bookings())
        await until(house, lambda _: len(rig.core.ledger.bookings()) >= booked + 100)
        assert health.pace.limit >= 28
        rig.core.control.clear()
        rig.core.control.set(late(max(0.2, 6 * ramp.best_s)))
        failures = ramp.failures
        await until(house, lambda _: health.pace.limit <= 22)
        assert (ramp.failures, health.zone) == (failures, Zone.CLOSED)


async def test_each_relapse_keeps_the_core_alone_for_twice_as_long_and_health_undoes_it(tmp_path: Path) -> None:
    """By the core's own log: trials come 0.1, 0.2, 0.4 and 0.8 s after what failed. The level is kept in the file."""
    rest = "relapse_decay_s = 0.2\ntrials_needed = 1"
    async with open_rig(tmp_path, breaker=rest) as rig, rig.life() as house:
        rig.core.control.set(Fault(kind=FaultKind.ERROR_BEFORE, operation=Operation.PAY))
        await pay(house, range(10))
        await until(house, lambda route: route["zone"] == "open")
        before = len(rig.paid)
        await until(house, lambda _: len(rig.paid) >= before + 4)
        came = [each.arrived_at_us for each in rig.paid][before - 1 :]
        gaps = [(later - earlier) / US for earlier, later in itertools.pairwise(came)]
        assert [gap >= least for gap, least in zip(gaps, (0.1, 0.2, 0.4, 0.8), strict=False)] == [True] * 4
        assert rig.record().level >= 4
        rig.core.control.clear()
        await until(house, lambda _: len(rig.core.ledger.bookings()) == 10)
        level = rig.record().level
        closed_at = asyncio.get_running_loop().time()
        await until(house, lambda _: asyncio.get_running_loop().time() - closed_at >= 0.2 * (level + 1))
        rig.core.control.set(Fault(kind=FaultKind.ERROR_BEFORE, operation=Operation.PAY))
        await pay(house, range(20, 30))
        await until(house, lambda route: route["zone"] == "open")
        assert rig.record().level < level
        rig.core.control.clear()


@both_engines
async def test_while_it_drains_it_is_said_until_when_with_a_low_and_a_high_end(tmp_path: Path) -> None:
    """At twenty a second: what is shown agrees with itself, and with what waits."""
    async with open_rig(tmp_path, forward="rate_max_per_s = 20") as rig, rig.life() as house:
        rig.core.control.outage(FaultKind.REFUSE)
        await pay(house, range(150))
        assert (await shown(house))["estimate"] is None
        rig.core.control.clear()
        route = await until(
            house, lambda route: route["estimate"] is not None and route["estimate"]["high_s"] is not None
        )
        said, waiting = route["estimate"], 150 - len(rig.core.ledger.bookings())
        assert 0 < said["low_s"] < said["empty_s"] < said["high_s"]
        assert 0 < said["rate_out"] <= 22
        assert said["empty_s"] >= (waiting - 2) / 22
        # It is reckoned each second: the last may be of when something waited.
        done = await until(house, lambda route: route["estimate"] is not None and route["estimate"]["empty_s"] == 0)
        assert done["waiting"] == []


@pytest.mark.parametrize(
    ("address", "faults", "cause"),
    [
        ("http://billing.invalid:8090", [], "dns"),
        ("https://{}", [], "tls"),
        ("http://{}", [Fault(kind=FaultKind.REFUSE)], "refused_connection"),
        ("http://{}", [Fault(kind=FaultKind.RESET_BEFORE, operation=Operation.PAY)], "reset"),
        ("http://{}", [Fault(kind=FaultKind.HANG, operation=Operation.PAY)], "answer_timeout"),
        ("http://{}", [Fault(kind=FaultKind.ERROR_BEFORE, operation=Operation.PAY)], "server_error"),
        ("http://{}", [Fault(kind=FaultKind.GARBAGE, operation=Operation.PAY)], "unreadable"),
        ("http://{}", [Fault(kind=FaultKind.UNAUTHORISED, operation=Operation.PAY)], "credentials"),
    ],
)
async def test_an_open_route_says_why_since_when_and_by_which_example(
    tmp_path: Path, address: str, faults: list[Fault], cause: str
) -> None:
    """As an operator sees it; the payers have a yes meanwhile."""
    async with open_rig(tmp_path, address=address) as rig, rig.life() as house:
        for fault in faults:
            rig.core.control.set(fault)
        await pay(house, range(20))
        route = await until(house, lambda route: route["zone"] == "open" and route["diagnosis"] is not None)
        told = route["diagnosis"]
        assert told["cause"] == cause
        assert told["words"]
        assert told["example"]
        assert told["seen"] >= 1
        assert "" < told["first_seen"] <= told["last_seen"]
