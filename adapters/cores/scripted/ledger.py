"""The judge's side of a ledger: read a file a scripted core wrote, while it runs or long after it was killed.

Readers open the file read-only, so they never disturb the core that writes it. As a command,
`python -m adapters.cores.scripted.ledger PATH` prints the summary, with `--json` every booking as a line of JSON,
with `--attempts` every attempt.
"""

import argparse
import contextlib
import functools
import importlib
import importlib.resources
import re
import sys
from collections.abc import Generator, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters.cores.scripted.orders import Attempt, Booking, Kind

driver: Final[Any] = importlib.import_module("pysqlite3.dbapi2" if find_spec("pysqlite3") else "sqlite3")
"""SQLite: the wheel that carries a recent library where there is one, else the interpreter's own."""

REFERENCES_SHOWN_MAX: Final = 100
"""A summary names at most so many doubled references; it counts all."""


@functools.cache
def statements() -> dict[str, str]:
    """The named statements of `ledger.sql`."""
    text = importlib.resources.files("adapters.cores.scripted").joinpath("ledger.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """Bookings of one kind and currency."""

    kind: Kind
    currency: str
    count: int
    #: Minor units.
    amount: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a judge asks first."""

    totals: tuple[Total, ...]
    #: How many references had their payment booked more than once, and some of them.
    doubled: int
    doubled_references: tuple[str, ...]
    #: How many payments were given back more than once.
    doubled_reversals: int
    attempts: int
    #: The most attempts ever unanswered beside another on one account, their senders waiting; 0 is as it should be.
    in_flight_max: int
    #: The same with senders that had hung up.
    abandoned_max: int

    def count(self, kind: Kind) -> int:
        """Bookings of one kind, over all currencies."""
        return sum(total.count for total in self.totals if total.kind is kind)


@contextlib.contextmanager
def _opened(path: Path) -> Generator[Any]:
    db = driver.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    try:
        yield db
    finally:
        db.close()


def _rows(path: Path, statement: str) -> Iterator[Sequence[Any]]:
    with _opened(path) as db:
        yield from db.execute(statements()[statement])


def each_booking(path: Path) -> Iterator[Booking]:
    """Every booking, in order, without holding them all."""
    for row in _rows(path, "bookings"):
        yield msgspec.convert(dict(zip(Booking.__struct_fields__, row, strict=True)), Booking)


def read_bookings(path: Path) -> list[Booking]:
    """Every booking, in order."""
    return list(each_booking(path))


def read_attempts(path: Path) -> list[Attempt]:
    """Every attempt, in the order in which they were done."""
    fields = Attempt.__struct_fields__
    return [msgspec.convert(dict(zip(fields, row, strict=True)), Attempt) for row in _rows(path, "attempts")]


def summarise(path: Path) -> Summary:
    """Counts, sums and what was doubled, all of one moment."""
    sql = statements()
    with _opened(path) as db:
        db.execute("BEGIN")
        totals = db.execute(sql["sums"]).fetchall()
        doubled = db.execute(sql["doubled"]).fetchall()
        doubled_reversals = db.execute(sql["doubled_reversals"]).fetchall()
        attempts, in_flight, abandoned = db.execute(sql["crowding"]).fetchone()
        db.execute("COMMIT")
    return Summary(
        totals=tuple(
            Total(kind=Kind(kind), currency=currency, count=count, amount=amount)
            for kind, currency, count, amount in totals
        ),
        doubled=len(doubled),
        doubled_references=tuple(reference for reference, _ in doubled[:REFERENCES_SHOWN_MAX]),
        doubled_reversals=len(doubled_reversals),
        attempts=attempts,
        in_flight_max=in_flight,
        abandoned_max=abandoned,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a ledger; 0, or 2 when there is none at the path."""
    parser = argparse.ArgumentParser(prog="ledger", description="Read the ledger of a scripted core.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--json", action="store_true", help="every booking as one line of JSON")
    parser.add_argument("--attempts", action="store_true", help="every attempt as one line of JSON")
    asked = parser.parse_args(arguments)
    if not asked.path.is_file():
        sys.stderr.write(f"there is no ledger at {asked.path}\n")
        return 2
    for line in _lines(asked.path, bookings=asked.json, attempts=asked.attempts):
        sys.stdout.write(line + "\n")
    return 0


def _lines(path: Path, *, bookings: bool, attempts: bool) -> Iterator[str]:
    encode = msgspec.json.Encoder().encode
    if not bookings and not attempts:
        yield encode(summarise(path)).decode()
    if bookings:
        yield from (encode(booking).decode() for booking in each_booking(path))
    if attempts:
        yield from (encode(attempt).decode() for attempt in read_attempts(path))


if __name__ == "__main__":
    sys.exit(main())
