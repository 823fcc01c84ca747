"""A start while the spool's database is away, or goes: the doors are open, and what needs the database waits for it.

Without leave to go on alone channels are told to ask again. With it this node takes payments into its own file, as it
does when the database goes while it runs, by what it kept there of it (`spool.away.seen`). When the database answers, it
takes nothing for a moment, lets go of the file, and starts as ever: what must hold before a spool is worked on is looked
at before anything is brought over.

A database that answers and has no room for what a start writes is waited for in the same way, but never alone, as it is
while the service runs: others may be at work on it.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from gateway.clock import Clock
from gateway.custody.keeper import Keeper
from gateway.http.connection import Asked
from gateway.http.doors import Doors
from gateway.log import log
from gateway.standin.kept import Policies
from spool.away.store import AwayStore
from spool.errors import KeysAway, SpoolAway, SpoolBusy, SpoolClosed, SpoolError, StorageFull, StorageUncertain
from spool.number import Numbers
from spool.postgres import PostgresStore
from spool.spool import Spool, Unlock

RETRY_S: Final = 0.5
"""How often it is looked whether the database answers."""

_WENT: Final = (SpoolClosed, StorageUncertain)
"""What a spool whose database goes in the middle of the start says."""

NO_ROOM: Final = "the database has no room"

T = TypeVar("T")


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
        spool.store.nodes.on_time = clock.follow
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
        """Open the spool, as soon as its database and that of its keys are there. Errors: see `Spool.open`; never `SpoolAway`."""
        if self.move_here is not None:
            await self._move(self.move_here)
        while True:
            try:
                await self._spool.open(await self._time_us(now_us), self._unlock)
            except (SpoolAway, KeysAway) as error:
                await self._wait(str(error), answers=isinstance(error, SpoolBusy))
            except (*_WENT, StorageFull) as error:
                if not isinstance(self._spool.store, PostgresStore):
                    raise
                await self._wait(_trouble_in(error), answers=isinstance(error, StorageFull))
            else:
                self.waits = ""
                return

    async def through(self, step: Callable[[], Awaitable[T]]) -> T:
        """A step of the start, after the spool is open; done anew when its database went in the middle of it, and is back."""
        while True:
            try:
                done = await step()
            except (SpoolAway, *_WENT, StorageFull) as error:
                if not isinstance(self._spool.store, PostgresStore):
                    raise
                self._say(_trouble_in(error))
                await self._listen()
                self.is_waiting = True
                await self._clock.sleep(RETRY_S)
            else:
                self.waits, self.is_waiting = "", False
                return done

    async def _time_us(self, now_us: int) -> int:
        """The database's, which this node goes by from now on, as all others do."""
        store = self._spool.store
        if not isinstance(store, PostgresStore):
            return now_us
        self._clock.follow(await store.time_us())
        return self._clock.now_us()

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

    def _say(self, why: str) -> None:
        if why != self.waits:
            log.warning("database_away", why=why)
        self.waits = why

    async def _wait(self, why: str, *, answers: bool) -> None:
        self._say(why)
        await self._listen()
        self.alone = not answers and await self._goes_alone()
        self.is_waiting = True
        try:
            # At least once: what is away may be the keys' own database.
            await self._clock.sleep(RETRY_S)
            if not answers:
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


def _trouble_in(error: SpoolError) -> str:
    return NO_ROOM if isinstance(error, StorageFull) else f"the database can't be reached: {type(error).__name__}"
