"""The admin side's part for what waits for a person: returns, ending by hand, and proposals to a second person."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.duties.closing import ENDINGS, CloseOrder, Closing, needs_two, obstacle, summary
from gateway.admin.duties.proposal import Undecidable, Verdict
from gateway.admin.duties.proposals import NotDone, Proposals, TooMany
from gateway.admin.duties.views import (
    ClosedShown,
    ProposalsPage,
    ReturnsPage,
    proposal_shown,
    return_row,
)
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.meter import AdminMeter
from gateway.admin.views import entry_shown
from gateway.log import log
from spool.entry import Act, Entry

RETURNS_MAX: Final = 500


class CloseBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"ending": "as"}):
    """An end by hand."""

    ending: str
    evidence: asks.Reason
    core_id: Annotated[str, Meta(max_length=64)] = ""


class Duties:
    """Answers what concerns persons' duties."""

    def __init__(self, desk: Desk, meter: AdminMeter) -> None:
        """Answer about, and act on, what is on the desk."""
        self._desk = desk
        self._meter = meter
        self._closing = Closing(desk.spool, desk.clock, desk.route)
        second = desk.config.admin.second_person
        self._alone_max = second.close_alone_max
        self.proposals = Proposals(
            desk.spool.store,
            desk.clock,
            expires_s=second.proposal_expires_s,
            doers={"close": self._closing.confirmed},
        )

    async def returns(self, call: Call) -> Any:
        """The longest owed of a route, or of all the service serves."""
        route = asks.route_asked(call.query)
        now_us, settings = self._desk.clock.now_us(), self._desk.config.returns
        found = list[Entry]()
        for name in [route] if route else [each.name for each in self._desk.routes]:
            found += await self._desk.shelf.returns_due(name, RETURNS_MAX + 1)
        found.sort(key=lambda entry: (entry.changed_at_us, entry.number))
        rows = tuple(return_row(entry, now_us, settings) for entry in found[:RETURNS_MAX])
        return ReturnsPage(returns=rows, more=len(found) > RETURNS_MAX)

    async def ending(self) -> frozenset[str]:
        """Entries, by their numbers, that somebody has proposed to end by hand."""
        return frozenset(each.subject for each in await self.proposals.waiting() if each.act == "close")

    async def close(self, call: Call, entry: Entry) -> Any:
        """End an entry by hand, or propose it to a second person."""
        told = asks.body_of(call.body, CloseBody)
        ending = ENDINGS.get(told.ending)
        if ending is None:
            raise Trouble(Code.INVALID, f'"as" is one of: {", ".join(ENDINGS)}')
        evidence = asks.plain(told.evidence)
        if told.core_id and not (told.core_id.isascii() and told.core_id.isprintable()):
            raise Trouble(Code.INVALID, "core_id is printable ASCII")
        if why_not := obstacle(entry, ending):
            raise Trouble(Code.WRONG_STATE, why_not)
        order = CloseOrder(
            number=entry.number,
            state=entry.state,
            changed_at_us=entry.changed_at_us,
            ending=ending.word,
            evidence=evidence,
            core_id=told.core_id,
        )
        if needs_two(entry, self._alone_max):
            return await self._propose(call, entry, order)
        try:
            ended = await self._closing.close(order, call.person.name)
        except NotDone:
            raise Trouble(Code.CHANGED) from None
        self._meter.acted(f"close_{ending.word}")
        log.warning("admin_act", act=f"close_{ending.word}", actor=call.person.name, number=entry.number)
        history = await self._desk.spool.store.history(ended.number)
        return ClosedShown(done=True, entry=entry_shown(ended, history, self._desk.spool.keys.destroyed))

    async def _propose(self, call: Call, entry: Entry, order: CloseOrder) -> Any:
        try:
            made = await self.proposals.propose(
                "close",
                str(entry.number),
                summary(entry, ENDINGS[order.ending]),
                msgspec.json.encode(order),
                maker=call.person.name,
                reason=order.evidence,
            )
        except TooMany as error:
            raise Trouble(Code.UNDECIDABLE, str(error)) from error
        await self._did(call, "propose_close", str(entry.number), order.evidence, proposal=made.id)
        return ClosedShown(done=False, proposal=proposal_shown(made, made.made_at_us))

    # Proposals

    async def waiting(self, _call: Call) -> Any:
        """What waits for a second person, oldest first."""
        now_us = self._desk.clock.now_us()
        found = await self.proposals.waiting()
        return ProposalsPage(proposals=tuple(proposal_shown(each, now_us) for each in found))

    async def past(self, call: Call) -> Any:
        """All of them, ended ones too, oldest first."""
        limit, now_us = asks.LIMIT_DEFAULT, self._desk.clock.now_us()
        found = await self.proposals.page(asks.after_alone(call.query), limit)
        following = str(found[-1].id) if len(found) == limit else ""
        return ProposalsPage(proposals=tuple(proposal_shown(each, now_us) for each in found), next=following)

    async def decide(self, call: Call) -> Any:
        """Confirm or decline; the answer is the proposal as it is then."""
        return await self._decide(call, Verdict(call.parts[1]))

    async def withdraw(self, call: Call) -> Any:
        """Take back what one proposed oneself."""
        return await self._decide(call, Verdict.WITHDRAW)

    async def _decide(self, call: Call, verdict: Verdict) -> Any:
        number = int(call.parts[0])
        word = asks.plain(asks.body_of(call.body, asks.OneBody).reason)
        try:
            found = await self.proposals.decide(number, verdict, person=call.person.name, word=word)
        except Undecidable as error:
            raise Trouble(Code.UNDECIDABLE, str(error)) from error
        if found is None:
            raise Trouble(Code.NO_SUCH_PROPOSAL)
        await self._did(
            call, f"{verdict.value}_{found.act}", found.subject, word, proposal=number, stand=found.stand.value
        )
        return proposal_shown(found, self._desk.clock.now_us())

    async def _did(self, call: Call, act: str, subject: str, note: str, **fields: Any) -> None:
        """Count it, log it, and put it into the log of what persons did."""
        now_us = self._desk.clock.now_us()
        done = Act(at_us=now_us, name=act, subject=subject, actor=call.person.name, note=note)
        await self._desk.spool.store.act(done)
        self._meter.acted(act)
        log.warning("admin_act", act=act, actor=call.person.name, role=call.person.role, **fields)
