"""Several nodes on one spool: one entry per key, one attempt per lane, exact limits, and no word from the dead."""

import asyncio

import pytest

from spool import lifecycle as way
from spool.errors import LaneTaken, OverLimit, SpoolClosed, SpoolHeld
from spool.lifecycle import State, Told
from spool.postgres.seat import LeaseLost
from spool.store import Known, Move
from spool.tally import Limit, Sum
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import LATER_US, NOW_US, draft, go, put, put_as, ready_numbers, reversal
from tests.integration.postgres_nodes import (
    accepts_again,
    all_at_once,
    expire,
    inserted,
    node,
    schema,
    take_over,
    wait_behind,
)

LANE = 77


@pytest.fixture(name="dsn")
def place() -> str:
    """An empty spool."""
    return SHARED.emptied()


# Keys


async def test_of_the_same_keys_at_two_nodes_at_once_each_gets_one_entry(dsn: str) -> None:
    """A channel that repeats through a balancer comes to another node, and must hear of the same payment."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        here = [one.insert(draft(2 * i, key=f"twin-{i}"), 1, b"") for i in range(1, 41)]
        there = [two.insert(draft(2 * i + 1, key=f"twin-{i}"), 1, b"") for i in range(40, 0, -1)]
        first, second = await asyncio.gather(asyncio.gather(*here), asyncio.gather(*there))

        second.reverse()
        assert len(inserted(first)) + len(inserted(second)) == 40
        assert [a.entry.number for a in first] == [b.entry.number for b in second]


async def test_of_two_reversals_of_a_payment_at_two_nodes_one_is_stored(dsn: str) -> None:
    """A payment is undone once."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        payments = [await put_as(one, draft(i), State.POSTED) for i in range(1, 11)]
        here = [one.reverse(reversal(100 + p.number, p), 1, b"") for p in payments]
        there = [two.reverse(reversal(200 + p.number, p), 1, b"") for p in payments]
        results = await asyncio.gather(*here, *there)

        assert len(inserted(list(results))) == 10


# Lanes


async def test_an_attempt_begins_only_in_a_lane_nobody_else_is_in(dsn: str) -> None:
    """The node that takes the second payment of an account can't know of the first without asking."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        await put(one, draft(1, lane=LANE))

        with pytest.raises(LaneTaken):
            await two.insert(draft(2, lane=LANE, state=State.IN_FLIGHT), 1, b"")

        assert await two.find("kiosk", "key-2") is None
        await put(two, draft(3, lane=LANE))


async def test_a_known_key_is_told_before_a_lane_that_is_taken(dsn: str) -> None:
    """The repeat of a payment that is in flight finds its own lane taken by itself."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        first = await put(one, draft(1, key="twin", lane=LANE, state=State.IN_FLIGHT))

        assert await two.insert(draft(2, key="twin", lane=LANE, state=State.IN_FLIGHT), 1, b"") == Known(entry=first)


async def test_of_attempts_in_one_lane_at_once_one_begins(dsn: str) -> None:
    """Whoever commits second finds the first by the index, if not before."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        here = [one.insert(draft(i, lane=i, state=State.IN_FLIGHT), 1, b"") for i in range(1, 31)]
        there = [two.insert(draft(100 + i, lane=i, state=State.IN_FLIGHT), 1, b"") for i in range(1, 31)]
        results = await all_at_once(*here, *there)

        assert len(inserted(results)) == 30
        assert len([each for each in results if isinstance(each, LaneTaken)]) == 30


async def test_an_attempt_does_not_overtake_what_came_before_it_in_the_same_commit(dsn: str) -> None:
    """No row tells of it yet when the lane is looked at."""
    async with node(dsn) as store:
        results = await all_at_once(
            store.insert(draft(1, lane=LANE), 1, b""),
            store.insert(draft(2, lane=LANE, state=State.IN_FLIGHT), 1, b""),
            store.insert(draft(3, lane=LANE + 1, state=State.IN_FLIGHT), 1, b""),
            store.insert(draft(4, lane=LANE + 1, state=State.IN_FLIGHT), 1, b""),
        )

        assert inserted(results) == [1, 3]
        assert [type(each) for each in results[1::2]] == [LaneTaken, LaneTaken]


async def test_a_node_that_works_alone_knows_which_lanes_are_clear(dsn: str) -> None:
    """From memory, before and after a restart; so its payments pass through without trying."""
    async with node(dsn, nodes_max=1) as store:
        first = await put(store, draft(1, lane=LANE))
        assert not store.lane_is_clear("billing", LANE)
        assert store.lane_is_clear("billing", LANE + 1)
    async with node(dsn, nodes_max=1) as store:
        assert not store.lane_is_clear("billing", LANE)

        await go(store, first, way.CLAIM, way.POST)

        assert store.lane_is_clear("billing", LANE)
        assert not store.nodes.shared


async def test_of_claims_in_one_lane_one_is_made(dsn: str) -> None:
    """Two nodes that disagree for a moment whose lane it is do no harm."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        pairs = [(await put(one, draft(i, lane=i)), await put(one, draft(100 + i, lane=i))) for i in range(1, 11)]
        here = one.move([Move(entry=first, transition=way.CLAIM, at_us=LATER_US) for first, _ in pairs])
        there = two.move([Move(entry=second, transition=way.CLAIM, at_us=LATER_US) for _, second in pairs])
        made, too = await asyncio.gather(here, there)

        assert [a + b for a, b in zip(made, too, strict=True)] == [1] * 10


