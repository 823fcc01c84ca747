"""What to do with a new payment: a pure decision over facts gathered before anything is awaited."""

import enum
from typing import Final

import msgspec

from gateway.standin.settings import Ceiling, StandinPolicy
from spool.tally import Sum


class Way(enum.Enum):
    """Where a payment goes."""

    PASS_THROUGH = enum.auto()
    STAND_IN = enum.auto()
    TRY_LATER = enum.auto()


class Why(enum.StrEnum):
    """Why a payment isn't taken now: a bounded vocabulary (metric, log)."""

    FINE = ""
    STANDIN_OFF = "standin_off"
    PAYMENT_LIMIT = "payment_limit"
    ROUTE_LIMIT = "route_limit"
    CHANNEL_LIMIT = "channel_limit"
    STORAGE = "storage"


_FINE: Final = Why.FINE


class Decision(msgspec.Struct, frozen=True):
    """A way, and why when it is the way back."""

    way: Way
    why: Why = Why.FINE


PASS_THROUGH = Decision(Way.PASS_THROUGH)
STAND_IN = Decision(Way.STAND_IN)


def limit_in_the_way(policy: StandinPolicy, amount: int, route: Sum, channel: Sum) -> Why:
    """Which limit a provisional answer over `amount` would break, given the exposure before it; FINE when none."""
    if not policy.enabled:
        return Why.STANDIN_OFF
    if amount > policy.payment_max:
        return Why.PAYMENT_LIMIT
    if _breaks(policy.route, route, amount):
        return Why.ROUTE_LIMIT
    if _breaks(policy.channel, channel, amount):
        return Why.CHANNEL_LIMIT
    return _FINE


def decide(*, admitted: bool, policy: StandinPolicy, amount: int, route: Sum, channel: Sum) -> Decision:
    """The way of a payment: through when the route admitted it, else provisional within the limits, else try later."""
    if admitted:
        return PASS_THROUGH
    why = limit_in_the_way(policy, amount, route, channel)
    return Decision(Way.TRY_LATER, why) if why else STAND_IN


def _breaks(ceiling: Ceiling, exposed: Sum, amount: int) -> bool:
    over_sum = ceiling.sum_max is not None and exposed.amount + amount > ceiling.sum_max
    return over_sum or (ceiling.count_max is not None and exposed.entries >= ceiling.count_max)
