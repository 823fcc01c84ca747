"""On a spool that others may write to as well: what nobody surely holds isn't sent, and a lane is the store's to judge."""

import asyncio
from collections import deque

import pytest

from adapters.canonical import canonical
from adapters.payment import AnswerKind, Inquiry
from gateway.accept.decide import Why, limits_of
from gateway.accept.repeats import LOOK_S
from gateway.clock import settle
from gateway.forward.forwarder import IDLE_S
from gateway.route.zone import Zone
from gateway.standin.settings import StandinSettings
from spool.away.fate import TAKEN_TWICE
from spool.entry import Entry
from spool.errors import SpoolError
from spool.lifecycle import CLAIM, GIVE_BACK, JOIN, POST, State, Told
from spool.nodes import ALL, Alone, Held, Share
from spool.tally import Limit
from tests.contracts.spool_examples import draft, go, put
from tests.unit.fake_core import NOT_SENT, Does
from tests.unit.heart import DEADLINE_S, NO_STANDIN, Heart, OpenHeart, payment
from tests.unit.troubled_store import Trouble, TroubledStore


class Member(Alone):
    """A node among others, which may have lost its lease."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = True
        self.leased = True
        self.looks = 1_000_000
        self.leases = 1
        self.has_it_again = False
        self.closed = set[str]()
        self.by_itself = False
        self.begun = False
        self.looked = asyncio.Event()
        self.heard = 0
        self.barred = list[str]()
        #: What comes of keys that it has barred.
        self.bar_ends = deque[Entry | SpoolError]()

    @property
    def bars(self) -> int:
        """The last bar it has heard of."""
        return self.heard

    async def bar(self, channel: str, key: str, at_us: int) -> Entry | None:  # noqa: ARG002 - as `Nodes.bar`
        """As a test says."""
        self.barred.append(key)
        end = self.bar_ends.popleft() if self.bar_ends else None
        if isinstance(end, SpoolError):
            raise end
        return end

    @property
    def alone(self) -> bool:
        """Its database is away."""
        return self.by_itself

    @property
    def lasts_s(self) -> float:
        """It may be looked at any moment; whoever asks again has looked."""
        if self.begun:
            self.looked.set()
        self.begun = True
        return 0.0

    @property
    def sitting(self) -> bytes:
        """Under a lease of its own."""
        return b"%d" % self.leases

    def holds(self) -> bool:
        """Its lease runs; not for ever, where it stands still after so many looks. By then it may have another one."""
        self.looks -= 1
        self.leases += self.has_it_again and self.looks < 0
        return self.leased and (self.looks >= 0 or self.has_it_again)

    @property
    def share(self) -> Share:
        """The whole."""
        return ALL

    def forwards(self, route: str, *, does: bool) -> None:
        """What it tells the others of a route."""
        (self.closed.discard if does else self.closed.add)(route)


class SharedStore(TroubledStore):
    """A store that other nodes may write to as well, and sometimes do."""

    def __init__(self) -> None:
        super().__init__()
        self.member = Member()
        self.nodes = self.member


@pytest.fixture
def store() -> SharedStore:
    """One of several nodes' stores."""
    return SharedStore()


@pytest.fixture
async def heart(open_heart: OpenHeart, store: SharedStore) -> Heart:
    """A heart over it, at level A."""
    return await open_heart(store=store)


async def at_another_node(heart: Heart, key: str = "k1") -> Entry:
    """The same payment, in flight at another node."""
    request = payment(key)
    new = draft(
        7,
        key=key,
        fingerprint=heart.spool.fingerprint(canonical(request)),
        route="billing",
        lane=heart.spool.lane_of("billing", request.account),
        amount=request.amount,
        currency=request.currency,
        state=State.IN_FLIGHT,
        told=Told.NOTHING,
    )
    return await put(heart.store, new)


async def test_a_payment_whose_lane_another_node_is_in_goes_behind_it(heart: Heart) -> None:
    """It is stood in for, as behind one of this node's own; the call it had leave for is none."""
    heart.troubles.will("insert", Trouble.LANE_TAKEN)

    answer = await heart.pay()

    entry = await heart.entry()
    assert (answer.kind, entry.state, entry.told) == (AnswerKind.PROVISIONAL, State.READY, Told.PROVISIONAL)
    assert (heart.core.calls, heart.health.counts.waiting) == ([], 0)


