"""The SQL of this engine, read from its `.sql` files.

Statements are never built from what comes from outside. The one thing put together here is the number of rows of a
multi-row `VALUES`: a fixed row of question marks, repeated. One statement for many rows lets go of the interpreter's
lock once instead of once a row, which is what a writer beside a busy event loop needs.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final

from spool.rows import numbered_scripts, statements

_PACKAGE: Final = "spool.sqlite"

ROWS_MAX: Final = 64
"""Most rows of one statement: bounds the statements kept prepared."""


SQL: Final = statements(_PACKAGE)
"""Every named statement of `queries.sql`."""


def migrations() -> list[tuple[int, str]]:
    """Every migration as (version, script), in order."""
    return numbered_scripts(_PACKAGE)


class ManyRows:
    """A statement over a `VALUES` list, for any number of rows: one for up to ROWS_MAX of them, each size made once."""

    def __init__(self, name: str, width: int) -> None:
        """Take the statement `name`, whose rows have `width` values each."""
        self._sql = SQL[name]
        self._row = f"({', '.join('?' * width)})"
        self._by_size: dict[int, str] = {}

    def pieces(self, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
        """Statements and their parameters that together cover all rows, in order."""
        for start in range(0, len(rows), ROWS_MAX):
            piece = rows[start : start + ROWS_MAX]
            yield self.sized(len(piece)), list(chain.from_iterable(piece))

    def sized(self, size: int) -> str:
        """The statement for so many rows."""
        sql = self._by_size.get(size)
        if sql is None:
            sql = self._by_size[size] = self._sql.replace("/*rows*/", ", ".join([self._row] * size))
        return sql
