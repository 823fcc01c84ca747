"""What the first screen says: is billing up, why not, since when, is anything lost, what needs a person. Pure."""

import enum
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.admin.state.shown import RouteShown, Status
from gateway.admin.views import Conservation, Money
from gateway.route.zone import Zone
from spool.lifecycle import Kind, State


class Mood(enum.StrEnum):
    """How it stands in one word, worst first."""

    STOPPED = "stopped"
    """Nothing is taken: our own disk, keys or evidence, or the service only begins or ends."""
    FULL = "full"
    """Billing is away and a limit of standing in is reached: payments get try later."""
    DOWN = "down"
    """Billing is away; payments are taken in its place."""
    OVERRUN = "overrun"
    """It should be back from a planned window, and isn't."""
    SOFT = "soft"
    """Billing is in trouble: a share of payments passes."""
    TRIAL = "trial"
    """Billing looks alive again, and is being tried."""
    FORCED = "forced"
    """A person keeps payments from billing."""
    PLANNED = "planned"
    """A planned window."""
    RECOVERING = "recovering"
    """Billing is back, and what waited is being posted."""
    WELL = "well"
    """Payments pass through."""


WORST_FIRST: Final = tuple(Mood)

FULL_SOON_S: Final = 7 * 86_400
"""A limit that lasts for longer at today's rate is nothing to look at now."""

TONES: Final[dict[Mood, str]] = {
    Mood.STOPPED: "alarm",
    Mood.FULL: "alarm",
    Mood.DOWN: "alarm",
    Mood.OVERRUN: "alarm",
    Mood.SOFT: "warn",
    Mood.TRIAL: "busy",
    Mood.FORCED: "warn",
    Mood.PLANNED: "busy",
    Mood.RECOVERING: "busy",
    Mood.WELL: "well",
}
"""The colour's meaning; never without its words and its sign."""

SIGNS: Final = {"alarm": "✕", "warn": "!", "busy": "↻", "well": "✓"}
"""Beside each colour, for who doesn't see it."""


class Stop(enum.StrEnum):
    """Why nothing is taken."""

    EVIDENCE = "evidence"
    SPOOL = "spool"
    LISTENER = "listener"


class Need(enum.StrEnum):
    """What needs a person, most urgent first."""

    GAP = "gap"
    SPOOL = "spool"
    DATABASE = "database"
    FINDINGS = "findings"
    QUARANTINED = "quarantined"
    OVERRUN = "overrun"
    FULL = "full"
    RETURNS = "returns"
    PARKED = "parked"
    PROPOSALS = "proposals"
    KEYS = "keys"
    WITNESS = "witness"
    HELD = "held"


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a person has to look at."""

    need: Need
    #: How many, where they can be counted.
    count: int = 0
    sums: tuple[Money, ...] = ()
    #: What it is about: a route, a witness; or the machine's own words.
    about: str = ""
    #: Where returns are late, how late.
    stage: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer in five seconds."""

    mood: Mood
    #: Why nothing is taken; absent while something is.
    stop: Stop | None
    #: The routes that are so, of all there are.
    routes: tuple[RouteShown, ...]
    of_routes: int
    duties: tuple[Duty, ...]
    #: Payments that wait, by currency; without those that hold nothing.
    waiting: tuple[Money, ...]
    #: Reversals that wait.
    reversals: int
    #: Nothing speaks against every payment being where the books say.
    is_sound: bool

    @property
    def tone(self) -> str:
        """The colour's meaning."""
        return TONES[self.mood]

    @property
    def sign(self) -> str:
        """What stands beside the colour."""
        return SIGNS[self.tone]


def verdict(status: Status) -> Verdict:
    """What a status comes to."""
    stop = stopped_by(status)
    moods = [(mood_of(route), route) for route in status.routes]
    worst = Mood.STOPPED if stop else min((mood for mood, _ in moods), key=WORST_FIRST.index, default=Mood.WELL)
    payments = [line for line in status.conservation if line.kind == Kind.PAYMENT.word]
    return Verdict(
        mood=worst,
        stop=stop,
        routes=tuple(route for mood, route in moods if mood is worst),
        of_routes=len(status.routes),
        duties=tuple(duties(status)),
        waiting=tuple(line.waiting for line in payments if line.waiting.entries),
        reversals=sum(line.waiting.entries for line in status.conservation)
        - sum(line.waiting.entries for line in payments),
        is_sound=is_sound(status),
    )


