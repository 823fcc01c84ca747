"""What a request is answered whose key may be known: on disk, in hand, or in a commit of which nobody knows."""

import contextlib
from typing import Final

from adapters.canonical import canonical, differing
from adapters.payment import Answer, Payment, Reversal
from gateway import content
from gateway.accept import answers
from gateway.accept.decide import Why
from gateway.accept.in_hand import InHand
from gateway.accept.live import Live
from gateway.clock import Clock
from gateway.meter import Meter
from gateway.route.route import Route
from spool.away.fate import TAKEN_TWICE
from spool.entry import Draft, Entry
from spool.errors import RecordDamaged, SpoolClosed
from spool.lifecycle import FINAL, Kind, Told
from spool.spool import Spool

LOOK_S: Final = 0.05
"""How often it is looked what became of a payment that another node has in hand."""


class Repeats:
    """One answer per key, whatever became of its first request."""

    def __init__(self, *, spool: Spool, clock: Clock, live: Live, meter: Meter) -> None:
        """Look for keys in `spool`."""
        self._spool = spool
        self._store = spool.store
        self._clock = clock
        self._live = live
        self._meter = meter
        #: Requests that are being answered, by channel and key.
        self.in_hand: dict[tuple[str, str], InHand] = {}
        #: Keys of which a commit raised, until the disk has told whether they are on it.
        self._unsure: set[tuple[str, str]] = set()

    def take_in_hand(self, request: Payment | Reversal) -> InHand:
        """It is being answered from now on."""
        hand = self.in_hand[request.channel, request.key] = InHand(request, self._store.nodes.bars)
        return hand

    def heard_for(self, request: Payment | Reversal) -> int:
        """The last bar this node had heard of when a request in hand came."""
        return self.in_hand[request.channel, request.key].bars

    async def find_for_good(self, channel: str, key: str) -> Entry | None:
        """The owner of a key; where it has none, what other nodes have under way won't have it either, so that a no holds.

        What this node has under way itself, `is_coming` tells. Errors: see `Nodes.bar`.
        """
        owner = await self._store.find(channel, key)
        if owner is not None or self.is_coming(channel, key):
            return owner
        return await self._store.nodes.bar(channel, key, self._clock.now_us())

    def again(self, entry: Entry, request: Payment | Reversal, fingerprint: bytes) -> Answer:
        """The key is known: the same content gets the same answer, other content a conflict that names the fields."""
        if self._is_same(entry, request, fingerprint):
            return answers.again(self._live.as_told(entry))
        try:
            kept = content.read(self._spool.content(entry))
        except (RecordDamaged, ValueError):
            return answers.conflict(entry, ())
        of = content.payment_of if entry.kind is Kind.PAYMENT else content.reversal_of
        return answers.conflict(entry, differing(of(entry, kept), request))

    async def heard_elsewhere(self, entry: Entry, request: Payment, fingerprint: bytes, until: float) -> Answer:
        """The answer to a key that another node has in hand: the one that node gives, if it comes in time.

        Where that node gave the key back, having surely sent nothing, nothing was taken, and the sender is to ask again.
        """
        while self._store.nodes.shared and self._is_coming_elsewhere(entry, request, fingerprint):
            if self._clock.monotonic() + LOOK_S >= until:
                break
            await self._clock.sleep(LOOK_S)
            with contextlib.suppress(SpoolClosed):
                owner = await self._store.find(entry.channel, entry.key)
                if owner is None:
                    return answers.unknown(entry.key)
                entry = owner
        return self.again(entry, request, fingerprint)

    def _is_coming_elsewhere(self, entry: Entry, request: Payment, fingerprint: bytes) -> bool:
        untold = entry.told is Told.NOTHING and entry.state not in FINAL
        return untold and self._is_same(entry, request, fingerprint)

    def _is_same(self, entry: Entry, request: Payment | Reversal, fingerprint: bytes) -> bool:
        """It is the content the entry was made from, whichever index key was in use then."""
        return fingerprint == entry.fingerprint or (
            bool(self._spool.keys.former_index_ids)
            and self._spool.fingerprint_like(entry, canonical(request)) == entry.fingerprint
        )

    async def unless_known(self, request: Payment | Reversal, fingerprint: bytes, answer: Answer) -> Answer:
        """A no for now, except to a request that was answered before, or perhaps taken."""
        try:
            entry = await self._store.find(request.channel, request.key)
        except SpoolClosed:
            # It may have been taken earlier, its answer lost on the way: a no would be believed.
            return answers.unknown(request.key)
        if entry is not None:
            return self.again(entry, request, fingerprint)
        return answers.unknown(request.key) if self._is_unsure(request.channel, request.key) else answer

    def _is_unsure(self, channel: str, key: str) -> bool:
        """This key's commit raised, and nobody knows yet whether it is on disk."""
        return (channel, key) in self._unsure

    def is_coming(self, channel: str, key: str) -> bool:
        """This key may be recorded any moment, or elsewhere, so that it can't be said not to be there."""
        return self._is_unsure(channel, key) or (channel, key) in self.in_hand or self._store.nodes.unheard

    async def standing_for(self, entry: Entry | None) -> Entry | None:
        """The entry that stands for one: of a payment that was taken twice, the other one. Errors: see `Store.find`."""
        if entry is not None and entry.reason == TAKEN_TWICE:
            return await self._store.find(entry.channel, entry.key) or entry
        return entry

    def doubt(self, route: Route, draft: Draft) -> Answer:
        """After an uncertain commit: until the disk tells, the only honest answer is to ask again."""
        key = (draft.channel, draft.key)
        self._unsure.add(key)
        looking = self._live.take_back(route, draft)
        looking.add_done_callback(lambda _: self._unsure.discard(key))
        return answers.unknown(draft.key)

    async def turn_away(self, route: Route, request: Payment | Reversal, fingerprint: bytes, why: Why) -> Answer:
        """Nothing is taken now, and why; what was taken before is told as it was."""
        self._meter.turned_away(route.name, request.channel, why.value)
        if why is Why.STORAGE:
            route.health.disk_failed("no new payment could be recorded")
        return await self.unless_known(request, fingerprint, answers.try_later(why))
