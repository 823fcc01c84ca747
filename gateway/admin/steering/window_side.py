"""The admin side's part for planned maintenance: listed, added, cancelled."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.meter import AdminMeter
from gateway.admin.views import moment
from gateway.log import log
from gateway.telling.event import US, Facts, Kind, Severity
from gateway.telling.letter import instant
from gateway.windows.plan import WINDOWS_MAX
from gateway.windows.window import Window, faults, following
from spool.entry import Act

AHEAD: Final = 3
"""Coming times shown of each window."""


class AddBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A window to be planned."""

    reason: asks.Reason
    begins: asks.Moment
    duration_s: int
    route: asks.Name = ""
    time_zone: asks.Name = "UTC"
    rule: Annotated[str, Meta(max_length=300)] = ""
    lead_s: int = 0


class SpanShown(msgspec.Struct, frozen=True, kw_only=True):
    """One time a window comes."""

    begins: str
    ends: str


class WindowShown(msgspec.Struct, frozen=True, kw_only=True):
    """A window."""

    id: str
    route: str
    begins: str
    time_zone: str
    duration_s: int
    rule: str
    lead_s: int
    actor: str
    reason: str
    #: The next times it comes; the first may be going on.
    coming: tuple[SpanShown, ...]


class WindowsShown(msgspec.Struct, frozen=True, kw_only=True):
    """The plan."""

    windows: tuple[WindowShown, ...]


class WindowSide:
    """Answers about windows."""

    def __init__(self, desk: Desk, meter: AdminMeter) -> None:
        """Show and change the desk's plan."""
        self._desk = desk
        self._meter = meter

    async def list(self, _call: Call) -> WindowsShown:
        """Every window that comes again."""
        await self._desk.plan.follow()
        shown = [self._shown(window) for window in self._desk.plan.windows]
        return WindowsShown(windows=tuple(each for each in shown if each.coming))

    async def add(self, call: Call) -> WindowShown:
        """Plan one."""
        told, now_us = asks.body_of(call.body, AddBody), self._desk.clock.now_us()
        reason = asks.plain(told.reason)
        if told.route and self._desk.route(told.route) is None:
            raise Trouble(Code.NO_SUCH_ROUTE)
        window = Window(
            id=now_us,
            route=told.route,
            begins=told.begins,
            time_zone=told.time_zone,
            duration_s=told.duration_s,
            rule=told.rule,
            lead_s=told.lead_s,
            actor=call.person.name,
            reason=reason,
        )
        if found := faults(window):
            raise Trouble(Code.INVALID, "; ".join(found))
        if not following(window, now_us, 1):
            raise Trouble(Code.INVALID, "it is over already")
        if not await self._desk.plan.add(window):
            raise Trouble(Code.UNDECIDABLE, f"{WINDOWS_MAX} windows are planned already: cancel some")
        # One that has begun is entered before whoever added it looks.
        self._desk.plan.look()
        await self._did(call, "window_add", window)
        return self._shown(window)

    async def cancel(self, call: Call) -> WindowShown:
        """Take one out of the plan; one that goes on ends now."""
        asks.plain(asks.body_of(call.body, asks.OneBody).reason)
        found = await self._desk.plan.cancel(int(call.parts[0]))
        if found is None:
            raise Trouble(Code.NO_SUCH_WINDOW)
        self._desk.plan.look()
        self._tell(found)
        await self._did(call, "window_cancel", found)
        return self._shown(found)

    def _tell(self, window: Window) -> None:
        """Whoever was told that it comes is told that it doesn't."""
        now_us, ahead_s = self._desk.clock.now_us(), max(self._desk.config.telling.windows_ahead_s, default=0)
        for span in following(window, now_us, 1):
            if span.begins_us - now_us <= ahead_s * US:
                facts: Facts = {
                    "route": window.route or "all routes",
                    "begins": instant(span.begins_us),
                    "ends": instant(span.ends_us),
                }
                self._desk.telling.tell(Kind.WINDOW_CANCELLED, window.route, Severity.INFO, facts)

    async def _did(self, call: Call, act: str, window: Window) -> Any:
        subject = window.route or "all routes"
        detail = f"{window.begins} {window.time_zone}, {window.duration_s} s {window.rule}".rstrip()
        now_us, actor = self._desk.clock.now_us(), call.person.name
        done = Act(at_us=now_us, name=act, subject=subject, detail=detail, actor=actor, note=window.reason)
        await self._desk.spool.store.act(done)
        self._meter.acted(act)
        log.warning("admin_window", act=act, route=subject, window=window.id, actor=actor)

    def _shown(self, window: Window) -> WindowShown:
        coming = following(window, self._desk.clock.now_us(), AHEAD)
        return WindowShown(
            id=str(window.id),
            route=window.route,
            begins=window.begins,
            time_zone=window.time_zone,
            duration_s=window.duration_s,
            rule=window.rule,
            lead_s=window.lead_s,
            actor=window.actor,
            reason=window.reason,
            coming=tuple(SpanShown(begins=moment(each.begins_us), ends=moment(each.ends_us)) for each in coming),
        )
