"""What every engine's log tells: each recording, move and act, once, in blocks that follow from each other."""

from itertools import pairwise

import pytest

from spool.entry import Act
from spool.errors import SpoolClosed
from spool.evidence.auditing import Pace, audit
from spool.evidence.findings import Mark
from spool.evidence.growth import Growth, Head
from spool.evidence.tree import EMPTY_ROOT, root_of
from spool.lifecycle import CLAIM, GIVE_BACK, HOLD, POST, State, Told
from spool.store import Known, Move, Store
from spool.verify import verify
from tests.contracts.spool_examples import LATER_US, NOW_US, MakeStore, draft, go, put, put_as, reversal, undo

FORCED = Act(at_us=LATER_US, name="route_open", subject="billing", detail="until noon", actor="ann", note="repairs")


async def head_of(store: Store) -> Head:
    """How far the log goes."""
    async with store.records() as records:
        return await records.head()


async def live(store: Store) -> None:
    """A bit of everything: what is known, what had changed, reversals, what is given back, a person's act."""
    await put_as(store, draft(1), State.POSTED)
    await store.insert(draft(2, key="key-1"), 1, b"sealed")
    held = await put_as(store, draft(3), State.READY)
    moves = [Move(entry=held, transition=each, at_us=LATER_US) for each in (HOLD, CLAIM)]
    assert await store.move(moves) == [True, False]
    await undo(store, reversal(4, held))
    in_flight = await put(store, draft(5, state=State.IN_FLIGHT, told=Told.NOTHING))
    await go(store, in_flight, GIVE_BACK, actor="ann", note="by hand", core_id="c-1")
    await put(store, draft(6, key="key-5"))
    await store.act(FORCED)
    waiting = await put(store, draft(7, state=State.IN_FLIGHT, told=Told.NOTHING))
    await undo(store, reversal(8, waiting))


EVENTS = 3 + 2 + 2 + 2 + 1 + 1 + 1 + 1
"""How many there are in that: 1 claimed and posted; 3 held and cancelled, by 4; 5 given back; 6; the act; 7; 8."""


async def test_a_new_log_is_empty(store: Store) -> None:
    """Nothing has happened."""
    assert await head_of(store) == Head(0, ())
    found = await verify(store)
    assert (found.ok, found.events, found.root) == (True, 0, EMPTY_ROOT)


async def test_everything_that_happens_is_told_once(store: Store) -> None:
    """What changed nothing isn't told; all else is, and the audit finds each event in its place."""
    await live(store)

    found = await verify(store)

    assert found.findings == ()
    assert found.ok
    assert found.events == EVENTS


async def test_each_event_knows_its_place(store: Store) -> None:
    """The history tells it, so that a payment's events can be proven."""
    entry = await go(store, await put(store, draft(1)), CLAIM)
    await put(store, draft(2))
    await go(store, entry, POST, told=Told.POSTED, core_id="c-7")

    recorded, claimed, posted = await store.history(1)

    assert [recorded.leaf, claimed.leaf, posted.leaf] == [0, 1, 3]
    assert (recorded.told, recorded.core_id) == (Told.PROVISIONAL, "")
    assert (posted.told, posted.core_id) == (Told.POSTED, "c-7")


async def test_an_act_is_kept_with_its_place(store: Store) -> None:
    """What a person does to a route moves no entry, and is told all the same."""
    await put(store, draft(1))

    kept = await store.act(FORCED)

    assert kept.leaf == 1
    async with store.records() as records:
        (proven,) = await records.acts(0, 10)
        assert await records.acts(2, 10) == []
    assert proven.act == kept


async def test_blocks_are_the_commits_in_order(store: Store) -> None:
    """Each begins where the one before it ended, and is found by any leaf in it."""
    await put(store, draft(1))
    entries = [await put(store, draft(number)) for number in (2, 3)]
    await store.move([Move(entry=entry, transition=CLAIM, at_us=LATER_US) for entry in entries])

    async with store.records() as records:
        blocks = await records.blocks(0, 10)
        found = [await records.block_at(index) for index in (0, 4, 9)]
        later = await records.blocks(2, 1)
        assert await records.block_at(-1) is None

    assert [block.first for block in blocks] == [0, 1, 2, 3]
    assert all(first.size == second.first for first, second in pairwise(blocks))
    assert found == [blocks[0], blocks[3], blocks[3]]
    assert later == [blocks[2]]
    assert blocks[3].at_us == LATER_US
    assert blocks[3].leaf(4) == blocks[3].leaves[32:]


