"""Two services on one PostgreSQL before one core that comes back: its limits hold for both together, by its own log."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Final

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Attempt, Operation
from adapters.cores.scripted.server import ScriptedCore
from tests.contracts.postgres_server import SHARED
from tests.integration.house import WAIT_S, House
from tests.integration.postgres_house import open_nodes

US: Final = 1_000_000
LIMIT: Final = 6
ACCOUNTS: Final = 150
LEASE_S: Final = 5.0
PACE: Final = "/admin/v1/routes/main/pace"
HANGS: Final = Fault(kind=FaultKind.HANG, operation=Operation.PAY)

ROUTE: Final = """
[routes.main.breaker]
open_for_s = 0.1
probe_interval_s = 0.1
trial_pause_s = 0.01
hung_calls = 1000
hung_after_s = 60.0
slow_call_s = 60.0
trial_deadline_s = 60.0
[routes.main.forward]
slow_start_s = 0.0
attempt_timeout_s = 120.0
"""


def paid(core: ScriptedCore, fault: str = "") -> list[Attempt]:
    """Orders to pay that came, in order; of those that a fault took, where one is named."""
    orders = [each for each in core.ledger.attempts() if each.operation is Operation.PAY]
    return [each for each in orders if each.fault == fault or not fault]


async def taken(houses: list[House], keys: range) -> None:
    """Payments on an account each, at every node in turn, all at once."""
    await asyncio.gather(*(houses[key % 2].pay(str(key), account=f"1{key}") for key in keys))


async def until(house: House, true: Callable[[], bool]) -> None:
    """Ask for the time of a request, again and again, until it is so."""
    async with asyncio.timeout(WAIT_S):
        while not true():
            await house.get("/admin/v1/status")


@contextlib.asynccontextmanager
async def open_pair(folder: Path, more: str) -> AsyncGenerator[list[House]]:
    """Two nodes that know each other for long enough."""
    async with open_nodes(folder, SHARED.schema(), "one", "two", more=ROUTE + more, lease_s=LEASE_S) as houses:
        await until(houses[0], lambda: all(house.service.spool.store.nodes.share.of == 2 for house in houses))
        yield houses


async def test_two_nodes_never_have_more_than_the_limit_at_the_core(tmp_path: Path) -> None:
    """A core that hangs in the middle of the drain shows how many both let go to it; payers at both nodes are stood in for."""
    async with open_pair(tmp_path, f"in_flight_max = {LIMIT}\n") as houses:
        core, paces = houses[0].core, [house.service.routes[0].health.pace for house in houses]
        core.control.outage(FaultKind.REFUSE)
        await taken(houses, range(ACCOUNTS))
        core.control.clear()
        core.control.set(Fault(kind=FaultKind.LATE, delay_s=0.1, operation=Operation.PAY))
        await until(houses[0], lambda: all(pace.ramp.is_full for pace in paces))
        core.control.clear()
        core.control.set(HANGS)
        await until(houses[0], lambda: len(paid(core, "hang")) >= LIMIT)
        await taken(houses, range(ACCOUNTS, ACCOUNTS + 10))
        assert [pace.at_core for pace in paces] == [[0, 3], [0, 3]]
        assert len(paid(core, "hang")) == LIMIT
        core.control.outage(FaultKind.REFUSE)
        await until(houses[0], lambda: not any(sum(pace.at_core) for pace in paces))
        core.control.clear()
        await until(houses[0], lambda: len(core.ledger.bookings()) == ACCOUNTS + 10)


async def test_two_nodes_together_make_no_more_calls_a_second_than_were_agreed(tmp_path: Path) -> None:
    """Whatever each of them takes; one makes half of the calls at least, and those at half of the rate."""
    async with open_pair(tmp_path, "rate_max_per_s = 20\n") as houses:
        await taken(houses, range(20))
        core = houses[0].core
        await until(houses[0], lambda: len(core.ledger.bookings()) == 20)
        came = [each.arrived_at_us for each in paid(core)]
        assert came[-1] - came[0] >= 0.8 * US


async def test_where_one_node_saw_the_core_fall_the_other_keeps_below_it(tmp_path: Path) -> None:
    """It hears of it within two looks, and has its share of what is left."""
    async with open_pair(tmp_path, "in_flight_max = 64\n") as houses:
        one, two = (house.service.routes[0].health.pace for house in houses)
        now = asyncio.get_running_loop().time()
        one.ramp.recall(20, now, now)
        await until(houses[1], lambda: two.ramp.learned is not None)
        (shown,) = (await houses[1].get("/admin/v1/status"))["routes"]
        assert (shown["falls_above"], two.free, two.ramp.learned) == (20, False, 20)


async def test_how_fast_a_person_lets_it_go_holds_for_both_nodes_together(tmp_path: Path) -> None:
    """Said at one, taken back at the other: payers at both, and what waits, have no more calls there at once."""
    async with open_pair(tmp_path, "") as houses:
        one, two = houses
        core, paces = one.core, [house.service.routes[0].health.pace for house in houses]
        word = (await one.post(PACE, in_flight_max=LIMIT))["slowed"]
        await until(one, lambda: paces[1].slowed is not None)
        (shown,) = (await two.get("/admin/v1/status"))["routes"]
        assert (shown["slowed"], [pace.places for pace in paces]) == (word, [3, 3])
        core.control.set(HANGS)
        payers = [asyncio.ensure_future(houses[key % 2].pay(str(key), account=f"1{key}")) for key in range(20)]
        # Of those that come while the first wait, some are stood in for, and may take a place from the backlog before others come.
        await until(
            one, lambda: sum(each.done() for each in payers) == len(payers) - sum(pace.at_core[0] for pace in paces)
        )
        await until(one, lambda: len(paid(core, "hang")) >= sum(sum(pace.at_core) for pace in paces))
        assert all(pace.at_core[0] for pace in paces)
        assert max(sum(pace.at_core) for pace in paces) <= LIMIT // 2
        assert len(paid(core, "hang")) <= LIMIT
        core.control.outage(FaultKind.REFUSE)
        core.control.clear()
        await asyncio.gather(*payers)
        await two.post(f"{PACE}/auto")
        await until(one, lambda: not any(pace.slowed for pace in paces))
        await until(one, lambda: len(core.ledger.bookings()) == len(payers))
