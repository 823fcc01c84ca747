"""What the spool lives through while the tape runs: payments accepted, forwarded, settled, reversed, and restarts.

A story is made by a seed. Each round asks for a few things at once, so that they share a commit, and the witness notes
each. What the spool learns to do next becomes one more act in `Story.ACTS`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, ClassVar, Final

from msgspec.structs import replace

from spool.entry import Act, Entry
from spool.forgetting import Forgotten, Past
from spool.lifecycle import CANCEL, CLAIM, FINAL, POSITIVE, POST, TRANSITIONS, UNSENT, Kind, State, Told
from spool.rows import entry_of
from spool.sqlite import SqliteStore
from spool.sqlite.connection import connect
from spool.store import Inserted, Move
from tests.contracts.spool_examples import NOW_US, draft, reversal
from tests.powercut.look import SPOOL, doubted
from tests.powercut.tape import Tape, Unsynced
from tests.powercut.taped_driver import Habits, opening
from tests.powercut.witness import GONE, Found, Witness

SIZES: Final = (40, 300, 300, 2_500)
"""Bytes of sealed content: within a page, several to a page, over a page's room for rows."""

LANES: Final = 5
STALL_S: Final = 60
LOG_PAGES_MAX: Final = 24
"""A short story must see the log carried over many times."""

LARGE_S: Final = 600
FORGOTTEN_MAX: Final = 12
"""Entries looked at in one act of forgetting."""


def recorded_store(path: Path, tape: Tape, habits: Habits) -> SqliteStore:
    """The real engine, on tape."""
    as_it_is = habits == Habits()
    return SqliteStore(
        path,
        reserve_bytes=0,
        stall_s=STALL_S,
        reopen_s=LARGE_S,
        connect=partial(connect, open_file=opening(tape, habits)),
        write_over=tape.write_over,
        open_log=tape.log if as_it_is else Unsynced,
        log_pages_max=LOG_PAGES_MAX,
    )


