"""The plan: which windows there are, kept in the spool, followed by every node; and the routes that open for them.

A route is opened by the same word a person would give, until the window's end, so that everything that holds of a forced
route holds here: it is shown, it ends by itself, and when it ends the core is probed and tried before traffic comes back.
A person's own word about a route is never overruled. Where one that opened it ends by itself within a window, the window's takes
its place: whoever opened a route early by hand need not know to the second when the window begins.
"""

import contextlib
from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.log import log
from gateway.route.record import Forced
from gateway.route.route import Route
from gateway.route.zone import PASSING, Zone
from gateway.windows.window import Span, Window, concerns, entered, following
from spool.errors import SpoolError
from spool.store import Store

MEMO: Final = "plan/windows"
WINDOWS_MAX: Final = 200
LOOK_S: Final = 1.0
BACK_WITHIN_US: Final = 60_000_000
"""So long after a window a core may take to be tried before it is late; while it is on trial it isn't."""

RENEWED_US: Final = 60_000_000
"""So long before its end a word for a window is given anew, where the window lasts longer than a word may."""

ACTOR: Final = "window"
"""Who opened a route for a window. No person may have this name."""


class Overrun(msgspec.Struct, frozen=True):
    """A window is over, and its route isn't back, or not yet."""

    window: int
    since_us: int


class Plan:
    """The windows of one spool, and what they do to the routes."""

    def __init__(self, store: Store, routes: Iterable[Route], clock: Clock) -> None:
        """Keep the plan in `store`; open `routes` by it."""
        self._store = store
        self._clock = clock
        self._routes = list(routes)
        self.back_within_us = BACK_WITHIN_US
        self._kept: bytes | None = None
        self.windows: tuple[Window, ...] = ()
        #: By route: the window it stands in for now, and when that ends.
        self.entered: dict[str, tuple[Window, Span]] = {}
        #: By route that stands in for a window: the word that was seen there last.
        self._words: dict[str, Forced] = {}
        #: By route: what is over, and its core is being tried or soon will be; nobody has to be woken for that.
        self.returning: dict[str, Overrun] = {}
        #: By route: what is over and isn't back in time.
        self.overruns: dict[str, Overrun] = {}

    async def follow(self) -> None:
        """See what was added or cancelled, here or at another node. Errors: see `Store.recall`."""
        kept = await self._store.recall(MEMO)
        if kept != self._kept:
            self._kept, self.windows = kept, _read(kept)

    async def add(self, window: Window) -> bool:
        """Plan a window; False when there are so many that no more is taken. Errors: see `Store.exchange`."""
        while True:
            await self.follow()
            now_us = self._clock.now_us()
            over = {*self.returning, *self.overruns}
            coming = tuple(each for each in self.windows if following(each, now_us, 1) or each.route in over)
            if len(coming) >= WINDOWS_MAX:
                return False
            if await self._keep((*coming, window)):
                return True

    async def cancel(self, number: int) -> Window | None:
        """Take a window out of the plan, and end it where it is entered; None when there is none.

        Errors: see `Store.exchange`.
        """
        while True:
            await self.follow()
            found = next((each for each in self.windows if each.id == number), None)
            if found is None or await self._keep(tuple(each for each in self.windows if each.id != number)):
                return found

    async def _keep(self, windows: tuple[Window, ...]) -> bool:
        done = await self._store.exchange(MEMO, self._kept, msgspec.json.encode(windows), self._clock.now_us())
        await self.follow()
        return done

    def look(self) -> None:
        """Open routes whose window has come, let go of those whose window is over or cancelled."""
        now_us = self._clock.now_us()
        for route in self._routes:
            current = self._current(route, now_us)
            before = self.entered.get(route.name)
            if current is not None and before != current:
                self._enter(route, *current)
            elif current is not None:
                self._hold(route, *current, now_us)
            elif before is not None:
                self._leave(route, *before, now_us)
            self._see_whether_it_is_back(route, now_us)

    def is_planned(self, route: str) -> bool:
        """That nothing goes to this route's core is as planned: it is a window, or just after one."""
        return route in self.entered or route in self.returning

    def _see_whether_it_is_back(self, route: Route, now_us: int) -> None:
        name, zone = route.name, route.health.zone
        if zone in PASSING:
            self.returning.pop(name, None)
            if self.overruns.pop(name, None) is not None:
                log.warning("window_overrun_ended", route=name)
            return
        returning = self.returning.get(name)
        if returning is not None and zone is Zone.OPEN and now_us - returning.since_us >= self.back_within_us:
            self.overruns[name] = self.returning.pop(name)
            log.warning("window_overrun", route=name, window=returning.window)

    def _current(self, route: Route, now_us: int) -> tuple[Window, Span] | None:
        """The window a route stands in for now; of several the one that ends last."""
        found = [
            (each, span) for each in self.windows if concerns(each, route.name) and (span := entered(each, now_us))
        ]
        return max(found, key=lambda pair: pair[1].ends_us, default=None)

    def _enter(self, route: Route, window: Window, span: Span) -> None:
        self.entered[route.name] = (window, span)
        self._words.pop(route.name, None)
        self.returning.pop(route.name, None)
        self.overruns.pop(route.name, None)
        word = route.health.forced
        if word is not None and word.actor != ACTOR:
            self._words[route.name] = word
            log.warning("window_entered", route=route.name, window=window.id, forced_by=word.actor)
            return
        self._open(route, window, span)
        log.warning("window_entered", route=route.name, window=window.id)

    def _open(self, route: Route, window: Window, span: Span) -> None:
        """Until the window's end, or as long as any word may hold: then it is given anew."""
        until_us = min(span.ends_us, self._clock.now_us() + route.health.forced_max_us)
        # The window may end in this very moment.
        with contextlib.suppress(ValueError):
            route.health.force(Zone.OPEN, until_us=until_us, actor=ACTOR, reason=window.reason)

    def _hold(self, route: Route, window: Window, span: Span, now_us: int) -> None:
        """Whoever opened the route, or was opened by: it stays so until the window's end, unless a person says otherwise."""
        word, last = route.health.forced, self._words.pop(route.name, None)
        if word is not None:
            self._words[route.name] = word
            if word.actor == ACTOR and word.until_us < min(span.ends_us, now_us + RENEWED_US):
                self._open(route, window, span)
        elif last is not None and last.zone is Zone.OPEN and last.until_us <= now_us:
            self._open(route, window, span)

    def _leave(self, route: Route, window: Window, span: Span, now_us: int) -> None:
        del self.entered[route.name]
        self._words.pop(route.name, None)
        word = route.health.forced
        if word is not None and word.actor == ACTOR:
            route.health.lapse()
        if route.health.zone not in PASSING:
            self.returning[route.name] = Overrun(window.id, min(span.ends_us, now_us))
        log.warning("window_left", route=route.name, window=window.id)

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            with contextlib.suppress(SpoolError):
                await self.follow()
            self.look()
            await self._clock.sleep(LOOK_S)


def _read(kept: bytes | None) -> tuple[Window, ...]:
    if kept is None:
        return ()
    try:
        return msgspec.json.decode(kept, type=tuple[Window, ...])
    except msgspec.DecodeError as error:
        log.error("windows_unreadable", error=type(error).__name__)
        return ()
