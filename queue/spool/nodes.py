"""What a node must know of the other nodes on its spool, where there may be some."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol, TypeVar

from spool.entry import Entry

SEATS_MAX: Final = 64
"""Most nodes on one spool at once."""

LOOK_S: Final = 0.01
"""So long after a lease should have ended it is seen, at the latest."""

T = TypeVar("T")


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
        spool alone sees to that himself.

        Raises:
            StorageFull, SpoolClosed: nothing was barred.
            StorageUncertain: nobody knows.
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

    @property
    def lasts_s(self) -> float:
        """For how many seconds `holds` is surely true from now on, if nothing renews the lease."""
        ...

    def forwards(self, route: str, *, does: bool) -> None:
        """Whether this node sends the route's backlog now; while it doesn't, others send its share."""
        ...


class Held:
    """What a node claims now is its own while this lease lasts: one that was lost and had again is another one."""

    __slots__ = ("_nodes", "_sitting")

    def __init__(self, nodes: Nodes) -> None:
        """Under the lease of this moment."""
        self._nodes = nodes
        self._sitting = nodes.sitting

    def __call__(self) -> bool:
        """It is its own still; to be asked right before sending."""
        return self._nodes.holds() and self._nodes.sitting == self._sitting

    async def while_it_lasts(self, work: Awaitable[T]) -> T | None:
        """What comes of work; None if the lease ended first, and the work with it: by then another node may do the same."""
        if not self._nodes.shared:
            return await work
        scope = asyncio.timeout(None)
        watch = _Watch(self, self._nodes, scope)
        try:
            async with scope:
                return await work
        except TimeoutError:
            if not scope.expired():
                raise
            return None
        finally:
            watch.end()


class _Watch:
    """Ends a scope as soon as what is held under a lease isn't any more."""

    __slots__ = ("_held", "_nodes", "_scope", "_timer")

    def __init__(self, held: Held, nodes: Nodes, scope: asyncio.Timeout) -> None:
        """From now on."""
        self._held, self._nodes, self._scope = held, nodes, scope
        self._timer = self._look_later()

    def _look_later(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(max(LOOK_S, self._nodes.lasts_s), self._look)

    def _look(self) -> None:
        if self._held():
            self._timer = self._look_later()
        else:
            self._scope.reschedule(asyncio.get_running_loop().time())

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()


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

    @property
    def lasts_s(self) -> float:
        """It doesn't end."""
        return math.inf

    def forwards(self, route: str, *, does: bool) -> None:
        """There is nobody to tell."""


def nothing() -> None:
    """Nobody listens."""


def unmoved(_now_us: int) -> None:
    """Nobody goes by it."""
