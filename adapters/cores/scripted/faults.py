"""Faults a core can be told to have: which there are, when they apply, and which of them hit an order. Pure.

Times are seconds of any clock that only goes forward; chance comes in by the door.
"""

import enum
from collections.abc import Callable
from typing import Final

import msgspec

from adapters.cores.scripted.orders import Operation


class FaultKind(enum.StrEnum):
    """What goes wrong."""

    REFUSE = "refuse"
    """The port is closed, connections are reset; what was being done inside goes on, as behind a dead front end."""
    HANG = "hang"
    """Never an answer, nothing booked."""
    SLOW = "slow"
    """Waits `delay_s` before it books, and answers then: meanwhile an inquiry finds nothing."""
    LATE = "late"
    """Books at once, answers `delay_s` later."""
    PENDING = "pending"
    """Books, but calls it not yet booked (OSMP 90, JSON 202) for `delay_s`."""
    RESET_BEFORE = "reset_before"
    """Resets the connection, nothing booked."""
    RESET_AFTER = "reset_after"
    """Books, then resets the connection."""
    ERROR_BEFORE = "error_before"
    """HTTP 500, nothing booked."""
    ERROR_AFTER = "error_after"
    """Books, then HTTP 500."""
    CLIFF = "cliff"
    """Above `limit` orders in hand it falls over: each waits `delay_s` and the share `fails` gets HTTP 500 unbooked,
    until at most half the limit was in hand for `calm_s`."""
    TRUNCATED = "truncated"
    """Books, then half the answer and the end of the connection."""
    GARBAGE = "garbage"
    """Books, then an answer of the right type that is no XML or JSON."""
    WRONG_TYPE = "wrong_type"
    """Books, then a page of HTML with status 200."""
    HUGE = "huge"
    """Books, then an answer of `size_bytes`."""
    WRONG_CODE = "wrong_code"
    """Answers OSMP result `code` or HTTP `status`; books before it unless `books` is false."""
    MAINTENANCE = "maintenance"
    """HTTP 503 with Retry-After (OSMP: result 1), nothing booked."""
    THROTTLE = "throttle"
    """HTTP 429 with Retry-After, nothing booked."""
    FORBID = "forbid"
    """A business no to what is well, nothing booked and nothing remembered: somebody configured it wrongly."""
    UNAUTHORISED = "unauthorised"
    """HTTP 401, nothing booked: somebody changed the password."""
    HEALTH_SAYS_OK = "health_says_ok"
    """The health page says ok, whatever else is wrong."""
    HEALTH_SAYS_DOWN = "health_says_down"
    """The health page says 503, whatever else is well."""


