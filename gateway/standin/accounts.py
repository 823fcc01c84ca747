"""What is known of accounts, and what they were promised today: asked where a policy's terms aren't plain.

An account is its lane, the keyed hash that orders its payments; after a change of index keys, all its lanes under the keys
of all times, as nothing that was noted under an older one is forgotten. What is learned goes to disk in the background, many accounts to a commit, and an account that was learned of lately isn't learned again:
a payment that passes through costs a look into a set.
"""

import contextlib
from datetime import datetime
from functools import cache, partial, reduce
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from gateway.clock import Clock
from gateway.route.route import Route
from gateway.standin.facts import Facts, Standing
from gateway.standin.outage import Outage
from gateway.standin.policy import StandinPolicy, Terms
from spool.account import AccountNote, Spending
from spool.errors import RecordDamaged, SpoolError
from spool.spool import Spool

US: Final = 1_000_000
LEARNED_MAX: Final = 4_096
"""Accounts learned of and not yet on disk; what comes beyond is learned another time."""

LATELY_MAX: Final = 200_000
"""Accounts remembered as learned of lately, about 20 MB; then all of them are forgotten."""

FLUSH_S: Final = 1.0
Lanes = tuple[int, ...]
"""What an account is known by, the newest first: see `Spool.lanes_of`."""


class Heard(msgspec.Struct, frozen=True):
    """What an account's last answer was, and when."""

    #: What the core said of it. Personal data.
    fields_shown: tuple[tuple[str, str], ...]
    at_us: int

    def __repr__(self) -> str:
        return f"Heard(at_us={self.at_us})"


class Accounts:
    """The accounts of one spool."""

    def __init__(self, spool: Spool, clock: Clock) -> None:
        """Ask, count and learn in `spool`."""
        self._spool = spool
        self._clock = clock
        #: Any account is on the negative list.
        self.denies = False
        self._learned: dict[int, AccountNote] = {}
        self._lately: set[int] = set()

    async def refresh(self) -> None:
        """Look whether there is a negative list: another node, or a former run, may have made one."""
        self.denies = await self._spool.store.denies()

    # Asking

    def are_asked(self, terms: Terms) -> bool:
        """Something has to be looked up before these terms can be decided on."""
        return self.denies or not terms.plain

    async def facts(self, terms: Terms, lanes: Lanes, outage: Outage, *, look: bool = False) -> Facts:
        """What these terms need to be decided on, of the account with these lanes; where it is to be, it is looked up anyway.

        Raises:
            SpoolClosed: it can't be read now.
        """
        outage_s = outage.lasts_s(self._clock.now_us())
        if not (look or self.denies or terms.known_accounts_only):
            return Facts(outage_s=outage_s)
        note = await self.known(lanes)
        return Facts(outage_s=outage_s, standing=standing_of(note), urgent=note is not None and bool(note.urgent))

    async def known(self, lanes: Lanes) -> AccountNote | None:
        """All that was noted of an account, as one; what was noted later counts.

        Raises:
            SpoolClosed: it can't be read now.
        """
        notes = list[AccountNote]()
        for lane in lanes:
            kept, learned = await self._spool.store.account(lane), self._learned.get(lane)
            notes += [note for note in (kept, learned) if note is not None]
        notes.sort(key=_by_time)
        return reduce(lambda before, note: note.over(before), notes) if notes else None

    async def heard(self, lanes: Lanes) -> tuple[Standing, Heard | None]:
        """How an account stands, and its last answer where there was one and it still opens.

        Raises:
            SpoolClosed: it can't be read now.
        """
        note = await self.known(lanes)
        if note is None or note.sealed is None:
            return standing_of(note), None
        with contextlib.suppress(RecordDamaged, msgspec.DecodeError):
            return standing_of(note), msgspec.msgpack.decode(self._spool.open_note(note), type=Heard)
        return standing_of(note), None

    # Counting

    async def spend(self, policy: StandinPolicy, terms: Terms, whose: tuple[str, str], amount: int) -> Spending | None:
        """Count a promise against the day of an account (`whose`: route and account); None when it doesn't fit.

        Its lanes are asked for in the moment in which the store gets it: were another index key to come between, what is
        counted under that wouldn't count. Errors: see `Store.spend`.
        """
        assert terms.account_day is not None, "only what has such a limit is counted"
        lanes = self._spool.lanes_of(*whose)
        spending = Spending(
            day=day_of(self._clock.now_us(), policy.time_zone),
            lane=lanes[0],
            former=lanes[1:],
            amount=amount,
            sum_max=terms.account_day.sum_max,
            count_max=terms.account_day.count_max,
        )
        return spending if await self._spool.store.spend(spending) else None

    async def refund(self, spending: Spending) -> None:
        """Take a promise back that wasn't given. Where the disk doesn't take it, the day's limit is so much lower."""
        with contextlib.suppress(SpoolError):
            await self._spool.store.refund(spending)

    # Learning

    def watch(self, route: Route) -> None:
        """Learn of the accounts that a route's billing books for, where its policy asks for them."""
        route.account_proved = partial(self._proved, route)

    def _proved(self, route: Route, lane: int) -> None:
        if route.standin.learns:
            self.learn(lane)

    def learn(
        self,
        lane: int,
        fields_shown: tuple[tuple[str, str], ...] | None = None,
        *,
        known: bool = True,
        urgent: bool | None = None,
    ) -> None:
        """Billing said that it has an account, or (not `known`) that it has none; with what it said of it."""
        if (known and fields_shown is None and lane in self._lately) or len(self._learned) >= LEARNED_MAX:
            return
        key_id, sealed, now_us = 0, None, self._clock.now_us()
        if fields_shown:
            key_id, sealed = self._spool.seal_note(lane, msgspec.msgpack.encode(Heard(fields_shown, now_us)))
        note = AccountNote(lane=lane, known=known, urgent=urgent, seen_at_us=now_us, key_id=key_id, sealed=sealed)
        before = self._learned.get(lane)
        self._learned[lane] = note if before is None else note.over(before)
        if len(self._lately) >= LATELY_MAX:
            self._lately.clear()
        (self._lately.add if known else self._lately.discard)(lane)

    async def flush(self) -> int:
        """Take to disk what was learned; how many accounts."""
        learned, self._learned = self._learned, {}
        if not learned:
            return 0
        try:
            await self._spool.store.note_accounts(sorted(learned.values(), key=_by_lane))
        except SpoolError:
            # It was only learned: the next payment teaches it again.
            self._lately -= learned.keys()
            return 0
        return len(learned)

    async def run(self) -> None:
        """Take to disk what was learned, again and again, until cancelled."""
        while True:
            await self.flush()
            with contextlib.suppress(SpoolError):
                await self.refresh()
            await self._clock.sleep(FLUSH_S)


def standing_of(note: AccountNote | None) -> Standing:
    """How an account stands by what is known of it."""
    if note is None:
        return Standing.UNKNOWN
    if note.denied:
        return Standing.DENIED
    return Standing.KNOWN if note.known else Standing.UNKNOWN


def day_of(now_us: int, time_zone: str) -> int:
    """The day it is in a zone, as the proleptic Gregorian ordinal."""
    return datetime.fromtimestamp(now_us // US, _zone(time_zone)).toordinal()


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _by_lane(note: AccountNote) -> int:
    return note.lane


def _by_time(note: AccountNote) -> int:
    return note.seen_at_us
