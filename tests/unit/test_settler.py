"""Recording what happened, whatever the disk does."""

import asyncio

import pytest
from msgspec.structs import replace

from gateway.clock import ManualClock, settle
from gateway.settle import RETRY_S, Settler
from spool.entry import Entry
from spool.lifecycle import CLAIM, DOUBT, NOT_SENT, POST, REFUSE, RESEND, State, Told
from spool.spool import Spool
from spool.store import Inserted, Move
from tests.contracts.spool_examples import NOW_US, draft
from tests.unit.heart import KEYS
from tests.unit.troubled_store import Trouble, TroubledStore


class Desk:
    """A settler over a store with one entry in flight."""

    def __init__(self) -> None:
        """Nothing is opened yet."""
        self.clock = ManualClock(NOW_US)
        self.store = TroubledStore()
        self.spool = Spool(self.store, KEYS)
        self.settler = Settler(self.spool, self.clock)

    async def open(self) -> Entry:
        """Open, and record one entry in flight."""
        await self.spool.open(NOW_US)
        recorded = await self.spool.record(draft(1, state=State.IN_FLIGHT))
        assert isinstance(recorded, Inserted)
        return recorded.entry

    async def state(self) -> State:
        """Of the entry."""
        entry = await self.store.get(1)
        assert entry is not None
        return entry.state


@pytest.fixture
def desk() -> Desk:
    """One desk."""
    return Desk()


@pytest.mark.parametrize(
    "troubles",
    [
        [],
        [Trouble.CLOSED],
        [Trouble.FULL],
        [Trouble.UNSURE_LOST],
        [Trouble.UNSURE_KEPT],
        [Trouble.CLOSED, Trouble.UNSURE_LOST, Trouble.UNSURE_KEPT],
    ],
)
async def test_it_insists_until_the_move_is_made(desk: Desk, troubles: list[Trouble]) -> None:
    """Once in effect, however the commits end."""
    entry = await desk.open()
    desk.store.will("move", *troubles)
    insisting = asyncio.ensure_future(
        desk.settler.insist(Move(entry=entry, transition=POST, at_us=NOW_US + 1, core_id="c1"))
    )
    await settle()
    for _ in troubles:
        assert not insisting.done()
        await desk.clock.advance(RETRY_S)
    assert await insisting is True
    assert (await desk.state(), len(await desk.store.history(1))) == (State.POSTED, 2)


async def test_while_the_disk_takes_nothing_it_decides_anew_on_each_try(desk: Desk) -> None:
    """Others may have used up a limit meanwhile: what is told is what the limits allow at that moment."""
    entry = await desk.open()
    desk.store.will("move", Trouble.CLOSED)
    telling = [Told.PROVISIONAL, Told.NOTHING]
    insisting = asyncio.ensure_future(
        desk.settler.insist_on_decided(
            lambda: [Move(entry=entry, transition=DOUBT, at_us=NOW_US + 1, told=telling.pop(0))]
        )
    )
    await settle()
    await desk.clock.advance(RETRY_S)
    (made,) = await insisting
    assert made is not None
    assert (made.told, await desk.state()) == (Told.NOTHING, State.IN_DOUBT)


async def test_a_move_that_told_something_else_is_not_taken_for_ours(desk: Desk) -> None:
    """The first try did reach the disk, and said yes; who answers now must not say otherwise."""
    entry = await desk.open()
    desk.store.will("move", Trouble.UNSURE_KEPT)
    telling = [Told.PROVISIONAL, Told.NOTHING]
    insisting = asyncio.ensure_future(
        desk.settler.insist_on_decided(
            lambda: [Move(entry=entry, transition=DOUBT, at_us=NOW_US + 1, told=telling.pop(0))]
        )
    )
    await settle()
    await desk.clock.advance(RETRY_S)
    assert await insisting == [None]


async def test_it_says_when_somebody_else_decided_first(desk: Desk) -> None:
    """No row changed is an answer."""
    entry = await desk.open()
    await desk.store.move([Move(entry=entry, transition=REFUSE, at_us=NOW_US + 1, reason="other")])
    assert await desk.settler.insist(Move(entry=entry, transition=POST, at_us=NOW_US + 2)) is False
    assert await desk.state() is State.REFUSED


async def test_trouble_while_it_looks_whether_the_move_was_made_is_waited_out(desk: Desk) -> None:
    """The store may be reopening just then; the outcome must not be forgotten for that."""
    entry = await desk.open()
    desk.store.will("move", Trouble.UNSURE_KEPT)
    desk.store.will("get", Trouble.CLOSED)
    insisting = asyncio.ensure_future(desk.settler.insist(Move(entry=entry, transition=POST, at_us=NOW_US + 1)))
    await settle()
    await desk.clock.advance(2 * RETRY_S)
    assert await insisting is True


