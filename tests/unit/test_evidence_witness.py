"""Witnesses take no head that goes back, and heads are judged by the epoch they are of."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.evidence.marks import breaks, missing_of, witnessed
from gateway.evidence.witness import FileWitness, LogWitness, WitnessFailed, goes_back, split_origin
from spool.evidence.checkpoint import Checkpoint, CheckpointKey
from spool.evidence.epoch import Epoch, keep_epoch
from spool.evidence.findings import Fault
from spool.evidence.tree import EMPTY_ROOT
from spool.memory import MemoryStore
from tests.contracts.spool_examples import NOW_US, draft, put

KEY: Final = CheckpointKey(Ed25519PrivateKey.generate())
OTHER: Final = bytes(32)


def note(size: int, epoch: int = 1, root: bytes = EMPTY_ROOT, name: str = "node") -> str:
    """A signed head."""
    return KEY.sign(Checkpoint(f"{name}/{epoch}", size, root))


@pytest.mark.parametrize(
    ("kept", "new", "wanted"),
    [
        ("", note(1), False),
        (note(1), note(2), False),
        (note(2), note(2), False),
        (note(2), note(1), True),
        (note(2), note(2, root=OTHER), True),
        (note(9), note(1, epoch=2), False),
        (note(1, epoch=2), note(9), True),
        (note(1), note(2, name="another"), True),
        ("rubbish", note(2), True),
    ],
)
def test_a_head_goes_back_when_it_says_less_or_another_thing(kept: str, new: str, wanted: bool) -> None:  # noqa: FBT001 - a table
    """A log that was put back must not talk its witness over."""
    assert goes_back(kept, new) is wanted


def test_an_origin_ends_in_its_epoch() -> None:
    """Or has none."""
    assert split_origin("a/b/3") == ("a/b", 3)
    assert split_origin("a/b") == ("a/b", 0)


async def test_a_file_keeps_the_newest_and_takes_none_that_goes_back(tmp_path: Path) -> None:
    """It is a witness against the spool, not its servant."""
    witness = FileWitness(tmp_path / "checkpoint")
    assert await witness.newest() == ""
    await witness.keep(note(1))
    await witness.keep(note(5))

    with pytest.raises(WitnessFailed, match="goes further"):
        await witness.keep(note(4))

    assert await witness.newest() == note(5)


async def test_a_file_that_can_not_be_written_or_read_says_why(tmp_path: Path) -> None:
    """In words an operator can act on."""
    with pytest.raises(WitnessFailed, match="can't be written: No such file"):
        await FileWitness(tmp_path / "nowhere" / "checkpoint").keep(note(1))
    with pytest.raises(WitnessFailed, match="can't be read: Is a directory"):
        await FileWitness(tmp_path).newest()


async def test_the_log_can_not_be_asked() -> None:
    """Whoever keeps the log elsewhere looks there."""
    assert await LogWitness().newest() == ""


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    """A log of two events."""
    store = MemoryStore()
    await store.open(NOW_US)
    await put(store, draft(1))
    await put(store, draft(2))
    yield store
    await store.close()


async def kept(folder: Path, text: str) -> FileWitness:
    """A witness that has kept this."""
    file = folder / "checkpoint"
    await asyncio.to_thread(file.write_text, text)
    return FileWitness(file)


async def head_note(store: MemoryStore, *, size: int, epoch: int = 1) -> str:
    """The true head at a size, signed."""
    async with store.records() as records:
        block = await records.block_at(size - 1)
    assert block is not None
    return note(size, epoch, block.head().root)


async def test_a_log_that_goes_through_what_was_kept_is_sound(store: MemoryStore, tmp_path: Path) -> None:
    """However much came since."""
    found = await witnessed(store, [await kept(tmp_path, await head_note(store, size=1))], "node", KEY.public)

    assert await breaks(store, found) == []
    assert [mark.size for mark in found.marks] == [1]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (note(7), Fault.ROLLED_BACK),
        (note(1, root=OTHER), Fault.CHECKPOINT_FORGED),
        (note(1, epoch=2), Fault.ROLLED_BACK),
    ],
)
async def test_a_log_that_does_not_is_told(store: MemoryStore, tmp_path: Path, text: str, fault: Fault) -> None:
    """It was cut off, made up anew, or is from before a restore."""
    found = await witnessed(store, [await kept(tmp_path, text)], "node", KEY.public)

    assert [finding.fault for finding in await breaks(store, found)] == [fault]
    assert missing_of(2, found.marks) == max((mark.size - 2 for mark in found.marks), default=0)


@pytest.mark.parametrize("text", ["rubbish", note(1).replace("node/1\n1", "node/1\n2"), note(1, name="another")])
async def test_what_is_not_of_this_log_is_told_and_stops_nothing(store: MemoryStore, tmp_path: Path, text: str) -> None:
    """Somebody who can write to a witness must not be able to stop the service."""
    found = await witnessed(store, [await kept(tmp_path, text)], "node", KEY.public)

    assert [finding.fault for finding in found.findings] == [Fault.CHECKPOINT_UNSIGNED]
    assert await breaks(store, found) == []


async def test_a_witness_that_can_not_be_read_is_passed_over(store: MemoryStore, tmp_path: Path) -> None:
    """The others are asked all the same."""
    found = await witnessed(store, [FileWitness(tmp_path)], "node", KEY.public)

    assert found.marks == []


@pytest.mark.parametrize(("accepted", "marks"), [(False, [7]), (True, [])])
async def test_what_a_person_has_given_up_is_asked_for_no_more(
    store: MemoryStore,
    tmp_path: Path,
    marks: list[int],
    *,
    accepted: bool,
) -> None:
    """But not before."""
    await keep_epoch(store, Epoch(number=2, began_size=2, accepted=accepted))

    found = await witnessed(store, [await kept(tmp_path, note(7))], "node", KEY.public)

    assert [mark.size for mark in found.marks] == marks
