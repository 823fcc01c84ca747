"""What happens in the stories, by whatever side they are gone through: on the page and by the command."""

import asyncio
from typing import Final

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Operation
from tests.integration.house import WAIT_S, House

QUICK: Final = """
[routes.main.breaker]
open_for_s = 0.5
open_for_max_s = 2.0
probe_interval_s = 0.25
probe_interval_max_s = 1.0
probe_deadline_s = 1.0

[routes.main.forward]
backoff_first_s = 0.2
backoff_max_s = 1.0
"""
"""Outages that last seconds."""

NONSENSE: Final = (
    "command=pay&txn_id=1&account=100&sum=ten",
    "command=pay&txn_id=2&account=100&sum=1e3",
    "command=dance",
)


async def pays(house: House, count: int, start: int = 0) -> list[str]:
    """So many payments, each of an account of its own; their numbers."""
    return [await house.pay(str(1_000 + key), account=f"7916{key:07}") for key in range(start, start + count)]


async def talks_nonsense(house: House) -> None:
    """The kiosk's requests that nobody can understand; none is told yes."""
    url = f"http://127.0.0.1:{house.service.channel_listener.port}/osmp/kiosk"
    for query in NONSENSE:
        async with house.client.get(f"{url}?{query}") as answer:
            assert "<result>0</result>" not in await answer.text()


async def are_refused(house: House, count: int) -> list[str]:
    """Payments that were told yes and that billing then says no to, wrongly, until now; their numbers."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    numbers = await pays(house, count)
    house.core.control.set(Fault(kind=FaultKind.FORBID, operation=Operation.PAY))
    await house.post("/admin/v1/routes/main/auto")
    for number in numbers:
        await house.until_state(number, "refused")
    house.core.control.clear()
    return numbers


async def reported(house: House) -> None:
    """Wait until the outage's report is written."""
    async with asyncio.timeout(WAIT_S):
        while not (await house.get("/admin/v1/outages"))["outages"]:
            pass
