"""Counts and sums by where entries are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool.lifecycle import FINAL, WAITING, Kind, State, Told
from spool.tally import NOTHING, Cell, Sum, Tally

CELL = Cell("billing", "kiosk", "TJS", Kind.PAYMENT, State.READY, Told.PROVISIONAL)
CELLS = st.builds(
    Cell,
    st.sampled_from(["billing", "mobile"]),
    st.sampled_from(["kiosk", "bank"]),
    st.just("TJS"),
    st.sampled_from(Kind),
    st.sampled_from(State),
    st.sampled_from(Told),
)
ADDED = st.lists(st.tuples(CELLS, st.integers(1, 5), st.integers(1, 10**15)), max_size=30)


def tally_of(added: list[tuple[Cell, int, int]]) -> Tally:
    """A tally with these added."""
    tally = Tally()
    for cell, entries, amount in added:
        tally.add(cell, entries, amount)
    return tally


def test_a_new_tally_is_empty() -> None:
    """Nothing anywhere."""
    tally = Tally()

    assert list(tally.cells()) == []
    assert tally.exposure("billing") == tally.waiting("billing") == NOTHING


def test_what_is_added_to_a_cell_is_summed() -> None:
    """Count and amount."""
    assert tally_of([(CELL, 1, 7), (CELL, 2, 5)]).snapshot() == {CELL: (3, 12)}


def test_a_cell_emptied_is_no_longer_shown() -> None:
    """Everything has moved on."""
    assert tally_of([(CELL, 1, 7), (CELL, -1, -7)]).snapshot() == {}


def test_a_cell_of_entries_without_money_is_shown() -> None:
    """Such a thing is a fault, and must not hide."""
    assert tally_of([(CELL, 1, 7), (CELL, 0, -7)]).snapshot() == {CELL: (1, 0)}
    assert tally_of([(CELL, 1, 7), (CELL, -1, 0)]).snapshot() == {CELL: (0, 7)}


@given(added=ADDED)
def test_a_tally_made_of_a_snapshot_is_the_same(added: list[tuple[Cell, int, int]]) -> None:
    """Sums and exposure."""
    tally = tally_of(added)

    again = Tally(tally.snapshot())

    assert again.snapshot() == tally.snapshot()
    assert again.exposure("billing") == tally.exposure("billing")
    assert again.exposure("billing", "kiosk") == tally.exposure("billing", "kiosk")


@given(added=ADDED)
def test_exposure_is_the_sum_of_what_is_provisional_and_waiting(added: list[tuple[Cell, int, int]]) -> None:
    """Kept step by step, it equals the sum over all cells."""
    exposed = [
        Sum(entries, amount)
        for cell, entries, amount in added
        if (cell.route, cell.kind, cell.told) == ("billing", Kind.PAYMENT, Told.PROVISIONAL) and cell.state in WAITING
    ]

    assert tally_of(added).exposure("billing") == sum(exposed, start=NOTHING)


@given(added=ADDED)
def test_a_routes_exposure_is_that_of_its_channels(added: list[tuple[Cell, int, int]]) -> None:
    """No channel is left out."""
    tally = tally_of(added)

    assert tally.exposure("billing") == tally.exposure("billing", "kiosk") + tally.exposure("billing", "bank")


@pytest.mark.parametrize("state", sorted(WAITING))
def test_waiting_is_exposure_when_told_provisional(state: State) -> None:
    """Whatever it waits for."""
    assert tally_of([(CELL._replace(state=state), 1, 7)]).exposure("billing", "kiosk") == Sum(1, 7)


@pytest.mark.parametrize(
    "cell",
    [
        *(CELL._replace(state=state) for state in sorted(FINAL)),
        CELL._replace(told=Told.NOTHING),
        CELL._replace(told=Told.POSTED),
        CELL._replace(told=Told.REFUSED),
        CELL._replace(kind=Kind.REVERSAL),
        CELL._replace(route="mobile"),
    ],
)
def test_everything_else_is_no_exposure(cell: Cell) -> None:
    """Finished, not promised, another's, or money on its way back."""
    assert tally_of([(cell, 1, 7)]).exposure("billing") == NOTHING


@pytest.mark.parametrize("state", list(State))
def test_waiting_is_everything_of_a_route_that_owes_something(state: State) -> None:
    """Told or not, payment or reversal."""
    reversal = CELL._replace(kind=Kind.REVERSAL, state=state, told=Told.NOTHING)
    tally = tally_of([(CELL._replace(state=state), 1, 7), (reversal, 1, 3), (CELL._replace(route="mobile"), 1, 1)])

    assert tally.waiting("billing") == {True: Sum(2, 10), False: NOTHING}[state in WAITING]


def test_loading_forgets_what_was_there() -> None:
    """After an uncertain commit only what is on disk counts."""
    tally = tally_of([(CELL, 1, 7)])

    tally.load({CELL._replace(channel="bank"): (2, 4)})

    assert tally.snapshot() == {CELL._replace(channel="bank"): (2, 4)}
    assert tally.exposure("billing", "kiosk") == NOTHING
    assert tally.exposure("billing") == Sum(2, 4)


def test_a_snapshot_does_not_change_with_its_tally() -> None:
    """It is of one moment."""
    tally = tally_of([(CELL, 1, 7)])
    snapshot = tally.snapshot()

    tally.add(CELL, 1, 1)

    assert snapshot == {CELL: (1, 7)}
