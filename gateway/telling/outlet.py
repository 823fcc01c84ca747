"""One sink's part: what waits for it, one letter at a time, tried until it is taken. No outlet knows another."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.forward.backoff import Backoff
from gateway.log import log
from gateway.telling.digest import choose, wants
from gateway.telling.event import Event
from gateway.telling.journal import Journal, Reached
from gateway.telling.letter import Foot, Letter, letter_of
from gateway.telling.settings import SinkSettings
from gateway.telling.sink import NotTold, Sink, Undeliverable
from gateway.telling.words.speech import speech
from spool.errors import SpoolError

LOOK_S: Final = 1.0
SHORTEST_S: Final = 0.1
"""Between two tries."""

WHY_MAX: Final = 200


class OutletState(msgspec.Struct, frozen=True, kw_only=True):
    """How a sink stands."""

    name: str
    protocol: str
    #: Events that wait to be told.
    waiting: int
    #: When it took a letter last, and how many it took in this run.
    sent_us: int
    sent: int
    #: Why it didn't take the last one; empty when it did.
    error: str
    error_us: int
    #: Tries that failed since it took one.
    failures: int
    #: Faults of ours in telling by it, in this run.
    faults: int = 0
    #: Whose it is; empty for one of our own.
    channel: str = ""


class Outlet:
    """Tells one sink."""

    def __init__(
        self,
        name: str,
        settings: SinkSettings,
        sink: Sink,
        journal: Journal,
        clock: Clock,
        *,
        may_tell: Callable[[], bool] = lambda: True,
    ) -> None:
        """Tell `sink` of what comes into `journal`, while it is this node's to tell."""
        self.name = name
        self.settings = settings
        self.sink = sink
        self._journal = journal
        self._clock = clock
        self._may_tell = may_tell
        self._backoff = Backoff(settings.pace.retry_first_s, settings.pace.retry_max_s)
        self._reached = Reached()
        self._sent = self._failures = self._error_us = self._sent_us = 0
        self._error = ""
        self._faults = 0
        #: Events that could not be put into words, to be counted in the next letter.
        self._unsaid = 0
        #: The letter in hand, and the last event in it. It stays the same until it is taken.
        self._letter: tuple[Letter, int] | None = None
        #: The monotonic time before which there is no other try.
        self._not_before = 0.0
        #: No other letter is begun with; and none is being sent now.
        self._ends, self._at_rest = False, asyncio.Event()
        self._at_rest.set()

    async def open(self) -> None:
        """Go on where the former run ended, or whoever told before. Errors: see `Store.recall`."""
        self._letter, self._not_before, self._failures = None, 0.0, 0
        self._reached = await self._journal.reached(self.name)
        # The journal may have been lost with a disk, or put back to an older copy.
        if self._reached.sequence > self._journal.newest:
            self._reached = Reached(sequence=0)
        self._sent_us = self._reached.at_us
        await self._journal.reach(self.name, self._reached)

    @property
    def state(self) -> OutletState:
        """How it stands."""
        waiting = [each for each in self._waiting() if wants(each, self.name, self.settings)]
        return OutletState(
            name=self.name,
            protocol=getattr(self.settings, "protocol", ""),
            waiting=len(waiting),
            sent_us=self._sent_us,
            sent=self._sent,
            error=self._error,
            error_us=self._error_us,
            failures=self._failures,
            faults=self._faults,
            channel=self.settings.channel or "",
        )

    def _waiting(self) -> list[Event]:
        return self._journal.after(self._reached.sequence)

    async def run_once(self) -> float:
        """Send one letter if one is due; the seconds until there may be another (0: soon)."""
        if self._ends or not self._may_tell():
            return LOOK_S
        wait_s = await self._wait_s()
        if self._letter is None or wait_s > 0:
            return wait_s
        in_hand = letter, last = self._letter
        try:
            async with asyncio.timeout(self.settings.pace.timeout_s * 2):
                await self.sink.send(letter)
        except NotTold as error:
            return self._failed(str(error), error.retry_after_s)
        except TimeoutError:
            return self._failed("no end in time", 0.0)
        except Undeliverable as error:
            # Another try changes nothing, and what comes after it must not wait for ever.
            self._note(str(error))
        except Exception as error:  # noqa: BLE001 - a library's or our own bug must not end the telling by this way
            return self._failed(self._fault(error), 0.0)
        else:
            self._sent += 1
            self._error = ""
        self._sent_us = self._clock.now_us()
        if self._letter is in_hand:  # else another node told meanwhile, and it was begun anew
            self._failures, self._not_before, self._letter = 0, 0.0, None
            await self._reach(last)
        return 0.0

    async def _wait_s(self) -> float:
        """Seconds until the next try; with a letter in hand when one is due."""
        if self._letter is None:
            wait_s = await self._compose()
            if self._letter is None:
                return wait_s
        return max(0.0, self._not_before - self._clock.monotonic())

    async def _compose(self) -> float:
        """Make the next letter, if one is due; else the seconds until there may be one."""
        waiting = self._waiting()
        choice = choose(waiting, self.name, self.settings, self._clock.now_us(), self._sent_us)
        if choice.passed:
            await self._reach(choice.passed)
        if choice.events:
            lost = max(0, waiting[0].sequence - self._reached.sequence - 1)
            letter = self._written(choice.events, lost)
            if letter is None:
                await self._reach(waiting[-1].sequence)
            else:
                self._letter = letter, waiting[-1].sequence
        return choice.wait_s

    def _written(self, events: Sequence[Event], lost: int) -> Letter | None:
        """A letter about these events; where it can't be written, about those that can be put into words, if any."""
        try:
            letter = self._letter_of(events, lost + self._unsaid)
        except Exception as error:  # noqa: BLE001 - one event must not keep the others from being told, for ever
            self._note(self._fault(error))
            sayable = [each for each in events if self._can_be_said(each)]
            self._unsaid += len(events) - len(sayable)
            if not sayable:
                return None
            letter = self._letter_of(sayable, lost + self._unsaid)
        self._unsaid = 0
        return letter

    def _can_be_said(self, event: Event) -> bool:
        try:
            self._letter_of([event], 0)
        except Exception:  # noqa: BLE001 - as above
            log.error("event_unsaid", sink=self.name, kind=event.kind.value, exc_info=True)
            return False
        return True

    def _letter_of(self, events: Sequence[Event], lost: int) -> Letter:
        foot = Foot.CHANNEL if self.settings.channel else Foot.OWN
        return letter_of(events, speech(self.settings.language), self.settings.pace.events_max, lost, foot)

    def _fault(self, error: Exception) -> str:
        """Count a fault of ours, and log it by its name: its text may hold anything."""
        self._faults += 1
        log.error("sink_failed", sink=self.name, error=type(error).__name__, exc_info=True)
        return f"a fault of its own ({type(error).__name__})"

    async def _reach(self, sequence: int) -> None:
        self._reached = Reached(sequence=sequence, at_us=self._sent_us)
        if not self._may_tell():
            return
        with contextlib.suppress(SpoolError):
            # Where the disk doesn't take it, a restart tells it again.
            await self._journal.reach(self.name, self._reached)

    def _failed(self, why: str, retry_after_s: float) -> float:
        self._note(why)
        self._failures += 1
        wait_s = max(retry_after_s, SHORTEST_S, self._backoff.wait_s(self._failures, self._clock.fraction()))
        self._not_before = self._clock.monotonic() + wait_s
        return wait_s

    def _note(self, why: str) -> None:
        self._error, self._error_us = why[:WHY_MAX], self._clock.now_us()
        log.warning("sink_refused", sink=self.name, why=self._error, failures=self._failures)

    async def run(self) -> None:
        """Tell, again and again, until cancelled."""
        while True:
            self._at_rest.clear()
            try:
                wait_s = await self.run_once()
            except Exception as error:  # noqa: BLE001 - whatever goes wrong in one look must not end the telling by this way
                wait_s = self._failed(self._fault(error), 0.0)
            finally:
                self._at_rest.set()
            await self._clock.sleep(wait_s or LOOK_S)

    async def finish(self) -> None:
        """Begin with no other letter, and wait until the one in hand is taken or not: cut off, it would come twice."""
        self._ends = True
        await self._at_rest.wait()
