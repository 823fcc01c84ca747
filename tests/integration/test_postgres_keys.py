"""The key store in a database: as the file, but for all nodes."""

import asyncio
import traceback
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it comes without types
import pytest

from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.service import Service
from spool.errors import KeysChanged, KeysUnfit
from spool.keystore import DataKey, IndexKey, KeptKeys
from spool.postgres.keystore import PostgresKeyStore
from tests.contracts.postgres_server import SHARED
from tests.integration.postgres_house import node_file
from tests.integration.postgres_nodes import schema

KEPT = KeptKeys(
    generation=1,
    sealing=1,
    hashing=1,
    data_keys=(DataKey(id=1, made_us=1, index_id=1, first=1, master="local:0", wrapped="AAAA"),),
    index_keys=(IndexKey(id=1, made_us=1, master="local:0", wrapped="AAAA"),),
)


@pytest.fixture
def dsn() -> str:
    """A schema of its own, with nothing in it."""
    return SHARED.schema()


@pytest.fixture
def place(dsn: str) -> PostgresKeyStore:
    """A key store in it, yet to be made."""
    return PostgresKeyStore(dsn)


def test_what_is_made_is_there_for_whoever_reads(dsn: str, place: PostgresKeyStore) -> None:
    """By another node as well, and nowhere is shown where that is."""
    assert not place.exists()

    place.make(KEPT)

    assert place.exists()
    assert PostgresKeyStore(dsn).read() == KEPT
    assert (place.place, repr(place)) == ("in the database", "PostgresKeyStore()")


def test_one_that_is_missing_says_so(place: PostgresKeyStore) -> None:
    """In the words of a first start."""
    with pytest.raises(KeysUnfit, match="there is no key store in the database"):
        place.read()


def test_of_two_that_make_one_the_second_is_told(dsn: str, place: PostgresKeyStore) -> None:
    """And has the first one's keys."""
    place.make(KEPT)

    with pytest.raises(KeysChanged):
        PostgresKeyStore(dsn).make(KEPT)


def test_a_change_counts_only_over_what_is_there(dsn: str, place: PostgresKeyStore) -> None:
    """So of two rotations at once one wins, and no key is lost."""
    place.make(KEPT)
    changed = place.change(KEPT, KEPT)

    with pytest.raises(KeysChanged):
        PostgresKeyStore(dsn).change(KEPT, KEPT)

    assert changed.generation == 2
    assert place.read() == changed


def test_a_damaged_one_is_not_read(dsn: str, place: PostgresKeyStore) -> None:
    """It is restored, like the file."""
    place.make(KEPT)
    SHARED.server.ask(f"UPDATE {schema(dsn)}.key_store SET content = 'x'")  # noqa: S608 - a name of ours

    with pytest.raises(KeysUnfit, match="is damaged"):
        place.read()


def test_while_the_database_is_away_nobody_knows() -> None:
    """It is said in words that name no host and no password."""
    place = PostgresKeyStore("postgresql://anna:secret@127.0.0.1:1/nightsafe")

    with pytest.raises(KeysUnfit, match="can't be asked now") as caught:
        place.exists()

    assert "secret" not in str(caught.value)


def test_an_address_that_nobody_could_ask_is_said_so_and_not_repeated() -> None:
    """What the driver complains of may be a piece of the password."""
    place = PostgresKeyStore("postgresql://anna:secret/too@127.0.0.1/nightsafe")

    with pytest.raises(KeysUnfit, match="URL can't be understood") as caught:
        place.exists()

    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_a_bug_of_our_own_is_not_called_the_database_s(place: PostgresKeyStore) -> None:
    """It is as loud as it was."""
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        place._do(lambda db: db.nothing_of_the_kind())


def test_whoever_may_not_make_a_table_makes_no_key_store(dsn: str) -> None:
    """The database's administrator has to let him; it is said at once, and not tried again."""
    SHARED.server.ask("DROP ROLE IF EXISTS guest", "CREATE ROLE guest", f"GRANT USAGE ON SCHEMA {schema(dsn)} TO guest")

    with pytest.raises(KeysUnfit, match="InsufficientPrivilegeError"):
        PostgresKeyStore(f"{dsn}&role=guest").make(KEPT)


async def test_two_that_make_the_table_at_the_same_moment_both_find_it_made(dsn: str, place: PostgresKeyStore) -> None:
    """The database refuses the second of them: it waited for the first, and then there was a table."""
    first = await asyncpg.connect(dsn)
    begun = first.transaction()
    await begun.start()
    await first.execute("CREATE TABLE key_store (one smallint PRIMARY KEY, content bytea NOT NULL)")
    second = asyncio.create_task(asyncio.to_thread(place.make, KEPT))
    while not await first.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
        assert not second.done()

    await begun.commit()
    await first.close()
    await second

    assert await asyncio.to_thread(place.read) == KEPT


async def test_nodes_that_start_at_once_for_the_first_time_agree_on_their_keys(dsn: str, tmp_path: Path) -> None:
    """Whoever is faster makes tables and keys; the others have them."""
    # Tables are made, keys derived: a busy machine takes longer than a short lease.
    core, names = "http://127.0.0.1:8090", ("one", "two", "three")
    files = [node_file(tmp_path, dsn, core, name, lease_s=60.0) for name in names]
    services = [Service(load(file), SystemClock()) for file in files]

    await asyncio.gather(*(service.start() for service in services))
    keys = [service.spool.keys.fingerprint(service.spool.keys.current_id) for service in services]
    await asyncio.gather(*(service.stop() for service in services))

    assert len(set(keys)) == 1
