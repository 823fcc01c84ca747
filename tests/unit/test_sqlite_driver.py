"""Which SQLite is under the spool: the wheel's with a fixed library, or the interpreter's where there is no wheel."""

import importlib.util
import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from spool.errors import SpoolUnfit
from spool.sqlite import connection

WHEEL: Final = "pysqlite3"


class Missing(MetaPathFinder):
    """Finds no wheel, as on a platform that has none."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the seam's words
        target: ModuleType | None = None,  # noqa: ARG002 - the seam's words
    ) -> ModuleSpec | None:
        """Nothing, and nobody else is asked about the wheel."""
        if fullname.partition(".")[0] == WHEEL:
            raise ModuleNotFoundError(f"No module named {fullname!r}")
        return None


@pytest.fixture
def no_wheel() -> Iterator[None]:
    """An interpreter without the wheel."""
    loaded = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == WHEEL}
    for name in loaded:
        del sys.modules[name]
    finder = Missing()
    sys.meta_path.insert(0, finder)
    yield
    sys.meta_path.remove(finder)
    sys.modules.update(loaded)


@pytest.mark.usefixtures("no_wheel")
def test_without_the_wheel_the_interpreters_own_library_is_used() -> None:
    """A platform the wheel isn't made for still has a spool; `status` says which library it is."""
    spec = importlib.util.spec_from_file_location("connection_without_the_wheel", connection.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (module.driver, module.LIBRARY_VERSION) == (sqlite3, sqlite3.sqlite_version)


class Stubborn:
    """The driver's connection, on a library that doesn't take a setting; says when it was closed."""

    def __init__(self, uri: str, closed: list[str]) -> None:
        """Open the file."""
        self._db, self._uri, self._closed = connection.open_file(uri), uri, closed

    def execute(self, sql: str) -> Any:
        """Do, but for one setting."""
        return self._db.execute("SELECT 1" if sql.startswith("PRAGMA temp_store =") else sql)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
        self._closed.append(self._uri)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@pytest.mark.parametrize("writing", [True, False])
async def test_a_connection_whose_setting_does_not_take_is_closed(
    tmp_path: Path,
    writing: bool,  # noqa: FBT001 - two cases
) -> None:
    """Its thread would keep the process from ending, and its locks the file from being opened."""
    path, closed = tmp_path / "spool.db", list[str]()
    connection.make_file(path)
    with pytest.raises(SpoolUnfit, match="did not take temp_store = 2"):
        await connection.connect(path, writing=writing, open_file=partial(Stubborn, closed=closed))
    assert len(closed) == 1


@pytest.fixture
def no_more_threads() -> Iterator[None]:
    """A process that can't have another thread: there is no room for its stack."""
    before = threading.stack_size(2**46)
    yield
    threading.stack_size(before)


@pytest.mark.usefixtures("no_more_threads")
async def test_a_connection_that_gets_no_thread_is_not_waited_for(tmp_path: Path) -> None:
    """There is none that could end; the reason is told."""
    connection.make_file(tmp_path / "spool.db")
    with pytest.raises(RuntimeError, match="can't start new thread"):
        await connection.connect(tmp_path / "spool.db", writing=True)