async def test_where_nothing_is_stood_in_for_it_is_told_to_come_later(
    open_heart: OpenHeart, store: SharedStore
) -> None:
    """And nothing is kept of it."""
    heart = await open_heart(standin=NO_STANDIN, store=store)
    store.will("insert", Trouble.LANE_TAKEN)

    answer = await heart.pay()

    assert (answer.kind, await heart.entries()) == (AnswerKind.TRY_LATER, [])


async def test_a_reversal_whose_lane_another_node_is_in_goes_behind_it(heart: Heart) -> None:
    """By the policy, as any that can't be sent now."""
    await heart.pay()
    await settle()
    heart.troubles.will("reverse", Trouble.LANE_TAKEN)

    answer = await heart.undo()

    assert (answer.kind, (await heart.entry("r1")).state) == (AnswerKind.PROVISIONAL, State.READY)


async def test_where_no_reversal_is_stood_in_for_it_is_told_to_come_later(
    open_heart: OpenHeart, store: SharedStore
) -> None:
    """The payment stays booked."""
    heart = await open_heart(standin=NO_STANDIN, store=store)
    await heart.pay()
    await settle()
    store.will("reverse", Trouble.LANE_TAKEN)

    answer = await heart.undo()

    assert (answer.kind, len(await heart.entries())) == (AnswerKind.TRY_LATER, 1)


async def test_a_limit_that_others_used_up_turns_a_payment_away(heart: Heart) -> None:
    """As one that this node used up: nothing is kept, and the channel may come later."""
    heart.open_route()
    heart.troubles.will("insert", Trouble.OVER_LIMIT)

    answer = await heart.pay()

    assert (answer.kind, answer.text, await heart.entries()) == (AnswerKind.TRY_LATER, Why.ROUTE_LIMIT.value, [])


async def test_what_was_counted_for_an_account_is_taken_back_then(open_heart: OpenHeart, store: SharedStore) -> None:
    """Its day must not be used up by a payment that nobody took."""
    heart = await open_heart(standin=StandinSettings(account_day_count_max=1), store=store)
    heart.open_route()
    store.will("insert", Trouble.OVER_LIMIT)

    first = await heart.pay("k1")
    await settle()
    second = await heart.pay("k2")

    assert (first.kind, second.kind) == (AnswerKind.TRY_LATER, AnswerKind.PROVISIONAL)


async def test_limits_that_others_may_use_up_go_along_with_what_is_taken(heart: Heart, store: SharedStore) -> None:
    """Of the route and of the channel; only the store knows what all nodes hold."""
    policy = heart.route.policies["kiosk"]

    assert limits_of(policy, "kiosk") == (
        Limit("", policy.route.count_max, policy.route.sum_max),
        Limit("kiosk", policy.channel.count_max, policy.channel.sum_max),
    )
    assert store.nodes.shared


async def test_a_limit_used_up_while_the_core_was_asked_gives_the_payment_back(heart: Heart) -> None:
    """It was surely not sent, so its channel gets it back with its key."""
    heart.core.will(Does(NOT_SENT))
    heart.troubles.will("move", Trouble.OVER_LIMIT)

    answer = await heart.pay()

    assert (answer.kind, answer.text) == (AnswerKind.TRY_LATER, Why.ROUTE_LIMIT.value)
    assert (await heart.entries())[0].state is State.CANCELLED


async def test_a_key_that_another_node_has_in_hand_gets_that_nodes_answer(heart: Heart) -> None:
    """As soon as that one has told it; nothing is sent from here."""
    entry = await at_another_node(heart)
    asking = asyncio.create_task(heart.pay())
    await settle()
    assert not asking.done()
    await go(heart.store, entry, POST, told=Told.POSTED)

    await heart.clock.advance(LOOK_S)

    assert ((await asking).kind, heart.core.calls) == (AnswerKind.POSTED, [])


async def test_a_key_that_the_other_node_gives_back_is_to_be_asked_for_again(heart: Heart) -> None:
    """Nothing was sent and nothing is kept, so a final no would be untrue: the same key may be paid in a moment."""
    entry = await at_another_node(heart)
    asking = asyncio.create_task(heart.pay())
    await settle()
    await go(heart.store, entry, GIVE_BACK)

    await heart.clock.advance(LOOK_S)

    assert ((await asking).kind, (await heart.pay()).kind) == (AnswerKind.IN_PROGRESS, AnswerKind.POSTED)


