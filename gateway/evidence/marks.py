"""Heads of the log that were kept: here and by witnesses; whether the log still goes through them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.evidence.witness import Witness, WitnessFailed, split_origin
from gateway.log import log
from spool.evidence.checkpoint import NoteUnfit, read_note
from spool.evidence.epoch import Epoch, epoch_of
from spool.evidence.findings import Fault, Finding, Mark
from spool.evidence.proof import NotInLog, head_at
from spool.store import Store

KEPT_HERE = "evidence-checkpoint"
"""The name under which the spool remembers its newest checkpoint."""

HERE = "the spool itself"


class Witnessed(NamedTuple):
    """What was kept, and what is wrong with it by itself."""

    marks: Sequence[Mark]
    findings: Sequence[Finding]
    #: Epochs of this log that were seen.
    epochs: Sequence[int] = ()


NOTHING_WITNESSED = Witnessed((), ())


async def witnessed(store: Store, witnesses: Iterable[Witness], origin: str, public: Ed25519PublicKey) -> Witnessed:
    """Everything that was kept of this log. A witness that can't be read now is passed over, and said so."""
    epoch = await epoch_of(store)
    notes = {HERE: (await store.recall(KEPT_HERE) or b"").decode("utf-8", "replace")}
    for witness in witnesses:
        try:
            notes[witness.name] = await witness.newest()
        except WitnessFailed as failed:
            log.error("witness_failed", witness=witness.name, why=str(failed))
    read = [_read(note, source, origin, epoch, public) for source, note in notes.items() if note]
    marks = [each for each in read if isinstance(each, Mark)]
    return Witnessed(marks, [each for each in read if isinstance(each, Finding)])


def _read(note: str, source: str, origin: str, epoch: Epoch, public: Ed25519PublicKey) -> Mark | Finding | None:
    """What a note says of this log; None where it is of what a person has given up."""
    try:
        checkpoint = read_note(note, public)
    except NoteUnfit as unfit:
        return Finding(fault=Fault.CHECKPOINT_UNSIGNED, detail=f"kept by {source}: {unfit}")
    name, number = split_origin(checkpoint.origin)
    if name != origin:
        return Finding(fault=Fault.CHECKPOINT_UNSIGNED, detail=f"kept by {source}: of another log, {name}")
    if number > epoch.number:
        detail = f"{source} kept one of epoch {number}, and the spool is of epoch {epoch.number}: it is an older copy"
        return Finding(fault=Fault.ROLLED_BACK, detail=detail)
    if number < epoch.number and checkpoint.size > epoch.began_size and epoch.accepted:
        return None
    return Mark(size=checkpoint.size, root=checkpoint.root, source=source)


async def breaks(store: Store, found: Witnessed) -> list[Finding]:
    """What is wrong between the log's end and what was kept of it, in a few reads: for each opening."""
    wrong = [finding for finding in found.findings if finding.fault is Fault.ROLLED_BACK]
    async with store.records() as records:
        size = (await records.head()).size
        for mark in found.marks:
            if mark.size > size:
                detail = f"{mark.size - size} events are missing that were there when {mark.source} kept it"
                wrong.append(Finding(fault=Fault.ROLLED_BACK, leaf=size, detail=detail))
                continue
            try:
                root = (await head_at(records, mark.size)).root
            except NotInLog:
                root = b""
            if root != mark.root:
                detail = f"kept by {mark.source}, over {mark.size} events"
                wrong.append(Finding(fault=Fault.CHECKPOINT_FORGED, leaf=mark.size - 1, detail=detail))
    return wrong


def missing_of(size: int, marks: Iterable[Mark]) -> int:
    """How many events are known to be missing from a log that is so long."""
    return max((mark.size - size for mark in marks), default=0)