def stopped_by(status: Status) -> Stop | None:
    """Why nothing is taken now."""
    if status.evidence is not None and status.evidence.gap:
        return Stop.EVIDENCE
    if not status.spool.accepting:
        return Stop.SPOOL
    return None if status.ready else Stop.LISTENER


def mood_of(route: RouteShown) -> Mood:
    """How a route stands."""
    if route.zone == Zone.CLOSED.value:
        return Mood.RECOVERING if route.recovering and route.waiting else Mood.WELL
    if is_full(route):
        return Mood.FULL
    if route.overrun_since:
        return Mood.OVERRUN
    if route.zone == Zone.SOFT.value:
        return Mood.SOFT
    if route.zone == Zone.TRIAL.value:
        return Mood.TRIAL
    if route.window_until:
        return Mood.PLANNED
    return Mood.FORCED if route.forced else Mood.DOWN


def is_full(route: RouteShown) -> bool:
    """Is the limit of the whole route reached, or that of each of its channels?"""
    whole, channels = [[each for each in route.exposure if bool(each.channel) is own] for own in (False, True)]
    return any(each.full_in_s == 0 for each in whole) or (
        bool(channels) and all(each.full_in_s == 0 for each in channels)
    )


def duties(status: Status) -> Iterable[Duty]:
    """What needs a person, most urgent first."""
    found = [*_of_house(status), *_of_routes(status.routes), *_of_entries(status)]
    order = list(Need)
    return sorted(found, key=lambda duty: order.index(duty.need))


def _of_house(status: Status) -> Iterable[Duty]:
    evidence, custody = status.evidence, status.custody
    if not status.spool.accepting:
        yield Duty(need=Need.SPOOL, about=status.spool.trouble)
    if status.spool.alone or status.spool.beside:
        yield Duty(need=Need.DATABASE, count=status.spool.beside)
    if custody is not None and custody.trouble:
        yield Duty(need=Need.KEYS, about=custody.trouble)
    if status.proposals:
        yield Duty(need=Need.PROPOSALS, count=status.proposals)
    if evidence is None:
        return
    if evidence.gap:
        yield Duty(need=Need.GAP, about=evidence.gap)
    if evidence.audit_faults:
        yield Duty(need=Need.FINDINGS, count=evidence.audit_faults)
    for witness in evidence.witnesses:
        if witness.trouble:
            yield Duty(need=Need.WITNESS, about=witness.name)


def _of_routes(routes: Sequence[RouteShown]) -> Iterable[Duty]:
    for route in routes:
        if route.overrun_since:
            yield Duty(need=Need.OVERRUN, about=route.name)
        if route.zone != Zone.CLOSED.value and is_full(route):
            yield Duty(need=Need.FULL, about=route.name)


def _of_entries(status: Status) -> Iterable[Duty]:
    for state, need in (
        (State.QUARANTINED, Need.QUARANTINED),
        (State.PARKED, Need.PARKED),
        (State.HELD, Need.HELD),
    ):
        if sums := status.states.get(state.word):
            yield Duty(need=need, count=sum(each.entries for each in sums), sums=sums)
    for owed in status.returns:
        count = sum(each.entries for each in owed.due)
        yield Duty(need=Need.RETURNS, count=count, sums=owed.due, about=owed.route, stage=owed.stage)


def is_sound(status: Status) -> bool:
    """The books add up, nothing was found against them, and nothing that was witnessed is missing."""
    evidence = status.evidence
    told = evidence is None or not (evidence.gap or evidence.audit_faults)
    return told and not status.states.get(State.QUARANTINED.word) and all(map(adds_up, status.conservation))


def adds_up(line: Conservation) -> bool:
    """Accepted = posted + refused + returned + cancelled + waiting, in count and in money, and nothing below nothing."""
    parts = (line.posted, line.refused, line.returned, line.cancelled, line.waiting)
    counts = sum(each.entries for each in parts)
    sums = sum(_minor(each) for each in parts)
    return (counts, sums) == (line.accepted.entries, _minor(line.accepted)) and all(_minor(each) >= 0 for each in parts)


def _minor(money: Money) -> int:
    """The amount without its point: all of one currency have as many decimals."""
    return int(money.amount.replace(".", ""))
