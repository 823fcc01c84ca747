"""What can be read of a spool for its evidence: all of one moment, whatever its owner does meanwhile."""

from typing import Protocol

import msgspec

from spool.account import AccountNote
from spool.entry import Act, Entry, Event
from spool.evidence.growth import Block, Head


class Proven(msgspec.Struct, frozen=True):
    """An event, and the hash its place in the log holds; empty where there is no such place."""

    event: Event
    hash: bytes


class ProvenAct(msgspec.Struct, frozen=True):
    """An act, and the hash its place in the log holds; empty where there is no such place."""

    act: Act
    hash: bytes


class Promised(msgspec.Struct, frozen=True):
    """What one account was promised on one day."""

    day: int
    lane: int
    entries: int
    amount: int


class Kept(msgspec.Struct, frozen=True):
    """An entry with everything that happened to it, oldest first; the first is its recording."""

    entry: Entry
    history: tuple[Proven, ...]
    #: A repeat of its key would find it.
    owns_key: bool


class Records(Protocol):
    """A spool as it was at one moment."""

    async def head(self) -> Head:
        """How far the log goes, by its last block."""
        ...

    async def blocks(self, start: int, limit: int) -> list[Block]:
        """Blocks whose first leaf has this index or a higher one, in order."""
        ...

    async def block_at(self, index: int) -> Block | None:
        """The last block that begins at this index or below; None when there is none."""
        ...

    async def kept(self, after: int, limit: int) -> list[Kept]:
        """Entries with a number above `after`, in order."""
        ...

    async def strays(self, limit: int) -> list[Proven]:
        """Events of entries that aren't there."""
        ...

    async def acts(self, start: int, limit: int) -> list[ProvenAct]:
        """Acts whose leaves have this index or a higher one, in order."""
        ...

    async def memos(self, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Named values whose names come after this one, in order of their code points."""
        ...

    async def accounts(self, after: int | None, limit: int) -> list[AccountNote]:
        """What is known of accounts whose lanes are above this one; None = of all, in order."""
        ...

    async def promised(self, after: tuple[int, int], limit: int) -> list[Promised]:
        """What accounts were promised, after this day and lane, in order."""
        ...

    async def faults(self) -> list[str]:
        """What the database itself finds wrong with its file, in its words."""
        ...
