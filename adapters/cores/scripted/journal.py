"""The writing side of the ledger: one writer, group commit, and nothing is said before it is on disk.

Whatever waits at the same moment shares one transaction and one sync. Commits are in order, so an answer that waited for
its own attempt's row also waited for every booking it speaks of.
"""

import asyncio
import contextlib
import fcntl
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final

from adapters.cores.scripted.ledger import driver, each_booking, statements
from adapters.cores.scripted.orders import Attempt, Booking
from adapters.cores.scripted.traffic import Mark

_PRAGMAS: Final = (("journal_mode", "wal"), ("synchronous", 2))
"""Write-ahead log, and a sync with every commit (2 is FULL); read back at opening."""


class LedgerHeld(Exception):
    """Another process writes this ledger."""


class LedgerBroken(Exception):
    """The ledger can't be written, so nothing can be said any more; what is on disk decides."""


class Journal:
    """One ledger file, opened for writing. Made and used in one event loop."""

    def __init__(self, path: Path) -> None:
        """Open the file, make its tables, take hold of it.

        Raises:
            LedgerHeld: another process writes it.
            LedgerBroken: it can't be opened as a ledger.
        """
        self.path: Final = path
        self._loop = asyncio.get_running_loop()
        self._hold = _take_hold(path)
        try:
            self._db = _open(path)
        except BaseException:
            self._hold.close()
            raise
        self._opened_at_us: int = self._db.execute(statements()["wall_clock_ms"]).fetchone()[0] * 1000
        self._opened_at = self._loop.time()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._bookings: list[tuple[Any, ...]] = []
        self._attempts: list[tuple[Any, ...]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._busy = False
        self._last: asyncio.Future[None] | None = None
        self._trouble: BaseException | None = None
        #: Attempts this run has on disk.
        self.recorded: Final = Mark()

    def now_us(self) -> int:
        """Microseconds since 1970: the wall clock at opening plus what went by since, so it never goes back."""
        return self._opened_at_us + int((self._loop.time() - self._opened_at) * 1_000_000)

    def bookings(self) -> Iterator[Booking]:
        """What earlier runs booked, in order."""
        return each_booking(self.path)

    def record(self, attempt: Attempt, booking: Booking | None = None) -> "asyncio.Future[None]":
        """Write an attempt and the booking it made, if any; done when both are on disk.

        Raises (the future):
            LedgerBroken: nobody knows whether they are.
        """
        written: asyncio.Future[None] = self._loop.create_future()
        if self._trouble is not None:
            written.set_exception(LedgerBroken("the ledger can't be written"))
            return written
        if booking is not None:
            self._bookings.append(_booking_row(booking))
        self._attempts.append(_attempt_row(attempt))
        self._waiting.append(written)
        self._last = written
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._hand_over)
        return written

    async def close(self) -> None:
        """Write what waits, let the file go."""
        if self._last is not None:
            # Commits are in order: with the last one, all are done.
            await asyncio.wait([self._last])
        await self._loop.run_in_executor(self._thread, self._db.close)
        self._thread.shutdown()
        self._hold.close()

    def _hand_over(self) -> None:
        bookings, self._bookings = self._bookings, []
        attempts, self._attempts = self._attempts, []
        waiting, self._waiting = self._waiting, []
        commit = self._loop.run_in_executor(self._thread, self._commit, bookings, attempts)
        commit.add_done_callback(lambda done: self._tell(done, waiting))

    def _commit(self, bookings: Sequence[tuple[Any, ...]], attempts: Sequence[tuple[Any, ...]]) -> None:
        sql = statements()
        self._db.execute("BEGIN IMMEDIATE")
        if bookings:
            self._db.executemany(sql["insert_booking"], bookings)
        self._db.executemany(sql["insert_attempt"], attempts)
        self._db.execute("COMMIT")

    def _tell(self, commit: "asyncio.Future[None]", waiting: Sequence["asyncio.Future[None]"]) -> None:
        self._trouble = commit.exception()
        for written in waiting:
            if written.done():
                continue
            if self._trouble is None:
                written.set_result(None)
            else:
                written.set_exception(LedgerBroken(f"the ledger can't be written: {self._trouble}"))
        if self._trouble is not None:
            self._give_up()
            return
        self.recorded.add(len(waiting))
        if self._waiting:
            self._hand_over()
        else:
            self._busy = False

    def _give_up(self) -> None:
        for written in self._waiting:
            if not written.done():
                written.set_exception(LedgerBroken("the ledger can't be written"))
        self._waiting.clear()


def _take_hold(path: Path) -> IO[bytes]:
    """Hold the ledger for this process; the system lets go when the process ends, however it ends."""
    hold = path.with_name(path.name + ".lock").open("wb")
    try:
        fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        hold.close()
        raise LedgerHeld(f"another process writes {path}") from error
    return hold


def _open(path: Path) -> Any:
    try:
        with contextlib.ExitStack() as stack:
            db = driver.connect(str(path), isolation_level=None, check_same_thread=False)
            stack.callback(db.close)
            for name, value in _PRAGMAS:
                db.execute(f"PRAGMA {name} = {value}")
                assert db.execute(f"PRAGMA {name}").fetchone()[0] == value, f"SQLite did not take {name}"
            db.executescript(statements()["schema"])
            stack.pop_all()
            return db
    except driver.DatabaseError as error:
        raise LedgerBroken(f"{path} can't be opened as a ledger: {error}") from error


# Values of enums, not the enums: the driver is slow with whatever isn't exactly `str`.


def _booking_row(booking: Booking) -> tuple[Any, ...]:
    return (
        booking.sequence,
        booking.reference,
        booking.key,
        booking.account,
        booking.amount,
        booking.currency,
        booking.kind.value,
        booking.reverses,
        booking.service,
        booking.paid_at,
        booking.booked_at_us,
        booking.protocol.value,
    )


def _attempt_row(attempt: Attempt) -> tuple[Any, ...]:
    return (
        attempt.arrived_at_us,
        attempt.protocol.value,
        attempt.operation.value,
        attempt.reference,
        attempt.account,
        attempt.done.value,
        attempt.booking,
        attempt.in_flight,
        attempt.abandoned,
        attempt.fault,
    )
