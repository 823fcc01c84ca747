"""What to do with a new payment: a pure decision over facts gathered before anything is awaited."""

import enum
from typing import Final

import msgspec

from gateway.standin.facts import NO_FACTS, Facts, Standing
from gateway.standin.policy import Ceiling, StandinPolicy, Terms
from spool.errors import OverLimit
from spool.lifecycle import State, Told
from spool.tally import Limit, Sum


class Way(enum.IntEnum):
    """Where a payment goes."""

    PASS_THROUGH = enum.auto()
    STAND_IN = enum.auto()
    TRY_LATER = enum.auto()
    REFUSE = enum.auto()


class Why(enum.StrEnum):
    """Why a payment isn't taken now: a bounded vocabulary (metric, log)."""

    FINE = ""
    STANDIN_OFF = "standin_off"
    RULE = "rule"
    PAYMENT_LIMIT = "payment_limit"
    OUTAGE_LIMIT = "outage_limit"
    DENIED_ACCOUNT = "denied_account"
    UNKNOWN_ACCOUNT = "unknown_account"
    ROUTE_LIMIT = "route_limit"
    CHANNEL_LIMIT = "channel_limit"
    ACCOUNT_LIMIT = "account_limit"
    STORAGE = "storage"


_FINE: Final = Why.FINE

Exposed = tuple[Sum, Sum]
"""What the route holds provisionally, and what it holds of the channel."""


class Decision(msgspec.Struct, frozen=True):
    """A way, and why when it is the way back."""

    way: Way
    why: Why = Why.FINE


PASS_THROUGH: Final = Decision(Way.PASS_THROUGH)
STAND_IN: Final = Decision(Way.STAND_IN)
REFUSE: Final = Decision(Way.REFUSE, Why.RULE)
ACCOUNT_FULL: Final = Decision(Way.TRY_LATER, Why.ACCOUNT_LIMIT)
NO_STORAGE: Final = Decision(Way.TRY_LATER, Why.STORAGE)

RECORDED: Final = {
    Way.PASS_THROUGH: (State.IN_FLIGHT, Told.NOTHING),
    Way.STAND_IN: (State.READY, Told.PROVISIONAL),
    Way.REFUSE: (State.CANCELLED, Told.REFUSED),
}
"""What a payment is recorded as, by the way it goes. What a rule refuses is over at once, and kept for its repeats."""


def limit_in_the_way(
    policy: StandinPolicy, terms: Terms, amount: int, exposed: Exposed, facts: Facts = NO_FACTS
) -> Why:
    """What a provisional answer over `amount` would break, given the exposure before it; FINE when nothing.

    The limit of an account and day isn't here: it is asked last, where it is counted.
    """
    if not policy.enabled:
        return Why.STANDIN_OFF
    if terms.answer != "provisional":
        return Why.RULE
    if amount > terms.payment_max:
        return Why.PAYMENT_LIMIT
    if not (terms.plain and facts is NO_FACTS) and (why := _barred(terms, facts)):
        return why
    route, channel = exposed
    if _breaks(policy.route, route, amount):
        return Why.ROUTE_LIMIT
    if _breaks(policy.channel, channel, amount):
        return Why.CHANNEL_LIMIT
    return _FINE


def decide(policy: StandinPolicy, terms: Terms, amount: int, exposed: Exposed, facts: Facts = NO_FACTS) -> Decision:
    """The way of a payment that its route didn't admit: provisional within the limits, else try later; or a rule's no."""
    why = limit_in_the_way(policy, terms, amount, exposed, facts)
    if not why:
        return STAND_IN
    return REFUSE if why is Why.RULE and terms.answer == "refuse" else Decision(Way.TRY_LATER, why)


def limits_of(policy: StandinPolicy, channel: str) -> tuple[Limit, ...]:
    """The limits of exposure a provisional answer is to be within, where other nodes may use them up meanwhile."""
    route = Limit("", policy.route.count_max, policy.route.sum_max)
    return route, Limit(channel, policy.channel.count_max, policy.channel.sum_max)


def used_up(over: OverLimit) -> Why:
    """Whose limit other nodes have used up."""
    return Why.CHANNEL_LIMIT if over.channel else Why.ROUTE_LIMIT


def _barred(terms: Terms, facts: Facts) -> Why:
    if terms.outage_max_s is not None and facts.outage_s > terms.outage_max_s:
        return Why.OUTAGE_LIMIT
    if facts.standing is Standing.DENIED:
        return Why.DENIED_ACCOUNT
    if terms.known_accounts_only and facts.standing is not Standing.KNOWN:
        return Why.UNKNOWN_ACCOUNT
    return Why.FINE


def _breaks(ceiling: Ceiling, exposed: Sum, amount: int) -> bool:
    over_sum = ceiling.sum_max is not None and exposed.amount + amount > ceiling.sum_max
    return over_sum or (ceiling.count_max is not None and exposed.entries >= ceiling.count_max)