async def test_an_unsure_claim_that_reached_the_disk_is_taken_back(desk: Desk) -> None:
    """Nothing was sent; the entry is as it stands then."""
    entry = await desk.open()
    returned = await desk.settler.unclaim(entry.number, entry.epoch)
    assert returned is not None
    assert (returned.state, returned == await desk.store.get(1)) == (State.READY, True)


async def test_an_unsure_repeat_is_taken_back_into_doubt(desk: Desk) -> None:
    """What was sent before it may be booked."""
    entry = await desk.open()
    doubted = Move(entry=entry, transition=DOUBT, at_us=NOW_US + 1)
    resent = Move(entry=doubted.after(), transition=RESEND, at_us=NOW_US + 2)
    await desk.store.move([doubted, resent])
    await desk.settler.unclaim(1, resent.after().epoch, DOUBT)
    assert await desk.state() is State.IN_DOUBT


@pytest.mark.parametrize("epoch", [0, 2])
async def test_a_claim_of_another_epoch_is_left_alone(desk: Desk, epoch: int) -> None:
    """It is somebody else's, and really under way."""
    await desk.open()
    assert await desk.settler.unclaim(1, epoch) is None
    assert await desk.state() is State.IN_FLIGHT


async def test_a_claim_of_another_time_is_another_nodes_and_is_left_alone(desk: Desk) -> None:
    """Ours was lost, so that its claim has the same epoch; put back it would be sent twice (seed 67000031 of nodes)."""
    entry = await desk.open()
    assert await desk.settler.unclaim(1, entry.epoch, claimed_at_us=entry.changed_at_us - 1) is None
    assert await desk.state() is State.IN_FLIGHT
    assert await desk.settler.unclaim(1, entry.epoch, claimed_at_us=entry.changed_at_us) is not None
    assert await desk.state() is State.READY


async def test_an_unsure_record_that_never_reached_the_disk_needs_nothing(desk: Desk) -> None:
    """There is no such entry."""
    await desk.open()
    assert await desk.settler.unclaim(99, 1) is None


@pytest.mark.parametrize("trouble", [Trouble.CLOSED, Trouble.FULL, Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST])
@pytest.mark.parametrize("method", ["remember", "move"])
async def test_taking_back_waits_until_the_disk_tells_the_truth(desk: Desk, method: str, trouble: Trouble) -> None:
    """Looked for before that, a claim that reaches the disk a moment later would be an orphan."""
    entry = await desk.open()
    desk.store.will(method, trouble)
    taking_back = asyncio.ensure_future(desk.settler.unclaim(entry.number, entry.epoch))
    await settle()
    assert not taking_back.done()
    await desk.clock.advance(RETRY_S)
    returned = await taking_back
    assert returned is not None
    assert (returned.state, returned == await desk.store.get(1)) == (State.READY, True)


@pytest.mark.parametrize("trouble", [Trouble.CLOSED, Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST])
async def test_moves_made_together_are_told_apart_whatever_the_disk_does(desk: Desk, trouble: Trouble) -> None:
    """One that was overtaken says so, and those beside it are made."""
    entry = await desk.open()
    moves = [
        Move(entry=replace(entry, epoch=7), transition=POST, at_us=NOW_US + 1),
        Move(entry=entry, transition=POST, at_us=NOW_US + 1),
    ]
    desk.store.will("move", trouble)
    insisting = asyncio.ensure_future(desk.settler.insist_on_all(moves))
    await settle()
    await desk.clock.advance(RETRY_S)
    assert await insisting == [False, True]


async def test_a_claim_made_meanwhile_by_another_is_not_taken_back_twice(desk: Desk) -> None:
    """Compare and set: the epoch has gone on."""
    entry = await desk.open()
    back = Move(entry=entry, transition=NOT_SENT, at_us=NOW_US + 1)
    claim = Move(entry=back.after(), transition=CLAIM, at_us=NOW_US + 2)
    await desk.store.move([back, claim])
    assert await desk.settler.unclaim(1, entry.epoch) is None
    assert await desk.state() is State.IN_FLIGHT


async def test_finishing_waits_for_what_was_put_off_and_counts_what_is_left(desk: Desk) -> None:
    """What the disk never took is in doubt at the next start."""
    entry = await desk.open()
    desk.store.stop("move")
    move = Move(entry=entry, transition=POST, at_us=NOW_US + 1)
    desk.settler.later(desk.settler.insist(move))
    await settle()
    assert await desk.settler.finish(0) == 1
    desk.store.go_on()
    desk.settler.later(desk.settler.insist(move))
    assert await desk.settler.finish(20.0) == 0
    assert (await desk.settler.finish(0), await desk.state()) == (0, State.POSTED)
