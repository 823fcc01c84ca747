"""May this account be paid? Asked of the core while it is well, else answered by the policy. Nothing is stored."""

from typing import Final

import msgspec

from adapters.outcome import Allowed, CheckOutcome, Refused
from adapters.payment import Answer, AnswerKind, Check, Refusal
from gateway.accept import answers
from gateway.accept.decide import Why, limit_in_the_way
from gateway.accept.live import Live
from gateway.clock import Clock
from gateway.meter import Meter
from gateway.route.route import Route, Routing
from gateway.standin.accounts import Accounts
from gateway.standin.facts import NO_FACTS, Standing
from spool.errors import SpoolClosed
from spool.spool import Spool

_NO_SUCH_ACCOUNT: Final = frozenset({Refusal.UNKNOWN_ACCOUNT, Refusal.ACCOUNT_FORMAT, Refusal.ACCOUNT_INACTIVE})


class Checks:
    """Answers checks."""

    def __init__(
        self, *, spool: Spool, routing: Routing, clock: Clock, meter: Meter, live: Live, accounts: Accounts
    ) -> None:
        """Ask through `live`, and `accounts` where the core can't be asked."""
        self._spool = spool
        self._routing = routing
        self._clock = clock
        self._meter = meter
        self._live = live
        self._accounts = accounts

    async def check(self, check: Check, until: float) -> Answer:
        """May this account be paid? Asked of the core while it is well, else answered by the policy."""
        route = self._routing.of(check.channel, check.currency, check.service, check.account)
        if route is None:
            return answers.refused(Refusal.NO_ROUTE)
        outcome = await self._ask_core(route, check, until)
        if isinstance(outcome, Allowed | Refused):
            self._learn(route, check, outcome)
        if isinstance(outcome, Allowed):
            return Answer(kind=AnswerKind.POSTED, key=check.key, fields_shown=outcome.fields_shown)
        if isinstance(outcome, Refused):
            return answers.refused(outcome.refusal)
        return await self._check_standing_in(route, check)

    async def _ask_core(self, route: Route, check: Check, until: float) -> CheckOutcome | None:
        permit = route.health.admit_check() if route.core.capabilities.check else None
        if permit is None:
            return None
        started = self._clock.monotonic()
        margin_s = route.policies[check.channel].answer_margin_s
        outcome = await self._live.check(route, check, permit, max(0.05, until - started - margin_s))
        took_s = self._clock.monotonic() - started
        self._meter.attempted(route.name, "check", type(outcome).__name__, took_s, live=True)
        return outcome

    async def _check_standing_in(self, route: Route, check: Check) -> Answer:
        """A check without its core: by what is known of the account, by its form, or not at all."""
        policy, tally = route.policies[check.channel], self._spool.store.tally
        terms = policy.terms_for(check.service, check.account)
        if terms.checks == "try_later":
            return answers.try_later(Why.STANDIN_OFF)
        facts, heard = NO_FACTS, None
        if terms.checks == "known_accounts" or self._accounts.are_asked(terms):
            lanes = self._spool.lanes_of(route.name, check.account)
            try:
                facts = await self._accounts.facts(terms, lanes, route.outage)
                if terms.checks == "known_accounts":
                    standing, heard = await self._accounts.heard(lanes)
                    facts = msgspec.structs.replace(facts, standing=standing)
            except SpoolClosed:
                return answers.try_later(Why.STORAGE)
        exposed = tally.exposure(route.name), tally.exposure(route.name, check.channel)
        why = limit_in_the_way(policy, terms, check.amount, exposed, facts)
        if not why and terms.checks == "known_accounts" and facts.standing is not Standing.KNOWN:
            why = Why.UNKNOWN_ACCOUNT
        if why:
            return answers.try_later(why)
        return answers.standing_in(check.key, heard)

    def _learn(self, route: Route, check: Check, outcome: Allowed | Refused) -> None:
        """Remember what the core said of an account, for when it can't be asked."""
        if not (route.standin.learns or route.order.urgent_if):
            return
        lane = self._spool.lane_of(route.name, check.account)
        if isinstance(outcome, Allowed):
            self._accounts.learn(lane, outcome.fields_shown, urgent=route.order.is_urgent(outcome.fields_shown))
        elif outcome.refusal in _NO_SUCH_ACCOUNT:
            self._accounts.learn(lane, known=False)
