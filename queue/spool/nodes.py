"""What a node must know of the other nodes on its spool, where there may be some."""

from collections.abc import Callable
from typing import Final, Protocol

SEATS_MAX: Final = 64
"""Most nodes on one spool at once."""


class Nodes(Protocol):
    """This node among those that share its spool."""

    #: Other nodes may write as well. Then only `insert` knows whether a lane is clear and a limit has room.
    shared: bool
    #: Called when entries may wait for this node that it was not told of: others took them, or are gone.
    on_news: Callable[[], None]
    #: Payments may have been taken, here or at another node, that the spool doesn't know yet.
    unheard: bool

    @property
    def alone(self) -> bool:
        """The spool can't be reached, and this node goes on by itself: it may take payments, and sends nothing."""
        ...

    @property
    def seat(self) -> tuple[int, int]:
        """This node's place among so many there may be. No two nodes have the same at once."""
        ...

    @property
    def sitting(self) -> bytes:
        """This node's seat under its present lease: another one whenever it lost what it had. Empty while it has none."""
        ...

    async def sittings(self) -> frozenset[bytes]:
        """Those of all nodes whose seats nobody has taken over. Errors: see `Store.recall`."""
        ...

    def holds(self) -> bool:
        """What this node claimed is still its own: nobody can have put it in doubt. To be asked right before sending."""
        ...

    def forwards(self, route: str, *, does: bool) -> None:
        """Whether this node sends the route's backlog now; while it doesn't, others send its share."""
        ...


class Alone:
    """A spool that one process has in its sole hands."""

    def __init__(self) -> None:
        """Nobody else writes, so there is no news."""
        self.shared = False
        self.on_news: Callable[[], None] = nothing
        self.unheard = False

    @property
    def alone(self) -> bool:
        """It is where its spool is."""
        return False

    @property
    def seat(self) -> tuple[int, int]:
        """The only one."""
        return 0, 1

    @property
    def sitting(self) -> bytes:
        """The only one."""
        return b"0"

    async def sittings(self) -> frozenset[bytes]:
        """The only one."""
        return frozenset({self.sitting})

    def holds(self) -> bool:
        """There is nobody to take it."""
        return True

    def forwards(self, route: str, *, does: bool) -> None:
        """There is nobody to tell."""


def nothing() -> None:
    """Nobody listens."""