async def test_of_two_claims_in_one_lane_by_one_call_the_first_is_made(dsn: str) -> None:
    """A statement does not see its own rows, so it never has two of a lane."""
    async with node(dsn) as one:
        entries = [await put(one, draft(i, lane=LANE)) for i in (1, 2)]

        made = await one.move([Move(entry=e, transition=way.CLAIM, at_us=LATER_US) for e in entries])

        assert made == [True, False]


async def test_a_reversal_that_is_sent_at_once_needs_a_clear_lane_too(dsn: str) -> None:
    """The account's next payment may be in flight from elsewhere."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        payment = await put_as(one, draft(1, lane=LANE), State.POSTED)
        await put(one, draft(2, lane=LANE))

        with pytest.raises(LaneTaken):
            await two.reverse(reversal(3, payment, state=State.IN_FLIGHT), 1, b"")


async def test_the_backlog_is_shared_out_by_lanes(dsn: str) -> None:
    """Each entry is one node's to send, and all of a lane the same one's."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        for number in range(1, 21):
            await put(one, draft(number, lane=number % 10))
        await one.look_round()
        await two.look_round()
        mine, others = await ready_numbers(one), await ready_numbers(two)

        assert sorted(mine + others) == list(range(1, 21))
        assert {number % 10 for number in mine}.isdisjoint({number % 10 for number in others})


async def test_what_falls_due_is_shared_out_too(dsn: str) -> None:
    """An entry in doubt is asked about by one node."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        for number in range(1, 11):
            await put_as(one, draft(number, lane=number), State.IN_DOUBT)
        await one.look_round()
        await two.look_round()
        due = [[e.number for e in await each.due("billing", LATER_US, 100)] for each in (one, two)]

        assert sorted(due[0] + due[1]) == list(range(1, 11))
        assert due[0]
        assert due[1]


async def test_a_node_whose_way_to_the_core_is_closed_leaves_its_share_to_the_others(dsn: str) -> None:
    """Cut off from the core but not from the spool, it would let a third of the backlog wait."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        for number in range(1, 11):
            await put(one, draft(number, lane=number))
        one.nodes.forwards("billing", does=False)
        await one.look_round()
        await two.look_round()

        assert await ready_numbers(two) == list(range(1, 11))

        one.nodes.forwards("billing", does=True)
        await one.look_round()
        await two.look_round()
        await one.look_round()
        assert sorted(await ready_numbers(one) + await ready_numbers(two)) == list(range(1, 11))


async def test_a_node_under_another_lease_says_again_which_ways_are_closed(dsn: str) -> None:
    """Its seat was given anew, and nothing stood there: the others would leave it a share that it doesn't send."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        one.nodes.forwards("billing", does=False)
        await one.look_round()
        expire(dsn, "one")
        await take_over(two)
        with pytest.raises(SpoolClosed):
            await one.remember("a", b"")
        await accepts_again(one)
        for number in range(11, 21):
            await put(two, draft(number, lane=number))

        await one.look_round()
        await two.look_round()

        assert await ready_numbers(two) == list(range(11, 21))


async def test_whoever_waits_behind_nobody_comes_back_into_line(dsn: str) -> None:
    """Its predecessor finished on another node, which did not see it set behind."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        first = await put(one, draft(1, lane=LANE, state=State.IN_FLIGHT))
        await put(two, draft(2, lane=LANE))
        await put(two, draft(3, lane=LANE))
        await wait_behind(two, 2, 3)
        await one.look_round()
        await two.look_round()
        assert await ready_numbers(two) == []

        await go(one, first, way.POST)
        heard: list[bool] = []
        two.on_news = lambda: heard.append(True)
        await two.look_round()

        assert sorted(await ready_numbers(one) + await ready_numbers(two)) == [2, 3]
        assert heard == [True]


# Limits and sums


