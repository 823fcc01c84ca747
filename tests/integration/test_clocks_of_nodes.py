"""Nodes whose machines' clocks are apart: they go by their database's, so what one writes another can read."""

from pathlib import Path
from typing import Any, Final

import pytest

from spool.entry import Entry
from spool.store import Filter
from tests.contracts.postgres_server import SHARED
from tests.integration.house import House
from tests.integration.postgres_house import open_nodes
from tests.integration.test_away_service import is_yes, said

HOUR_S: Final = 3600
NEAR_US: Final = 30_000_000
"""Less than the clocks are apart, and more than the test takes."""


async def entries(house: House) -> list[Entry]:
    """All there are, in the order of their numbers."""
    return await house.service.spool.store.page(Filter(), 100)


@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S, 5])
async def test_payments_of_an_account_stand_in_the_order_in_which_they_came(tmp_path: Path, ahead_s: int) -> None:
    """Whichever node they come to; and each says when, by one clock."""
    told: list[Any] = []
    async with open_nodes(tmp_path, SHARED.schema(), "one", "two", ahead_s={"two": ahead_s}) as (one, two):
        for key, house in enumerate((two, one, two, one), 1):
            told.append(is_yes(await said(house, str(key), "100")))
        await one.core.recorded(4)
        kept = await entries(one)

    apart_us = max(each.accepted_at_us for each in kept) - min(each.accepted_at_us for each in kept)
    assert (told, [entry.key for entry in kept], apart_us < NEAR_US) == ([True] * 4, ["1", "2", "3", "4"], True)


async def test_nodes_have_one_time(tmp_path: Path) -> None:
    """Or one would believe too early that what another sent a moment ago was not booked, and send it once more."""
    async with open_nodes(tmp_path, SHARED.schema(), "one", "two", ahead_s={"two": HOUR_S}) as (one, two):
        clocks = [house.service.clock.now_us() for house in (one, two)]

    assert abs(clocks[0] - clocks[1]) < NEAR_US
