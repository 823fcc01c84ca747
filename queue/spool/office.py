"""An office: what one of the nodes on a spool does for all of them.

Who has it is a small value that names a *sitting*: a node's seat under one lease. It is taken by compare-and-set, and only
from a sitting that nobody has any more. So two nodes never have it at once in the spool: whoever lost its lease can write
nothing, and learns of it before it writes again. What leaves the spool (a message) is to be asked for right before, by
`holds`, which goes by this node's own clock.
"""

from spool.store import Store


class Office:
    """One office, as this node sees it."""

    def __init__(self, store: Store, name: str) -> None:
        """Who has it is kept in `store` under `name`."""
        self._store = store
        self._name = name
        #: The sitting under which this node took it, as of the last look.
        self._taken = b""

    async def is_mine(self, now_us: int) -> bool:
        """Whether this node has it; it takes it where nobody does. Errors: see `Store.recall`, `Store.exchange`."""
        nodes = self._store.nodes
        if not nodes.shared:
            return True
        # Who has it is read before who sits there: a node sits before it takes an office.
        kept, mine = await self._store.recall(self._name), nodes.sitting
        if kept != mine:
            if kept is not None and kept in await nodes.sittings():
                self._taken = b""
                return False
            if not await self._store.exchange(self._name, kept, mine, now_us):
                self._taken = b""
                return False
        self._taken = mine
        return self.is_still_mine()

    def is_still_mine(self) -> bool:
        """What is submitted to the spool now is stored only if the office is this node's."""
        nodes = self._store.nodes
        return not nodes.shared or (self._taken != b"" and self._taken == nodes.sitting)

    def holds(self) -> bool:
        """Nobody else can have it now. To be asked right before anything leaves."""
        return self.is_still_mine() and self._store.nodes.holds()
