"""A spool that tells of what goes to disk."""

from collections.abc import Awaitable, Sequence

from gateway.tracing.tracing import Tracing
from spool.entry import Draft
from spool.spool import Spool
from spool.store import Inserted, Known, Move, NotReversible, Store


class TracedSpool(Spool):
    """The same spool. What is to be recorded is handed on at once; only the waiting for it is watched."""

    def __init__(self, store: Store, tracing: Tracing) -> None:
        """Join an engine, and tell `tracing`."""
        super().__init__(store)
        self._tracing = tracing

    def record(self, draft: Draft) -> Awaitable[Inserted | Known]:
        """See `Spool`."""
        return self._tracing.recorded(draft, super().record(draft))

    def record_reversal(self, draft: Draft) -> Awaitable[Inserted | Known | NotReversible]:
        """See `Spool`."""
        return self._tracing.recorded(draft, super().record_reversal(draft))

    def move(self, moves: Sequence[Move]) -> Awaitable[list[bool]]:
        """See `Spool`."""
        return self._tracing.moved(moves, super().move(moves))
