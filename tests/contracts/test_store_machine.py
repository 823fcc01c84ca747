"""Every engine of the spool against a model in plain dicts, over random sequences of whatever can be asked of it."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from spool import lifecycle as way
from spool.entry import Draft, Entry
from spool.errors import LaneTaken
from spool.lifecycle import FINAL, POSITIVE, TRANSITIONS, UNSENT, WAITING, Kind, State, Told
from spool.rank import RANKS, USUAL
from spool.store import Filter, Inserted, Known, Move, NotReversible
from spool.tally import Cell
from tests.contracts.spool_examples import ENGINES, NOW_US, draft, reversal

LANES = (1, 2, 3)
KEYS = tuple("abcdefghijkl")
ROUTE = "billing"
TIMES_US = (0, NOW_US + 10, NOW_US + 20, NOW_US + 30)


@dataclass
class Model:
    """What the seam's prose says, in dicts, with no thought for speed."""

    entries: dict[int, Entry] = field(default_factory=dict)
    behind: set[int] = field(default_factory=set)
    given_back: set[int] = field(default_factory=set)
    netted: set[int] = field(default_factory=set)
    #: Names of what happened to each entry.
    history: dict[int, list[str]] = field(default_factory=dict)

    def owner(self, key: str) -> Entry | None:
        """The entry that owns a key."""
        owners = [e for e in self.entries.values() if e.key == key and e.number not in self.given_back]
        assert len(owners) <= 1, "a key has one owner"
        return owners[0] if owners else None

    def reversal_of(self, number: int) -> Entry | None:
        """The reversal in a payment's place."""
        over = {State.REFUSED, State.CANCELLED}
        undone = [e for _, e in sorted(self.entries.items()) if e.reverses == number]
        counts = [e for e in undone if e.state not in over or e.number in self.netted]
        assert sum(e.state is not State.RETURNED for e in counts) <= 1, "a payment is reversed once"
        return counts[0] if counts else None

    def movable(self) -> list[Entry]:
        """What can still be moved."""
        return [e for e in self.entries.values() if e.state in WAITING or e.state is State.REFUSED]

    def owed(self) -> list[Entry]:
        """Whose money is owed back, refused first first."""
        owed = [e for e in self.entries.values() if e.state is State.REFUSED and e.told in POSITIVE]
        return sorted(owed, key=lambda e: (e.changed_at_us, e.number))

    def is_in_line(self, entry: Entry) -> bool:
        """Waits in arrival order."""
        return entry.state is State.READY and not entry.due_at_us and entry.number not in self.behind

    def in_line(self) -> list[Entry]:
        """Arrival order."""
        return [e for _, e in sorted(self.entries.items()) if self.is_in_line(e)]

    def aside(self, entry: Entry) -> list[Entry]:
        """Earlier entries of the lane, unfinished and not in arrival order."""
        earlier = (e for _, e in sorted(self.entries.items()) if e.number < entry.number and e.lane == entry.lane)
        return [e for e in earlier if e.state in WAITING and not self.is_in_line(e)]

    def followers(self, lane: int) -> list[Entry]:
        """Set behind, with nothing before them that waits for anything else."""
        candidates = [self.entries[n] for n in sorted(self.behind) if self.entries[n].lane == lane]
        return [e for e in candidates if all(a.number in self.behind for a in self.aside(e))]

    def due(self, now_us: int) -> list[Entry]:
        """Whose time has come, first in their lane, soonest first."""
        timed = [
            e for e in self.entries.values() if e.state is State.IN_DOUBT or (e.state is State.READY and e.due_at_us)
        ]
        come = [e for e in timed if e.due_at_us <= now_us and not self.aside(e)]
        return sorted(come, key=lambda e: (e.due_at_us, e.number))

    def in_lane(self, lane: int, states: Collection[State]) -> bool:
        """Whether something of a lane is in one of these states."""
        return any(e.lane == lane and e.state in states for e in self.entries.values())

    def rank_behind(self, lane: int, rank: int) -> int:
        """This rank, or the worst of what is unfinished in the lane."""
        return max([rank, *(e.rank for e in self.entries.values() if e.lane == lane and e.state in WAITING)])

    def apply(self, entry: Entry, name: str) -> None:
        """An entry has changed, or is new."""
        self.entries[entry.number] = entry
        self.behind.discard(entry.number)
        self.history.setdefault(entry.number, []).append(name)


