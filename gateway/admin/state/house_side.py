"""The admin side's part for routes and the service as a whole: how it stands, steering, verifying, what is missing."""

from typing import Any, Final

from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.duties.proposals import Proposals
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.meter import AdminMeter
from gateway.admin.state.shown import RouteShown, Status
from gateway.admin.state.status import status
from gateway.admin.views import pace_words, verdict_shown
from gateway.forward.settings import ForwardSettings
from gateway.log import log
from gateway.route.pace import RATE_MIN
from gateway.route.record import Slowed
from gateway.route.route import Route
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
        reason, route = asks.plain(told.reason), self._route(name)
        if verb == "auto":
            route.health.release()
        else:
            until_us = self._desk.clock.now_us() + told.for_s * US
            try:
                route.health.force(_ZONES[verb], until_us=until_us, actor=call.person.name, reason=reason)
            except ValueError as error:
                raise Trouble(Code.INVALID, str(error)) from error
        return await self._steered(call, name, f"route_{verb}", "" if verb == "auto" else f"for {told.for_s} s", reason)

    async def pace(self, call: Call) -> RouteShown:
        """Have a route post slower for a while than it is configured to."""
        name = call.parts[0]
        told = asks.body_of(call.body, asks.PaceBody)
        word = slow(self._route(name), told, self._desk.clock.now_us(), call.person.name)
        detail = f"{pace_words(word.in_flight_max, word.rate_max_per_s)}, for {told.for_s} s"
        return await self._steered(call, name, "route_pace", detail, word.reason)

    async def pace_auto(self, call: Call) -> RouteShown:
        """Take that back: as fast as the core bears and the configuration allows."""
        name = call.parts[0]
        reason, route = asks.plain(asks.body_of(call.body, asks.OneBody).reason), self._route(name)
        let_go(route)
        return await self._steered(call, name, "route_pace_auto", "", reason)

    def _route(self, name: str) -> Route:
        route = self._desk.route(name)
        if route is None:
            raise Trouble(Code.NO_SUCH_ROUTE)
        return route

    async def _steered(self, call: Call, name: str, act: str, detail: str, reason: str) -> RouteShown:
        """Count it, put it into the evidence, and show the route as it is then."""
        self._meter.acted(act)
        await self._desk.evidence.note_act(act, name, detail, call.person.name, reason)
        log.warning("admin_route", route=name, verb=act, actor=call.person.name, role=call.person.role)
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


def slow(route: Route, told: asks.PaceBody, now_us: int, actor: str) -> Slowed:
    """Have a route post slower from now on; the word by which it does.

    Raises:
        Trouble: it is no slower pace, or has no end that is near enough.
    """
    if told.for_s * US > route.health.forced_max_us:
        most_s = route.health.forced_max_us // US
        raise Trouble(Code.INVALID, f"a word on its pace needs an end within {most_s} s from now")
    demand_slower(told, route.forward)
    word = Slowed(
        until_us=now_us + told.for_s * US,
        actor=actor,
        reason=asks.plain(told.reason),
        in_flight_max=told.in_flight_max or 0,
        rate_max_per_s=told.rate_max_per_s or 0.0,
    )
    _say(route, word)
    return word


def let_go(route: Route) -> None:
    """Take that back."""
    _say(route, None)


def _say(route: Route, word: Slowed | None) -> None:
    route.health.pace.say(word)
    # A restart within the next moment finds it.
    route.health.keep()


def demand_slower(told: asks.PaceBody, allowed: ForwardSettings) -> None:
    """By a word a route may post slower than it is configured to, and not faster.

    Raises:
        Trouble: nothing is asked for, or more than is allowed, or that nothing be sent.
    """
    if told.in_flight_max is None and told.rate_max_per_s is None:
        raise Trouble(Code.INVALID, "name in_flight_max (calls at once), rate_max_per_s (calls a second), or both")
    if told.in_flight_max == 0 or (told.rate_max_per_s is not None and told.rate_max_per_s < RATE_MIN):
        raise Trouble(
            Code.INVALID,
            f"that is no pace (the least is 1 at once, {RATE_MIN:g} a second): to send nothing, open the route (route open);"
            " to stop single payments, hold them",
        )
    if (told.in_flight_max or 0) > allowed.in_flight_max:
        raise Trouble(Code.INVALID, f"in_flight_max is configured as {allowed.in_flight_max}: a word may only lower it")
    if allowed.rate_max_per_s and (told.rate_max_per_s or 0) > allowed.rate_max_per_s:
        raise Trouble(
            Code.INVALID, f"rate_max_per_s is configured as {allowed.rate_max_per_s:g}: a word may only lower it"
        )
