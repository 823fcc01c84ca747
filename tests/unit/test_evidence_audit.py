"""The audit's corners: many findings, gaps that swallow a mark, rows that come in any number."""

from spool.evidence.audit import FINDINGS_MAX, Audit
from spool.evidence.findings import Fault, Finding, Mark
from spool.evidence.growth import Block, Growth
from spool.evidence.tree import EMPTY_ROOT


def grown(*sizes: int) -> list[Block]:
    """A log of blocks with so many leaves."""
    growth, blocks = Growth(), list[Block]()
    for size in sizes:
        growth.begin()
        for _ in range(size):
            growth.add(b"leaf %d" % growth.size, 1)
        block = growth.block()
        assert block is not None
        blocks.append(block)
        growth.come_true()
    return blocks


def test_all_are_counted_and_the_first_are_named() -> None:
    """A spool that was overwritten has as many faults as rows."""
    audit = Audit()

    for number in range(FINDINGS_MAX + 5):
        audit.find(Finding(fault=Fault.ENTRY_EDITED, number=number))

    assert audit.counts == {Fault.ENTRY_EDITED: FINDINGS_MAX + 5}
    assert [finding.number for finding in audit.named] == list(range(FINDINGS_MAX))


def test_heads_on_the_way_are_compared_wherever_they_fall() -> None:
    """A witness may have kept a head that is no block's end."""
    inside, end = grown(3)[0].head(), grown(4, 3)[1].head()
    blocks = grown(4, 3)
    marks = [
        Mark(size=3, root=inside.root, source="right"),
        Mark(size=3, root=EMPTY_ROOT, source="wrong"),
        Mark(size=7, root=end.root, source="right"),
    ]
    audit = Audit(marks)

    for block in blocks:
        audit.take_block(block)

    assert audit.head == end
    assert [(found.fault, found.leaf) for found in audit.named] == [(Fault.CHECKPOINT_FORGED, 2)]
    assert "kept by wrong" in audit.named[0].detail


def test_a_head_within_a_gap_can_not_be_compared() -> None:
    """Whoever cuts out the blocks up to a checkpoint doesn't get rid of it."""
    first, second, third = grown(2, 2, 2)
    audit = Audit([Mark(size=4, root=second.head().root, source="a witness")])

    audit.take_block(first)
    audit.take_block(third)
    audit.finish()

    assert audit.counts == {Fault.BLOCK_MISSING: 1, Fault.ROW_MISSING: 4, Fault.CHECKPOINT_FORGED: 1}
    assert audit.named[0].detail == "events 2 to 3 are told by no block"


def test_a_block_after_an_edited_one_is_judged_by_itself() -> None:
    """One finding for one edit, whether its hashes or its peaks were edited."""
    first, second, third = grown(1, 2, 3)
    edited_leaves = Block(second.first, second.size, 1, second.peaks, bytes(64))
    edited_peaks = Block(second.first, second.size, 1, bytes(64), second.leaves)

    found = []
    for edited in (edited_leaves, edited_peaks):
        audit = Audit()
        for block in (first, edited, third):
            audit.take_block(block)
        found.append(audit.counts)

    assert found == [{Fault.BLOCK_EDITED: 1}, {Fault.BLOCK_EDITED: 1}]


def test_what_says_nothing_of_an_entry_itself_stops_none() -> None:
    """A lost key or a damaged block is told; the payment is what it was."""
    stopping = {fault.word for fault in Fault if fault.quarantines}

    assert stopping == {
        "entry_edited", "entry_unknown", "event_edited", "event_unknown", "state_forged", "history_broken", "forgotten_back",
    }  # fmt: skip
