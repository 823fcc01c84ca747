"""The seam to traces on the way to a core: told of each question to a core, and of nothing while tracing is off."""

from collections.abc import Awaitable
from typing import Final, Protocol, TypeVar

from spool.entry import Entry

T = TypeVar("T")


class Spans(Protocol):
    """Sees questions to a core go and answers come."""

    def asked(self, what: str, entry: Entry | None, answer: Awaitable[T], /) -> Awaitable[T]:
        """A core is asked about an entry (a check has none): `answer`, with a span around it once it is awaited."""
        ...


class NoSpans:
    """Tracing is off: what is awaited is what would be without."""

    def asked(self, what: str, entry: Entry | None, answer: Awaitable[T], /) -> Awaitable[T]:
        """See `Spans`."""
        del what, entry
        return answer


NO_SPANS: Final = NoSpans()
