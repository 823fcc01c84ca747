"""What a node must know of the other nodes on its spool, where there may be some."""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from spool.entry import Entry

SEATS_MAX: Final = 64
"""Most nodes on one spool at once."""


class Share(NamedTuple):
    """What of a whole is one node's: it is the one in place `at` of `of`."""

    at: int
    of: int

    def part(self, whole: int) -> int:
        """So many of `whole` things, at least one; all nodes' parts together are the whole where it is enough for all."""
        return max(1, whole // self.of + (self.at < whole % self.of))


ALL: Final = Share(0, 1)
"""There is nobody else."""

LEAST: Final = Share(SEATS_MAX - 1, SEATS_MAX)
"""As if every seat was taken: what a node may have while others may not know of it yet."""


class Nodes(Protocol):
    """This node among those that share its spool."""

    #: Other nodes may write as well. Then only `insert` knows whether a lane is clear and a limit has room.
    shared: bool
    #: Called when entries may wait for this node that it was not told of: others took them, or are gone.
    on_news: Callable[[], None]
    #: Called with the time that all nodes are to go by, microseconds since 1970, whenever it was heard.
    on_time: Callable[[int], None]
    #: Payments may have been taken, here or at another node, that the spool doesn't know yet.
    unheard: bool

    @property
    def bars(self) -> int:
        """The last of the nodes' bars that this node has heard of; they are numbered. A draft names it (`Draft.heard`)."""
        ...

    async def bar(self, channel: str, key: str, at_us: int) -> Entry | None:
        """The owner of a key, or none; then none of the requests that came before will be recorded under it, at any node.

        Only who has heard of the bar by the time its request comes records something under the key again. Whoever has a
        spool alone sees to that himself. Errors: as `Store.move`.
        """
        ...

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

    @property
    def share(self) -> Share:
        """This node's part of what all nodes together may put on a core; never more than the others leave, as they see it."""
        ...

    def holds(self) -> bool:
        """What this node claimed is still its own: nobody can have put it in doubt. To be asked right before sending."""
        ...

    def forwards(self, route: str, *, does: bool) -> None:
        """Whether this node sends the route's backlog now; while it doesn't, others send its share."""
        ...


def held_now(nodes: Nodes) -> Callable[[], bool]:
    """Tells later whether what this node claims now is its own still: a lease that was lost and had again is another one."""
    if not nodes.shared:
        return nodes.holds
    sitting = nodes.sitting
    return lambda: nodes.holds() and nodes.sitting == sitting


class Alone:
    """A spool that one process has in its sole hands."""

    def __init__(self) -> None:
        """Nobody else writes, so there is no news."""
        self.shared = False
        self.on_news: Callable[[], None] = nothing
        self.on_time: Callable[[int], None] = unmoved
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

    @property
    def share(self) -> Share:
        """The whole."""
        return ALL

    @property
    def bars(self) -> int:
        """There is nobody to bar anything."""
        return 0

    async def bar(self, channel: str, key: str, at_us: int) -> Entry | None:  # noqa: ARG002 - as `Nodes.bar`
        """There is nobody who could record it."""
        return None

    def holds(self) -> bool:
        """There is nobody to take it."""
        return True

    def forwards(self, route: str, *, does: bool) -> None:
        """There is nobody to tell."""


def nothing() -> None:
    """Nobody listens."""


def unmoved(_now_us: int) -> None:
    """Nobody goes by it."""
