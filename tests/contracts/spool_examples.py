"""Entries to try a spool with, and the engines to try."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from spool import lifecycle as way
from spool.account import Spending
from spool.entry import Draft, Entry
from spool.lifecycle import FINAL, WAITING, Kind, State, Told, Transition
from spool.memory import MemoryStore
from spool.number import EPOCH_MS, id_of
from spool.postgres import PostgresSettings, PostgresStore
from spool.rank import USUAL
from spool.sqlite import SqliteStore
from spool.store import Inserted, Move, Store
from tests.contracts.postgres_server import SHARED

NOW_US: Final = EPOCH_MS * 1000 + 1_000_000_000
"""When the examples begin."""

LATER_US: Final = NOW_US + 60_000_000
"""A minute later."""

PATIENCE_S: Final = 300.0
"""A machine whose disk stands still for some seconds is no store that keeps a promise badly."""

MakeStore = Callable[[], Store]
"""Makes the store as each new process would: over the same place every time."""

WAYS: Final[dict[State, tuple[Transition, ...]]] = {
    State.READY: (),
    State.IN_FLIGHT: (way.CLAIM,),
    State.IN_DOUBT: (way.CLAIM, way.DOUBT),
    State.HELD: (way.HOLD,),
    State.PARKED: (way.PARK,),
    State.QUARANTINED: (way.QUARANTINE,),
    State.POSTED: (way.CLAIM, way.POST),
    State.REFUSED: (way.CLAIM, way.REFUSE),
    State.RETURNED: (way.CLAIM, way.REFUSE, way.CLOSE_RETURNED),
    State.CANCELLED: (way.CANCEL,),
}
"""How an entry recorded ready comes to each state."""


ASIDE: Final[dict[str, tuple[tuple[Transition, ...], dict[str, Any]]]] = {
    **{state.word: (WAYS[state], {}) for state in sorted(WAITING - {State.READY})},
    "ready for later": ((way.CLAIM, way.NOT_SENT), {"due_at_us": LATER_US}),
}
"""How an entry comes to be unfinished and not in arrival order."""

REACHABLE_FINAL: Final = sorted(FINAL & set(WAYS))
"""Final states there is a way to."""


def in_memory(_: Path) -> MakeStore:
    """A store whose place is the object itself."""
    store = MemoryStore()
    return lambda: store


def in_sqlite(folder: Path) -> MakeStore:
    """A store whose place is a file."""
    return lambda: SqliteStore(folder / "spool.db", reserve_bytes=0, stall_s=PATIENCE_S)


def in_sqlite_sweeping(folder: Path) -> MakeStore:
    """The same, indexing keys from the first payments on, as it does after the first ten thousands otherwise."""
    return lambda: SqliteStore(folder / "spool.db", reserve_bytes=0, keys_held_max=0, stall_s=PATIENCE_S)


def in_postgres(_: Path) -> MakeStore:
    """A store whose place is a schema of its own in a real server."""
    dsn = SHARED.emptied()
    patient = PostgresSettings(dsn=dsn, poll_s=3600.0, lease_s=600.0, stall_s=PATIENCE_S, statement_s=PATIENCE_S)
    return lambda: PostgresStore(patient)


ENGINES: Final[dict[str, Callable[[Path], MakeStore]]] = {
    "memory": in_memory,
    "sqlite": in_sqlite,
    "sqlite-sweeping": in_sqlite_sweeping,
    "postgres": in_postgres,
}
"""Every engine, as a maker for a folder of its own."""


def draft(number: int, **changes: Any) -> Draft:
    """A payment of 100.00 TJS on route `billing`, accepted provisionally, with a lane and a key of its own."""
    example = Draft(
        number=number,
        id=id_of(number, 0),
        kind=Kind.PAYMENT,
        channel="kiosk",
        key=f"key-{number}",
        fingerprint=b"\x01" * 16,
        route="billing",
        lane=number,
        amount=10_000,
        currency="TJS",
        accepted_at_us=NOW_US + number,
        state=State.READY,
        told=Told.PROVISIONAL,
        policy="policy-1",
        content=b"content",
    )
    return replace(example, **changes)


def reversal(number: int, payment: Entry, **changes: Any) -> Draft:
    """The reversal of a payment, in its lane."""
    undo: dict[str, Any] = {"kind": Kind.REVERSAL, "reverses": payment.number, "told": Told.NOTHING}
    return draft(number, **{"lane": payment.lane, "amount": payment.amount, **undo, **changes})


def spending(**changes: Any) -> Spending:
    """A promise of 100 to an account of which a day holds 250."""
    example = Spending(day=20_000, lane=7, amount=100, sum_max=250, count_max=None)
    return replace(example, **changes)


async def put(store: Store, new: Draft) -> Entry:
    """Insert a payment that is certainly new."""
    result = await store.insert(new, 1, b"sealed")
    assert isinstance(result, Inserted)
    return result.entry


async def undo(store: Store, new: Draft) -> Entry:
    """Record a reversal that certainly may be."""
    result = await store.reverse(new, 1, b"sealed")
    assert isinstance(result, Inserted)
    return result.entry


async def go(store: Store, entry: Entry, *ways: Transition, **details: Any) -> Entry:
    """Move an entry along transitions, the details going with the last of them."""
    for transition in ways:
        told = details if transition is ways[-1] else {}
        move = Move(entry=entry, transition=transition, **{"at_us": entry.changed_at_us + 1, **told})
        assert await store.move([move]) == [True], f"{transition.name} of {entry}"
        entry = move.after()
    return entry


async def put_as(store: Store, new: Draft, state: State) -> Entry:
    """Insert a payment and bring it to a state."""
    return await go(store, await put(store, new), *WAYS[state])


async def ready_numbers(store: Store, route: str = "billing", after: int = 0, limit: int = 100) -> list[int]:
    """Numbers of the usual rank waiting in arrival order."""
    return [found.entry.number for found in await store.ready(route, USUAL, after, limit)]


async def due_numbers(store: Store, now_us: int, route: str = "billing", limit: int = 100) -> list[int]:
    """Numbers whose time has come."""
    return [entry.number for entry in await store.due(route, now_us, limit)]


def name_of(value: object) -> str:
    """What a transition or state is called in a test's name."""
    return value.name if isinstance(value, Transition | State) else str(value)
