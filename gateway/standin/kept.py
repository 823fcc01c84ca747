"""Policies that were changed while the service runs: kept in the spool, followed by every node, over restarts.

The configuration's policy is where it begins. A change stands until the configuration says something else than it did
when the change was made: whoever edits the file means what he writes.
"""

import contextlib
from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.log import log
from gateway.route.route import Route
from gateway.standin.settings import StandinSettings
from spool.errors import SpoolError
from spool.store import Store

LOOK_S: Final = 2.0
"""How soon a node follows what was changed at another."""


NULL: Final = b"null"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A changed policy as it is kept."""

    #: Version of the configuration's policy it stands in the place of.
    over: str
    #: The whole policy, as in the configuration, JSON; null when the change was to go back to the configuration's.
    standin: msgspec.Raw
    #: Of the proposal that made it.
    proposal: int
    at_us: int


class Policies:
    """What each route's payments are stood in for by."""

    def __init__(self, store: Store, routes: Iterable[Route], clock: Clock) -> None:
        """Begin with what the configuration says of each route."""
        self._store = store
        self._clock = clock
        self._routes = {route.name: route for route in routes}
        self._written = {route.name: route.standin for route in routes}
        #: What was read last, by route.
        self._read: dict[str, bytes | None] = {}

    def is_changed(self, route: str) -> bool:
        """The route follows another policy than the configuration's."""
        return self._routes[route].standin.version != self._written[route].version

    async def follow(self) -> None:
        """Have every route follow what is kept for it. Errors: see `Store.recall`."""
        for name, route in self._routes.items():
            kept = await self._store.recall(_name(name))
            if kept != self._read.get(name):
                self._read[name] = kept
                self._take(route, kept)

    def _take(self, route: Route, kept: bytes | None) -> None:
        settings = self._written[route.name]
        try:
            change = None if kept is None else msgspec.json.decode(kept, type=Kept)
            if change is not None and bytes(change.standin) != NULL and change.over == settings.version:
                settings = StandinSettings.model_validate_json(bytes(change.standin))
            if settings.version != route.standin.version:
                route.stand_in_by(settings)
                log.warning("policy_changed", route=route.name, version=settings.version)
        except ValueError as error:
            # Written by a version of the program that knew other keys: the one in force stays.
            log.error("policy_unreadable", route=route.name, error=type(error).__name__)

    async def change(self, route: str, over: str, standin: bytes | None, proposal: int) -> bool:
        """Follow another policy (None: the configuration's) in the place of version `over`; False when it isn't that any more.

        The same change again changes nothing more. Errors: see `Store.exchange`.
        """
        await self.follow()
        known = self._read.get(route)
        if known is not None and msgspec.json.decode(known, type=Kept).proposal == proposal:
            return True
        if self._routes[route].standin.version != over:
            return False
        change = Kept(
            over=self._written[route].version,
            standin=msgspec.Raw(NULL if standin is None else standin),
            proposal=proposal,
            at_us=self._clock.now_us(),
        )
        done = await self._store.exchange(_name(route), known, msgspec.json.encode(change), change.at_us)
        await self.follow()
        return done

    async def run(self) -> None:
        """Follow, again and again, until cancelled."""
        while True:
            with contextlib.suppress(SpoolError):
                await self.follow()
            await self._clock.sleep(LOOK_S)


def _name(route: str) -> str:
    return f"policy/{route}"
