"""Records of a key that leaked are sealed anew in the background: all of them, no faster than it may, whatever happens meanwhile."""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from gateway.clock import settle
from gateway.custody import resealing as room
from gateway.custody.keeper import Refused
from gateway.custody.resealing import Progress
from spool.account import AccountNote
from spool.entry import Entry
from spool.errors import RecordDamaged, SpoolClosed
from spool.lifecycle import CLAIM, POST
from spool.memory import MemoryStore
from spool.verify import verify
from tests.contracts.spool_examples import go
from tests.unit.key_house import House

RECORDS: Final = 2 * room.BATCH + 50
LEAKED, NEW, ANEW = 1, 2, 3
"""The key that leaked, the one that seals since, and the one the old records are sealed under."""


@pytest.fixture
async def house(tmp_path: Path) -> House:
    """A day's payments under the key that leaked; another one seals since."""
    house = await House(tmp_path, reseal_per_s=200).open()
    for number in range(RECORDS - 1):
        await house.record(number)
    await house.posted(RECORDS)
    await house.keeper.rotate()
    await house.record(RECORDS + 1)
    return house


async def batches(house: House, most: int = 100) -> list[float]:
    """Seconds after each batch, until there is nothing more to do or that many were made."""
    pauses = list[float]()
    while len(pauses) < most and (pause := await house.resealer.run_once()) is not None:
        pauses.append(pause)
    return pauses


async def seconds_go_by(house: House, seconds: int) -> None:
    """One by one, each with what it brings."""
    for _ in range(seconds):
        await settle()
        await house.clock.advance(1.0)


async def keys_of(house: House) -> dict[int, int]:
    """How many records are sealed under each key."""
    return {key_id: use.records for key_id, use in (await house.store.key_uses()).items()}


async def noted(house: House, lane: int, content: bytes) -> None:
    """What a core said of an account."""
    key_id, sealed = house.spool.seal_note(lane, content)
    await house.store.note_accounts([AccountNote(lane=lane, known=True, seen_at_us=1, key_id=key_id, sealed=sealed)])


async def test_nothing_is_done_unasked(house: House) -> None:
    """A new key leaves what older ones sealed."""
    assert await batches(house) == []
    assert await keys_of(house) == {LEAKED: RECORDS, NEW: 1}
    assert await house.resealer.progress() == []


async def test_everything_is_sealed_anew_and_the_old_key_can_go(house: House) -> None:
    """Waiting or over; what came since stays under its own key, and all of it opens."""
    await house.keeper.replace(LEAKED)

    await batches(house)

    assert await keys_of(house) == {NEW: 1, ANEW: RECORDS}
    assert await house.resealer.progress() == [Progress(key=LEAKED, under=ANEW, left=0, done=RECORDS, ended=True)]
    assert (await house.keeper.destroy(LEAKED)).records == 0
    await house.restart()
    verdict = await verify(house.store, house.spool.sealer)
    assert (verdict.findings, verdict.ok, verdict.opened, verdict.shredded) == ((), True, RECORDS + 1, 0)
    assert house.sealing == NEW


async def test_it_is_done_no_faster_than_it_may(house: House) -> None:
    """Payments have the disk to themselves most of the time."""
    await house.keeper.replace(LEAKED)

    pauses = await batches(house)

    assert pauses[:3] == [room.BATCH / 200, room.BATCH / 200, 50 / 200]


async def test_what_was_said_of_accounts_is_sealed_anew_too(tmp_path: Path) -> None:
    """But for what was heard since: that is under a newer key already."""
    house = await House(tmp_path).open()
    for lane in (1, 2):
        await noted(house, lane, b"A. B.")
    await house.keeper.rotate()
    await house.keeper.replace(LEAKED)
    await noted(house, 2, b"C. D.")

    await batches(house)

    notes = [note for lane in (1, 2) if (note := await house.store.account(lane)) is not None]
    assert [(note.key_id, house.spool.open_note(note)) for note in notes] == [(ANEW, b"A. B."), (NEW, b"C. D.")]


@pytest.mark.parametrize("done", [0, 1, 2, 3, 4])
async def test_a_process_that_is_killed_is_followed_by_one_that_goes_on(house: House, done: int) -> None:
    """Unasked, and nothing is sealed anew twice."""
    await house.keeper.replace(LEAKED)
    await batches(house, done)

    await house.restart()
    await batches(house)

    assert await keys_of(house) == {NEW: 1, ANEW: RECORDS}
    assert [await resealings(house, number) for number in sorted(house.store._entries)] == [1] * RECORDS + [0]


async def resealings(house: House, number: int) -> int:
    """How often an entry was sealed anew."""
    return [event.name for event in await house.store.history(number)].count("reseal")


async def test_what_it_reached_is_only_a_help(house: House) -> None:
    """Kept with a spool of another time it would pass over records: at the end they are looked for from the first on."""
    await house.store.remember("resealed-1", str(2**62).encode())
    await house.keeper.replace(LEAKED)

    await batches(house)

    assert await keys_of(house) == {NEW: 1, ANEW: RECORDS}


