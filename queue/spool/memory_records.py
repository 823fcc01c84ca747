"""What can be read of the memory engine for its evidence."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from spool.account import AccountNote
from spool.entry import Act, Entry, Event
from spool.evidence.growth import NO_HEAD, Block, Head
from spool.evidence.records import Kept, Promised, Proven, ProvenAct


class Beside(NamedTuple):
    """What is kept beside entries: named values, accounts by lane, and what these were promised, in order."""

    memos: dict[str, bytes]
    accounts: list[AccountNote]
    promised: list[Promised]


NOTHING_BESIDE: Final = Beside({}, [], [])


class MemoryRecords:
    """The `Records` of a moment of the memory engine."""

    def __init__(
        self,
        kept: Sequence[tuple[Entry, tuple[Event, ...], bool]],
        blocks: Sequence[Block],
        acts: Sequence[Act],
        beside: Beside = NOTHING_BESIDE,
    ) -> None:
        """Of entries with their history and whether they own their key, in order; of blocks, acts and what is beside."""
        self._beside = beside
        self._kept = kept
        self._blocks = blocks
        self._acts = acts

    async def head(self) -> Head:
        """How far the log goes."""
        return self._blocks[-1].head() if self._blocks else NO_HEAD

    async def blocks(self, start: int, limit: int) -> list[Block]:
        """Blocks from an index on."""
        begin = bisect_left(self._blocks, start, key=_first)
        return list(self._blocks[begin : begin + limit])

    async def block_at(self, index: int) -> Block | None:
        """The last block that begins at this index or below."""
        return self._block_at(index)

    async def kept(self, after: int, limit: int) -> list[Kept]:
        """Entries above a number."""
        begin = bisect_right(self._kept, after, key=lambda each: each[0].number)
        return [
            Kept(entry, tuple(Proven(event, self._hash(event.leaf)) for event in events), owns_key)
            for entry, events, owns_key in self._kept[begin : begin + limit]
        ]

    async def strays(self, limit: int) -> list[Proven]:
        """None: entries and their history are one here."""
        assert limit > 0, "somebody wants to know"
        return []

    async def acts(self, start: int, limit: int) -> list[ProvenAct]:
        """Acts from an index on."""
        begin = bisect_left(self._acts, start, key=lambda act: act.leaf)
        return [ProvenAct(act, self._hash(act.leaf)) for act in self._acts[begin : begin + limit]]

    async def memos(self, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Named values."""
        return [(name, self._beside.memos[name]) for name in sorted(self._beside.memos) if name > after][:limit]

    async def accounts(self, after: int | None, limit: int) -> list[AccountNote]:
        """What is known of accounts."""
        return [note for note in self._beside.accounts if after is None or note.lane > after][:limit]

    async def promised(self, after: tuple[int, int], limit: int) -> list[Promised]:
        """What accounts were promised."""
        return [each for each in self._beside.promised if (each.day, each.lane) > after][:limit]

    async def faults(self) -> list[str]:
        """None: there is no file."""
        return []

    def _block_at(self, index: int) -> Block | None:
        at = bisect_right(self._blocks, index, key=_first)
        return self._blocks[at - 1] if at else None

    def _hash(self, index: int) -> bytes:
        block = self._block_at(index)
        assert block is not None, "what is kept is in the log"
        return block.leaf(index)


def _first(block: Block) -> int:
    return block.first


def beside_of(
    memos: Mapping[str, bytes], accounts: Mapping[int, AccountNote], spent: Mapping[tuple[int, int], tuple[int, int]]
) -> Beside:
    """What is kept beside entries, as of now."""
    promised = [Promised(*at, *spent[at]) for at in sorted(spent)]
    return Beside(dict(memos), [accounts[lane] for lane in sorted(accounts)], promised)