class StoreMachine(RuleBasedStateMachine):
    """Asks a store and the model the same."""

    engine = ""
    #: The engine is one that several nodes may share: one attempt in flight per lane.
    shared = False

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.make = ENGINES[self.engine](Path(self.folder.name))
        self.model = Model()
        self.number = 0
        self.now_us = NOW_US

    def run(self, awaitable: Any) -> Any:
        """The result of a call."""

        async def call() -> Any:
            return await awaitable

        return self.runner.run(call())

    @initialize()
    def open(self) -> None:
        """Begin empty."""
        self.store = self.make()
        self.run(self.store.open(self.now_us))

    def teardown(self) -> None:
        """Leave nothing open."""
        self.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    def entry_at(self, pick: int) -> Entry:
        """Any entry there is."""
        return list(self.model.entries.values())[pick % len(self.model.entries)]

    def movable_at(self, pick: int) -> Entry:
        """Any entry that can still be moved."""
        movable = self.model.movable()
        return movable[pick % len(movable)]

    def next_draft(self, **changes: Any) -> Draft:
        """A new draft with a higher number, at a later time."""
        self.number += 1
        self.now_us += 1
        return draft(self.number, **{"accepted_at_us": self.now_us, **changes})

    @rule(
        key=st.sampled_from(KEYS),
        lane=st.sampled_from(LANES),
        amount=st.integers(1, 9),
        state=st.sampled_from([State.READY, State.IN_FLIGHT]),
        told=st.sampled_from([Told.NOTHING, Told.PROVISIONAL]),
        rank=st.integers(0, RANKS - 1),
    )
    def insert(  # noqa: PLR0917 - what a rule draws
        self, key: str, lane: int, amount: int, state: State, told: Told, rank: int
    ) -> None:
        """A payment arrives."""
        new = self.next_draft(key=key, lane=lane, amount=amount, state=state, told=told, rank=rank)
        owner = self.model.owner(key)

        if owner is None and state is State.IN_FLIGHT and self.shared and self.model.in_lane(lane, WAITING):
            with pytest.raises(LaneTaken):
                self.run(self.store.insert(new, 1, b""))
            return
        result = self.run(self.store.insert(new, 1, b""))

        if owner is not None:
            assert result == Known(entry=owner)
            return
        assert isinstance(result, Inserted)
        assert (result.entry.state, result.entry.rank) == (state, self.model.rank_behind(lane, rank))
        self.model.apply(result.entry, "record")

    @precondition(lambda self: self.model.entries)
    @rule(pick=st.integers(0, 99), key=st.sampled_from(KEYS), state=st.sampled_from([State.READY, State.IN_FLIGHT]))
    def reverse(self, pick: int, key: str, state: State) -> None:
        """A reversal of some payment arrives."""
        payment = self.entry_at(pick)
        payment = self.model.entries[payment.reverses or payment.number]
        self.next_draft()
        new = reversal(self.number, payment, key=key, state=state, accepted_at_us=self.now_us)
        owner, rival = self.model.owner(key), self.model.reversal_of(payment.number)

        begins = payment.state is State.POSTED and state is State.IN_FLIGHT and owner is None and rival is None
        if begins and self.shared and self.model.in_lane(payment.lane, WAITING):
            with pytest.raises(LaneTaken):
                self.run(self.store.reverse(new, 1, b""))
            return
        result = self.run(self.store.reverse(new, 1, b""))

        if owner is not None:
            assert result == Known(entry=owner)
        elif rival is not None or payment.state in FINAL - {State.POSTED}:
            assert result == NotReversible(entry=payment, reversal=rival)
        elif payment.state in UNSENT:
            self.check_netted(payment, result)
        else:
            assert result.entry.state is (state if payment.state is State.POSTED else State.READY)
            assert result.entry.rank == self.model.rank_behind(payment.lane, USUAL)
            self.model.apply(result.entry, "record")

    def check_netted(self, payment: Entry, result: Inserted) -> None:
        """Payment and reversal have cancelled out."""
        assert result.netted == payment
        assert result.entry.state is State.CANCELLED
        cancelled = self.run(self.store.get(payment.number))
        known = replace(payment, state=State.CANCELLED, changed_at_us=self.now_us)
        assert cancelled == replace(known, reason=cancelled.reason, due_at_us=cancelled.due_at_us)
        self.model.apply(cancelled, "cancel")
        self.model.apply(result.entry, "record")
        self.model.netted.add(result.entry.number)

    @precondition(lambda self: self.model.movable())
    @rule(
        pick=st.integers(0, 99),
        choice=st.integers(0, 99),
        due_at_us=st.sampled_from(TIMES_US),
        told=st.sampled_from([None, Told.PROVISIONAL, Told.POSTED]),
        stale=st.sampled_from([{}, {}, {}, {"epoch": 99}, {"told": Told.REFUSED}]),
    )
    def move(self, pick: int, choice: int, due_at_us: int, told: Told | None, stale: dict[str, Any]) -> None:
        """Somebody makes a move, sometimes knowing the entry as it isn't."""
        entry = self.movable_at(pick)
        allowed = [transition for transition in TRANSITIONS if entry.state in transition.sources]
        if self.model.in_lane(entry.lane, WAITING):
            # Whoever reopens sees to it that the lane is clear.
            allowed = [transition for transition in allowed if transition is not way.REOPEN]
        transition = allowed[choice % len(allowed)]
        self.now_us += 1
        timed = due_at_us if transition.target in {State.READY, State.IN_DOUBT} else 0
        known = replace(entry, **stale)
        move = Move(entry=known, transition=transition, at_us=self.now_us, due_at_us=timed, told=told)

        begins = transition.target is State.IN_FLIGHT and self.shared
        made = known == entry and not (begins and self.model.in_lane(entry.lane, {State.IN_FLIGHT}))

        assert self.run(self.store.move([move])) == [made]

        if made:
            self.model.apply(move.after(), transition.name)
            self.model.given_back |= {entry.number} if transition.frees_key else set()

    @precondition(lambda self: self.model.movable())
    @rule(picks=st.lists(st.integers(0, 99), min_size=1, max_size=4))
    def set_behind(self, picks: list[int]) -> None:
        """The forwarder finds lanes occupied."""
        entries = [self.movable_at(pick) for pick in picks]

        self.run(self.store.set_behind(entries))

        self.model.behind |= {e.number for e in entries if self.model.is_in_line(e)}

    @rule(lane=st.sampled_from(LANES), limit=st.integers(1, 3))
    def followers(self, lane: int, limit: int) -> None:
        """A lane is free again."""
        expected = self.model.followers(lane)[:limit]

        assert self.run(self.store.followers(ROUTE, lane, limit)) == expected

        self.model.behind -= {e.number for e in expected}

    @rule()
    def reopen(self) -> None:
        """A new process takes the spool in hand."""
        self.run(self.store.close())
        self.now_us += 1
        self.store = self.make()
        self.run(self.store.open(self.now_us))
        self.model.behind.clear()
        for entry in [e for e in self.model.entries.values() if e.state is State.IN_FLIGHT]:
            doubtful = self.run(self.store.get(entry.number))
            assert (doubtful.state, doubtful.epoch, doubtful.told) == (State.IN_DOUBT, entry.epoch, entry.told)
            self.model.apply(doubtful, "doubt")

    @invariant()
    def entries_are_the_models(self) -> None:
        """Every one of them, found every way."""
        entries = [entry for _, entry in sorted(self.model.entries.items())]
        assert self.run(self.store.page(Filter(), 1000)) == entries
        assert {key: self.run(self.store.find("kiosk", key)) for key in KEYS} == {k: self.model.owner(k) for k in KEYS}
        payments = [e.number for e in entries if e.kind is Kind.PAYMENT]
        assert [self.run(self.store.reversal_of(n)) for n in payments] == [self.model.reversal_of(n) for n in payments]
        for number, names in self.model.history.items():
            assert [event.name for event in self.run(self.store.history(number))] == names

    @invariant()
    def order_is_the_models(self) -> None:
        """Who is in line, who is blocked, who is due, and whose lane is clear."""
        for rank in range(RANKS):
            ready = self.run(self.store.ready(ROUTE, rank, 0, 1000))
            in_line = [e for e in self.model.in_line() if e.rank == rank]
            assert [(r.entry, r.blocked) for r in ready] == [(e, bool(self.model.aside(e))) for e in in_line]
        oldest = next((e.accepted_at_us for e in self.model.in_line()), 0)
        assert self.run(self.store.oldest_waiting_us(ROUTE)) == oldest
        for time_us in TIMES_US:
            due = self.run(self.store.due(ROUTE, time_us, 1000))
            assert Counter(e.number for e in due) == Counter(e.number for e in self.model.due(time_us))
            assert [e.due_at_us for e in due] == sorted(e.due_at_us for e in due)
        assert self.run(self.store.returns_due(ROUTE, 1000)) == self.model.owed()
        unfinished = {e.lane for e in self.model.entries.values() if e.state in WAITING}
        assert not [lane for lane in unfinished if self.store.lane_is_clear(ROUTE, lane)]

    @invariant()
    def sums_are_those_of_the_entries(self) -> None:
        """Tally, recount and model say the same."""

        async def recount() -> list[dict[Cell, tuple[int, int]]]:
            return [dict(step) async for step in self.store.recount()]

        counted: dict[Cell, tuple[int, int]] = {}
        for e in self.model.entries.values():
            cell = Cell(e.route, e.channel, e.currency, e.kind, e.state, e.told)
            count, amount = counted.get(cell, (0, 0))
            counted[cell] = (count + 1, amount + e.amount)
        steps = self.run(recount())
        assert self.store.tally.snapshot() == steps[0] == steps[-1] == counted


@pytest.mark.parametrize(("engine", "examples"), [("memory", 100), ("sqlite", 15), ("postgres", 8)])
def test_an_engine_behaves_as_its_promises_say(engine: str, examples: int) -> None:
    """Whatever is asked, in whatever order, with reopening in between."""
    machine = type(f"{engine}Machine", (StoreMachine,), {"engine": engine, "shared": engine == "postgres"})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            # Shrinking is left out: on disk it takes minutes, and thirty steps can be read as they are.
            phases=set(Phase) - {Phase.shrink},
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
