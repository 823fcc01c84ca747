"""A spool in PostgreSQL looked at from beside: `status`, `list`, `show` and `export` while no node runs, or some do."""

import pytest

from spool.errors import SpoolClosed, SpoolUnfit
from spool.lifecycle import Kind, State
from spool.postgres.reading import PostgresReading
from spool.store import Aged, Filter
from spool.tally import Sum
from spool.verify import verify
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import draft, put, put_as
from tests.integration.postgres_nodes import node, schema, settings


@pytest.fixture(name="dsn")
def place() -> str:
    """An empty spool."""
    return SHARED.emptied()


async def test_everything_can_be_read_while_nodes_work_on_it(dsn: str) -> None:
    """And nothing be written, nor does a reader take a seat."""
    async with node(dsn) as store:
        entry = await put_as(store, draft(1), State.POSTED)
        reading = PostgresReading(settings(dsn))
        await reading.open()

        assert await reading.get(1) == entry
        assert [event.name for event in await reading.history(1)] == ["record", "claim", "post"]
        assert reading.tally.snapshot() == store.tally.snapshot()
        assert (await verify(reading)).ok
        assert (await reading.health()).engine == "postgres"
        with pytest.raises(SpoolClosed, match="reading only"):
            await reading.insert(draft(2), 1, b"")
        await reading.close()


async def test_what_is_read_in_stillness_is_of_one_moment(dsn: str) -> None:
    """An export of a spool at work adds up."""
    async with node(dsn) as store:
        await put(store, draft(1))
        reading = PostgresReading(settings(dsn))
        await reading.open()
        async with reading.still():
            assert len(await reading.page(Filter(), 9)) == 1
            await put(store, draft(2))

            assert len(await reading.page(Filter(), 9)) == 1
            assert (await reading.shape("billing", []))[Aged("kiosk", "TJS", Kind.PAYMENT, State.READY, "", 0)] == Sum(
                1, 10_000
            )
            assert await reading.highest_number() == 1

        assert len(await reading.page(Filter(), 9)) == 2
        await reading.close()


async def test_where_nobody_laid_out_a_spool_there_is_none_to_look_at() -> None:
    """And it isn't laid out by looking."""
    dsn = SHARED.schema()

    with pytest.raises(SpoolUnfit, match="no spool"):
        await PostgresReading(settings(dsn)).open()

    assert SHARED.server.ask(f"SELECT to_regclass('{schema(dsn)}.migration')") == [(None,)]


async def test_a_database_that_is_away_can_t_be_looked_at(dsn: str) -> None:
    """Said in one sentence."""
    with pytest.raises(SpoolUnfit, match="can't be read"):
        await PostgresReading(settings(dsn.replace("host=", "host=/nowhere"))).open()


async def test_an_error_of_the_database_is_shown_as_it_is(dsn: str) -> None:
    """A schema that this user may not look into, say."""
    with pytest.raises(SpoolUnfit, match="UndefinedObjectError"):
        await PostgresReading(settings(dsn.replace("search_path=", "no_such_setting="))).open()


async def test_what_is_wrong_on_our_own_side_is_not_called_the_database_s(dsn: str) -> None:
    """An address that nobody could ask, say: the configuration lets none through."""
    with pytest.raises(ValueError, match="invalid literal"):
        await PostgresReading(settings(dsn.replace("postgres@", "postgres@127.0.0.1:port"))).open()
