"""A spool moves between engines whole, and at every moment at most one of the two can be worked on."""

from pathlib import Path
from typing import Final

import pytest

from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.config.model import Config
from gateway.engines.moving import move
from gateway.engines.opening import database_of, store_of
from gateway.service import Service
from spool.account import AccountNote
from spool.errors import KeysUnfit, SpoolHeld, SpoolUnfit
from spool.evidence.auditing import audit
from spool.evidence.growth import NO_HEAD, Block
from spool.evidence.records import Records
from spool.forgetting import Past
from spool.lifecycle import State
from spool.moving import ARRIVING, LEFT_BEHIND, MOVED
from spool.number import NUMBER_MAX
from spool.sqlite.backup import Step
from spool.sqlite.filling import SqliteFilling
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import WAYS, draft, put, put_as, spending
from tests.integration.away_house import Place
from tests.integration.postgres_house import node_file
from tests.integration.postgres_nodes import node, schema

BESIDE: Final = (ARRIVING, LEFT_BEHIND, MOVED)
"""Names of memos that say nothing of payments."""

NOW_US: Final = SystemClock().now_us()


@pytest.fixture
def dsn() -> str:
    """A schema of its own, with nothing in it."""
    return SHARED.schema()


@pytest.fixture
def file(tmp_path: Path, dsn: str) -> Config:
    """A spool in a file."""
    return sqlite(tmp_path, dsn, "nightsafe")


@pytest.fixture
def database(tmp_path: Path, dsn: str) -> Config:
    """One in a database, with the same keys and the same name of its log."""
    return load(node_file(tmp_path, dsn, "http://127.0.0.1:8090"))


def sqlite(folder: Path, dsn: str, name: str) -> Config:
    """The configuration of a spool in a file of this name, whose keys are in a file as well."""
    path = node_file(folder, dsn, "http://127.0.0.1:8090", name)
    text = path.read_text().replace('engine = "postgres"', 'engine = "sqlite"')
    path.write_text(f'{text}\n[keys]\nstore_file = "{folder}/{name}.store"\n')
    return load(path)


async def fill(config: Config) -> None:
    """A service's first start makes the keys; then an entry of every state, with what is kept beside entries."""
    service = Service(config, SystemClock())
    await service.start()
    store = service.spool.store
    try:
        for number, state in enumerate(sorted(set(WAYS) - {State.IN_FLIGHT}), start=1):
            await put_as(store, draft(number), state)
        assert await store.spend(spending())
        await store.note_accounts(
            [AccountNote(lane=lane, known=True, denied=None, seen_at_us=NOW_US) for lane in (7, 8)]
        )
    finally:
        await service.stop()


async def seen(config: Config) -> dict[str, object]:
    """Everything that is kept, as of its records, but for marks and what says something of nodes."""
    store = store_of(config)
    await store.open(NOW_US)
    try:
        async with store.records() as records:
            return await all_of(records)
    finally:
        await store.close()


async def all_of(records: Records) -> dict[str, object]:
    """The same."""
    return {
        "head": await records.head(),
        "entries": await records.kept(0, 1000),
        "acts": await records.acts(0, 1000),
        "blocks": await records.blocks(0, 1000),
        "memos": [each for each in await records.memos("", 1000) if not each[0].startswith(BESIDE)],
        "accounts": await records.accounts(None, 1000),
        "promised": await records.promised((-1, 0), 1000),
    }


async def test_what_was_forgotten_is_known_to_be_where_the_spool_moves(file: Config, database: Config) -> None:
    """Its places in the log are told there too, so that an audit misses nothing."""
    await fill(file)
    await forgotten(file)
    before = await seen(file)

    await move(file, database, NOW_US)

    assert await seen(database) == before
    store = store_of(database)
    await store.open(NOW_US)
    assert (await audit(store)).counts == {}
    await store.close()


