"""The admin side while payments wait, over sockets: a crowd of strangers before its door, and who must not wait behind it."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from tests.integration.house import WAIT_S, House, open_house

CROWD: Final = 100


class Many:
    """Payments in hand, always."""

    in_hand: Final = 64


async def turn() -> None:
    """Let everything else go on for one turn of the loop."""
    await asyncio.sleep(0)


async def crowd_at(house: House) -> list["asyncio.Task[tuple[int, object]]"]:
    """Strangers who asked and wait for their turn, all at once."""
    share = house.service.admin_listener._share
    share._payments, share._budget_s = Many(), -0.02
    strangers = [asyncio.create_task(house.ask("GET", "/admin/v1/status", as_="nobody")) for _ in range(CROWD)]
    async with asyncio.timeout(WAIT_S):
        while sum(map(len, share._rows.values())) < CROWD // 2:
            await turn()
    return strangers


@pytest.mark.parametrize("probe", ["/livez", "/readyz"])
async def test_a_probe_waits_behind_no_crowd_of_strangers(tmp_path: Path, probe: str) -> None:
    """Else a balancer would take a node out whose payments are well."""
    async with open_house(tmp_path) as house:
        await house.ask("GET", probe, as_="")
        strangers = await crowd_at(house)
        status, _ = await house.ask("GET", probe, as_="")
        waiting = [each for each in strangers if not each.done()]
        for each in strangers:
            each.cancel()
        assert (status, len(waiting) > CROWD // 4) == (200, True)
