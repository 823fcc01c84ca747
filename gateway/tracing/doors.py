"""Doors that tell of each request: from its arrival to its answer."""

from collections.abc import Iterable

from opentelemetry.trace import Span

from adapters.channel import Channel, Reply
from adapters.payment import Answer
from gateway.accept.acceptor import Acceptor
from gateway.clock import Clock
from gateway.http.connection import Asked
from gateway.http.doors import Doors, Visit
from gateway.meter import Meter
from gateway.returns.listed import ListedReturns
from gateway.tracing.tracing import TRACEPARENT, Tracing
from gateway.windows.board import Board


class TracedDoors(Doors):
    """The same doors."""

    def __init__(
        self,
        channels: Iterable[Channel],
        acceptor: Acceptor,
        clock: Clock,
        meter: Meter,
        board: Board,
        *,
        returns: ListedReturns,
        tracing: Tracing,
    ) -> None:
        """Let `channels` in to `acceptor`, look at the `board` and their `returns`, tell `tracing`."""
        super().__init__(channels, acceptor, clock, meter, board, returns=returns)
        self._tracing = tracing

    def _understood(self, asked: Asked) -> Visit | None:
        visit = super()._understood(asked)
        if visit is None:
            return None
        traceparent = asked.inbound.headers.get(TRACEPARENT, "")
        operation = type(visit.request).__name__.lower()
        return TracedVisit(self, visit, self._tracing.request(visit.channel.name, operation, traceparent))

    def _see(self, visit: Visit) -> None:
        assert isinstance(visit, TracedVisit), "they are made above"
        with self._tracing.within(visit.span):
            super()._see(visit)

    def reply(self, visit: Visit, answer: Answer) -> Reply:
        """An answer in its channel's words, and counted; the request's span ends."""
        assert isinstance(visit, TracedVisit), "they are made above"
        self._tracing.answered(visit.span, answer)
        return super().reply(visit, answer)


class TracedVisit(Visit):
    """A request with its span."""

    __slots__ = ("span",)

    def __init__(self, doors: Doors, visit: Visit, span: Span) -> None:
        """The same request as `visit`."""
        read = visit.channel, visit.request, visit.twin_until - visit.arrived
        super().__init__(doors, visit.asked, visit.arrived, read)
        self.span = span
