"""Noticing, over loopback: with nobody paying, by operations apart, past health pages that are wrong; and what reaches a core then."""

import asyncio
from pathlib import Path
from typing import Final

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Operation
from tests.integration.bank import Bank
from tests.integration.engine import both_engines
from tests.integration.house import open_house
from tests.integration.test_coming_back import SLOW, at_once, paid, route, taken, until_booked
from tests.integration.test_core_habits import open_rig, pay, shown, until

UNPAID: Final = "idle_probe_interval_s = 0.1\nprobes_failed_in_a_row = 3"


@both_engines
async def test_a_core_that_dies_while_nobody_pays_is_known_dead_and_only_payments_say_that_it_is_back(
    tmp_path: Path,
) -> None:
    """By probes, which move no money; when they pass again the route is tried, and three real payments close it."""
    async with open_rig(tmp_path, breaker=UNPAID) as rig, rig.life() as house:
        rig.core.control.outage(FaultKind.REFUSE)
        route = await until(house, lambda route: route["zone"] == "open")
        assert (route["trip"], route["diagnosis"]["cause"], rig.paid) == ("probes", "refused_connection", [])
        rig.core.control.clear()
        await until(house, lambda route: route["zone"] == "trial")
        for key in range(3):
            assert (await shown(house))["zone"] == "trial"
            await pay(house, range(key, key + 1))
        await until(house, lambda route: route["zone"] == "closed")
        assert len(rig.core.ledger.bookings()) == 3


async def test_a_health_page_that_says_down_for_long_is_overruled_by_a_payment(tmp_path: Path) -> None:
    """It can be reached and says no: after `probe_distrust_s` a real payment is tried, and billing was well all the time."""
    async with open_rig(tmp_path, breaker="probe_distrust_s = 0.5") as rig, rig.life() as house:
        broken = rig.core.control.set(Fault(kind=FaultKind.ERROR_BEFORE, operation=Operation.PAY))
        await pay(house, range(10))
        await until(house, lambda route: route["zone"] != "closed")
        rig.core.control.set(Fault(kind=FaultKind.HEALTH_SAYS_DOWN))
        await until(house, lambda route: route["zone"] == "open")
        rig.core.control.clear(broken)
        await until(house, lambda _: len(rig.core.ledger.bookings()) == 10)


@both_engines
async def test_checks_that_fail_stop_checks_and_no_payment(tmp_path: Path) -> None:
    """A search that is broken is asked no more, and answered as the policy says; payments are posted as ever."""
    async with open_house(tmp_path, route()) as house:
        bank = Bank(house, tmp_path)
        house.core.control.set(Fault(kind=FaultKind.ERROR_BEFORE, operation=Operation.CHECK))
        told = [await bank.check(f"7{key}") for key in range(12)]
        asked = [each.operation for each in house.core.ledger.attempts()].count(Operation.CHECK)
        zones = {name: each["zone"] for name, each in (await shown(house))["operations"].items()}
        assert (zones["post"], zones["check"] in ("open", "trial"), asked < 12) == ("closed", True, True)
        assert {(status, body["payable"]) for status, body in told} == {(200, True)}
        assert (await bank.pay("1"))[1]["status"] == "posted"


async def test_to_a_core_in_trouble_the_backlog_trickles(tmp_path: Path) -> None:
    """Two at once, though more might be: by the core's own log, while the route is soft and nobody pays."""
    never = "failures_in_a_row = 1000\nfailure_rate = 1.0\nminimum_calls = 50\nsoft_for_s = 600\n"
    forward = "slow_start_s = 0.0\nbackoff_first_s = 0.01\nbackoff_max_s = 0.1"
    async with open_house(tmp_path, route(breaker=never, forward=forward)) as house:
        house.core.control.set(Fault(kind=FaultKind.ERROR_BEFORE, operation=Operation.PAY, probability=0.9))
        for begin in range(0, 90, 15):
            await taken(house, range(begin, begin + 15))
        assert (await shown(house))["zone"] == "soft"
        house.service.routes[0].health.pace.ramp.resume(6, asyncio.get_running_loop().time())
        house.core.control.clear()
        house.core.control.set(SLOW)
        before = len(paid(house.core))
        await until_booked(house.core, 90, house.service)
        # The first few may have met the fault yet, and were answered at once.
        levels = at_once(paid(house.core)[before + 4 :])
        assert ((await shown(house))["zone"], max(levels)) == ("soft", 2)
