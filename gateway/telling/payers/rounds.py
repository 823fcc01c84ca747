"""Telling payers, round by round, from the entries themselves.

Nothing is written when a payment is taken: it is on disk already, with its payer's contact sealed in it. A cursor goes
through entries in the order of their numbers, some time behind the present, so that none comes to be below it; what is
taken and not yet credited is remembered by number, up to a bound at which the cursor waits. Both are kept in the spool
after each round, so a restart tells nobody twice but the few of the round that a crash broke off
(docs/decisions/0035). Whatever becomes of a message, it holds up no payment.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from gateway import content
from gateway.clock import Clock
from gateway.forward.backoff import Backoff
from gateway.log import log
from gateway.returns.word import FinalWord
from gateway.telling.event import US
from gateway.telling.letter import Letter
from gateway.telling.payers.receipt import Stage, concerns_payer, contact_of, letter_to, stage_of
from gateway.telling.settings import PayerSettings, SinkSettings, SmtpSinkSettings
from gateway.telling.sink import NotTold, Sink, Undeliverable
from spool.entry import Entry
from spool.errors import RecordDamaged, SpoolError
from spool.lifecycle import Kind, State
from spool.number import COUNTER_BITS, EPOCH_MS
from spool.office import Office
from spool.spool import Spool
from spool.store import Filter, Store

MEMO: Final = "telling/payers"
PAGE_ENTRIES: Final = 256
WAITING_MAX: Final = 4_000
"""Payments remembered that are taken and not yet credited."""

LOOKED_AT: Final = 64
"""So many of them are looked at in a round, in turn."""

AT_ONCE: Final = 8
"""Messages under way to one sink."""

LOOK_S: Final = 1.0
BUSY_S: Final = 0.05

BY_PERSONS: Final = frozenset({State.HELD, State.PARKED, State.QUARANTINED})


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is."""

    #: Everything with this number or below was looked at.
    after: int
    #: What is not yet credited, by number: whether its payer knows that it was accepted.
    waiting: dict[int, bool] = {}