async def forgotten(config: Config) -> None:
    """Have what is over forgotten."""
    store = store_of(config)
    await store.open(NOW_US)
    done = await store.forget(Past(NUMBER_MAX, NUMBER_MAX), 0, 100, NOW_US)
    await store.close()
    assert done.entries > 1


async def test_everything_goes_from_a_file_to_a_database_and_back_to_a_file(
    file: Config, database: Config, tmp_path: Path, dsn: str
) -> None:
    """Entries and their histories, what was promised, the log with its head; nothing is other than it was."""
    await fill(file)
    before = await seen(file)

    there = await move(file, database, NOW_US)
    back = await move(database, sqlite(tmp_path, dsn, "again"), NOW_US)
    after = await seen(sqlite(tmp_path, dsn, "again"))

    assert there.entries == back.entries == len(WAYS) - 1
    assert (there.keys, back.keys) == (True, True)
    assert after == before


async def test_what_waited_is_sent_from_its_new_place(file: Config, database: Config, tmp_path: Path, dsn: str) -> None:
    """Sealed under the keys that went along, booked once."""
    async with ScriptedCore.start(Settings(ledger=tmp_path / "ledger.db")) as core:
        await fill(file)
        await move(file, database, NOW_US)
        service = Service(load(node_file(tmp_path, dsn, core.url)), SystemClock())
        await service.start()
        found = service.spool.store.tally.snapshot()
        await service.stop()

    assert sum(entries for entries, _ in found.values()) == len(WAYS) - 1
    assert service.keeper.kept.generation >= 1


async def test_a_spool_that_was_moved_away_starts_no_more(file: Config, database: Config) -> None:
    """Two spools with the same waiting payments would send each of them twice."""
    await fill(file)
    await move(file, database, NOW_US)

    with pytest.raises(SpoolUnfit, match="this spool was moved away"):
        await Service(file, SystemClock()).start()


class Ended(Exception):
    """The process ends here."""


def end_at(step: str) -> Step:
    """Ends the process at a step."""

    def ending(reached: str) -> None:
        if reached == step:
            raise Ended

    return ending


@pytest.mark.parametrize("step", ["compare", "marked"])
async def test_a_move_that_was_ended_in_the_middle_is_done_again_to_its_end(
    file: Config, database: Config, step: str
) -> None:
    """Into a database. What is half there can't be worked on; the same move carries everything anew."""
    await fill(file)
    before = await seen(file)
    with pytest.raises(Ended):
        await move(file, database, NOW_US, end_at(step))

    with pytest.raises(SpoolUnfit, match="isn't whole: do the same move again"):
        await Service(database, SystemClock()).start()
    await move(file, database, NOW_US)

    assert await seen(database) == before


@pytest.mark.parametrize("step", ["compare", "marked"])
async def test_a_move_back_that_was_ended_in_the_middle_leaves_no_file(
    database: Config, tmp_path: Path, dsn: str, step: str
) -> None:
    """It is there at once or not at all; the same move again makes it."""
    await fill(database)
    before = await seen(database)
    target = sqlite(tmp_path, dsn, "again")
    with pytest.raises(Ended):
        await move(database, target, NOW_US, end_at(step))

    assert not target.spool.path.exists()
    await move(database, target, NOW_US)

    assert await seen(target) == before


async def test_once_it_is_marked_neither_is_worked_on_until_the_move_is_at_its_end(
    file: Config, database: Config
) -> None:
    """In this order alone no moment has two that start."""
    await fill(file)
    with pytest.raises(Ended):
        await move(file, database, NOW_US, end_at("marked"))

    for each in (file, database):
        with pytest.raises(SpoolUnfit):
            await Service(each, SystemClock()).start()


async def test_nothing_is_moved_over_something(file: Config, database: Config) -> None:
    """Neither over a file, nor into a database in which there is a spool."""
    await fill(file)
    await fill(database)

    with pytest.raises(KeysUnfit, match="has other keys"):
        await move(file, database, NOW_US)
    SHARED.server.ask(f"DROP TABLE {schema(database_of(database).dsn)}.key_store")
    with pytest.raises(SpoolUnfit, match="already, and it isn't empty"):
        await move(file, database, NOW_US)


