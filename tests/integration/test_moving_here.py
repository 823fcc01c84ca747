"""A service that is started with its spool at another place moves it at open doors, once, whatever ended an earlier start."""

import asyncio
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.config.model import Config
from gateway.engines.moving import move, move_here
from gateway.engines.opening import store_of
from gateway.service import Service
from spool.errors import SpoolUnfit
from tests.contracts.database_line import DatabaseLine
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import draft, put
from tests.integration.house import WAIT_S
from tests.integration.postgres_house import node_file
from tests.integration.postgres_nodes import until
from tests.integration.test_moving import NOW_US, database, dsn, file, fill, seen, sqlite

__all__ = ["database", "dsn", "file"]


class Ended(Exception):
    """The process, in the middle."""


class Ending:
    """Ends whatever passes a step."""

    def __init__(self, step: str) -> None:
        self._step = step

    def __call__(self, step: str) -> None:
        """It is passed."""
        if step == self._step:
            raise Ended


async def added(config: Config) -> None:
    """The new place works, and takes a payment."""
    store = store_of(config)
    await store.open(NOW_US)
    await put(store, draft(500))
    await store.close()


@pytest.mark.parametrize("step", ["carry", "compare", "marked"])
async def test_a_start_that_ended_in_the_middle_is_done_again_and_then_never_more(
    file: Config, database: Config, step: str
) -> None:
    """What the new place took since is not written over by a further start."""
    await fill(file)
    await ends_and_is_done_again(file, database, step)


@pytest.mark.parametrize("step", ["carry", "compare", "marked"])
async def test_a_start_that_ended_on_its_way_back_is_done_again_and_then_never_more(
    file: Config, tmp_path: Path, dsn: str, step: str
) -> None:
    """From the database to another file."""
    await fill(file)
    database = load(node_file(tmp_path, dsn, "http://127.0.0.1:8090"))
    await move(file, database, NOW_US)
    await ends_and_is_done_again(database, sqlite(tmp_path, dsn, "again"), step)


async def ends_and_is_done_again(old: Config, new: Config, step: str) -> None:
    """All of it arrives, once."""
    before = await seen(old)
    with pytest.raises(Ended):
        await move_here(old, new, NOW_US, Ending(step))
    moved = await move_here(old, new, NOW_US)
    after = await seen(new)
    await added(new)
    again = await move_here(old, new, NOW_US)
    last = await seen(new)

    assert moved is not None
    assert (after, again) == (before, None)
    assert len(last["entries"]) == len(after["entries"]) + 1  # type: ignore[arg-type]  # lists of entries


async def test_two_spools_are_never_made_one(file: Config, database: Config) -> None:
    """Where the new place has a spool of its own, and the old one wasn't moved, nobody can say which is meant."""
    await fill(file)
    await fill(database)

    with pytest.raises(SpoolUnfit, match=r"there is a spool in the database, and the one at .* was not moved there"):
        await move_here(file, database, NOW_US)


async def test_a_place_without_a_spool_is_no_place_to_move_from(tmp_path: Path, dsn: str, database: Config) -> None:
    """A disk that isn't mounted, say: an empty spool would be started in its stead."""
    with pytest.raises(SpoolUnfit, match="there is no spool at"):
        await move_here(sqlite(tmp_path, dsn, "nowhere"), database, NOW_US)


async def test_a_database_without_a_spool_is_no_place_to_move_from(tmp_path: Path, dsn: str, database: Config) -> None:
    """Another one of its name, say."""
    with pytest.raises(SpoolUnfit, match="there is no spool in the database"):
        await move_here(database, sqlite(tmp_path, dsn, "again"), NOW_US)


async def test_a_service_moves_its_spool_at_open_doors_as_soon_as_both_places_are_there(
    file: Config, tmp_path: Path
) -> None:
    """Meanwhile machines and channels are told why and to ask again; an error that is our own ends the start."""
    await fill(file)
    before = await seen(file)

    async with DatabaseLine(SHARED.schema()) as line:
        line.cut()
        target = load(node_file(tmp_path, line.dsn, "http://127.0.0.1:8090", "third"))
        service = Service(target, SystemClock())
        service.joining.move_here = lambda: move_here(file, target, NOW_US)
        starting = asyncio.create_task(service.start())
        await until(lambda: "can't be read" in service.joining.waits)
        listened = service.channel_listener.port, service.admin_listener.port
        line.mend()
        async with asyncio.timeout(WAIT_S):
            await starting
        found = sum(entries for entries, _ in service.spool.store.tally.snapshot().values())
        await service.stop()

    assert all(listened)
    assert found == len(before["entries"])  # type: ignore[arg-type]  # a list
