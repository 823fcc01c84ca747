"""Which waiting payments go before others: rules of an operator, as a rank for each payment (`spool.rank`).

A rank is a head start: what goes first stands in the order as if it had come so much earlier. So the most urgent go before
a backlog of hours, and nothing starves: no entry waits for one that came later by more than the difference of their head
starts. Within an account the order is that of arrival, whatever the rules say.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from adapters.amount import scale
from adapters.payment import Payment
from gateway.standin.policy import accounts_pattern
from gateway.standin.settings import Decimal, Service, Wildcard
from spool.number import COUNTER_BITS
from spool.rank import USUAL, Rank

_SETTINGS = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)

Goes = Literal["first", "early", "usual", "late"]
HeadStart = Annotated[int, Field(ge=0, le=31 * 86_400)]
RULES_MAX: Final = 200


class OrderRuleSettings(BaseModel):
    """Who goes before others: `[[routes.<name>.order.rules]]`. What it doesn't say, it doesn't ask."""

    model_config = _SETTINGS

    goes: Annotated[Goes, Field(description="When they go.", examples=["first"])]
    channels: Annotated[
        list[str], Field(max_length=100, description="Only for these channels; empty: for every one of the route.")
    ] = []
    services: Annotated[
        list[Service], Field(max_length=1000, description="Only for these services; empty: for every one.")
    ] = []
    accounts: Annotated[
        list[Wildcard],
        Field(
            max_length=1000,
            description="Only for accounts like one of these: * is any characters, ? is one; empty: for every one.",
        ),
    ] = []
    amount_min: Annotated[Decimal | None, Field(description="Only from this amount on, in the route's currency.")] = (
        None
    )
    amount_max: Annotated[Decimal | None, Field(description="Only up to this amount.")] = None
    urgent_accounts: Annotated[
        bool,
        Field(
            description=(
                "Only for accounts whose service is cut off or about to be, as billing said or `nightsafe accounts"
                " urgent` did. Each payment that is stood in for is looked up then."
            )
        ),
    ] = False


class OrderSettings(BaseModel):
    """Which waiting payments go before others: `[routes.<name>.order]`."""

    model_config = _SETTINGS

    first_ahead_s: Annotated[
        HeadStart, Field(description="Seconds by which what goes first is ahead of what came before it.")
    ] = 86_400
    early_ahead_s: Annotated[HeadStart, Field(description="Seconds by which what goes early is ahead.")] = 3_600
    late_behind_s: Annotated[
        HeadStart, Field(description="Seconds by which what goes late stands behind what came after it.")
    ] = 3_600
    urgent_if: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=200)], list[Annotated[str, Field(max_length=200)]]],
        Field(
            max_length=20,
            description=(
                "Accounts are urgent while billing's last answer to a check shows one of these texts under one of these"
                " labels; they are remembered for that, whatever `learn_accounts` says."
            ),
        ),
    ] = {}
    rules: Annotated[
        list[OrderRuleSettings],
        Field(
            max_length=RULES_MAX, description="The first rule that fits a payment counts; where none does, it is usual."
        ),
    ] = []

    def order(self, currency: str) -> "Order":
        """The rules, with amounts in minor units of `currency` (ISO 4217 code).

        Raises:
            BadAmount, UnknownCurrency: an amount isn't one of this currency; the configuration's check finds it first.
        """
        read = scale(currency).read
        return Order(
            rules=tuple(
                _Rule(
                    rank=Rank[rule.goes.upper()],
                    channels=frozenset(rule.channels),
                    services=frozenset(rule.services),
                    accounts=accounts_pattern(rule.accounts),
                    amount_min=0 if rule.amount_min is None else read(rule.amount_min),
                    amount_max=None if rule.amount_max is None else read(rule.amount_max),
                    urgent=rule.urgent_accounts,
                )
                for rule in self.rules
            ),
            ahead=tuple(map(_numbers, (self.first_ahead_s, self.early_ahead_s, 0, -self.late_behind_s))),
            asks_accounts=any(rule.urgent_accounts for rule in self.rules),
            urgent_if={label: frozenset(texts) for label, texts in self.urgent_if.items()},
            ranks=frozenset({USUAL, *(int(Rank[rule.goes.upper()]) for rule in self.rules)}),
        )


class _Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rank, and for whom."""

    rank: Rank
    channels: frozenset[str]
    services: frozenset[str]
    accounts: re.Pattern[str] | None
    amount_min: int
    amount_max: int | None
    urgent: bool

    def fits(self, payment: Payment, *, urgent: bool) -> bool:
        """Whether a payment is meant."""
        if self.channels and payment.channel not in self.channels:
            return False
        if self.services and payment.service not in self.services:
            return False
        if payment.amount < self.amount_min or (self.amount_max is not None and payment.amount > self.amount_max):
            return False
        if self.urgent and not urgent:
            return False
        return self.accounts is None or self.accounts.fullmatch(payment.account) is not None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """The order of one route's backlog."""

    rules: tuple[_Rule, ...]
    #: How far each rank is ahead, as a difference of numbers (`spool.number`).
    ahead: tuple[int, ...]
    #: Whether an account is urgent has to be known.
    asks_accounts: bool
    #: Texts under labels that billing shows of urgent accounts.
    urgent_if: dict[str, frozenset[str]]
    #: Ranks there may be of entries to come.
    ranks: frozenset[int]

    def is_urgent(self, fields_shown: Sequence[tuple[str, str]]) -> bool | None:
        """Whether what billing shows of an account says so; None where nothing is looked for."""
        if not self.urgent_if:
            return None
        return any(text in self.urgent_if.get(label, ()) for label, text in fields_shown)

    def rank_of(self, payment: Payment, *, urgent: bool = False) -> int:
        """The rank of a payment, by the first rule that fits; `urgent` where its account is known to be."""
        for rule in self.rules:
            if rule.fits(payment, urgent=urgent):
                return int(rule.rank)
        return USUAL

    def rule_of(self, payment: Payment, *, urgent: bool = False) -> int:
        """The number of that rule, from 1; 0 where none fits."""
        fitting = (number for number, rule in enumerate(self.rules, start=1) if rule.fits(payment, urgent=urgent))
        return next(fitting, 0)


def _numbers(seconds: int) -> int:
    return (seconds * 1000) << COUNTER_BITS
