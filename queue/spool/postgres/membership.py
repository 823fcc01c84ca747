"""This node among those that share the spool: its seat and share, and what it has heard of the others."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from spool.entry import Entry
from spool.keeping import Keeping
from spool.nodes import SEATS_MAX, Share, nothing, unmoved
from spool.postgres.commit import Writer
from spool.postgres.hold import Hold, Time
from spool.postgres.others import Portion, shares_of
from spool.postgres.questions import Questions
from spool.postgres.seat import NEVER, sittings_in
from spool.postgres.settings import PostgresSettings
from spool.postgres.work import Bar, Work


class Membership(Questions, Keeping):
    """The part of the engine that is a node; see `spool.nodes.Nodes` for what each tells."""

    def __init__(self, settings: PostgresSettings, now: Time) -> None:
        """Of these nodes, with no seat yet."""
        super().__init__()
        self.shared = settings.nodes_max > 1
        self.on_news: Callable[[], None] = nothing
        self.on_time: Callable[[int], None] = unmoved
        self.unheard = False
        self._writer: Writer | None = None
        self._hold = Hold(settings.lease_s, now)
        self._portion = Portion(settings.lease_s)
        #: Routes whose backlog isn't sent from here, and those of which the others were told so.
        self._closed_routes = self._closed_said = frozenset[str]()

    @abstractmethod
    def _submit(self, work: Work) -> "asyncio.Future[Any]":
        """Have a work done with the next commit."""

    @property
    def _writing(self) -> Writer:
        assert self._writer is not None, "whoever writes has opened it"
        return self._writer

    def _share_lanes(self, seats: list[Any]) -> bool:
        """Say anew which lanes are this node's to send; True when there are others than before."""
        before, self._shares = self._shares, shares_of(seats, self._writing.seat.number)
        self.unheard = any(row["unheard"] for row in seats)
        return self._shares != before

    @property
    def share(self) -> Share:
        """What of a core is this node's: the others are known, and know of it."""
        return self._portion.share(asyncio.get_running_loop().time())

    def forwards(self, route: str, *, does: bool) -> None:
        """Whether this node sends the route's backlog now; while it doesn't, its share of lanes is the others'."""
        self._closed_routes = self._closed_routes - {route} if does else self._closed_routes | {route}

    @property
    def alone(self) -> bool:
        """Without its database it takes nothing."""
        return False

    @property
    def _left_as(self) -> int:
        """How it leaves its seat: see `spool.postgres.seat`."""
        return NEVER

    def holds(self) -> bool:
        """What this node claimed is surely its own still."""
        return self._hold.lasts()

    @property
    def lasts_s(self) -> float:
        """For how long it surely is."""
        return self._hold.left_s

    @property
    def seat(self) -> tuple[int, int]:
        """This node's seat, of how many."""
        return self._writing.seat.number, SEATS_MAX

    @property
    def sitting(self) -> bytes:
        """This node's seat under its lease. See `spool.nodes.Nodes.sitting`."""
        return b"" if self._writer is None else self._writer.seat.sitting

    async def sittings(self) -> frozenset[bytes]:
        """Those that nobody has taken over. See `spool.nodes.Nodes.sittings`."""
        return sittings_in(await self._rows("seats"))

    @property
    def bars(self) -> int:
        """The last bar this node has heard of. See `spool.nodes.Nodes.bars`."""
        return 0 if self._writer is None else self._writer.seat.bars

    async def bar(self, channel: str, key: str, at_us: int) -> Entry | None:
        """Have nobody record this key for an earlier request. See `spool.nodes.Nodes.bar`."""
        owner: Entry | None = await self._submit(Bar(channel, key, at_us)) if self.shared else None
        return owner
