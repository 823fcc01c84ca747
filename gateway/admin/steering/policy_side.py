"""The admin side's part for stand-in policies: shown, tried on past payments, and changed by two persons."""

from typing import Any, Final

import msgspec
from pydantic import ValidationError

from adapters.amount import BadAmount
from gateway import content
from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.duties.proposal import Proposal
from gateway.admin.duties.proposals import NotDone, Proposals, TooMany
from gateway.admin.duties.views import ProposalShown, proposal_shown
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.views import Money, money
from gateway.route.route import Route
from gateway.standin.accounts import standing_of
from gateway.standin.facts import Standing
from gateway.standin.settings import StandinSettings
from gateway.standin.trial import Trial, Tried
from spool.entry import Act, Entry
from spool.errors import RecordDamaged
from spool.lifecycle import Kind

PAGE: Final = 500
TRIED_MAX: Final = 50_000
"""Payments tried in one call; a longer time is tried in parts."""


NONE: Final = msgspec.Raw(b"null")


class PolicyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy as proposed; without one, the configuration's."""

    reason: asks.Reason
    # A default by a function, as a schema can tell no other of raw JSON.
    standin: msgspec.Raw = msgspec.field(default_factory=lambda: NONE)


class TryBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy to be tried on the payments accepted between two times."""

    standin: msgspec.Raw
    accepted_from: asks.Moment = ""
    accepted_before: asks.Moment = ""


class PolicyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A change as ordered, of a policy as it was seen."""

    route: str
    over: str
    standin: msgspec.Raw


class PolicyShown(msgspec.Struct, frozen=True, kw_only=True):
    """The policy a route follows."""

    route: str
    version: str
    #: `configuration`, or `run_time` once it was changed.
    source: str
    standin: Any


class TriedShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy would have done."""

    version: str
    payments: int
    #: `provisional`, `refused`, or why they would have come later.
    outcomes: dict[str, Money]
    #: Payments whose record does not open, so that nobody can say.
    unreadable: int
    #: There were more payments than are tried at once.
    more: bool


class PolicySide:
    """Answers about policies."""

    def __init__(self, desk: Desk, proposals: Proposals) -> None:
        """Show and try policies; propose changes, and carry out those that were confirmed."""
        self._desk = desk
        self._proposals = proposals
        proposals.add_doer("policy", self._confirmed)

    async def show(self, call: Call) -> Any:
        """The policy a route follows."""
        route = self._route(call.parts[0])
        changed = self._desk.policies.is_changed(route.name)
        return PolicyShown(
            route=route.name,
            version=route.standin.version,
            source="run_time" if changed else "configuration",
            standin=route.standin.model_dump(mode="json", exclude_none=True),
        )

    async def propose(self, call: Call) -> ProposalShown:
        """Propose another policy; whoever is not the same person confirms."""
        route, told = self._route(call.parts[0]), asks.body_of(call.body, PolicyBody)
        reason, over = asks.plain(told.reason), route.standin.version
        if told.standin == NONE:
            words = f"policy of {route.name}: back to the configuration's, in place of {over}"
        else:
            words = f"policy of {route.name}: {_read(route, told.standin).version} in place of {over}"
        order = msgspec.json.encode(PolicyOrder(route=route.name, over=over, standin=told.standin))
        person = call.person.name
        try:
            made = await self._proposals.propose("policy", route.name, words, order, maker=person, reason=reason)
        except TooMany as error:
            raise Trouble(Code.UNDECIDABLE, str(error)) from error
        await self._note("propose_policy", route.name, words, person, reason)
        return proposal_shown(made, made.made_at_us)

    async def _confirmed(self, proposal: Proposal) -> str:
        """Carry out a change that two persons want. See `proposals.Doer`."""
        order = msgspec.json.decode(proposal.order, type=PolicyOrder)
        route = self._desk.route(order.route)
        if route is None:
            raise NotDone("the configuration has no such route any more")
        standin = None if order.standin == NONE else bytes(order.standin)
        if not await self._desk.policies.change(order.route, order.over, standin, proposal.id):
            raise NotDone("the policy changed since it was proposed: look again")
        said = f"{order.route} follows {route.standin.version}"
        await self._note("policy", order.route, said, proposal.actors, proposal.reason)
        return said

    async def _note(self, name: str, subject: str, detail: str, actor: str, note: str) -> None:
        """Into the log of what persons did."""
        now_us = self._desk.clock.now_us()
        act = Act(at_us=now_us, name=name, subject=subject, detail=detail, actor=actor, note=note)
        await self._desk.spool.store.act(act)

    async def try_out(self, call: Call) -> Any:
        """What a policy would have done to payments that were taken, had billing been away all the while."""
        route, told = self._route(call.parts[0]), asks.body_of(call.body, TryBody)
        settings = _read(route, told.standin)
        scope = asks.Scope(
            route=route.name,
            kind=Kind.PAYMENT.word,
            accepted_from=told.accepted_from,
            accepted_before=told.accepted_before,
        )
        wanted, unreadable, count = asks.wanted(scope), 0, 0
        trial: Trial | None = None
        while page := await self._desk.shelf.page(wanted, PAGE):
            for entry in page:
                if trial is None:
                    began_us = wanted.accepted_from_us or entry.accepted_at_us
                    policies = {name: settings.policy(name, route.currency) for name in route.channels}
                    trial = Trial(policies, began_us)
                unreadable += not await self._try(trial, entry)
            count += len(page)
            wanted = msgspec.structs.replace(wanted, after=page[-1].number)
            if count >= TRIED_MAX:
                break
            await self._desk.clock.sleep(0)
        outcomes = {} if trial is None else trial.outcomes
        return TriedShown(
            version=settings.version,
            payments=count,
            outcomes={word: money(route.currency, total) for word, total in sorted(outcomes.items())},
            unreadable=unreadable,
            more=count >= TRIED_MAX,
        )

    async def _try(self, trial: Trial, entry: Entry) -> bool:
        """One payment; False when it can't be read, or its channel is none of the route's any more."""
        route = self._desk.route(entry.route)
        if route is None or entry.channel not in route.channels:
            return False
        try:
            kept = content.read(self._desk.spool.content(entry))
        except (RecordDamaged, ValueError):
            return False
        payment = Tried(
            channel=entry.channel,
            service=kept.service,
            account=kept.account,
            lane=entry.lane,
            amount=entry.amount,
            at_us=entry.accepted_at_us,
        )
        asked = self._desk.accounts.denies or trial.asks_for_accounts(payment)
        note = await self._desk.shelf.account(entry.lane) if asked else None
        trial.take(payment, standing_of(note) if asked else Standing.UNKNOWN)
        return True

    def _route(self, name: str) -> Route:
        route = self._desk.route(name)
        if route is None:
            raise Trouble(Code.NO_SUCH_ROUTE)
        return route


def _read(route: Route, raw: msgspec.Raw) -> StandinSettings:
    """A policy, checked as the configuration's is.

    Raises:
        Trouble: it has faults; says all of them, and no values.
    """
    try:
        settings = StandinSettings.model_validate_json(bytes(raw))
        for channel in route.channels:
            settings.policy(channel, route.currency)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise Trouble(Code.INVALID, "; ".join(faults)[:500]) from None
    except BadAmount as error:
        raise Trouble(Code.INVALID, f"an amount is none of {route.currency}: {error}") from None
    named = {*settings.channels, *(name for rule in settings.rules for name in rule.channels)}
    if strangers := sorted(named - set(route.channels)):
        raise Trouble(Code.INVALID, f"no channels of this route: {', '.join(strangers)}"[:300])
    return settings
