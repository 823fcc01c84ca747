"""Ending an entry by hand: posted outside, refused, or returned, with evidence; alone up to a limit, else by two.

The order names the entry as its maker saw it, so that what changed since, stands. Whoever closes as posted or refused
says so instead of the core: nothing here can know, which is why the evidence is asked for.
"""

import enum
from collections.abc import Callable
from typing import Final

import msgspec

from adapters.amount import scale, write_amount
from gateway.admin.duties.proposal import Proposal
from gateway.admin.duties.proposals import NotDone
from gateway.admin.entries.acts import BY_HAND
from gateway.clock import Clock
from gateway.route.route import Route
from spool.entry import Entry
from spool.errors import StorageUncertain
from spool.lifecycle import CLOSE_POSTED, CLOSE_REFUSED, CLOSE_RETURNED, FINAL, POSITIVE, State, Transition
from spool.spool import Spool
from spool.store import Move


class Ending(enum.Enum):
    """How a person may end an entry."""

    POSTED = ("posted", CLOSE_POSTED)
    REFUSED = ("refused", CLOSE_REFUSED)
    RETURNED = ("returned", CLOSE_RETURNED)

    def __init__(self, word: str, transition: Transition) -> None:
        self.word = word
        self.transition = transition


ENDINGS: Final = {ending.word: ending for ending in Ending}


class CloseOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An end as ordered, of an entry as it was seen."""

    number: int
    state: State
    #: When it last changed: a state it came back to is not the one its maker saw.
    changed_at_us: int
    ending: str
    #: The person's own words: which statement, letter or transfer shows it. Kept in the entry's history.
    evidence: str
    #: The core's own id of the booking, where the person has found it.
    core_id: str = ""


def obstacle(entry: Entry, ending: Ending) -> str:
    """Why an entry can't be ended so, in words; empty when it can."""
    if entry.state not in ending.transition.sources:
        sources = " or ".join(sorted(state.word for state in ending.transition.sources))
        return f"it is {entry.state.word}; closing it as {ending.word} starts from {sources}"
    if entry.state is State.REFUSED and entry.told not in POSITIVE:
        return "its channel never had a yes, so nothing is owed back"
    return ""


def needs_two(entry: Entry, alone_max: str) -> bool:
    """This end takes a second person: the amount is above what one may close alone (decimal text; "0" is nothing)."""
    return entry.amount > scale(entry.currency).read(alone_max)


def summary(entry: Entry, ending: Ending) -> str:
    """The end in one line for whoever confirms it."""
    amount = f"{write_amount(entry.amount, entry.currency)} {entry.currency}"
    return (
        f"close {entry.kind.word} {entry.number} ({amount}, {entry.channel}, {entry.state.word}"
        f"{', ' + entry.reason if entry.reason else ''}) as {ending.word}"
    )


class Closing:
    """Ends entries."""

    def __init__(self, spool: Spool, clock: Clock, route_named: Callable[[str], Route | None]) -> None:
        """End entries of `spool`, and let what waits behind them on their route go on."""
        self._spool = spool
        self._clock = clock
        self._route_named = route_named

    async def confirmed(self, proposal: Proposal) -> str:
        """Carry out an order that two persons want. See `proposals.Doer`."""
        order = msgspec.json.decode(proposal.order, type=CloseOrder)
        ended = await self.close(order, proposal.actors)
        return f"{ended.kind.word} {ended.number} is {ended.state.word}"

    async def close(self, order: CloseOrder, actor: str) -> Entry:
        """End an entry as ordered; the entry as it is then. The same order again finds it ended and changes nothing.

        Raises:
            NotDone: it isn't as its maker saw it any more. Errors of the spool: see `Store.move`.
        """
        ending = ENDINGS[order.ending]
        entry = await self._spool.store.get(order.number)
        if (
            entry is None
            or (entry.state, entry.changed_at_us) != (order.state, order.changed_at_us)
            or obstacle(entry, ending)
        ):
            if entry is not None and await self._is_ended_so(entry, ending, order, actor):
                return entry
            raise NotDone("it changed since it was proposed: look again")
        move = Move(
            entry=entry,
            transition=ending.transition,
            at_us=self._clock.now_us(),
            # What its channel is told of a refusal stays what the core said.
            reason=entry.reason if entry.state is State.REFUSED else BY_HAND,
            core_id=order.core_id,
            actor=actor,
            note=order.evidence,
        )
        route = None if entry.state in FINAL else self._route_named(entry.route)
        try:
            (made,) = await self._spool.move([move])
        except StorageUncertain:
            # It may be on disk all the same: what waits behind it is to be read anew.
            if route is not None:
                route.lane_unsure(entry.lane)
            raise
        if not made:
            raise NotDone("it changed at this moment: look again")
        if route is not None:
            route.lane_freed(entry.lane)
        return move.after()

    async def _is_ended_so(self, entry: Entry, ending: Ending, order: CloseOrder, actor: str) -> bool:
        """This very order was carried out, by a run that died before it could say so."""
        last = (await self._spool.store.history(entry.number))[-1]
        return (last.name, last.actor, last.note) == (ending.transition.name, actor, order.evidence)
