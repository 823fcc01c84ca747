"""The parts of a service that is traced."""

from collections.abc import Iterable
from importlib.metadata import version

from adapters.channel import Channel
from gateway.accept.acceptor import Acceptor
from gateway.clock import Clock
from gateway.meter import Meter
from gateway.returns.listed import ListedReturns
from gateway.tracing.doors import TracedDoors
from gateway.tracing.settings import TracingSettings
from gateway.tracing.spans import Spans
from gateway.tracing.spool import TracedSpool
from gateway.tracing.tracing import Tracing, sending
from gateway.windows.board import Board
from spool.store import Store


class Traced:
    """Makes parts that tell one tracing of what they do."""

    def __init__(self, tracing: Tracing) -> None:
        """Tell this one."""
        self._tracing = tracing
        #: For routes.
        self.spans: Spans = tracing

    def spool(self, store: Store) -> TracedSpool:
        """A spool over an engine."""
        return TracedSpool(store, self._tracing)

    def doors(
        self,
        channels: Iterable[Channel],
        acceptor: Acceptor,
        clock: Clock,
        meter: Meter,
        board: Board,
        *,
        returns: ListedReturns,
    ) -> TracedDoors:
        """The channels' doors."""
        return TracedDoors(channels, acceptor, clock, meter, board, returns=returns, tracing=self._tracing)

    async def close(self) -> None:
        """Send what is left."""
        await self._tracing.close()


def traced(settings: TracingSettings, node: str, clock: Clock) -> Traced:
    """What tells a collector. Errors: see `sending`."""
    return Traced(Tracing(settings, node=node, version=version("nightsafe"), clock=clock, to=sending(settings)))
