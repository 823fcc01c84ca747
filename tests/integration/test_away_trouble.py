"""A node with a file beside its database says what is amiss, and lets go of what it can't begin or bring over."""

import asyncio
from pathlib import Path

import pytest

from spool.errors import LaneTaken, SpoolClosed, SpoolUnfit
from spool.lifecycle import State, Told
from spool.sqlite import SqliteStore
from spool.store import Store
from spool.tally import Sum
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import NOW_US, draft, put, ready_numbers
from tests.integration.away_house import Place
from tests.integration.postgres_nodes import WAIT_S, schema


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A node's place on an empty spool."""
    return Place(SHARED.emptied(), tmp_path)


async def test_a_database_it_can_t_work_with_lets_go_of_the_file(tmp_path: Path) -> None:
    """Its next start, by a newer program say, has the file in hand; and closing what never opened ends nothing."""
    place = Place(SHARED.schema(), tmp_path)
    async with place.open():
        pass
    SHARED.server.ask(f"UPDATE {schema(place.dsn)}.migration SET programs_from = 999")  # noqa: S608 - ours
    store = place.store()

    with pytest.raises(SpoolUnfit, match="999"):
        await store.open(NOW_US)

    beside = SqliteStore(place.file)
    await beside.open(NOW_US)
    await beside.close()
    await store.close()


async def test_a_twin_of_what_was_brought_over_this_moment_is_asked_to_come_again(place: Place) -> None:
    """The file has given it up and the node not yet noted that: where it is now is for the database to say."""
    twins = list[asyncio.Future[object]]()

    def twin_comes(at: str) -> None:
        if at == "noted":
            live = draft(9, key="key-1", state=State.IN_FLIGHT, told=Told.NOTHING)
            twins.append(asyncio.ensure_future(store.insert(live, 1, b"sealed")))

    async with place.open(twin_comes) as store:
        await place.cut(store)
        await put(store, draft(1))
        await place.mend(store)
        await store.bring_over()
        (twin,) = twins

        with pytest.raises(LaneTaken, match="may be on its way"):
            await twin
        assert await ready_numbers(store) == [1]


async def test_what_happened_to_an_entry_is_told_from_where_it_is(place: Place) -> None:
    """The database's while others are in the file, the file's while it waits there."""
    async with place.open() as store:
        await put(store, draft(1))
        await place.cut(store)
        await put(store, draft(2))
        await place.mend(store)

        told = [[event.name for event in await store.history(number)] for number in (1, 2, 3)]

    assert told == [["record"], ["record"], []]


async def test_what_is_in_both_places_is_counted_as_one_spool(place: Place) -> None:
    """Cell by cell, whether the other place has one like it or not."""
    async with place.open() as store:
        await put(store, draft(1))
        await place.cut(store)
        await put(store, draft(2))
        await put(store, draft(3, channel="bank"))

        counted = {(cell.channel, cell.state): total for cell, total in store.tally.cells()}

    ready = State.READY
    assert counted == {("kiosk", ready): Sum(2, 20_000), ("bank", ready): Sum(1, 10_000)}


class Stumbles:
    """Raises at the first steps it is asked about, in turn; nothing at the later ones."""

    def __init__(self, *errors: Exception) -> None:
        """As many as there are."""
        self.errors = list(errors)

    def __call__(self, at: str) -> None:
        """A step of bringing over."""
        if at == "read" and self.errors:
            raise self.errors[0]


async def said(store: Store, words: str) -> None:
    """Wait until the engine's trouble has these words."""
    async with asyncio.timeout(WAIT_S):
        while words not in (await store.health()).trouble:  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0)


async def test_a_bug_of_ours_while_bringing_over_is_said_and_tried_again(place: Place) -> None:
    """Payments are taken meanwhile; once it is mended they come over, and the trouble is over."""
    stumbles = Stumbles(KeyError("a bug"))
    async with place.open(stumbles, poll_s=0.01) as store:
        await place.cut(store)
        await put(store, draft(1))
        await place.mend(store)

        await said(store, "KeyError")
        found = await store.health()
        stumbles.errors.clear()
        async with asyncio.timeout(WAIT_S):
            while (await store.health()).trouble or store.kept.entries:  # noqa: ASYNC110 - what it waits for has no event
                await asyncio.sleep(0)

        assert (found.accepting, found.beside, found.alone) == (True, 1, False)
        assert await ready_numbers(store) == [1]


async def test_a_database_that_is_away_again_while_bringing_over_is_no_bug(place: Place) -> None:
    """What was not brought over is there still, and is tried at the next round."""
    stumbles = Stumbles(SpoolClosed("away"))
    rounds = 0

    def counted(at: str) -> None:
        nonlocal rounds
        rounds += at == "read"
        if rounds > 2:
            stumbles.errors.clear()
        stumbles(at)

    async with place.open(counted, poll_s=0.01) as store:
        await place.cut(store)
        await put(store, draft(1))
        await place.mend(store)
        async with asyncio.timeout(WAIT_S):
            while store.kept.entries:
                assert not (await store.health()).trouble
                await asyncio.sleep(0)

        assert await ready_numbers(store) == [1]
    assert rounds > 2
