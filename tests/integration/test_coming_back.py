"""A core that is in trouble, or comes back, over loopback: what reaches it, counted by the core itself.

What was at the core at once is told from its log of attempts: each answer is given `ANSWER_S` after its order came, so what
came within that time before an order was surely still there beside it.
"""

import asyncio
from pathlib import Path
from typing import Final

import aiohttp

from adapters.core import Level
from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Attempt, Operation
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.clock import SystemClock
from gateway.route.pace import Pace
from gateway.route.zone import Zone
from gateway.service import Service
from tests.integration.engine import both_engines
from tests.integration.house import WAIT_S, House, lived, made_file, open_house

US: Final = 1_000_000
ANSWER_S: Final = 0.05
LIMIT: Final = 6
WAITING: Final = 120
"""So many that they are not all posted before the limit is reached: those take a second at least."""

QUICK: Final = """
[routes.main.breaker]
open_for_s = 0.1
probe_interval_s = 0.1
trial_pause_s = 0.01
{breaker}
[routes.main.forward]
in_flight_max = {limit}
{forward}
"""
"""A route that is tried soon."""

SLOW: Final = Fault(kind=FaultKind.LATE, delay_s=ANSWER_S, operation=Operation.PAY)


def route(limit: int = LIMIT, *, breaker: str = "", forward: str = "slow_start_s = 0.5") -> str:
    """The route's tables."""
    return QUICK.format(limit=limit, breaker=breaker, forward=forward)


def paid(core: ScriptedCore) -> list[Attempt]:
    """Orders to pay that came, in order."""
    return [each for each in core.ledger.attempts() if each.operation is Operation.PAY]


def at_once(attempts: list[Attempt]) -> list[int]:
    """Of each order, how many were surely at the core with it."""
    came = [each.arrived_at_us for each in attempts]
    return [sum(at - ANSWER_S * US < other <= at for other in came[: place + 1]) for place, at in enumerate(came)]


async def taken(house: House, keys: range) -> None:
    """Payments on an account each, all at once."""
    await asyncio.gather(*(house.pay(str(key), account=f"1{key}") for key in keys))


async def until_booked(core: ScriptedCore, count: int, service: Service) -> None:
    """Let the service work for one request's time, again and again, until the core has booked so many."""
    url = f"http://127.0.0.1:{service.admin_listener.port}/livez"
    async with asyncio.timeout(WAIT_S), aiohttp.ClientSession() as client:
        while len(core.ledger.bookings()) < count:
            async with client.get(url) as answer:
                assert answer.status == 200


@both_engines
async def test_the_backlog_comes_back_slowly_and_payers_count_against_the_same_limit(tmp_path: Path) -> None:
    """One at a time on trial, two after it, more with each round; never more than the limit, whoever sends."""
    async with open_house(tmp_path, route()) as house:
        house.core.control.outage(FaultKind.REFUSE)
        await taken(house, range(WAITING))
        before = len(paid(house.core))
        house.core.control.clear()
        house.core.control.set(SLOW)
        await until_booked(house.core, 10, house.service)
        await taken(house, range(1000, 1020))
        await until_booked(house.core, WAITING + 20, house.service)
        levels = at_once(paid(house.core)[before:])
        assert levels[:3] == [1, 1, 1]
        assert max(levels[3:8]) <= 3
        assert LIMIT - 1 <= max(levels) <= LIMIT
        assert len(house.core.ledger.bookings()) == WAITING + 20


async def test_no_more_come_back_at_once_than_the_core_has_borne(tmp_path: Path) -> None:
    """Eight, of a core of which nothing is known, though thirty-two are agreed: that drains soon enough."""
    async with open_house(tmp_path, route(32, forward="slow_start_s = 0.0")) as house:
        house.core.control.outage(FaultKind.REFUSE)
        await taken(house, range(WAITING))
        before = len(paid(house.core))
        house.core.control.clear()
        house.core.control.set(SLOW)
        await until_booked(house.core, WAITING, house.service)
        assert max(at_once(paid(house.core)[before:])) == 8


@both_engines
async def test_a_core_that_asks_for_rest_gets_it(tmp_path: Path) -> None:
    """`Retry-After` holds the backlog and payers alike: these are stood in for."""
    async with open_house(tmp_path, route()) as house:
        house.core.control.set(
            Fault(kind=FaultKind.THROTTLE, retry_after_s=1, operation=Operation.PAY, count=1),
        )
        await house.pay("1", account="11")
        await taken(house, range(2, 8))
        await until_booked(house.core, 7, house.service)
        came = [each.arrived_at_us for each in paid(house.core)]
        assert came[1] - came[0] >= 1.0 * US


async def test_a_core_that_says_for_how_long_it_is_away_is_left_alone(tmp_path: Path) -> None:
    """By the core's own log: one order came, all others are stood in for, and it is told that it is down and why."""
    async with open_house(tmp_path, route()) as house:
        house.core.control.set(Fault(kind=FaultKind.MAINTENANCE, retry_after_s=60, operation=Operation.PAY))
        await taken(house, range(1, 2))
        await taken(house, range(2, 8))
        (shown,) = (await house.get("/admin/v1/status"))["routes"]
        assert (shown["zone"], shown["trip"], shown["diagnosis"]["cause"]) == ("open", "away", "maintenance")
        assert len(paid(house.core)) == 1


