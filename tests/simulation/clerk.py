"""A person at the admin side, who holds, releases and tries again what he sees, whatever happens meanwhile."""

import asyncio
from typing import Final

from gateway.admin.duties.closing import CloseOrder, Ending
from gateway.admin.duties.proposals import NotDone
from gateway.admin.entries.acts import Act, Done, Order
from spool.entry import Entry
from spool.errors import SpoolError
from spool.lifecycle import State
from tests.simulation.clients import Counter
from tests.simulation.judge import Judge
from tests.simulation.process import Process
from tests.simulation.slowing import ACTOR, Slowing

AGAIN_S: Final = 1.0
"""Seconds between two attempts to release what is still held, or to end what is parked."""

HANGS_MAX_S: Final = 60.0
"""Seconds after which no commit hangs any more: a hold of which nobody knew is there by then, or never."""

BOOKS_CLOSED_S: Final = 15.0
"""Seconds after which nothing is in work at the core any more, so that its books tell all."""


ACTS: Final = (Act.HOLD, Act.RELEASE, Act.RETRY, Act.REOPEN)
"""What comes to his mind; every second time he would have something retried he only inquires."""


class Clerk:
    """See above."""

    def __init__(self, counter: Counter, judge: Judge, slowing: Slowing) -> None:
        """Sits where the counter is; what he says of a route's pace he says apart, whatever else he does."""
        self._counter = counter
        self._judge = judge
        self._nature = counter.nature
        self._acts = 0
        self._over = asyncio.Event()
        self.slowing = slowing

    async def run(self) -> None:
        """The day's work."""
        mix, chance = self._nature.mix, self._nature.chance
        for _ in range(mix.acts):
            await self._nature.pause(chance.random() * 2 * mix.span_s / mix.acts)
            if self._nature.healed:
                break
            await self._something(chance.choice(ACTS))
        self._over.set()

    async def tidy_up(self) -> None:
        """At the end of the day nothing is left held, and what is parked is tried once more, then ended by the books."""
        await self._over.wait()
        if not self._nature.mix.acts:
            return
        await self._nature.pause(HANGS_MAX_S)
        for entry in self._seen(Act.RETRY):
            await self._do(Act.RETRY, entry)
        while held := self._seen(Act.RELEASE):
            await self._do(Act.RELEASE, held[0])
            await self._nature.pause(AGAIN_S)
        await self._nature.pause(BOOKS_CLOSED_S)
        while parked := self._seen(Act.RETRY):
            await self._end(parked[0])
            await self._nature.pause(AGAIN_S)

    async def _something(self, act: Act) -> None:
        if act is Act.RETRY and self._acts % 2:
            act = Act.INQUIRE
        seen = self._seen(act)
        if seen:
            entry = self._nature.chance.choice(seen)
            # He looks, and thinks, and by then all may be otherwise.
            await self._nature.pause(self._nature.chance.choice((0.0, 0.0, 0.01, 5.0)))
            await self._do(act, entry)

    def _seen(self, act: Act) -> list[Entry]:
        image = self._judge.image
        sources = act.sources - {State.QUARANTINED}
        return [entry for entry in map(image._entries.__getitem__, image._numbers) if entry.state in sources]

    async def _do(self, act: Act, entry: Entry) -> None:
        process = self._counter.process
        if process is None or not process.ready:
            return
        self._acts += 1
        order = Order(act=act, actor=ACTOR, reason=f"reason {self._acts}")
        done = await process.order(lambda: _one(process, entry, order))
        if done is not None and done.entries:
            self._judge.acted(entry.number, act.way(entry.state).name, order.actor, order.reason)

    async def _end(self, entry: Entry) -> None:
        """As the core's books have it."""
        process = self._counter.process
        if process is None or not process.ready:
            return
        self._acts += 1
        books = self._judge.undone if entry.reverses else self._judge.bookings
        ending = Ending.POSTED if books[entry.number] else Ending.REFUSED
        order = CloseOrder(
            number=entry.number,
            state=entry.state,
            changed_at_us=entry.changed_at_us,
            ending=ending.word,
            evidence=f"statement {self._acts}",
        )
        ended = await process.order(lambda: _closed(process, order))
        if ended is not None:
            self._judge.acted(entry.number, ending.transition.name, ACTOR, order.evidence)


async def _closed(process: Process, order: CloseOrder) -> Entry | None:
    """Nothing when it had changed, or the spool wouldn't."""
    try:
        return await process.closing.close(order, ACTOR)
    except (NotDone, SpoolError):
        return None


async def _one(process: Process, entry: Entry, order: Order) -> Done | None:
    """Nothing when the spool wouldn't: the person is told so."""
    try:
        return await process.acts.one(entry, order)
    except SpoolError:
        return None