class PayersState(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands, in figures of this run."""

    told: int
    #: Payers who left no contact that is one, or whom nothing reaches.
    unreached: int
    waiting: int
    error: str
    error_us: int


class Payers:
    """Tells the payers of one spool."""

    def __init__(
        self,
        *,
        spool: Spool,
        shelf: Store,
        clock: Clock,
        settings: Mapping[str, PayerSettings],
        sinks: Mapping[str, tuple[SinkSettings, Sink]],
        deadline_s: float,
        office: Office,
    ) -> None:
        """Tell by `sinks`, while `office` is this node's; `deadline_s` is how long a payment's first answer may change."""
        self._spool = spool
        self._shelf = shelf
        self._clock = clock
        self._word = FinalWord(spool.store)
        self._settings = settings
        self._sinks = sinks
        self._office = office
        self._behind_us = round(US * (deadline_s + max((each.wait_s for each in settings.values()), default=0)))
        self._backoff = Backoff(2.0, 300.0)
        self._kept: Kept | None = None
        self._turn = 0
        self._told = self._unreached = self._failures = self._error_us = 0
        self._error = ""
        #: Nobody else is begun with; and no round is under way now.
        self._ends, self._at_rest = False, asyncio.Event()
        self._at_rest.set()

    @property
    def state(self) -> PayersState:
        """How it stands."""
        return PayersState(
            told=self._told,
            unreached=self._unreached,
            waiting=0 if self._kept is None else len(self._kept.waiting),
            error=self._error,
            error_us=self._error_us,
        )

    async def run_once(self) -> float:
        """One bounded round; the seconds until the next. Errors: see `Store.page`, `Store.remember`."""
        if not await self._office.is_mine(self._clock.now_us()):
            return LOOK_S
        kept = await self._recalled()
        known = await self._known_again(kept)
        new, after = await self._new(kept)
        waiting = dict(kept.waiting)
        failed = await self._tell_all([*known, *new], waiting)
        goes_on = len(new) == PAGE_ENTRIES or any(each.number not in waiting for each in known)
        after_round = Kept(after=after, waiting=waiting)
        if after_round != kept and self._office.is_still_mine():
            await self._spool.store.remember(MEMO, msgspec.json.encode(after_round))
            self._kept = after_round
        if failed:
            self._failures += 1
            return self._backoff.wait_s(self._failures, self._clock.fraction()) + BUSY_S
        self._failures = 0
        return BUSY_S if goes_on else LOOK_S

    async def _recalled(self) -> Kept:
        """What is kept; at first, what comes from now on."""
        if self._kept is not None and not self._spool.store.nodes.shared:
            return self._kept
        value = await self._spool.store.recall(MEMO)
        with contextlib.suppress(msgspec.DecodeError):
            if value is not None:
                self._kept = msgspec.json.decode(value, type=Kept)
                return self._kept
        self._kept = Kept(after=self._horizon())
        await self._spool.store.remember(MEMO, msgspec.json.encode(self._kept))
        return self._kept

    def _horizon(self) -> int:
        """The lowest number that is not old enough to be looked at."""
        return ((self._clock.now_us() - self._behind_us) // 1000 - EPOCH_MS) << COUNTER_BITS

    async def _known_again(self, kept: Kept) -> list[Entry]:
        """Some of those that waited, in turn."""
        numbers = list(kept.waiting)
        if not numbers:
            return []
        self._turn %= len(numbers)
        chosen = (numbers[self._turn :] + numbers[: self._turn])[:LOOKED_AT]
        self._turn += len(chosen)
        found = [await self._shelf.get(number) for number in chosen]
        return [each for each in found if each is not None]

    async def _new(self, kept: Kept) -> tuple[list[Entry], int]:
        """Entries that were not looked at yet, and up to which number they are."""
        room = WAITING_MAX - len(kept.waiting)
        horizon = self._horizon()
        if room <= 0 or horizon <= kept.after:
            return [], kept.after
        limit = min(PAGE_ENTRIES, room)
        page = await self._shelf.page(Filter(kind=Kind.PAYMENT, after=kept.after, before=horizon), limit)
        return page, page[-1].number if page else kept.after

    async def _tell_all(self, entries: Sequence[Entry], waiting: dict[int, bool]) -> bool:
        """Tell what is to be told of these; True when some could not be."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(entry: Entry) -> bool:
            async with turns:
                return await self._tell(entry, waiting)

        told = await asyncio.gather(*(one(entry) for entry in entries if self._concerns(entry)))
        for entry in entries:
            if not self._concerns(entry):
                # Its channel's payers are told nothing any more.
                waiting.pop(entry.number, None)
        if len(waiting) >= WAITING_MAX:
            self._forget_one(waiting, entries)
        return not all(told)

    def _concerns(self, entry: Entry) -> bool:
        return entry.channel in self._settings and concerns_payer(entry)

    async def _tell(self, entry: Entry, waiting: dict[int, bool]) -> bool:
        """Tell one payer what is news to him; False when it has to be tried again."""
        number, stage = entry.number, stage_of(entry)
        settings = self._settings[entry.channel]
        is_late = self._clock.now_us() - entry.changed_at_us > settings.expires_s * US
        if stage is Stage.ACCEPTED and (waiting.get(number) or is_late):
            waiting[number] = True
            return True
        letter = None if stage is None or is_late else self._letter(entry, stage, settings)
        if letter is not None:
            if stage is Stage.REFUSED and not await self._word.may_tell(entry, self._clock.now_us()):
                # Two persons have it sent again: what becomes of that he is told then.
                waiting[number] = True
                return True
            if not await self._sent(letter, settings):
                waiting.setdefault(number, False)
                return False
        if stage is Stage.ACCEPTED:
            waiting[number] = True
        else:
            waiting.pop(number, None)
        return True

    def _letter(self, entry: Entry, stage: Stage, settings: PayerSettings) -> Letter | None:
        """What is to be sent; None where there is nothing to say, or nobody to say it to."""
        sink_settings, _ = self._sinks[settings.sink]
        try:
            opened = content.read(self._spool.content(entry))
        except (RecordDamaged, ValueError):
            return None
        to = contact_of(opened, settings, by_mail=isinstance(sink_settings, SmtpSinkSettings))
        self._unreached += not to
        return letter_to(entry, opened, stage, to, settings) if to else None

    async def _sent(self, letter: Letter, settings: PayerSettings) -> bool:
        """Send one; True when it was taken, or never will be."""
        sink_settings, sink = self._sinks[settings.sink]
        if self._ends or not self._office.holds():
            return False
        try:
            async with asyncio.timeout(sink_settings.pace.timeout_s * 2):
                await sink.send(letter)
        except Undeliverable as error:
            self._unreached += 1
            self._note(str(error))
        except (NotTold, TimeoutError) as error:
            self._note(str(error) or "no end in time")
            return False
        except Exception as error:  # noqa: BLE001 - a library's or our own bug must not end the telling of the others
            self._note(f"a fault of its own ({type(error).__name__})")
            return False
        else:
            self._told += 1
        return True

    def _note(self, why: str) -> None:
        """In bounded words, without whom it was for."""
        self._error, self._error_us = why, self._clock.now_us()
        log.warning("payer_not_told", why=why)

    def _forget_one(self, waiting: dict[int, bool], entries: Iterable[Entry]) -> None:
        """Where too many wait for persons, the oldest of those is left to the person who ends it."""
        oldest = min(
            (each.number for each in entries if each.state in BY_PERSONS and each.number in waiting), default=0
        )
        if oldest:
            del waiting[oldest]
            self._unreached += 1

    async def finish(self) -> None:
        """Begin with nobody else, and wait until it is kept who was told: a round that is cut off tells them again."""
        self._ends = True
        await self._at_rest.wait()

    async def close(self) -> None:
        """Close the sinks."""
        for _, sink in self._sinks.values():
            await sink.close()

    async def run(self) -> None:
        """Tell, again and again, until cancelled."""
        while True:
            wait_s = LOOK_S
            self._at_rest.clear()
            try:
                with contextlib.suppress(SpoolError):
                    wait_s = await self.run_once()
            finally:
                self._at_rest.set()
            if self._ends:
                return
            await self._clock.sleep(wait_s)