async def test_the_log_goes_on_after_a_restart(make_store: MakeStore) -> None:
    """A log that began anew would be another one; what the restart itself does is told as well."""
    first = make_store()
    await first.open(NOW_US)
    await live(first)
    before = await head_of(first)
    await first.close()

    again = make_store()
    await again.open(LATER_US)
    after = await head_of(again)
    mark = Mark(size=before.size, root=before.root, source="before")
    found = await verify(again, marks=[mark])
    await again.close()

    assert (before.size, after.size) == (EVENTS, EVENTS + 1)
    assert found.ok


async def test_what_is_read_is_of_one_moment(store: Store) -> None:
    """A proof is made of several looks, and the service goes on."""
    await put(store, draft(1))

    async with store.records() as records:
        await records.head()
        await put_as(store, draft(2), State.POSTED)
        await store.act(FORCED)
        blocks, kept, acts = await records.blocks(0, 9), await records.kept(0, 9), await records.acts(0, 9)

    assert [block.size for block in blocks] == [1]
    assert [each.entry.number for each in kept] == [1]
    assert acts == []


@pytest.mark.parametrize("goes", [1, 2, 200])
async def test_an_audit_goes_on_while_payments_come_and_go(store: Store, goes: int) -> None:
    """It takes minutes: rows are of later moments than the log they are held against, and nothing is wrong with them."""
    waiting = [await put(store, draft(number)) for number in range(1, 6)]
    before = await head_of(store)
    came = 5

    async def pause() -> None:
        nonlocal came
        if came < 20:
            came += 1
            await put(store, draft(came))
            await store.act(FORCED)
            if waiting:
                await go(store, waiting.pop(), CLAIM)

    found = await audit(
        store, [Mark(size=5, root=before.root, source="before")], Pace(entries=1, pause=pause, goes=goes)
    )

    assert (found.size, found.counts) == (before.size, {})
    assert (await head_of(store)).size > before.size + 10
    assert (await verify(store)).ok


async def test_a_closed_store_has_no_log_to_show(make_store: MakeStore) -> None:
    """Like everything else."""
    store = make_store()
    with pytest.raises(SpoolClosed):
        await head_of(store)
    with pytest.raises(SpoolClosed):
        await store.act(FORCED)


async def test_a_known_key_leaves_no_trace(store: Store) -> None:
    """It changed nothing."""
    await put(store, draft(1))
    before = await head_of(store)

    assert isinstance(await store.insert(draft(2, key="key-1"), 1, b"sealed"), Known)

    assert await head_of(store) == before


def test_what_did_not_come_true_is_forgotten() -> None:
    """A transaction that failed leaves the log as it was."""
    growth = Growth()
    growth.add(b"lost", 1)
    lost = growth.block()
    growth.begin()

    assert growth.add(b"kept", 2) == 0
    block = growth.block()
    growth.come_true()

    assert block is not None
    assert block != lost
    assert growth.head == block.head()
    assert root_of(growth.head.peaks) == growth.head.root
    growth.begin()
    assert growth.block() is None


async def test_contents_sealed_anew_are_told_and_the_acceptance_stays_proven(store: Store) -> None:
    """The record it was taken with is gone; that it was another one, and by which steps, is in the log."""
    entry = await put(store, draft(1))
    assert await store.reseal([(entry, b"anew")], 9) == [True]
    resealed = await store.get(1)
    assert resealed is not None
    claimed = await go(store, resealed, CLAIM)
    assert await store.reseal([(entry, b"late"), (claimed, b"newest")], 10) == [False, True]

    found = await verify(store)

    assert found.findings == ()
    assert found.events == 4
    assert [event.name for event in await store.history(1)] == ["record", "reseal", "claim", "reseal"]
