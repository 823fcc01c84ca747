"""What a core's own team may say: send nothing new (drain), we go down (maintenance), we are back.

A small part of the admin side with a role of its own: such a token sees and moves nothing but the routes to its cores. Each
word has an end. An operator's word stands above it: who knows that the core must be left alone, or must not, is not
overruled by a script of its release.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.meter import AdminMeter
from gateway.admin.views import moment
from gateway.log import log
from gateway.route.record import Speaker
from gateway.route.route import Route
from gateway.route.zone import Zone

US: Final = 1_000_000

WORDS: Final = {"drain": Speaker.DRAIN, "maintenance": Speaker.MAINTENANCE}


class RouteToCore(msgspec.Struct, frozen=True, kw_only=True):
    """One route as its core's team sees it: enough to know when nothing of ours is there any more."""

    name: str
    zone: str
    #: Whose word stands (`operator`, `drain`, `maintenance`), and until when; empty when none does.
    word: str
    until: str
    #: Calls of ours that the core has not answered.
    under_way: int


class CoreShown(msgspec.Struct, frozen=True, kw_only=True):
    """One core."""

    core: str
    routes: tuple[RouteToCore, ...]


class CoreWord:
    """Answers the teams of cores."""

    def __init__(self, desk: Desk, meter: AdminMeter) -> None:
        """Speak of the routes on the desk."""
        self._desk = desk
        self._meter = meter

    async def shown(self, call: Call) -> Any:
        """How the routes to a core stand."""
        name = call.parts[0]
        return self._shown(name, self._routes(call, name))

    async def say(self, call: Call) -> Any:
        """Drain, maintenance, or back; for all routes to the core, or for none where an operator's word stands."""
        name, verb = call.parts
        routes = self._routes(call, name)
        told = asks.body_of(call.body, asks.ForceBody)
        reason = asks.plain(told.reason)
        for route in routes:
            if route.health.forced is not None and route.health.forced.speaker is Speaker.OPERATOR:
                raise Trouble(Code.OPERATORS_WORD, f"route {route.name}")
        until_us = self._desk.clock.now_us() + told.for_s * US
        for route in routes:
            if verb == "back":
                route.health.release()
                continue
            try:
                route.health.force(
                    Zone.OPEN, until_us=until_us, actor=call.person.name, reason=reason, speaker=WORDS[verb]
                )
            except ValueError as error:
                raise Trouble(Code.INVALID, str(error)) from error
        self._meter.acted(f"core_{verb}")
        log.warning("core_word", core=name, verb=verb, actor=call.person.name)
        return self._shown(name, routes)

    def _routes(self, call: Call, core: str) -> Sequence[Route]:
        """The routes to a core of this team's; another core is as none."""
        if core not in call.person.cores:
            raise Trouble(Code.NO_SUCH_CORE)
        return [route for route in self._desk.routes if self._desk.config.routes[route.name].core == core]

    @staticmethod
    def _shown(core: str, routes: Sequence[Route]) -> CoreShown:
        return CoreShown(core=core, routes=tuple(_route(route) for route in routes))


def _route(route: Route) -> RouteToCore:
    word = route.health.forced
    return RouteToCore(
        name=route.name,
        zone=route.health.zone.value,
        word=word.speaker.value if word else "",
        until=moment(word.until_us) if word else "",
        under_way=sum(route.health.pace.at_core),
    )
