"""Ending an entry by hand: what may be ended how, by how many, and what stays when it changed meanwhile."""

from collections.abc import Iterable
from itertools import product

import msgspec
import pytest

from gateway.admin.duties.closing import CloseOrder, Closing, Ending, needs_two, obstacle
from gateway.admin.duties.proposal import Proposal, Stand
from gateway.admin.duties.proposals import NotDone
from gateway.admin.entries.acts import BY_HAND
from gateway.clock import ManualClock
from spool import lifecycle as way
from spool.entry import Draft, Entry
from spool.keys import KeyRing
from spool.lifecycle import Kind, State, Told
from spool.memory import MemoryStore
from spool.number import EPOCH_MS, id_of
from spool.spool import Spool
from spool.store import Inserted, Move

NOW_US = EPOCH_MS * 1000


class Bench:
    """Closing over a memory store."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.spool = Spool(self.store, KeyRing([(1, b"\x01" * 32)], b"\x02" * 32))
        self.closing = Closing(self.spool, ManualClock(), lambda _: None)

    async def payment(self, number: int, *ways: way.Transition, told: Told = Told.PROVISIONAL) -> Entry:
        """A payment of 1.00, moved these ways."""
        draft = Draft(
            number=number,
            id=id_of(number, 0),
            kind=Kind.PAYMENT,
            channel="kiosk",
            key=f"k{number}",
            fingerprint=b"f",
            route="main",
            lane=number,
            amount=100,
            currency="RUB",
            accepted_at_us=NOW_US,
            state=State.READY,
            told=told,
            content=b"",
        )
        recorded = await self.spool.record(draft)
        assert isinstance(recorded, Inserted)
        return await self.go(recorded.entry, ways)

    async def go(self, entry: Entry, ways: Iterable[way.Transition], reason: str = "") -> Entry:
        """An entry moved these ways."""
        for step in ways:
            move = Move(entry=entry, transition=step, at_us=entry.changed_at_us + 1, reason=reason)
            assert await self.spool.move([move]) == [True]
            entry = move.after()
        return entry


@pytest.fixture
async def bench() -> Bench:
    """An open spool with nothing in it."""
    made = Bench()
    await made.spool.open(NOW_US)
    return made


def order(entry: Entry, ending: Ending, evidence: str = "statement 17", core_id: str = "") -> CloseOrder:
    """An entry as it is, to be ended so."""
    return CloseOrder(
        number=entry.number,
        state=entry.state,
        changed_at_us=entry.changed_at_us,
        ending=ending.word,
        evidence=evidence,
        core_id=core_id,
    )


BY_HAND_FROM = {
    State.HELD: (way.HOLD,),
    State.PARKED: (way.PARK,),
    State.QUARANTINED: (way.QUARANTINE,),
}
TARGETS = {Ending.POSTED: State.POSTED, Ending.REFUSED: State.REFUSED, Ending.RETURNED: State.RETURNED}


@pytest.mark.parametrize(("state", "ending"), list(product(BY_HAND_FROM, Ending)))
async def test_what_waits_for_a_person_a_person_may_end(bench: Bench, state: State, ending: Ending) -> None:
    """In each of the three ways, and the history says by whom and on what evidence."""
    entry = await bench.payment(1, *BY_HAND_FROM[state])
    assert obstacle(entry, ending) == ""

    ended = await bench.closing.close(order(entry, ending, core_id="B-17"), "anna")

    assert (ended.state, ended.reason, ended.core_id) == (TARGETS[ending], BY_HAND, "B-17")
    last = (await bench.store.history(1))[-1]
    assert (last.target, last.actor, last.note) == (TARGETS[ending], "anna", "statement 17")


@pytest.mark.parametrize("ending", Ending)
@pytest.mark.parametrize("ways", [(), (way.CLAIM,), (way.CLAIM, way.DOUBT), (way.CLAIM, way.POST), (way.CANCEL,)])
async def test_what_the_machine_moves_or_what_is_over_nobody_ends(
    bench: Bench, ways: tuple[way.Transition, ...], ending: Ending
) -> None:
    """In flight and in doubt the core may still say something else."""
    entry = await bench.payment(1, *ways)
    assert "starts from" in obstacle(entry, ending)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told.PROVISIONAL, ""),
        (Told.POSTED, ""),
        (Told.NOTHING, "its channel never had a yes, so nothing is owed back"),
        (Told.REFUSED, "its channel never had a yes, so nothing is owed back"),
    ],
)
async def test_a_refused_payment_is_returned_only_after_a_yes(bench: Bench, told: Told, words: str) -> None:
    """Else the payer never left his money."""
    entry = await bench.payment(1, way.CLAIM, way.REFUSE, told=told)
    assert obstacle(entry, Ending.RETURNED) == words


async def test_what_the_core_said_stays_what_the_channel_is_told(bench: Bench) -> None:
    """A repeat of the question gets the core's own no, before the return and after it."""
    flying = await bench.payment(1, way.CLAIM)
    refused = await bench.go(flying, (way.REFUSE,), reason="account_closed")
    assert (await bench.closing.close(order(refused, Ending.RETURNED), "anna")).reason == "account_closed"