@pytest.mark.parametrize("limit", [Limit("", 10, None), Limit("", None, 100_000), Limit("kiosk", 10, None)])
async def test_a_limit_holds_over_all_nodes_at_once(dsn: str, limit: Limit) -> None:
    """Each alone would have room for all of them."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        here = [one.insert(draft(i, within=(limit,)), 1, b"") for i in range(1, 31)]
        there = [two.insert(draft(100 + i, within=(limit,)), 1, b"") for i in range(1, 31)]
        results = await all_at_once(*here, *there)

        assert len(inserted(results)) == 10
        assert [each.channel for each in results if isinstance(each, OverLimit)] == [limit.channel] * 50
        await one.look_round()
        assert one.tally.exposure("billing") == Sum(10, 100_000)


async def test_a_limit_that_is_used_up_has_room_when_one_has_ended(dsn: str) -> None:
    """On whichever node."""
    limit = Limit("", 1, None)
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        first = await put(one, draft(1, within=(limit,)))
        with pytest.raises(OverLimit):
            await two.insert(draft(2, within=(limit,)), 1, b"")
        await go(two, first, way.CLAIM, way.POST)

        await put(one, draft(3, within=(limit,)))


async def test_a_known_key_is_told_past_a_limit(dsn: str) -> None:
    """A repeat gets its answer, however full it is."""
    limit = Limit("", 1, None)
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        first = await put(one, draft(1, key="twin", within=(limit,)))

        assert await two.insert(draft(2, key="twin", within=(limit,)), 1, b"") == Known(entry=first)


async def test_what_is_told_provisional_later_is_within_limits_too(dsn: str) -> None:
    """An attempt that ended in doubt is a yes on account, as one taken from the beginning is."""
    limit = Limit("", 1, None)
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        live = [
            await put(store, draft(number, state=State.IN_FLIGHT, told=Told.NOTHING))
            for number, store in ((1, one), (2, two))
        ]
        moves = [
            Move(entry=e, transition=way.DOUBT, at_us=LATER_US, told=Told.PROVISIONAL, within=(limit,)) for e in live
        ]
        results = await all_at_once(one.move([moves[0]]), two.move([moves[1]]))

        assert sorted(map(str, results)) == sorted([str([True]), str(OverLimit(""))])


async def test_a_node_learns_what_the_others_took(dsn: str) -> None:
    """And says that there is something new to send."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        heard: list[str] = []
        two.on_news = lambda: heard.append("news")
        await two.look_round()
        heard.clear()
        entry = await put(one, draft(1))

        await two.look_round()
        assert two.tally.exposure("billing") == Sum(1, 10_000)
        assert heard == ["news"]

        await two.look_round()
        assert heard == ["news"]
        await go(two, entry, way.CLAIM, way.POST)
        await one.look_round()
        assert one.tally.snapshot() == two.tally.snapshot()


async def test_history_is_in_order_whichever_node_made_it(dsn: str) -> None:
    """A person reads it from the top."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        claimed = await go(one, await put(one, draft(1)), way.CLAIM)
        doubtful = await go(two, claimed, way.DOUBT)
        await go(one, doubtful, way.POST)

        assert [event.name for event in await two.history(1)] == ["record", "claim", "doubt", "post"]


# Leases


async def test_what_a_dead_node_had_in_flight_comes_into_doubt(dsn: str) -> None:
    """Never back in line: its attempt may have left."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        claimed = await put(one, draft(1, state=State.IN_FLIGHT))
        expire(dsn, "one")

        await take_over(two)

        entry = await two.get(1)
        assert entry is not None
        assert (entry.state, entry.epoch, entry.reason) == (State.IN_DOUBT, claimed.epoch, "node_gone")
        assert entry.due_at_us >= NOW_US
        snapshot = two.tally.snapshot()
        await two.look_round()
        assert two.tally.snapshot() == snapshot
        assert [e.number for e in await two.due("billing", LATER_US + 10**12, 9)] == [1]


async def test_a_node_that_was_taken_for_dead_can_change_nothing(dsn: str) -> None:
    """It was only paused: what it knows is of the past, and others have asked about its payments since."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        claimed = await put(one, draft(1, state=State.IN_FLIGHT))
        waiting = await put(one, draft(2))
        expire(dsn, "one")
        await take_over(two)

        late = await all_at_once(
            one.move([Move(entry=claimed, transition=way.POST, at_us=LATER_US)]),
            one.move([Move(entry=waiting, transition=way.CLAIM, at_us=LATER_US)]),
            one.insert(draft(3), 1, b""),
        )

        assert [type(each) for each in late] == [LeaseLost] * 3
        assert await two.get(3) is None
        entry = await two.get(1)
        assert entry is not None
        assert entry.state is State.IN_DOUBT


async def test_a_node_that_lost_its_lease_takes_another_and_goes_on(dsn: str) -> None:
    """By itself, and with what the others did in mind."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        claimed = await put(one, draft(1, state=State.IN_FLIGHT))
        expire(dsn, "one")
        await take_over(two)
        with pytest.raises(SpoolClosed):
            await one.remember("a", b"")

        await accepts_again(one)

        assert await one.move([Move(entry=claimed, transition=way.POST, at_us=LATER_US)]) == [False]
        await put(one, draft(4))
        assert one.holds()
        await two.look_round()
        assert one.tally.snapshot() == two.tally.snapshot()


