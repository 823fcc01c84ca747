"""A planned window that ends while the database has no room: as on a full disk of our own (`test_full_disk.py`)."""

import asyncio
from pathlib import Path

from tests.contracts.postgres_server import SHARED
from tests.faults.test_database_troubles import fill, first_turned_away, small_disk
from tests.faults.test_full_disk import ends_in_vain, goes_on, planned
from tests.integration.postgres_house import open_nodes
from tests.integration.test_planned_windows import TRIED_SOON

__all__ = ["small_disk"]
"""A fixture."""


async def test_a_window_that_ends_on_a_full_disk_of_the_database_is_no_overrun_and_ends_by_itself(
    small_disk: str, tmp_path: Path
) -> None:
    """The route is let go in time and billing tried; when there is room, what was taken is posted, and nobody has to do anything."""
    async with open_nodes(tmp_path, small_disk, "one", more=TRIED_SOON, lease_s=60.0) as (house,):
        await planned(house)
        await asyncio.to_thread(fill, small_disk)
        await first_turned_away(house)
        taken = house.service.spool.store.tally.exposure("main").entries
        await ends_in_vain(house, tmp_path)
        SHARED.server.ask(f"DROP TABLE {small_disk.partition('search_path=')[2].partition('&')[0]}.ballast")
        await goes_on(house, taken)
