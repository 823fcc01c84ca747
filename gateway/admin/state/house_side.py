"""The admin side's part for routes and the service as a whole: how it stands, steering, verifying, what is missing."""

from typing import Any, Final

from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.duties.proposals import Proposals
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.meter import AdminMeter
from gateway.admin.state.shown import Status
from gateway.admin.state.status import status
from gateway.admin.views import verdict_shown
from gateway.log import log
from gateway.route.zone import Zone
from spool.verify import verify

US: Final = 1_000_000
_ZONES: Final = {"open": Zone.OPEN, "close": Zone.CLOSED}


class HouseSide:
    """Answers about the service as a whole."""

    def __init__(self, desk: Desk, meter: AdminMeter, proposals: Proposals) -> None:
        """Show, steer and verify what is on the desk."""
        self._desk = desk
        self._meter = meter
        self._proposals = proposals
        self._verifying = False

    async def status(self, _call: Call) -> Status:
        """How everything stands."""
        return await self._status()

    async def _status(self) -> Status:
        return await status(self._desk, self._proposals)

    # Steering routes

    async def steer(self, call: Call) -> Any:
        """Open (stand in), close (pass through) or leave a route to the evidence again."""
        name, verb = call.parts
        told = asks.body_of(call.body, asks.ForceBody)
        reason, route = asks.plain(told.reason), self._desk.route(name)
        if route is None:
            raise Trouble(Code.NO_SUCH_ROUTE)
        if verb == "auto":
            route.health.release()
        else:
            until_us = self._desk.clock.now_us() + told.for_s * US
            try:
                route.health.force(_ZONES[verb], until_us=until_us, actor=call.person.name, reason=reason)
            except ValueError as error:
                raise Trouble(Code.INVALID, str(error)) from error
        self._meter.acted(f"route_{verb}")
        detail = "" if verb == "auto" else f"for {told.for_s} s"
        await self._desk.evidence.note_act(f"route_{verb}", name, detail, call.person.name, reason)
        log.warning("admin_route", route=name, verb=verb, actor=call.person.name, role=call.person.role)
        return next(each for each in (await self._status()).routes if each.name == name)

    # Evidence

    async def accept_gap(self, call: Call) -> Any:
        """Accept that the spool lacks what was witnessed; then payments are taken and sent."""
        reason = asks.plain(asks.body_of(call.body, asks.OneBody).reason)
        if not await self._desk.evidence.accept(call.person.name, reason):
            raise Trouble(Code.NO_GAP)
        self._meter.acted("gap_accepted")
        log.warning("admin_gap", actor=call.person.name, role=call.person.role)
        await self._desk.begin()
        return await self._status()

    # Verifying

    async def verify(self, call: Call) -> Any:
        """Count everything anew, hold it against the evidence, and open every seal if asked; one at a time, as it reads all.

        Unfinished entries that something speaks against are quarantined.
        """
        told = asks.body_of(call.body, asks.VerifyBody)
        if self._verifying:
            raise Trouble(Code.UNDER_WAY)
        self._verifying = True
        try:
            kept = await self._desk.evidence.witnessed()
            sealer = self._desk.spool.sealer if told.seals else None
            found = await verify(self._desk.shelf, sealer, kept.marks, kept.findings)
            await self._desk.evidence.quarantine(found)
        finally:
            self._verifying = False
        log.info("verified", ok=found.ok, counted=found.counted, opened=found.opened, actor=call.person.name)
        return verdict_shown(found)
