"""Leave for an order's bytes to go: asked for right before the first of them.

Between the decision to send and the bytes a process may stand still for as long as its machine likes, and an entry that
was its own may be somebody else's when it goes on. Set around one order by who gives it; whatever is asked without it
may go.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from adapters.outcome import Cause, NotSent

WITHHELD: Final = NotSent(cause=Cause.WITHHELD, detail="it may not be ours to send any more")
"""There was no leave."""


def _always() -> bool:
    return True


may_leave: Final[ContextVar[Callable[[], bool]]] = ContextVar("may_leave", default=_always)
