"""The audit: everything a spool holds against its log, and the log against itself and whatever witnesses kept of it.

Each row writes its leaf anew and must find its hash at its own place in the log; each place must be some row's. So a row
that was edited, moved, put in or taken out shows, and which one. The log's blocks must follow from each other up to a
head, and through the heads that witnesses kept: so a log that was made up wholly anew, or cut off, shows as well.

Pure: a shell reads, page by page, and tells it here. Memory: a bit for each event, and the findings it names.
"""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Final

from spool.evidence import leaf
from spool.evidence.findings import Fault, Finding, Mark
from spool.evidence.gone import gone_in, places_of
from spool.evidence.growth import NO_HEAD, Block, Head
from spool.evidence.records import Kept, Proven, ProvenAct
from spool.evidence.resealing import first_seal
from spool.evidence.settings import SET, digest_of, forged
from spool.evidence.story import ADOPTED, fault_of, freed_its_key
from spool.evidence.tree import append, leaf_hash, peaks_of, root_of

FINDINGS_MAX: Final = 1_000
"""Most findings named; all are counted."""


class Audit:
    """Takes blocks first, in order; then all rows; then says what is wrong."""

    def __init__(self, marks: Iterable[Mark] = ()) -> None:
        """Look for these heads on the way."""
        self._marks: dict[int, list[Mark]] = {}
        for mark in marks:
            self._marks.setdefault(mark.size, []).append(mark)
        #: What the next block may follow: heads that differ only after a fault.
        self._heads = [NO_HEAD]
        self._claimed = bytearray()
        #: Places that were forgotten before the audit began, as far as is said.
        self._forgotten = bytearray()
        self._counts = Counter[Fault]()
        self._named: list[Finding] = []
        #: What was set last under each name, by its SHA-256.
        self._set: dict[str, str] = {}

    @property
    def size(self) -> int:
        """How far the log goes, by the blocks seen so far."""
        return self._heads[0].size

    @property
    def head(self) -> Head:
        """The log's head, by its leaves' hashes."""
        return self._heads[0]

    @property
    def counts(self) -> dict[Fault, int]:
        """How much is wrong, by kind."""
        return dict(self._counts)

    @property
    def named(self) -> tuple[Finding, ...]:
        """The first `FINDINGS_MAX` things that are wrong."""
        return tuple(self._named)

    def find(self, finding: Finding) -> None:
        """Something is wrong."""
        self._counts[finding.fault] += 1
        if len(self._named) < FINDINGS_MAX:
            self._named.append(finding)

    # The log

    def take_block(self, block: Block) -> None:
        """The next block."""
        if block.first != self.size:
            gap = f"events {self.size} to {block.first - 1} are told by no block"
            self.find(Finding(fault=Fault.BLOCK_MISSING, leaf=self.size, at_us=block.at_us, detail=gap))
            for index in range(self.size, block.first):
                self._mark(index)
            self._heads = [block.head()]
            return
        for head in self._heads:
            grown = self._grown(head, block)
            if b"".join(grown.peaks) == block.peaks:
                self._heads = [grown]
                return
        self.find(Finding(fault=Fault.BLOCK_EDITED, leaf=block.first, at_us=block.at_us))
        self._heads = [self._grown(self._heads[0], block), block.head()]

    def _grown(self, head: Head, block: Block) -> Head:
        """The head after a block's leaves; marks on the way are compared."""
        peaks, size, hashes = list(head.peaks), head.size, peaks_of(block.leaves)
        for wanted in sorted(each for each in self._marks if size < each <= block.size):
            size = append(peaks, size, hashes[size - block.first : wanted - block.first])
            for mark in self._marks.pop(wanted):
                if root_of(peaks) != mark.root:
                    told = f"kept by {mark.source}, over {mark.size} events"
                    self.find(Finding(fault=Fault.CHECKPOINT_FORGED, leaf=wanted - 1, at_us=block.at_us, detail=told))
        size = append(peaks, size, hashes[size - block.first :])
        return Head(size, tuple(peaks))

    # What it tells of

    def take_kept(self, kept: Kept) -> None:
        """An entry with its history."""
        entry, (recorded, *later) = kept.entry, kept.history
        number = entry.number
        history = [recorded.event, *(proven.event for proven in later)]
        seal = first_seal(entry, history)
        # Where what is sealed isn't what it was sealed anew to, no leaf is right.
        text = b"" if seal is None else leaf.accepted(entry, recorded.event.target, recorded.event.told, seal)
        self._claim(recorded, leaf_hash(text), Fault.ENTRY_EDITED, Fault.ENTRY_UNKNOWN)
        was_adopted = any(event.name == ADOPTED for event in history)
        for proven in later:
            self._take_event(proven, may_be_older=was_adopted)
        fault = fault_of(entry, history)
        if fault is not None:
            self.find(Finding(fault=fault, number=number, leaf=history[-1].leaf))
        if kept.owns_key == freed_its_key(history):
            self.find(Finding(fault=Fault.KEY_LOST, number=number))

    def take_stray(self, proven: Proven) -> None:
        """An event of an entry that isn't there."""
        self._take_event(proven, may_be_older=True)
        self.find(Finding(fault=Fault.ENTRY_MISSING, number=proven.event.number, leaf=proven.event.leaf))

    def take_act(self, proven: ProvenAct) -> None:
        """A person's act."""
        act = proven.act
        if proven.hash:
            self._mark(act.leaf)
        if leaf_hash(leaf.acted(act)) != proven.hash:
            fault = Fault.ACT_EDITED if proven.hash else Fault.ACT_UNKNOWN
            self.find(Finding(fault=fault, leaf=act.leaf, at_us=act.at_us, detail=f"{act.name} {act.subject}"))
        elif act.name == SET:
            self._set[act.subject] = act.detail

    @property
    def told(self) -> Mapping[str, str]:
        """What was set last under each name, by its SHA-256, as far as acts were taken."""
        return self._set

    def expect_gone(self, value: bytes, size: int) -> None:
        """Before all rows: what was forgotten by now, of a log so long, answers for no place any more.

        Whether it was forgotten is told at the end.
        """
        with contextlib.suppress(ValueError):
            for index in takewhile(lambda place: place < size, places_of(gone_in(value))):
                _set(self._forgotten, index)

    def take_gone(self, name: str, value: bytes) -> None:
        """After all acts: what was forgotten leaves its places empty, if the log tells of this very value."""
        if digest_of(value) == self._set.get(name):
            for index in places_of(gone_in(value)):
                self._mark(index)

    def take_settings(self, kept: Mapping[str, str]) -> None:
        """After all acts: the values they tell of, by their SHA-256."""
        for name in forged(self._set, kept):
            self.find(Finding(fault=Fault.SETTING_FORGED, detail=name))

    def _take_event(self, proven: Proven, *, may_be_older: bool) -> None:
        """An event; one from before the log belongs to an entry that was taken into it later."""
        if proven.event.leaf >= 0 or not may_be_older:
            self._claim(proven, leaf_hash(leaf.moved(proven.event)), Fault.EVENT_EDITED, Fault.EVENT_UNKNOWN)

    def _claim(self, proven: Proven, hashed: bytes, edited: Fault, unknown: Fault) -> None:
        """A row takes its place in the log. Whether or not it is what was there, the place isn't empty."""
        event = proven.event
        if proven.hash:
            self._mark(event.leaf)
        if _is_set(self._forgotten, event.leaf):
            self.find(Finding(fault=Fault.FORGOTTEN_BACK, number=event.number, leaf=event.leaf, at_us=event.at_us))
        if hashed == proven.hash:
            return
        fault = edited if proven.hash else unknown
        self.find(Finding(fault=fault, number=event.number, leaf=event.leaf, at_us=event.at_us, detail=event.name))

    def _mark(self, index: int) -> None:
        """This place is somebody's."""
        _set(self._claimed, index)

    # The end

    def finish(self) -> None:
        """Everything was told: what is missing?"""
        for index in self._unclaimed():
            self.find(Finding(fault=Fault.ROW_MISSING, leaf=index))
        for size, marks in sorted(self._marks.items()):
            for mark in marks:
                self.find(self._missed(size - self.size, mark))

    def _missed(self, missing: int, mark: Mark) -> Finding:
        """A head that was looked for and not met: the log ends before it, or has a gap there."""
        if missing > 0:
            detail = f"{missing} events are missing that were there when {mark.source} kept it"
            return Finding(fault=Fault.ROLLED_BACK, leaf=self.size, detail=detail)
        detail = f"kept by {mark.source}; the blocks up to it are gone"
        return Finding(fault=Fault.CHECKPOINT_FORGED, leaf=mark.size - 1, detail=detail)

    def _unclaimed(self) -> Iterator[int]:
        self._mark(self.size)
        whole = self.size >> 3
        for byte in range(whole + 1):
            bits = self._claimed[byte]
            if bits != 0xFF:  # noqa: PLR2004 - eight places that are all taken
                yield from (
                    index for index in range(byte << 3, min(byte + 1 << 3, self.size)) if not bits >> (index & 7) & 1
                )


def _set(bits: bytearray, index: int) -> None:
    byte = index >> 3
    if byte >= len(bits):
        bits.extend(bytes(byte + 1 - len(bits) + 4096))
    bits[byte] |= 1 << (index & 7)


def _is_set(bits: bytearray, index: int) -> bool:
    byte = index >> 3
    return 0 <= byte < len(bits) and bool(bits[byte] >> (index & 7) & 1)
