"""The SQL of this engine, read from its `.sql` files, and the shape of a row.

Statements are never built from what comes from outside. The one thing put together here is the number of rows of a
multi-row `VALUES`: a fixed row of question marks, repeated. One statement for many rows lets go of the interpreter's
lock once instead of once a row, which is what a writer beside a busy event loop needs.
"""

import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any, Final

from spool.entry import Entry
from spool.lifecycle import Kind, State, Told

COLUMNS: Final = (
    "number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, state, epoch, attempts,"
    " due_at_us, changed_at_us, told, reason, policy, reverses, core_id, key_id, sealed"
)
"""Columns of an entry, in the order `entry_of` takes them."""

_STATES: Final[tuple[State, ...]] = (State.READY, *State)  # the numbers begin at 1; nothing stands at 0
_KINDS: Final[tuple[Kind, ...]] = (Kind.PAYMENT, *Kind)
_TOLD: Final[tuple[Told, ...]] = tuple(Told)
_CHUNKS: Final = (64, 32, 16, 8, 4, 2, 1)


def _load() -> dict[str, str]:
    text = resources.files("spool.sqlite").joinpath("sql/queries.sql").read_text(encoding="utf-8")
    found = dict[str, str]()
    for part in re.split(r"^-- name: ", text, flags=re.MULTILINE)[1:]:
        name, _, body = part.partition("\n")
        lines = [line for line in body.splitlines() if not line.startswith("--")]
        found[name.strip()] = "\n".join(lines).strip().removesuffix(";").replace("/*entry*/", COLUMNS)
    return found


SQL: Final = _load()
"""Every named statement of `queries.sql`."""


def migrations() -> list[tuple[int, str]]:
    """Every migration as (version, script), in order."""
    folder = resources.files("spool.sqlite").joinpath("sql/migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [(int(name[:4]), folder.joinpath(name).read_text(encoding="utf-8")) for name in names]


class ManyRows:
    """A statement over a `VALUES` list, for any number of rows, made of a few prepared sizes."""

    def __init__(self, name: str, width: int) -> None:
        """Take the statement `name`, whose rows have `width` values each."""
        row = f"({', '.join('?' * width)})"
        self._by_size = {size: SQL[name].replace("/*rows*/", ", ".join([row] * size)) for size in _CHUNKS}

    def pieces(self, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
        """Statements and their parameters that together cover all rows, in order."""
        start, left = 0, len(rows)
        while left:
            size = next(chunk for chunk in _CHUNKS if chunk <= left)
            yield self._by_size[size], [value for row in rows[start : start + size] for value in row]
            start, left = start + size, left - size


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry in a row of COLUMNS."""
    # Positional, in the order of COLUMNS, which is that of the fields: it is done for every entry that is read.
    return Entry(
        row[0],
        row[1],
        _KINDS[row[2]],  # pyright: ignore[reportUnknownArgumentType]  # its index is Any
        row[3],
        row[4],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        _STATES[row[11]],  # pyright: ignore[reportUnknownArgumentType]  # its index is Any
        row[12],
        row[13],
        row[14],
        row[15],
        _TOLD[row[16]],  # pyright: ignore[reportUnknownArgumentType]  # its index is Any
        row[17],
        row[18],
        row[19],
        row[20],
        row[21],
        row[22],
    )
