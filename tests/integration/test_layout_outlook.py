"""What a start would change of a spool's layout is said before, and asking changes nothing."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from gateway.cli import serve
from gateway.cli.exits import Exit, Failure
from spool.layout import Step, ahead
from spool.postgres import PostgresSettings
from spool.postgres.connection import connect
from spool.postgres.schema import bring_up_to_date
from spool.postgres.schema import outlook as outlook_of_database
from spool.postgres.statements import migrations
from spool.sqlite import SqliteStore
from spool.sqlite.connection import driver
from spool.sqlite.reading import outlook as outlook_of_file
from spool.sqlite.statements import migrations as migrations_of_file
from tests.contracts.postgres_server import SHARED, apart
from tests.contracts.spool_examples import NOW_US
from tests.integration.postgres_house import node_file

FORMER: Final = migrations()[:6]
NEWEST: Final = migrations()[-1].version
NEWEST_OF_FILES: Final = migrations_of_file()[-1][0]


def database(dsn: str) -> PostgresSettings:
    """How it is asked."""
    return PostgresSettings(dsn=dsn)


async def laid_out(dsn: str) -> None:
    """As the program left it that knew no more."""
    db = await connect(database(dsn))
    try:
        await bring_up_to_date(db, FORMER)
    finally:
        await db.close()


async def made(path: Path) -> None:
    """A spool in a file."""
    store = SqliteStore(path)
    await store.open(NOW_US)
    await store.close()


def mark(path: Path, version: int) -> None:
    """The file says that it is of this version."""
    db = driver.connect(str(path))
    db.execute(f"PRAGMA user_version = {version}")
    db.close()


def test_a_step_says_what_it_is_for_in_a_sentence() -> None:
    """By its first comment, but for lines about how it is applied."""
    scripts = [
        (1, "-- The first. Not this.\nCREATE TABLE a (b);"),
        (2, "-- works beside programs from version 1\n-- outside a transaction\n-- By the core's\n-- own id.\nDROP"),
    ]

    assert ahead(0, scripts).steps == [Step(1, "The first"), Step(2, "By the core's own id")]
    assert ahead(1, scripts) == (1, 2, [Step(2, "By the core's own id")])
    assert ahead(2, scripts).steps == []


@pytest.mark.parametrize(
    "step", [*ahead(0, migrations_of_file()).steps, *ahead(0, [(e.version, e.script) for e in migrations()]).steps]
)
def test_every_migration_has_words(step: Step) -> None:
    """For whoever is to decide whether to start it now."""
    assert len(step.about) > 20


async def test_of_a_database_the_steps_that_are_missing_are_told_and_none_is_done() -> None:
    """The same is told the next time."""
    dsn = SHARED.schema()
    before = await outlook_of_database(database(dsn))
    await laid_out(dsn)

    told = [await outlook_of_database(database(dsn)) for _ in range(2)]

    assert (before.version, before.known) == (0, NEWEST)
    assert told[0] == told[1]
    assert (told[0].version, [step.version for step in told[0].steps]) == (6, list(range(7, NEWEST + 1)))


async def test_a_database_that_is_away_is_said_so() -> None:
    """There is nothing to tell of."""
    with pytest.raises(Exception, match="can't be read"):
        await outlook_of_database(database("postgresql://postgres@127.0.0.1:1/postgres"))


@pytest.mark.parametrize(
    "url",
    ["nonsense", "postgresql://u:s3cret/x@host/d", "postgresql://u:s3cret@host/x?sslmode=often"],
    ids=["none", "a slash in its password", "an unknown value"],
)
@pytest.mark.parametrize("verb", [serve.outlook, serve.run], ids=["outlook", "start"])
def test_a_url_that_can_t_be_understood_is_said_so_and_nothing_of_it_is(
    tmp_path: Path, url: str, verb: Callable[[Path], int]
) -> None:
    """What a driver quotes may be a piece of the password."""
    with pytest.raises(Failure, match="URL can't be understood") as found:
        verb(node_file(tmp_path, url, "http://127.0.0.1:1"))
    assert found.value.exit == Exit.CANNOT_START
    assert "cret" not in "".join(traceback.format_exception(found.value))


async def test_of_a_file_the_steps_that_are_missing_are_told_and_none_is_done(tmp_path: Path) -> None:
    """Not a byte of it changes."""
    path = tmp_path / "nightsafe.db"
    before = outlook_of_file(path)
    await made(path)
    mark(path, 9)
    kept = path.read_bytes()

    told = outlook_of_file(path)

    assert (before.version, path.read_bytes() == kept) == (0, True)
    assert (told.version, [step.version for step in told.steps]) == (9, list(range(10, NEWEST_OF_FILES + 1)))


@pytest.mark.parametrize(("text", "words"), [(b"not a database at all", "can't be read"), (None, "use a newer one")])
async def test_a_file_that_a_start_would_refuse_is_refused(tmp_path: Path, text: bytes | None, words: str) -> None:
    """It is none, or of a newer program."""
    path = tmp_path / "nightsafe.db"
    await made(path)
    mark(path, NEWEST_OF_FILES + 1)
    path.write_bytes(text or path.read_bytes())

    with pytest.raises(Exception, match=words):
        outlook_of_file(path)


def test_the_command_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a database with no spool, with an old one, and with one of this program's."""
    dsn = SHARED.schema()
    config = node_file(tmp_path, dsn, "http://127.0.0.1:1")
    said = list[str]()
    for work in (laid_out(dsn), _up_to_date(dsn), _nothing()):
        assert serve.outlook(config) == Exit.DONE
        said.append(capsys.readouterr().out)
        apart(work)

    assert said[0] == f"in the database: no spool yet; a start lays it out (layout {NEWEST})\n"
    assert said[1].startswith(f"in the database: layout 6; a start brings it to {NEWEST} (back it up first")
    assert len(said[1].splitlines()) == 1 + NEWEST - 6
    assert said[2] == f"in the database: layout {NEWEST}; a start changes nothing of it\n"


async def _up_to_date(dsn: str) -> None:
    db = await connect(database(dsn))
    await bring_up_to_date(db)
    await db.close()


async def _nothing() -> None:
    """Nothing more."""


def test_the_command_says_what_a_start_could_not_do(tmp_path: Path) -> None:
    """With the words a start would have."""
    config = node_file(tmp_path, "postgresql://postgres@127.0.0.1:1/postgres", "http://127.0.0.1:1")
    with pytest.raises(Failure, match="can't be read"):
        serve.outlook(config)


@pytest.mark.parametrize(("engine", "words"), [("memory", "begins with nothing"), ("sqlite", "no spool yet")])
def test_other_engines_are_told_of_too(
    tmp_path: Path, engine: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the same command."""
    config = node_file(tmp_path, "postgresql://x", "http://127.0.0.1:1")
    config.write_text(config.read_text().replace('engine = "postgres"', f'engine = "{engine}"'))

    assert serve.outlook(config) == Exit.DONE
    assert words in capsys.readouterr().out
