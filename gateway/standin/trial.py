"""What a policy would have done: a dry run over payments that were taken, as if the core had been away for all of them."""

from collections.abc import Mapping

import msgspec

from gateway.accept.decide import Way, Why, decide
from gateway.standin.accounts import day_of
from gateway.standin.facts import Facts, Standing
from gateway.standin.policy import StandinPolicy
from spool.account import Spending
from spool.tally import NOTHING, Sum


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One payment that is tried on a policy."""

    channel: str
    service: str
    #: Personal data.
    account: str
    lane: int
    amount: int
    at_us: int

    def __repr__(self) -> str:
        return f"Tried(amount={self.amount})"


class Trial:
    """An outage in which nothing is posted: what is taken stays, and limits fill up."""

    def __init__(self, policies: Mapping[str, StandinPolicy], began_us: int) -> None:
        """Stand in by these policies, by channel, from `began_us` on."""
        self._policies = policies
        self._began_us = began_us
        self._route = NOTHING
        self._channels: dict[str, Sum] = {}
        self._days: dict[tuple[int, int], Sum] = {}
        #: What became of them: `provisional`, `refused`, or why they would have come later.
        self.outcomes: dict[str, Sum] = {}
        #: By rule (0: the route's own terms), what was taken.
        self.rules: dict[int, Sum] = {}

    def asks_for_accounts(self, payment: Tried) -> bool:
        """Whether the account's standing matters to this payment's terms."""
        return self._policies[payment.channel].terms_for(payment.service, payment.account).known_accounts_only

    def take(self, payment: Tried, standing: Standing) -> Why:
        """One payment more, in the order they came; what was in its way."""
        policy = self._policies[payment.channel]
        terms = policy.terms_for(payment.service, payment.account)
        facts = Facts(outage_s=max(0, payment.at_us - self._began_us) / 1_000_000, standing=standing)
        exposed = self._route, self._channels.get(payment.channel, NOTHING)
        decision = decide(policy, terms, payment.amount, exposed, facts)
        why, one = decision.why, Sum(1, payment.amount)
        if decision.way is Way.STAND_IN and terms.account_day is not None:
            at = (day_of(payment.at_us, policy.time_zone), payment.lane)
            spent = self._days.get(at, NOTHING)
            spending = Spending(
                day=at[0],
                lane=at[1],
                amount=payment.amount,
                sum_max=terms.account_day.sum_max,
                count_max=terms.account_day.count_max,
            )
            if spending.fits(spent.entries, spent.amount):
                self._days[at] = spent + one
            else:
                why = Why.ACCOUNT_LIMIT
        if not why:
            self._route += one
            self._channels[payment.channel] = exposed[1] + one
            self.rules[terms.rule] = self.rules.get(terms.rule, NOTHING) + one
        word = "refused" if decision.way is Way.REFUSE else why.value or "provisional"
        self.outcomes[word] = self.outcomes.get(word, NOTHING) + one
        return why