async def test_it_keeps_what_it_reached_by_and_by(house: House) -> None:
    """The next process begins there."""
    house.resealer = house.made_resealer(kept_every=2)
    await house.keeper.replace(LEAKED)
    await batches(house, 3)

    assert await house.store.recall("resealed-1") == str(sorted(house.store._entries)[2 * room.BATCH - 1]).encode()


async def test_a_damaged_record_stays_and_is_told(house: House) -> None:
    """Whoever looks at it later finds it as it was."""
    first = min(house.store._entries)
    damaged = house.store._entries[first] = replace(house.store._entries[first], sealed=b"damaged")
    await house.keeper.replace(LEAKED)
    await house.restart()

    await batches(house)

    assert await house.resealer.progress() == [Progress(key=LEAKED, under=ANEW, left=1, done=RECORDS - 1, ended=True)]
    assert house.store._entries[first] == damaged
    with pytest.raises(RecordDamaged):
        house.content(damaged)
    with pytest.raises(Refused, match="1 of its 1 entries still wait"):
        await house.keeper.destroy(LEAKED)


async def test_a_payment_that_is_posted_meanwhile_is_posted(house: House) -> None:
    """Whoever forwards it has it in hand from before."""
    first = house.store._entries[min(house.store._entries)]
    await house.keeper.replace(LEAKED)
    await batches(house, 1)

    posted = await go(house.store, first, CLAIM, POST)

    entry = house.store._entries[first.number]
    assert (entry.state, entry.key_id, house.content(entry)) == (posted.state, ANEW, b"who paid")


async def test_asked_twice_there_is_one_key(house: House) -> None:
    """Two custodians in one fright."""
    await house.keeper.replace(LEAKED)
    before = house.file.read()

    await house.keeper.replace(LEAKED)

    assert house.file.read() == before


@pytest.mark.parametrize(
    ("key_id", "why"), [(9, "there is no key 9"), (NEW, "key 2 seals what comes in: rotate first")]
)
async def test_what_can_not_be_replaced_is_refused(house: House, key_id: int, why: str) -> None:
    """With the reason."""
    with pytest.raises(Refused, match=why):
        await house.keeper.replace(key_id)


async def test_a_destroyed_key_can_not_be_replaced(house: House) -> None:
    """There is nothing to open any more."""
    await house.keeper.rotate()
    (recorded,) = [entry for entry in house.store._entries.values() if entry.key_id == NEW]
    await go(house.store, recorded, CLAIM, POST)
    await house.keeper.destroy(NEW)

    with pytest.raises(Refused, match="there is no key 2 that opens anything"):
        await house.keeper.replace(NEW)


async def test_it_is_told_who_began_it_and_when_it_was_over(house: House) -> None:
    """In the evidence, as whatever else is done to keys."""
    await house.keeper.replace(LEAKED)
    await batches(house)

    told = [(act.name, act.subject, act.detail) for act in house.store._acts if act.name.startswith("reseal")]
    assert told == [
        ("resealing_begun", "1", "under key 3"),
        ("resealed", "1", f"under key 3: {RECORDS} entries, {RECORDS - 1} of them waiting; left: 0"),
    ]


class Trying(MemoryStore):
    """Takes nothing now and then, or has a bug."""

    def __init__(self) -> None:
        super().__init__()
        self.raises: Exception | None = None

    def reseal(self, anew: Sequence[tuple[Entry | AccountNote, bytes]], key_id: int) -> Awaitable[list[bool]]:  # type: ignore[override]  # an awaitable, as in the seam
        """Put contents in their places, or raise."""
        error, self.raises = self.raises, None
        if error is not None:
            raise error
        return super().reseal(anew, key_id)


@pytest.mark.parametrize("error", [SpoolClosed("the disk hangs"), ZeroDivisionError("a bug")])
async def test_after_trouble_it_goes_on(tmp_path: Path, error: Exception) -> None:
    """At the next look; nothing is passed over."""
    house = House(tmp_path)
    house.store = Trying()
    house.spool, house.keeper = house.made()
    house.resealer = house.made_resealer()
    await house.open()
    await house.record()
    await house.keeper.rotate()
    await house.keeper.replace(LEAKED)
    house.store.raises = error

    with capture_logs() as told:
        pause_s = await house.resealer.run_once()
    await batches(house)

    assert (pause_s, len(told)) == (house.keeper.check_s, 1)
    assert await keys_of(house) == {ANEW: 1}


async def test_it_runs_when_it_is_asked_for(house: House) -> None:
    """And sleeps in between."""
    running = asyncio.create_task(house.resealer.run())
    await settle()
    await house.keeper.replace(LEAKED)
    await settle()
    before = await keys_of(house)
    house.resealer.soon()
    await seconds_go_by(house, 5)
    after = await keys_of(house)
    running.cancel()
    await asyncio.wait([running])

    assert (before, after) == ({LEAKED: RECORDS, NEW: 1}, {NEW: 1, ANEW: RECORDS})
