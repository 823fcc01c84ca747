"""How many commits the SQLite engine makes of what comes together, and of what comes one by one."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from spool.sqlite import SqliteStore
from spool.sqlite.connection import connect, open_file
from spool.store import Inserted
from tests.contracts.spool_examples import NOW_US, draft

WAIT_S: Final = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool is kept."""
    return tmp_path / "spool.db"


class CountingDriver:
    """The driver's connection, counting commits."""

    def __init__(self, uri: str) -> None:
        """Open the file."""
        self._db = open_file(uri)
        self.commits = 0

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Count, then do."""
        self.commits += sql == "COMMIT"
        return self._db.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class Commits:
    """Counts those of every connection it opens."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._opened = list[CountingDriver]()

    def open(self, uri: str) -> Any:
        """A connection that is counted."""
        self._opened.append(CountingDriver(uri))
        return self._opened[-1]

    @property
    def count(self) -> int:
        """So far."""
        return sum(db.commits for db in self._opened)


async def test_payments_that_wait_together_share_a_commit(path: Path) -> None:
    """A sync of the disk costs the same for one and for hundreds."""
    commits = Commits()
    store = SqliteStore(path, reserve_bytes=0, connect=partial(connect, open_file=commits.open))
    await store.open(NOW_US)
    before = commits.count

    results = await asyncio.gather(*(store.insert(draft(number), 1, b"sealed") for number in range(1, 501)))

    assert all(isinstance(result, Inserted) for result in results)
    assert commits.count - before <= 2
    await store.close()


async def test_after_a_busy_commit_the_next_waits_until_those_it_answered_are_back(path: Path) -> None:
    """Each of them comes at another moment, and a commit of his own would cost as much as ten payments."""
    commits = Commits()
    opened = partial(connect, open_file=commits.open)
    store = SqliteStore(path, reserve_bytes=0, connect=opened, gather_s=WAIT_S)
    await store.open(NOW_US)

    async def comes_back(number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)
        await store.insert(draft(100 + number), 1, b"sealed")

    await asyncio.gather(*(store.insert(draft(number), 1, b"sealed") for number in range(1, 17)))
    before = commits.count
    await asyncio.gather(*(comes_back(number) for number in range(12)))

    assert commits.count - before == 1
    await store.close()


async def test_a_quiet_spool_keeps_nobody_waiting_for_company(path: Path) -> None:
    """What comes alone is committed alone."""
    commits = Commits()
    store = SqliteStore(path, reserve_bytes=0, connect=partial(connect, open_file=commits.open))
    await store.open(NOW_US)
    before = commits.count

    for number in range(1, 21):
        await store.insert(draft(number), 1, b"sealed")

    assert commits.count - before == 20
    await store.close()