@pytest.mark.parametrize("change", [(way.RETRY,), (way.CLOSE_POSTED,), (way.RETRY, way.PARK)])
async def test_what_changed_since_the_order_stands(bench: Bench, change: tuple[way.Transition, ...]) -> None:
    """Somebody else decided first."""
    parked = await bench.payment(1, way.PARK)
    now = await bench.go(parked, change)
    with pytest.raises(NotDone, match="look again"):
        await bench.closing.close(order(parked, Ending.POSTED), "anna")
    assert await bench.store.get(1) == now


async def test_what_changes_at_that_very_moment_stands(bench: Bench) -> None:
    """Between the look and the move."""
    parked = await bench.payment(1, way.PARK)
    rival = Closing(Beaten(bench.spool), ManualClock(), lambda _: None)
    with pytest.raises(NotDone, match="at this moment"):
        await rival.close(order(parked, Ending.POSTED), "anna")


class Beaten(Spool):
    """A spool in which somebody else always moves first."""

    def __init__(self, spool: Spool) -> None:
        super().__init__(spool.store, spool.keys)

    async def move(self, moves: object) -> list[bool]:
        """Too late."""
        del moves
        return [False]


async def test_an_entry_that_is_not_there_is_not_ended(bench: Bench) -> None:
    """The order names another spool's."""
    entry = await bench.payment(1, way.PARK)
    with pytest.raises(NotDone):
        await bench.closing.close(msgspec.structs.replace(order(entry, Ending.POSTED), number=2), "anna")


async def test_an_order_carried_out_twice_changes_once(bench: Bench) -> None:
    """The process died after the move and before it could say so; confirming again finds it done."""
    parked = await bench.payment(1, way.PARK)
    proposal = Proposal(
        id=1,
        act="close",
        subject="1",
        summary="",
        order=msgspec.Raw(msgspec.json.encode(order(parked, Ending.POSTED))),
        maker="anna",
        reason="",
        made_at_us=1,
        ends_at_us=2,
        stand=Stand.CONFIRMED,
        checker="boris",
    )

    said = [await bench.closing.confirmed(proposal) for _ in range(2)]

    assert said == ["payment 1 is posted"] * 2
    assert [event.name for event in await bench.store.history(1)] == ["record", "park", "close_posted"]
    assert (await bench.store.history(1))[-1].actor == "anna+boris"


@pytest.mark.parametrize(
    ("alone_max", "two"), [("0", True), ("0.99", True), ("1", False), ("1.00", False), ("5", False)]
)
async def test_above_its_limit_an_end_takes_two(bench: Bench, alone_max: str, two: bool) -> None:  # noqa: FBT001 - a column of the table
    """A payment of 1.00."""
    assert needs_two(await bench.payment(1), alone_max) is two