async def test_a_database_that_a_node_works_on_is_not_filled(file: Config, database: Config) -> None:
    """Its first entries would be taken beside those that arrive."""
    await fill(file)
    async with node(database_of(database).dsn):
        SHARED.server.ask(f"DROP TABLE IF EXISTS {schema(database_of(database).dsn)}.key_store")
        with pytest.raises(SpoolUnfit, match="a node works on this database"):
            await move(file, database, NOW_US)


def test_a_file_that_can_not_be_made_says_so(tmp_path: Path) -> None:
    """Its folder is none."""
    (tmp_path / "folder").write_text("")

    with pytest.raises(SpoolUnfit, match="can't be filled"):
        SqliteFilling(tmp_path / "folder/spool.db")


async def test_a_file_that_does_not_take_what_arrives_is_not_named(tmp_path: Path) -> None:
    """Twice the same, say: something else than a spool is being carried."""
    filling, block = (
        SqliteFilling(tmp_path / "spool.db"),
        Block(first=0, size=1, at_us=1, peaks=bytes(32), leaves=bytes(32)),
    )
    await filling.blocks([block])

    with pytest.raises(SpoolUnfit, match="can't be filled"):
        await filling.blocks([block])

    assert not (tmp_path / "spool.db").exists()


async def test_a_file_that_can_not_be_ended_is_not_named(tmp_path: Path) -> None:
    """Somebody took the file's tables away meanwhile: what was carried doesn't add up any more."""
    filling = SqliteFilling(tmp_path / "spool.db")
    filling._db.execute("DROP TABLE tally")

    with pytest.raises(SpoolUnfit, match="can't be filled"):
        await filling.end(NO_HEAD)

    assert not (tmp_path / "spool.db").exists()


async def test_a_file_that_came_there_meanwhile_stays(tmp_path: Path) -> None:
    """A spool is never put over anything."""
    filling = SqliteFilling(tmp_path / "spool.db")
    await filling.end(NO_HEAD)
    (tmp_path / "spool.db").write_text("somebody else's")

    with pytest.raises(SpoolUnfit, match="can't be named"):
        filling.give_name()

    assert (tmp_path / "spool.db").read_text() == "somebody else's"


async def test_a_spool_that_somebody_works_on_is_not_moved(file: Config, database: Config) -> None:
    """He would go on taking payments that nobody carries."""
    await fill(file)
    store = store_of(file)
    await store.open(NOW_US)

    with pytest.raises(SpoolHeld):
        await move(file, database, NOW_US)
    await store.close()


async def test_a_database_that_a_node_has_payments_for_is_not_left(
    file: Config, database: Config, tmp_path: Path, dsn: str
) -> None:
    """They would be left behind in that node's file, and nobody would ever send them."""
    await fill(file)
    await move(file, database, NOW_US)
    place = Place(database_of(database).dsn, tmp_path)
    async with place.open() as store:
        await place.cut(store)
        await put(store, draft(100, key="alone"))
        await place.mend(store)

    with pytest.raises(SpoolUnfit, match="one may have payments that aren't in the database"):
        await move(database, sqlite(tmp_path, dsn, "again"), NOW_US)


async def test_a_log_keeps_its_name(file: Config, tmp_path: Path, dsn: str) -> None:
    """Checkpoints are signed under it: under another they would be of another log."""
    await fill(file)
    path = node_file(tmp_path, dsn, "http://127.0.0.1:8090")
    path.write_text(path.read_text().replace("nightsafe.example/log", "nightsafe.example/other"))

    with pytest.raises(SpoolUnfit, match="write \\[evidence\\] origin"):
        await move(file, load(path), NOW_US)