_ENDS_BEFORE: Final = frozenset(
    {
        FaultKind.HANG,
        FaultKind.RESET_BEFORE,
        FaultKind.ERROR_BEFORE,
        FaultKind.MAINTENANCE,
        FaultKind.THROTTLE,
        FaultKind.FORBID,
        FaultKind.UNAUTHORISED,
    }
)
_SPOILS: Final = frozenset(
    {
        FaultKind.RESET_AFTER,
        FaultKind.ERROR_AFTER,
        FaultKind.TRUNCATED,
        FaultKind.GARBAGE,
        FaultKind.WRONG_TYPE,
        FaultKind.HUGE,
    }
)
_OF_HEALTH: Final = frozenset({FaultKind.HEALTH_SAYS_OK, FaultKind.HEALTH_SAYS_DOWN})


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault and when it applies."""

    kind: FaultKind
    operation: Operation = Operation.ANY
    #: Share of the matching orders it hits, 0 to 1.
    probability: float = 1.0
    #: How many orders it hits before it is gone; 0: as many as come.
    count: int = 0
    #: Seconds after it was set until it begins, how long it lasts (0: until cleared), and how often that repeats
    #: (0: once): `for_s=2, every_s=10` is on for two seconds in ten.
    after_s: float = 0.0
    for_s: float = 0.0
    every_s: float = 0.0
    #: For slow, late, pending and cliff.
    delay_s: float = 1.0
    #: For maintenance and throttle.
    retry_after_s: int = 5
    #: For wrong_code.
    code: int = 999
    status: int = 418
    books: bool = True
    #: For cliff.
    limit: int = 64
    calm_s: float = 2.0
    fails: float = 0.5
    #: For huge.
    size_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0 or not 0.0 <= self.fails <= 1.0:
            raise ValueError("probability and fails are shares, 0 to 1")
        if min(self.count, self.after_s, self.for_s, self.every_s, self.delay_s, self.retry_after_s, self.calm_s) < 0:
            raise ValueError("counts and seconds aren't negative")
        if min(self.limit, self.size_bytes) < 1 or not 200 <= self.status <= 599:  # noqa: PLR2004 - HTTP statuses
            raise ValueError("limit and size_bytes are at least 1, status is 200 to 599")
        if self.every_s and not 0.0 < self.for_s < self.every_s:
            raise ValueError("what repeats every_s lasts for_s, and less long than every_s")
        of_the_port = (self.operation, self.probability, self.count) == (Operation.ANY, 1.0, 0)
        if self.kind is FaultKind.REFUSE and not of_the_port:
            raise ValueError("refuse closes the port: it knows no operation, probability or count")

    def applies_at(self, age_s: float) -> bool:
        """Is it on, so many seconds after it was set?"""
        since = age_s - self.after_s
        if since < 0:
            return False
        if self.every_s:
            since %= self.every_s
        return not self.for_s or since < self.for_s

    def next_turn_s(self, age_s: float) -> float | None:
        """Seconds until it goes on or off next; None when it stays as it is."""
        since = age_s - self.after_s
        if since < 0:
            return -since
        if self.every_s:
            since %= self.every_s
            return (self.for_s if since < self.for_s else self.every_s) - since
        return self.for_s - since if self.for_s and since < self.for_s else None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the faults do to one order, in this order."""

    #: Wait before anything is done.
    before_s: float = 0.0
    #: Ends the order here, nothing booked.
    end: Fault | None = None
    #: What is booked now is called pending for so long.
    pending_s: float = 0.0
    #: Wait between booking and answer.
    after_s: float = 0.0
    #: Spoils the answer.
    spoil: Fault | None = None
    #: The first that hit; empty when none did.
    named: str = ""


CALM: Final = Plan()
"""No fault."""


