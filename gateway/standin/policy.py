"""The stand-in policy as it is asked on the way of a payment: resolved, in minor units, made once. Pure.

A policy is a table: rules from top to bottom, each saying for whom it is (services, accounts) and on what terms; the
first that fits counts, and below them stand the route's own terms. Where there are no rules nothing is searched, and
where the terms are plain nothing needs to be looked up: then standing in costs a few reads of attributes.
"""

import re
from typing import Final, Literal

import msgspec

Checks = Literal["accept_by_format", "known_accounts", "try_later"]
Answer = Literal["provisional", "try_later", "refuse"]


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """How much may be waiting provisionally, in minor units and entries; None is no limit of its own."""

    sum_max: int | None
    count_max: int | None


UNBOUNDED: Final = Ceiling(sum_max=None, count_max=None)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """On what terms a payment is stood in for; amounts in minor units of the route's currency."""

    #: Number of the rule, from 1; 0 for the route's own terms.
    rule: int = 0
    answer: Answer = "provisional"
    payment_max: int
    #: Only accounts that billing is known to have.
    known_accounts_only: bool = False
    #: Against what one account was told provisional in one day; None asks for no count.
    account_day: Ceiling | None = None
    #: Seconds from the outage's beginning; None is without end.
    outage_max_s: int | None = None
    checks: Checks = "accept_by_format"
    #: Nothing beyond the payment and the exposure has to be known.
    plain: bool = True

    @staticmethod
    def made(*, known_accounts_only: bool, account_day: Ceiling, outage_max_s: int | None, **rest: object) -> "Terms":
        """Terms that know whether they are plain."""
        counted = None if account_day == UNBOUNDED else account_day
        return msgspec.convert(
            {
                **rest,
                "known_accounts_only": known_accounts_only,
                "account_day": counted,
                "outage_max_s": outage_max_s,
                "plain": not known_accounts_only and counted is None and outage_max_s is None,
            },
            Terms,
        )


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """For whom some terms are; what is empty fits everybody."""

    services: frozenset[str]
    #: Matches whole accounts.
    accounts: re.Pattern[str] | None
    terms: Terms

    def fits(self, service: str, account: str) -> bool:
        """Whether a payment is meant."""
        if self.services and service not in self.services:
            return False
        return self.accounts is None or self.accounts.fullmatch(account) is not None


class StandinPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules for one channel on one route, resolved."""

    enabled: bool
    #: Where no rule fits.
    terms: Terms
    #: Those that may fit a payment of this channel, the first that does counts.
    rules: tuple[Rule, ...] = ()
    #: Against everything the route holds provisionally.
    route: Ceiling
    #: Against what the route holds provisionally from this channel.
    channel: Ceiling
    #: Reversals that need billing are taken too.
    reversals: bool = True
    #: Seconds before the channel's deadline by which a provisional answer leaves.
    answer_margin_s: float
    #: Name of the zone in which an account's day begins and ends.
    time_zone: str = "UTC"
    version: str

    def terms_for(self, service: str, account: str) -> Terms:
        """The terms of a payment."""
        for rule in self.rules:
            if rule.fits(service, account):
                return rule.terms
        return self.terms


def accounts_pattern(wildcards: list[str]) -> re.Pattern[str] | None:
    """What matches any of these: `*` stands for any characters, `?` for one; None where there are none.

    Only wildcards, as a regular expression from a configuration can take minutes on an account made for it. Stars that
    follow each other are one, and what follows a star is searched for without going back over it.
    """
    if not wildcards:
        return None
    return re.compile("|".join(_piece(wildcard) for wildcard in wildcards), re.DOTALL)


def _piece(wildcard: str) -> str:
    first, *later = [re.escape(part).replace(r"\?", ".") for part in re.sub(r"\*+", "*", wildcard).split("*")]
    if not later:
        return first
    *middle, last = later
    # An atomic group is never entered anew: the first place where a middle part fits is as good as any later one.
    return first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last
