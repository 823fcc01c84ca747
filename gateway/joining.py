"""A start while the spool's database is away: the doors are open, and nothing that needs the database is done yet.

Without leave to go on alone channels are told to ask again. With it this node takes payments into its own file, as it
does when the database goes while it runs, by what it kept there of it (`spool.away.seen`). When the database answers, it
takes nothing for a moment, lets go of the file, and starts as ever: what must hold before a spool is worked on is looked
at before anything is brought over.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from gateway.clock import Clock
from gateway.custody.keeper import Keeper
from gateway.http.connection import Asked
from gateway.http.doors import Doors
from gateway.log import log
from gateway.standin.kept import Policies
from spool.away.store import AwayStore
from spool.errors import SpoolAway, SpoolError
from spool.number import Numbers
from spool.postgres import PostgresStore
from spool.spool import Spool, Unlock

RETRY_S: Final = 0.5
"""How often it is looked whether the database answers."""


class Joining:
    """One node's way to its spool."""

    def __init__(
        self,
        *,
        spool: Spool,
        unlock: Unlock,
        keeper: Keeper,
        numbers: Numbers,
        policies: Policies,
        clock: Clock,
        doors: Doors,
        closed: Doors,
        listen: Callable[[], Awaitable[None]],
    ) -> None:
        """Open `spool`, with the keys that `unlock` gets.

        Args:
            spool: it, and what its payments need: `keeper`, `numbers`, `policies`.
            unlock: gets the keys once the spool may be worked on.
            keeper: has the copies of the keys.
            numbers: begin above those there are.
            policies: as they were changed.
            clock: for the time, and pauses.
            doors: take payments.
            closed: tell channels to ask again.
            listen: has both sides listen, where they don't yet.
        """
        self._spool = spool
        self._unlock = unlock
        self._keeper = keeper
        self._numbers = numbers
        self._policies = policies
        self._clock = clock
        #: Those that take payments.
        self.doors = doors
        self._closed = closed
        self._door = closed
        self._listen = listen
        #: Moves the spool here from another place before it is opened, where it isn't here yet. Raises what `move_here` does.
        self.move_here: Callable[[], Awaitable[object]] | None = None
        #: Why the spool isn't open yet, in words; empty once it is, also as a file of this node alone.
        self.waits = "it is being opened"
        #: The database was away at the start, and didn't answer yet.
        self.is_waiting = False
        #: This node takes payments though the database could not be reached since its start.
        self.alone = False

    def handle(self, asked: Sequence[Asked]) -> None:
        """Answer requests of channels by whichever doors these are now."""
        self._door.handle(asked)

    def take_payments(self) -> None:
        """From now on."""
        self._door = self.doors

    async def open(self, now_us: int) -> None:
        """Open the spool, as soon as its database is there. Errors: see `Spool.open`; never `SpoolAway`."""
        if self.move_here is not None:
            await self._move(self.move_here)
        while True:
            try:
                await self._spool.open(now_us, self._unlock)
            except SpoolAway as error:
                await self._wait(str(error))
            else:
                self.waits = ""
                return

    async def _move(self, move_here: Callable[[], Awaitable[object]]) -> None:
        """Have the spool moved here at open doors: channels are told to ask again as long as it takes."""
        self.waits, self.is_waiting = "it is being moved here", True
        await self._listen()
        while True:
            try:
                moved = await move_here()
            except SpoolAway as error:
                self.waits = f"it is being moved here; {error}"
                await self._clock.sleep(RETRY_S)
            else:
                break
        self.waits, self.is_waiting = "it is being opened", False
        log.warning("spool_moved", anew=moved is not None)

    async def _wait(self, why: str) -> None:
        self.waits = why
        log.warning("database_away", why=why)
        await self._listen()
        self.alone = await self._goes_alone()
        self.is_waiting = True
        try:
            await self._until_it_answers()
        finally:
            self.is_waiting = False
            if self.alone:
                self._door, self.alone, self.waits = self._closed, False, "it is being opened"
                await self._spool.close()

    async def _until_it_answers(self) -> None:
        store = self._spool.store
        assert isinstance(store, PostgresStore), "no other spool is away"
        while not await store.answers():
            await self._clock.sleep(RETRY_S)
        log.warning("database_answers")

    async def _goes_alone(self) -> bool:
        store = self._spool.store
        if not isinstance(store, AwayStore):
            return False
        try:
            unlock = partial(self._keeper.unlock, by_copy=True)
            await self._spool.open(self._clock.now_us(), unlock, opening=store.open_alone)
        except SpoolError as error:
            self.waits = f"{self.waits}; and this node can't go on alone: {error}"
            log.warning("not_alone", why=type(error).__name__)
            return False
        self._numbers.start_above(await store.highest_number())
        await self._policies.follow()
        self.waits, self._door = "", self.doors
        log.warning("alone", beside=store.kept.entries)
        return True