class Cliff:
    """A capacity cliff: over it with too much in hand, and not back before it was calm for a while."""

    def __init__(self, limit: int, calm_s: float) -> None:
        self._limit = limit
        self._low = max(1, limit // 2)
        self._calm_s = calm_s
        self._loaded_at = 0.0
        self.fallen = False

    def weigh(self, now: float, load: int) -> None:
        """So many orders are in hand from now on; told whenever that changes."""
        if self.fallen and load <= self._low and now - self._loaded_at >= self._calm_s:
            self.fallen = False
        if load > self._limit:
            self.fallen = True
        self.note(now, load)

    def note(self, now: float, load: int) -> None:
        """So many were in hand until now."""
        if load > self._low:
            self._loaded_at = now


class _Armed:
    """A fault that was set, and what is left of it."""

    def __init__(self, number: int, fault: Fault, now: float) -> None:
        self.number = number
        self.fault = fault
        self.set_at = now
        self.hits = 0
        self.cliff = Cliff(fault.limit, fault.calm_s) if fault.kind is FaultKind.CLIFF else None

    def applies(self, now: float) -> bool:
        spent = self.fault.count and self.hits >= self.fault.count
        return not spent and self.fault.applies_at(now - self.set_at)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that is set, as it is listed."""

    number: int
    fault: Fault
    #: Is it on just now?
    applies: bool
    #: Orders it hit.
    hits: int


class Faults:
    """All faults that are set, in the order they were set."""

    def __init__(self, chance: Callable[[], float]) -> None:
        """Nothing is wrong. `chance` gives numbers in [0, 1)."""
        self._chance = chance
        self._armed: list[_Armed] = []
        self._numbers = 0

    def set(self, fault: Fault, now: float) -> int:
        """From now on; returns the number it is cleared by."""
        self._numbers += 1
        self._armed.append(_Armed(self._numbers, fault, now))
        return self._numbers

    def clear(self, number: int | None = None) -> int:
        """Clear one, or all; returns how many there were."""
        before = len(self._armed)
        self._armed = [] if number is None else [armed for armed in self._armed if armed.number != number]
        return before - len(self._armed)

    def standing(self, now: float) -> list[Standing]:
        """What is set."""
        return [
            Standing(number=armed.number, fault=armed.fault, applies=armed.applies(now), hits=armed.hits)
            for armed in self._armed
        ]

    def refuses(self, now: float) -> bool:
        """Is the port to be closed?"""
        return any(armed.fault.kind is FaultKind.REFUSE and armed.applies(now) for armed in self._armed)

    def next_turn_s(self, now: float) -> float | None:
        """Seconds until the port may have to be opened or closed; None when nothing is due."""
        refusals = [armed for armed in self._armed if armed.fault.kind is FaultKind.REFUSE]
        turns = [armed.fault.next_turn_s(now - armed.set_at) for armed in refusals]
        return min((turn for turn in turns if turn is not None), default=None)

    def leave(self, now: float, load: int) -> None:
        """An order was answered; `load` counts it still."""
        for armed in self._armed:
            if armed.cliff is not None:
                armed.cliff.note(now, load)

    def draw(self, operation: Operation, now: float, load: int) -> Plan:
        """Which faults hit this order; `load` is how many are in hand, with this one."""
        if not self._armed:
            return CALM
        for armed in self._armed:
            if armed.cliff is not None:
                armed.cliff.weigh(now, load)
        if operation is Operation.PROBE and (page := self._page(now)) is not None:
            return page
        return self._plan([armed for armed in self._armed if self._matches(armed, operation, now)])

    def _page(self, now: float) -> Plan | None:
        """What the health page says when it is told to lie."""
        for armed in self._armed:
            if armed.fault.kind in _OF_HEALTH and armed.applies(now):
                armed.hits += 1
                down = armed.fault.kind is FaultKind.HEALTH_SAYS_DOWN
                return Plan(end=armed.fault if down else None, named=armed.fault.kind)
        return None

    def _matches(self, armed: _Armed, operation: Operation, now: float) -> bool:
        fault = armed.fault
        if fault.kind is FaultKind.REFUSE or fault.kind in _OF_HEALTH:
            return False
        return fault.operation in (Operation.ANY, operation) and armed.applies(now)

    def _plan(self, matching: list[_Armed]) -> Plan:
        plan = CALM
        for armed in matching:
            fault = armed.fault
            if plan.end is not None or not self._hits(armed, plan):
                continue
            armed.hits += 1
            plan = msgspec.structs.replace(_with(plan, fault, self._chance), named=plan.named or fault.kind)
        return plan

    def _hits(self, armed: _Armed, plan: Plan) -> bool:
        if armed.cliff is not None and not armed.cliff.fallen:
            return False
        if _spoils(armed.fault) and plan.spoil is not None:
            return False
        return armed.fault.probability >= 1.0 or self._chance() < armed.fault.probability


def _spoils(fault: Fault) -> bool:
    return fault.kind in _SPOILS or (fault.kind is FaultKind.WRONG_CODE and fault.books)


def _with(plan: Plan, fault: Fault, chance: Callable[[], float]) -> Plan:
    """The plan with one more fault in it."""
    replace = msgspec.structs.replace
    if _spoils(fault):
        return replace(plan, spoil=fault)
    match fault.kind:
        case FaultKind.SLOW:
            return replace(plan, before_s=plan.before_s + fault.delay_s)
        case FaultKind.LATE:
            return replace(plan, after_s=plan.after_s + fault.delay_s)
        case FaultKind.PENDING:
            return replace(plan, pending_s=fault.delay_s)
        case FaultKind.CLIFF:
            fails = chance() < fault.fails
            return replace(plan, before_s=plan.before_s + fault.delay_s, end=fault if fails else None)
        case _:
            assert fault.kind in _ENDS_BEFORE or fault.kind is FaultKind.WRONG_CODE, fault.kind
            return replace(plan, end=fault)


class Dice:
    """Repeatable chance from a seed, the same on every machine and version (SplitMix64, Steele et al. 2014)."""

    def __init__(self, seed: int) -> None:
        """Begin at the seed."""
        self._state = seed

    def __call__(self) -> float:
        """The next number in [0, 1)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) % 2**64
        mixed = (self._state ^ (self._state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
        return ((mixed ^ (mixed >> 31)) >> 11) / 2**53