class Story:
    """One life of a spool, from its opening to the end of the tape."""

    def __init__(self, folder: Path, tape: Tape, seed: int, found: Found, habits: Habits) -> None:
        """Begin in a folder that holds what was found."""
        self.tape = tape
        self.witness = Witness(lambda: len(tape.steps), found)
        self._chance = random.Random(seed)  # noqa: S311 - a story, not a secret
        self._store = recorded_store(folder / SPOOL, tape, habits)
        self._entries = {number: entry_of(row) for number, row in found.rows.items()}
        self._reversed = {entry.reverses for entry in self._entries.values()}
        self._free_keys: list[str] = []
        self._now_us = max((entry.changed_at_us for entry in self._entries.values()), default=NOW_US)
        self._next = max(self._entries, default=0) + 1
        self._busy = set[int]()

    async def run(self, rounds: int) -> None:
        """Live through so many rounds, and close."""
        await self._open()
        try:
            for _ in range(rounds):
                self._busy.clear()
                acts = self._chance.choices(self.ACTS, weights=self.WEIGHTS, k=self._chance.randint(1, 4))
                await asyncio.gather(*(act(self) for act in acts))
                if self._chance.random() < 1 / rounds:
                    await self._restart()
        finally:
            await self._store.close()

    async def _open(self) -> None:
        """Attempts in hand come to be in doubt, perhaps not all in one commit."""
        self._now_us += 1_000
        in_hand = [entry for entry in self._entries.values() if entry.state is State.IN_FLIGHT]
        after = {entry.number: doubted(entry, self._now_us) for entry in in_hand}
        acts = [self.witness.asks({number: entry}) for number, entry in after.items()]
        await self._store.open(self._now_us)
        for act in acts:
            act.told()
        self._entries |= after

    async def _restart(self) -> None:
        await self._store.close()
        await self._open()

    def _tick(self) -> int:
        self._now_us += 1
        return self._now_us

    def _take(self, fits: Callable[[Entry], bool]) -> Entry | None:
        """An entry that nothing else is asked of in this round."""
        found = [entry for entry in self._entries.values() if entry.number not in self._busy and fits(entry)]
        if not found:
            return None
        entry = self._chance.choice(found)
        self._busy.add(entry.number)
        return entry

    async def accept(self) -> None:
        """A new payment: stood in for, or on its way to its core."""
        passing = self._chance.random() < 0.4
        number, self._next = self._next, self._next + 1
        changes: dict[str, Any] = {"lane": number % LANES, "accepted_at_us": self._tick(), "amount": 100 + number}
        if passing:
            changes |= {"state": State.IN_FLIGHT, "told": Told.NOTHING}
        if self._free_keys:
            changes["key"] = self._free_keys.pop()
        self._busy.add(number)
        act = self.witness.asks({number: None})
        result = await self._store.insert(draft(number, **changes), 1, self._sealed())
        assert isinstance(result, Inserted)
        act.told(result.entry)
        self._entries[number] = result.entry

    def _sealed(self) -> bytes:
        return self._chance.randbytes(self._chance.choice(SIZES))

    async def forward(self) -> None:
        """Claim what waits, a few at once."""
        await self._move(lambda entry: entry.state is State.READY, CLAIM, self._chance.randint(1, 4))

    async def settle(self) -> None:
        """Attempts were heard of: the core booked them."""
        in_hand = (State.IN_FLIGHT, State.IN_DOUBT)
        await self._move(
            lambda e: e.state in in_hand, POST, self._chance.randint(1, 4), told=Told.POSTED, core_id="c-1"
        )

    async def wander(self) -> None:
        """Any other way an entry may go."""
        transition = self._chance.choice(TRANSITIONS)
        plain = partial(self._may_go, transition)
        await self._move(plain, transition, 1, reason="because", due_at_us=self._chance.choice((0, self._now_us)))

    def _may_go(self, transition: Any, entry: Entry) -> bool:
        if transition.frees_key and (entry.kind is Kind.REVERSAL or entry.number in self._reversed):
            return False
        return entry.state in transition.sources

    async def _move(self, fits: Callable[[Entry], bool], transition: Any, most: int, **details: Any) -> None:
        taken = [entry for entry in (self._take(fits) for _ in range(most)) if entry is not None]
        if not taken:
            return
        moves = [Move(entry=entry, transition=transition, at_us=self._tick(), **details) for entry in taken]
        after = {move.entry.number: move.after() for move in moves}
        act = self.witness.asks(after)
        made = await self._store.move(moves)
        assert all(made), f"moves that were not made: {moves}, {made}"
        act.told()
        self._entries |= after
        if transition.frees_key:
            self._free_keys += [entry.key for entry in taken]

    async def reverse(self) -> None:
        """A reversal: cancels out with a payment that wasn't sent, else waits or is stored."""
        payment = self._take(self._may_be_reversed)
        if payment is None:
            return
        number, self._next = self._next, self._next + 1
        self._reversed.add(payment.number)
        self._busy.add(number)
        new = reversal(number, payment, accepted_at_us=self._tick(), state=State.READY)
        asked: dict[int, Entry | None] = {number: None}
        if payment.state in UNSENT:
            netted = Move(entry=payment, transition=CANCEL, at_us=new.accepted_at_us, reason="reversed").after()
            asked[payment.number] = self._entries[payment.number] = netted
        act = self.witness.asks(asked)
        result = await self._store.reverse(new, 1, self._sealed())
        assert isinstance(result, Inserted)
        act.told(result.entry)
        self._entries[number] = result.entry

    def _may_be_reversed(self, entry: Entry) -> bool:
        if entry.kind is not Kind.PAYMENT or entry.number in self._reversed:
            return False
        return entry.state is State.POSTED or entry.state not in FINAL

    async def stand_aside(self) -> None:
        """Out of arrival order and back: no payment changes by it."""
        entry = self._take(lambda entry: entry.state is State.READY and not entry.due_at_us)
        if entry is not None:
            await self._store.set_behind([entry])
            await self._store.followers(entry.route, entry.lane, 10)

    async def renew(self) -> None:
        """A few contents are sealed anew under the next key, whatever the state of their entries."""
        taken = [entry for entry in (self._take(lambda _: True) for _ in range(3)) if entry is not None]
        key_id = max((entry.key_id for entry in taken), default=0) + 1
        after = {entry.number: replace(entry, key_id=key_id, sealed=self._sealed()) for entry in taken}
        act = self.witness.asks(after)
        made = await self._store.reseal([(entry, after[entry.number].sealed) for entry in taken], key_id)
        assert all(made), f"contents that were not sealed anew: {taken}, {made}"
        act.told()
        self._entries |= after

    async def forget(self) -> None:
        """A few entries are looked at, and those that are over leave, together."""
        numbers = sorted(self._entries)
        start = self._chance.randrange(len(numbers) + 1)
        stretch = list(takewhile(self._is_quiet, numbers[start : start + FORGOTTEN_MAX]))
        if not stretch:
            return
        over = [self._entries[number] for number in stretch if self._is_over(self._entries[number])]
        self._busy.update(stretch)
        self._busy.update(each.number for entry in over for each in self._reversals_of(entry))
        act = self.witness.asks({entry.number: GONE for entry in over})
        past = Past(stretch[-1] + 1, self._tick() + 1)
        done = await self._store.forget(past, stretch[0] - 1, len(stretch), self._now_us)
        assert done == Forgotten(len(over), stretch[-1]), f"{over} were to be forgotten: {done}"
        act.told()
        for entry in over:
            del self._entries[entry.number]

    def _is_quiet(self, number: int) -> bool:
        """Nothing is asked in this round of an entry, its payment, or its reversals."""
        entry = self._entries[number]
        family = {number, entry.reverses, *(each.number for each in self._reversals_of(entry))}
        return self._busy.isdisjoint(family)

    def _is_over(self, entry: Entry) -> bool:
        """Final, nothing owed, and so its reversals; a reversal only after its payment."""
        family = [entry, *self._reversals_of(entry)]
        ended = all(each.state in FINAL and not _is_owed(each) for each in family)
        return ended and entry.reverses not in self._entries

    def _reversals_of(self, entry: Entry) -> list[Entry]:
        return [each for each in self._entries.values() if each.reverses == entry.number]

    async def stand_by(self) -> None:
        """A person does something that moves no entry; it has its place in the log."""
        await self._store.act(
            Act(at_us=self._tick(), name="route_open", subject="billing", actor="anna", note="a drill")
        )

    async def remember(self) -> None:
        """A small value beside the payments."""
        await self._store.remember("memo", self._chance.randbytes(20))

    ACTS: ClassVar[tuple[Callable[["Story"], Awaitable[None]], ...]] = (
        accept, forward, settle, wander, reverse, renew, stand_aside, stand_by, remember, forget,
    )  # fmt: skip
    """Everything that may be asked of it ..."""

    WEIGHTS: ClassVar[tuple[int, ...]] = (8, 4, 4, 3, 2, 2, 1, 1, 1, 3)
    """... and how often."""


def _is_owed(entry: Entry) -> bool:
    return entry.state is State.REFUSED and entry.told in POSITIVE