async def test_a_node_that_just_came_takes_nobody_for_dead(dsn: str) -> None:
    """After the database was away all leases have run out, and their holders are only now reaching it again."""
    async with node(dsn, "one") as one:
        await put(one, draft(1, state=State.IN_FLIGHT))
        async with node(dsn, "two") as two:
            expire(dsn, "one")

            await two.look_round()

            entry = await two.get(1)
            assert entry is not None
            assert entry.state is State.IN_FLIGHT
        await put(one, draft(2))


async def test_a_claim_is_surely_held_only_while_the_lease_runs(dsn: str) -> None:
    """Whoever is about to send asks right before."""
    async with node(dsn, lease_s=600.0) as one:
        assert one.holds()
        one._hold.lose()

        assert not one.holds()


async def test_an_idle_node_renews_its_lease(dsn: str) -> None:
    """Or it would be taken for dead in a quiet night."""
    async with node(dsn, lease_s=600.0) as one:
        one._hold.until -= 300.0

        await one.look_round()

        assert one._hold.left_s > 500.0


async def test_a_node_looks_round_by_itself(dsn: str) -> None:
    """At every poll."""
    async with node(dsn, "one", poll_s=0.01) as one, node(dsn, "two") as two:
        heard = asyncio.Event()
        one.on_news = heard.set
        await put(two, draft(1))

        async with asyncio.timeout(30):
            await heard.wait()


async def test_no_two_nodes_of_one_name_run_at_once(dsn: str) -> None:
    """The second would take the first one's claims away, and the first the second's."""
    async with node(dsn, "one"):
        with pytest.raises(SpoolHeld, match="another node"):
            async with node(dsn, "one", lease_s=0.01, poll_s=0.001):
                raise AssertionError


async def test_no_more_nodes_work_at_once_than_may(dsn: str) -> None:
    """Where one alone may, the next waits for it to end, and takes over what it left."""
    async with node(dsn, "one", nodes_max=1) as one:
        await put(one, draft(1, state=State.IN_FLIGHT))
        with pytest.raises(SpoolHeld):
            async with node(dsn, "two", nodes_max=1, lease_s=0.01, poll_s=0.001):
                raise AssertionError
    async with node(dsn, "two", nodes_max=1) as two:
        entry = await two.get(1)
        assert entry is not None
        assert entry.state is State.IN_DOUBT


async def test_a_node_that_was_killed_has_its_seat_again_when_its_lease_has_run_out(dsn: str) -> None:
    """Nobody can tell a killed process from a silent one before."""
    async with node(dsn, "one", lease_s=0.05, poll_s=0.005) as killed:
        await put(killed, draft(1, state=State.IN_FLIGHT))
        killed._closing.set()
        async with node(dsn, "one", lease_s=600.0, poll_s=0.005) as again:
            entry = await again.get(1)
            assert entry is not None
            assert (entry.state, entry.reason) == (State.IN_DOUBT, "restart")


async def test_nodes_have_seats_of_their_own(dsn: str) -> None:
    """By which the numbers they mint never meet; a seat that was left is taken again."""
    async with node(dsn, "one") as one:
        async with node(dsn, "two") as two:
            seats = {one.seat, two.seat}
        async with node(dsn, "three") as three:
            assert {one.seat, three.seat} == seats
            assert len(seats) == 2


async def test_when_all_seats_are_taken_no_more_come_in(dsn: str) -> None:
    """A limit on everything."""
    async with node(dsn, "one"):
        seats = "n, 'n' || n, 1, 1, now() - interval '1 hour', '{}' FROM generate_series(1, 63) AS n"
        SHARED.server.ask(f"INSERT INTO {schema(dsn)}.node SELECT {seats}")
        with pytest.raises(SpoolHeld):
            async with node(dsn, "two", lease_s=0.01, poll_s=0.001):
                raise AssertionError


async def test_in_turn_nothing_begins_before_what_came_earlier_in_its_lane(dsn: str) -> None:
    """Two nodes may disagree for a moment whose lane it is, and each think that its entry is the first."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        first, second = await put(one, draft(1, lane=LANE)), await put(one, draft(2, lane=LANE))
        apart = await put(one, draft(3, lane=LANE, route="mobile"))
        early, late, other = [
            Move(entry=each, transition=way.CLAIM, at_us=LATER_US, in_turn=True) for each in (first, second, apart)
        ]

        assert await two.move([late]) == [False]
        assert await two.move([early, late, other]) == [True, False, True]
        await go(two, early.after(), way.POST)
        assert await two.move([late]) == [True]
