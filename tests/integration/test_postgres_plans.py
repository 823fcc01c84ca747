"""How PostgreSQL comes to the rows of what waits, of a table it has not looked through yet: by their order, a few at a time."""

import re
from typing import Any

import pytest

from spool.lifecycle import State
from spool.postgres.connection import connect
from spool.postgres.statements import SQL
from spool.rank import USUAL
from spool.store import Filter
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import NOW_US
from tests.integration.postgres_nodes import node, settings

WAITING = """
INSERT INTO entry (
    number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, recorded_as, policy, reverses,
    key_id, state, place, epoch, attempts, due_at_us, changed_at_us, told, leaf, told_as, seat, lease, sealed
)
SELECT
    n, decode(lpad(n::text, 32, '0'), 'hex'), 1, 'kiosk', n::text, '', 'billing', n, 1, 'TJS', 1, 1, '', 0,
    1, CASE n % 2 WHEN 0 THEN 1 ELSE 3 END, 1 + n % 2, 0, 0, n % 2 * n, 1, 2, n, 2, 0, 1,
    decode(repeat('00', 600), 'hex')
FROM generate_series(1, 10000) AS n
"""
"""Half of them in arrival order, half in doubt until their time."""


@pytest.mark.parametrize(
    ("statement", "asked"),
    [("ready", ("billing", 0, 64, 1, 0, USUAL)), ("due", ("billing", NOW_US, 64, 1, 0))],
    ids=["ready", "due"],
)
async def test_the_first_of_what_waits_are_read_and_no_more(statement: str, asked: tuple[object, ...]) -> None:
    """Without figures of a table the server may think it cheaper to read all that waits and to sort it; each claim would."""
    dsn = SHARED.emptied()
    async with node(dsn):
        db = await connect(settings(dsn))
        await db.execute(WAITING)

        plan = "\n".join(row[0] for row in await db.fetch(f"EXPLAIN {SQL[statement]}", *asked))

        assert ("->  Sort" in plan, "Bitmap" in plan, "Index Scan using entry_" in plan) == (False, False, True), plan
        db.terminate()


EDGES = [10, 20]

ASKED = "0, 9e18::bigint, '{4}', 'billing', '', 0, '', true, 0, 0, 0, '', '', 0, 9e18::bigint, 1"
"""A page of what is held on a route."""


@pytest.mark.parametrize("way", ["ascending", "descending"])
async def test_what_went_another_way_is_looked_for_by_its_own_index(way: str) -> None:
    """Of any states a plan would go through all there is, until the first that is held: minutes among ten million."""
    dsn = SHARED.emptied()
    async with node(dsn):
        db = await connect(settings(dsn))
        await db.execute(WAITING.replace("CASE n % 2 WHEN 0 THEN 1 ELSE 3 END", "7").replace("1 + n % 2", "0"))
        await db.execute("ANALYZE entry")
        await db.execute(f"PREPARE asked AS {SQL[f'page_apart_{way}']}")

        plan = await db.fetch(f"EXPLAIN EXECUTE asked ({ASKED})")

        assert "entry_by_state" in "\n".join(row[0] for row in plan), plan
        db.terminate()


FEW = [("entry_turn", "0"), ("entry_behind", "0"), ("entry_later", "1"), ("entry_in_flight", "0")]
"""Indexes, and rows read of each rank or at all: of four ranks one has any."""


@pytest.mark.parametrize("way", ["ascending", "descending"])
async def test_what_waits_is_read_by_the_order_of_its_indexes_and_no_further_than_a_page(way: str) -> None:
    """Of a million that wait behind others a page would else be sorted out of all of them."""
    dsn = SHARED.emptied()
    async with node(dsn) as store:
        db = await connect(settings(dsn))
        await db.execute(WAITING.replace("WHEN 0 THEN 1 ELSE 3", "WHEN 0 THEN 1 ELSE 1"))
        await db.execute("INSERT INTO tally VALUES (0, 'billing', 'kiosk', 'TJS', 1, 1, 2, 1, 1)")
        await db.execute("ANALYZE entry")
        async with db.transaction():
            await db.execute(SQL["in_order"])
            await db.execute(f"PREPARE asked AS {SQL[f'page_waiting_{way}']}")

            plan = await db.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) EXECUTE asked ({ASKED.replace('{4}', '{1}')})")

        read = [re.search(r"using (entry_\w+) on .*actual rows=(\d+)", row[0]) for row in plan]
        wanted = Filter(states=frozenset({State.READY}), newest_first=way == "descending")
        assert await store.horizon(wanted, 100) == {"ascending": 199, "descending": 9_802}[way]
        assert [found.groups() for found in read if found] == FEW, "\n".join(row[0] for row in plan)
        db.terminate()


async def test_a_shape_is_counted_in_steps_by_indexes() -> None:
    """In one statement two million that wait of ten take half a minute, and no statement may; no step is left out or told twice."""
    dsn = SHARED.emptied()
    async with node(dsn) as store:
        db = await connect(settings(dsn))
        await db.execute(WAITING.replace("10000", "45000"))
        asked: dict[str, tuple[Any, ...]] = {
            part: ("billing", EDGES, 0, 0) for part in SQL if part.startswith("shape_")
        }
        asked["shape_arrival"] = ("billing", 0, 0, 20)
        plans = {
            part: "\n".join(row[0] for row in await db.fetch(f"EXPLAIN {SQL[part]}", *values))
            for part, values in asked.items()
        }

        found = await store.shape("billing", EDGES)

        assert [("Limit" in plan, "Seq Scan" in plan, "Bitmap" in plan) for plan in plans.values()] == [
            (True, False, False)
        ] * 5
        assert "Index Only Scan using entry_turn" in plans["shape_arrival"]
        assert {(aged.state, aged.bucket): total.entries for aged, total in found.items()} == {
            (State.READY, 0): 4,
            (State.READY, 1): 5,
            (State.READY, 2): 22_491,
            (State.IN_DOUBT, 0): 5,
            (State.IN_DOUBT, 1): 5,
            (State.IN_DOUBT, 2): 22_490,
        }
        db.terminate()
