"""Which SQLite is under the spool: the wheel's with a fixed library, or the interpreter's where there is no wheel."""

import importlib.util
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

import pytest

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