async def test_it_is_not_waited_for_beyond_the_channels_time(heart: Heart) -> None:
    """Then nobody knows, and the same key may be asked for again."""
    await at_another_node(heart)
    asking = asyncio.create_task(heart.pay())
    await settle()

    await heart.clock.advance(DEADLINE_S)

    assert (await asking).kind is AnswerKind.IN_PROGRESS


async def test_other_content_under_a_key_in_hand_elsewhere_is_a_conflict_at_once(heart: Heart) -> None:
    """That can be told without waiting."""
    await at_another_node(heart)

    answer = await heart.pay(amount=2_000)

    assert answer.kind is AnswerKind.CONFLICT


async def test_a_node_that_may_have_lost_its_lease_sends_no_live_payment(heart: Heart, store: SharedStore) -> None:
    """Others may have put it in doubt, and ask about it or send it themselves."""
    store.member.leased = False

    answer = await heart.pay()

    assert (heart.core.calls, answer.kind) == ([], AnswerKind.PROVISIONAL)


async def test_nor_what_it_has_claimed(heart: Heart, store: SharedStore) -> None:
    """It goes back as it was, if it is still this node's."""
    heart.open_route()
    await heart.pay()
    heart.close_route()
    store.member.leased = False

    await heart.forwards(2)

    assert (heart.core.calls, (await heart.entry()).state) == ([], State.READY)
    store.member.leased = True
    await heart.later(60.0)
    assert (await heart.entry()).state is State.POSTED


@pytest.mark.parametrize("again", [False, True], ids=["lost", "lost and had again"])
async def test_a_node_that_stands_still_between_its_leave_and_its_bytes_sends_nothing(
    heart: Heart, store: SharedStore, *, again: bool
) -> None:
    """When it goes on another node may have asked the core, been told that it isn't there, and sent it."""
    store.member.has_it_again = again
    heart.open_route()
    await heart.pay("k1")
    heart.close_route()

    store.member.looks = 1
    await heart.forwards(2)
    assert (heart.core.calls, (await heart.entry("k1")).state) == ([], State.READY)

    store.member.looks = 1
    answer = await heart.pay("k2", account="another")
    assert (heart.core.calls, answer.kind, heart.health.zone) == ([], AnswerKind.PROVISIONAL, Zone.CLOSED)


@pytest.mark.parametrize("again", [False, True], ids=["lost", "lost and had again"])
async def test_a_node_hangs_up_once_it_has_lost_what_it_sent(heart: Heart, store: SharedStore, *, again: bool) -> None:
    """Another may send it as well by then, and no account is to have two attempts at a core at once; the core isn't blamed."""
    heart.core.hang()
    asking = asyncio.create_task(heart.pay())
    await heart.core.asked(1)
    assert not asking.done()

    store.member.leased, store.member.leases = again, 2
    answer = await asking

    assert (answer.kind, heart.core.under_way, heart.health.zone) == (AnswerKind.PROVISIONAL, [], Zone.CLOSED)
    assert (await heart.entry()).state is State.IN_DOUBT


async def test_a_call_that_is_over_its_own_time_is_not_taken_for_a_lease_that_ended(store: SharedStore) -> None:
    """It says so itself."""

    async def too_long() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await Held(store.member).while_it_lasts(too_long())


async def test_and_what_it_forwards(heart: Heart, store: SharedStore) -> None:
    """The same of its backlog."""
    heart.open_route()
    await heart.pay()
    heart.close_route()
    heart.core.hang()
    await heart.forwards()
    await heart.core.asked(1)

    store.member.leased = False
    await heart.forwarder.stop(DEADLINE_S)

    assert (heart.core.under_way, (await heart.entry()).state) == ([], State.IN_DOUBT)


async def test_what_a_core_answers_in_time_counts_while_the_lease_is_renewed(heart: Heart, store: SharedStore) -> None:
    """It is looked at again and again."""
    heart.core.hang()
    asking = asyncio.create_task(heart.pay())
    await store.member.looked.wait()
    heart.core.let_go()

    assert (await asking).kind is AnswerKind.POSTED