async def test_no_more_calls_a_second_than_were_agreed(tmp_path: Path) -> None:
    """Live ones and waiting ones together; with a burst of a tenth of a second."""
    async with open_house(tmp_path, route(forward="rate_max_per_s = 20")) as house:
        await taken(house, range(10))
        await until_booked(house.core, 10, house.service)
        came = [each.arrived_at_us for each in paid(house.core)]
        assert came[-1] - came[0] >= 0.25 * US


async def test_a_core_in_trouble_gets_a_share_of_the_payments(tmp_path: Path) -> None:
    """Half of its answers fail: it isn't down, so some payments still reach it, and the others are stood in for."""
    never = "failures_in_a_row = 1000\nfailure_rate = 1.0\nminimum_calls = 50\nsoft_for_s = 0.1\n"
    async with open_house(tmp_path, route(breaker=never)) as house:
        house.core.control.set(Fault(kind=FaultKind.ERROR_BEFORE, operation=Operation.PAY, probability=0.5))
        for begin in range(0, 60, 15):
            await taken(house, range(begin, begin + 15))
        (shown,) = (await house.get("/admin/v1/status"))["routes"]
        entries = (await house.get("/admin/v1/entries?limit=100"))["entries"]
        aside = [each for each in entries if each["policy"]]
        assert (shown["zone"], shown["operations"]["post"]["share"] < 1.0) == ("soft", True)
        assert 0 < len(aside) < len(entries) == 60
        house.core.control.clear()
        await until_booked(house.core, 60, house.service)


async def until_grown(pace: Pace, core: ScriptedCore, service: Service) -> None:
    """Wait until so many may be at the core at once, by booking after booking."""
    for booked in range(1, 40):
        await until_booked(core, booked, service)
        if pace.limit >= LIMIT:
            return


@both_engines
async def test_a_restart_in_the_middle_of_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """The next process takes the pace up from the file beside the spool: not from two at once, and payers count."""
    async with ScriptedCore.start(Settings(ledger=tmp_path / "ledger.db", level=Level.A)) as core:
        config = made_file(tmp_path, core.url, route(32))
        core.control.outage(FaultKind.REFUSE)
        async with lived(config) as service, aiohttp.ClientSession() as client:
            url = f"http://127.0.0.1:{service.channel_listener.port}/osmp/kiosk"
            for key in range(60):
                query = f"command=pay&txn_id={key}&txn_date=20260115120000&account=1{key}&sum=10.00"
                async with client.get(f"{url}?{query}") as answer:
                    assert answer.status == 200
            core.control.clear()
            core.control.set(SLOW)
            pace = service.routes[0].health.pace
            await until_grown(pace, core, service)
            reached = pace.limit
        async with lived(config) as service:
            health = service.routes[0].health
            assert (health.zone, health.pace.recovering, health.pace.free) == (Zone.CLOSED, True, False)
            assert health.pace.limit >= reached - 1
            core.control.clear()
            await until_booked(core, 60, service)
        assert len(core.ledger.bookings()) == 60


HEAD_START: Final = """
[routes.main.order]
first_ahead_s = 1
"""
HEAD_START_US: Final = US
LARGE_FIRST: Final = """
[[routes.main.order.rules]]
goes = "first"
amount_min = "100"
"""


@both_engines
async def test_what_goes_first_goes_before_nothing_that_waited_for_longer_than_its_head_start(tmp_path: Path) -> None:
    """So nothing starves: those who came a second and more before the large ones are booked before them."""
    tables = route(1, breaker="trials_needed = 1", forward=f"slow_start_s = 0.0\n{HEAD_START}{LARGE_FIRST}")
    async with open_house(tmp_path, tables) as house:
        house.core.control.outage(FaultKind.REFUSE)
        for key in range(20):
            await house.pay(str(key), account=f"1{key}")
        usual_until_us, url = SystemClock().now_us(), f"http://127.0.0.1:{house.service.admin_listener.port}/livez"
        while SystemClock().now_us() <= usual_until_us + HEAD_START_US:
            assert (await house.client.get(url)).status == 200
        for key in range(20, 25):
            await house.pay(str(key), account=f"1{key}", amount="500.00")
        house.core.control.clear()
        await until_booked(house.core, 25, house.service)
        large, usual = [f"1{key}" for key in range(20, 25)], [f"1{key}" for key in range(10, 20)]
        booked = [each.account for each in house.core.ledger.bookings()]
        assert [each for each in booked if each in {*large, *usual}] == [*usual, *large]


@both_engines
async def test_of_what_waited_the_core_gets_first_what_the_rules_put_first(tmp_path: Path) -> None:
    """The oldest alone to try it, then the large ones, though they came last; each kind in the order it came."""
    tables = route(1, breaker="trials_needed = 1", forward=f"slow_start_s = 0.0\n{LARGE_FIRST}")
    async with open_house(tmp_path, tables) as house:
        house.core.control.outage(FaultKind.REFUSE)
        # The first of these find out, and wait a moment for their next attempt.
        for key in range(20):
            await house.pay(str(key), account=f"1{key}")
        for key in range(20, 25):
            await house.pay(str(key), account=f"1{key}", amount="500.00")
        house.core.control.clear()
        await until_booked(house.core, 25, house.service)
        tried, *booked = [each.account for each in house.core.ledger.bookings()]
        large, usual = [f"1{key}" for key in range(20, 25)], [f"1{key}" for key in range(10, 20)]
        assert tried not in large
        in_turn = [each for each in booked if each in {*large, *usual}]
        assert in_turn == [*large, *(each for each in usual if each != tried)]
