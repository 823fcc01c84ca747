"""The admin side's part for telling people: how each sink stands, and whether it works."""

from typing import Final

import msgspec

from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.meter import AdminMeter
from gateway.admin.views import moment
from gateway.log import log
from gateway.telling.event import Kind, Severity
from gateway.telling.outlet import OutletState
from gateway.telling.payers.rounds import PayersState

PATIENCE_S: Final = 20.0
"""Whoever tries a sink waits so long for what becomes of it."""

LOOK_S: Final = 0.1


class SinkShown(msgspec.Struct, frozen=True, kw_only=True):
    """One way to people."""

    name: str
    protocol: str
    #: The channel whose sink it is; empty for one of your own people's.
    channel: str
    #: Events that wait to be told by it.
    waiting: int
    #: When it took a message last; empty when it never did.
    last_sent: str
    #: Messages it took since the service started.
    sent: int
    #: Why it did not take the last one, and when that was; empty when it did.
    last_error: str
    error_at: str
    #: Tries that failed since it took one.
    failures: int


class PayersShown(msgspec.Struct, frozen=True, kw_only=True):
    """Payers that are told themselves, in figures since the service started."""

    told: int
    #: Those who left no contact that is one, or whom nothing reaches.
    unreached: int
    #: Payments of theirs that are taken and not yet credited, as far as they were looked at.
    waiting: int
    #: Why one was not told last, and when that was; empty when every one was.
    last_error: str
    error_at: str


class SinksShown(msgspec.Struct, frozen=True, kw_only=True):
    """Every one of them."""

    sinks: tuple[SinkShown, ...]
    #: Absent where no channel's payers are told.
    payers: PayersShown | None


class TestShown(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a test."""

    #: `taken`, `refused` (the sink's `last_error` says why), or `waiting` when nothing is known of it yet.
    outcome: str
    sink: SinkShown


class TellingSide:
    """Answers about sinks."""

    def __init__(self, desk: Desk, meter: AdminMeter) -> None:
        """Show and try the desk's sinks."""
        self._desk = desk
        self._meter = meter

    async def list(self, _call: Call) -> SinksShown:
        """How each stands."""
        return SinksShown(
            sinks=tuple(sink_shown(each) for each in self._desk.telling.states()),
            payers=payers_shown(self._desk.payers.state) if self._desk.config.telling.payers else None,
        )

    async def try_out(self, call: Call) -> TestShown:
        """Have one tell a test event, which goes the way of all events, at once; and wait a while for what becomes of it."""
        asks.plain(asks.body_of(call.body, asks.OneBody).reason)
        name, actor = call.parts[0], call.person.name
        before = self._state_of(name)
        if before is None:
            raise Trouble(Code.NO_SUCH_SINK)
        self._desk.telling.tell(Kind.TEST, name, Severity.INFO, {"actor": actor})
        self._meter.acted("sink_test")
        log.warning("admin_sink_test", sink=name, actor=actor, role=call.person.role)
        return await self._outcome(before)

    def _state_of(self, name: str) -> OutletState | None:
        return next((each for each in self._desk.telling.states() if each.name == name), None)

    async def _outcome(self, before: OutletState) -> TestShown:
        clock = self._desk.clock
        until, outcome, state = clock.monotonic() + PATIENCE_S, "waiting", before
        while outcome == "waiting" and clock.monotonic() < until:
            await clock.sleep(LOOK_S)
            state = self._state_of(before.name) or state
            if state.sent > before.sent:
                outcome = "taken"
            elif state.error_us != before.error_us:
                outcome = "refused"
        return TestShown(outcome=outcome, sink=sink_shown(state))


def payers_shown(state: PayersState) -> PayersShown:
    """How payers are told, as it is shown."""
    return PayersShown(
        told=state.told,
        unreached=state.unreached,
        waiting=state.waiting,
        last_error=state.error,
        error_at=moment(state.error_us),
    )


def sink_shown(state: OutletState) -> SinkShown:
    """A sink as it is shown."""
    return SinkShown(
        name=state.name,
        protocol=state.protocol,
        channel=state.channel,
        waiting=state.waiting,
        last_sent=moment(state.sent_us),
        sent=state.sent,
        last_error=state.error,
        error_at=moment(state.error_us) if state.error else "",
        failures=state.failures,
    )