async def test_while_a_route_is_open_its_lanes_are_the_others_to_send(heart: Heart, store: SharedStore) -> None:
    """Whose way to the core may be open."""
    heart.open_route()
    closed = set(store.member.closed)
    heart.close_route()

    assert (closed, store.member.closed) == ({"billing"}, set())


async def test_news_of_others_has_the_forwarder_look_at_everything_anew(heart: Heart) -> None:
    """What they took may stand before what it has read."""
    await heart.forwards()
    await put(heart.store, draft(3, route="billing", lane=3, key="theirs", content=b""))

    heart.forwarder.look_anew()
    done = await heart.forwarder.run_once()

    assert done.loaded == 1


async def test_without_any_news_everything_is_looked_at_anew_each_second(heart: Heart) -> None:
    """An entry that another node was in the way of stays in arrival order, and nobody tells when that one has gone."""
    await heart.forwards()
    await put(heart.store, draft(3, route="billing", lane=3, key="theirs", content=b""))
    assert (await heart.forwarder.run_once()).loaded == 0

    await heart.clock.advance(IDLE_S)

    assert (await heart.forwarder.run_once()).loaded == 1


async def finished_elsewhere(heart: Heart) -> list[int]:
    """Two payments of an account: the first waits here for its next attempt, falls due at another node, and is booked.

    Nobody tells this node, which has given the lane back; the other puts the second in line again. The numbers.
    """
    heart.open_route()
    await heart.pay("k1")
    await heart.pay("k2")
    heart.close_route()
    heart.core.will(NOT_SENT)
    await heart.forwards(2)
    first = await heart.entry("k1")
    await go(heart.store, first, CLAIM, POST)
    return [first.number, *(entry.number for entry in await heart.store.followers("billing", first.lane, 10))]


async def test_a_lane_whose_first_entry_another_node_finished_goes_on_here(heart: Heart) -> None:
    """Within a second."""
    numbers = await finished_elsewhere(heart)

    await heart.clock.advance(IDLE_S)
    await heart.forwards(3)

    assert (len(numbers), heart.core.numbers("post")) == (2, numbers)
    assert (await heart.entry("k2")).state is State.POSTED


async def test_it_does_so_while_news_of_others_never_end(heart: Heart) -> None:
    """There is no second without: what is put in line and behind again is news as well."""
    numbers = await finished_elsewhere(heart)

    heart.forwarder.look_anew()
    await heart.forwards(3)

    assert (len(numbers), heart.core.numbers("post")) == (2, numbers)


# While the spool can't be reached


async def test_a_node_by_itself_sends_nothing_and_stands_in(heart: Heart, store: SharedStore) -> None:
    """Though the route is well: whether something of the account is at the core, nobody can say."""
    store.member.by_itself = True

    answer = await heart.pay()

    entry = await heart.entry()
    assert (answer.kind, entry.state, entry.told) == (AnswerKind.PROVISIONAL, State.READY, Told.PROVISIONAL)
    assert heart.core.calls == []


async def test_of_what_another_node_may_have_taken_by_itself_nobody_says_that_it_isnt_there(
    heart: Heart, store: SharedStore
) -> None:
    """A sender that asks elsewhere was told yes there: "there is none" would be a no of a payment that is booked."""
    store.member.unheard = True

    asked = await heart.acceptor.inquire(Inquiry(channel="kiosk", key="k1"))
    undone = await heart.undo()

    store.member.unheard = False
    assert (asked.kind, undone.kind) == (AnswerKind.IN_PROGRESS, AnswerKind.IN_PROGRESS)
    assert (await heart.acceptor.inquire(Inquiry(channel="kiosk", key="k1"))).kind is AnswerKind.REFUSED


async def test_either_number_of_a_payment_that_was_taken_twice_leads_to_it(heart: Heart) -> None:
    """Asked about, and undone: one of the two stands for both."""
    heart.open_route()
    await heart.pay("k1")
    first = await heart.entry("k1")
    await go(heart.store, first, JOIN, reason=TAKEN_TWICE)
    await heart.pay("k1")
    (_, second) = await heart.entries()

    asked = await heart.acceptor.inquire(Inquiry(channel="kiosk", number=first.number))
    undone = await heart.undo(payment_key="", number=first.number)

    assert (asked.kind, asked.number) == (AnswerKind.PROVISIONAL, second.number)
    assert undone.kind is AnswerKind.POSTED
    assert [entry.state for entry in await heart.entries()] == [State.CANCELLED] * 3
