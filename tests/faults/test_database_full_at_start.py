"""A start while the database answers and has no room, or no connection left: at open doors it waits, and joins by itself."""

import asyncio
from pathlib import Path
from typing import Final

from spool.errors import StorageFull
from tests.contracts.postgres_server import SHARED
from tests.faults.test_database_troubles import few, fill, small_disk
from tests.integration.postgres_house import open_nodes
from tests.integration.test_away_service import ALONE, is_yes, said
from tests.integration.test_starting_away import AGAIN, started_away

__all__ = ["few", "small_disk"]
"""Fixtures."""

LEFT_IN_FLIGHT: Final = """
INSERT INTO entry (
    number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, recorded_as, policy, reverses,
    key_id, state, place, epoch, attempts, changed_at_us, told, leaf, told_as, seat, lease, sealed
)
SELECT
    n, decode(lpad(n::text, 32, '0'), 'hex'), 1, 'kiosk', n::text, '', 'billing', n, 1, 'TJS', 1, 1, '', 0,
    1, 2, 2, 1, 1, 1, 2, n, 2, 0, 1, ''
FROM generate_series(1, 400) AS n
"""
"""More than there is room for beside the history there is."""


async def test_a_first_start_waits_for_room_on_the_database_s_disk(small_disk: str, tmp_path: Path) -> None:
    """Nothing is half laid out by it; it says why, and takes payments when there is room."""
    await asyncio.to_thread(fill, small_disk)
    async with started_away(tmp_path, small_disk, how="mend") as life:
        told, ready = await said(life.house, "1", "100"), await life.ready()
        SHARED.server.ask(f"DROP TABLE {schema(small_disk)}.ballast")
        await life.joined()
        after, ready_after = await said(life.house, "1", "100"), await life.ready()

    assert (told.count(AGAIN), is_yes(after), ready_after) == (1, True, (200, []))
    assert (ready[0], "has no room" in ready[1][0]) == (503, True)


async def test_a_node_that_may_go_on_alone_waits_for_a_database_that_answers_and_has_no_room(
    small_disk: str, tmp_path: Path
) -> None:
    """Others may be at work on it: it isn't alone. That attempts came in doubt is what has to be written there."""
    more = ALONE.format(folder=tmp_path)
    async with open_nodes(tmp_path, small_disk, "one", more=more):
        pass
    SHARED.server.ask(f"SET search_path = {schema(small_disk)}", LEFT_IN_FLIGHT)
    await asyncio.to_thread(fill, small_disk)
    async with started_away(tmp_path, small_disk, more, how="mend") as life:
        told, is_alone = await said(life.house, "1", "100"), life.house.service.joining.alone
        SHARED.server.ask(f"DROP TABLE {schema(small_disk)}.ballast")
        await life.joined()

    assert (told.count(AGAIN), is_alone) == (1, False)


async def test_a_start_waits_for_a_connection_to_be_left(few: str, tmp_path: Path) -> None:
    """As if the database were away."""
    SHARED.server.ask("ALTER ROLE few CONNECTION LIMIT 0")
    async with started_away(tmp_path, few, how="mend") as life:
        told, ready = await said(life.house, "1", "100"), await life.ready()
        SHARED.server.ask("ALTER ROLE few CONNECTION LIMIT -1")
        await life.joined()
        after = await said(life.house, "1", "100")

    assert (told.count(AGAIN), is_yes(after)) == (1, True)
    assert (ready[0], "database can't be reached" in ready[1][0]) == (503, True)


async def test_a_step_of_the_start_that_there_is_no_room_for_is_done_anew(tmp_path: Path) -> None:
    """A database that was opened may be full a moment later."""

    async def no_room() -> str:
        raise StorageFull("no room")

    async def done() -> str:
        return "done"

    left = [done, no_room]
    async with open_nodes(tmp_path, SHARED.schema(), "one") as (house,):
        came_to = await house.service.joining.through(lambda: left.pop()())  # noqa: PLW0108 - each time another

        assert (came_to, left) == ("done", [])


def schema(dsn: str) -> str:
    """The schema a URL leads to."""
    return dsn.partition("search_path=")[2].partition("&")[0]
