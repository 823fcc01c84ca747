"""How much a node may take by itself: a share of what each limit had left when it last saw what all nodes hold. Pure.

Where all nodes are away at once, shares that add up to no more than the whole keep every limit. Where one is cut off
and the others go on, they may use up the rest, and a limit is overrun by this node's share of it at most.
"""

import msgspec

from spool.tally import Limit, Sum


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator allows."""

    #: Most payments kept and not yet brought over, on all routes.
    entries_max: int
    #: Of what each limit of exposure has left, how much this node may use by itself, per cent.
    share_percent: int

    def of(self, limit: Limit, known: Sum) -> Limit:
        """The part of a limit that is this node's, given what all nodes were known to hold of it."""
        return Limit(
            limit.channel,
            self._share(limit.entries_max, known.entries),
            self._share(limit.amount_max, known.amount),
        )

    def _share(self, most: int | None, known: int) -> int | None:
        return None if most is None else max(0, most - known) * self.share_percent // 100
