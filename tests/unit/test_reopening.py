"""Sending again what a core refused wrongly: which refusals may be taken back, and who has the last word on them."""

import asyncio
from dataclasses import dataclass, field

import pytest

from adapters.core import Level
from adapters.payment import AnswerKind, Inquiry
from gateway.admin.duties.closing import CloseOrder, Closing
from gateway.admin.entries.acts import Act, Acts, Done, Order
from gateway.admin.entries.reopening import Reopening
from gateway.admin.entries.why import Why
from gateway.returns.word import FinalWord
from spool import lifecycle as way
from spool.lifecycle import State
from spool.store import Filter, Move
from spool.tally import Sum
from tests.unit.fake_core import SILENCE
from tests.unit.heart import ROUTE, Heart, OpenHeart
from tests.unit.troubled_store import Trouble

ORDER = Order(act=Act.REOPEN, actor="amina+boris", reason="billing ticket 991")
PLENTY = {"RUB": Sum(1_000, 10**9)}


@dataclass
class Office:
    """A heart, and two persons who take refusals back."""

    heart: Heart
    level: Level = Level.A
    #: Entries that somebody has proposed to end.
    ending: set[str] = field(default_factory=set)

    async def proposed(self) -> set[str]:
        """What is to be ended."""
        return self.ending

    @property
    def acts(self) -> Acts:
        """Their hands."""
        heart = self.heart
        reopening = Reopening(heart.spool, heart.store, heart.clock, {ROUTE: self.level}, self.proposed)
        return Acts(
            heart.spool, heart.store, heart.clock, {ROUTE: heart.forwarder}, reopening, unaskable=lambda _entry: None
        )

    async def refused(self, *accounts: str) -> None:
        """Payments k0, k1, ... that were stood in for and then refused by a core that knows none of these accounts."""
        heart = self.heart
        heart.open_route()
        for number, account in enumerate(accounts):
            heart.core.strangers.add(account)
            assert (await heart.pay(f"k{number}", account)).kind is AnswerKind.PROVISIONAL
        heart.close_route()
        await heart.forwards(4 * len(accounts))
        assert {each.state for each in await heart.entries()} == {State.REFUSED}
        heart.core.strangers.clear()

    async def orders(self, *, dry_run: bool = False) -> Done:
        """Order all refused to be sent again."""
        room = None if dry_run else PLENTY
        return await self.acts.step(Filter(states=frozenset({State.REFUSED})), ORDER, 100, room)

    async def asks(self, key: str = "k0") -> AnswerKind:
        """The channel asks what became of a payment."""
        return (await self.heart.acceptor.inquire(Inquiry(channel="kiosk", key=key))).kind


@pytest.fixture
async def office(heart: Heart) -> Office:
    """An office over a core of level A."""
    return Office(heart)


async def test_what_was_refused_wrongly_is_sent_again_by_its_own_key_and_booked(office: Office) -> None:
    """The core was told by mistake not to know these accounts; now it does."""
    await office.refused("100", "200")
    done = await office.orders()
    assert (done.sums, done.unchanged) == ({"RUB": Sum(2, 2_000)}, {})
    await office.heart.forwards(4)
    assert {each.state for each in await office.heart.entries()} == {State.POSTED}
    assert list(office.heart.core.bookings.values()) == [1, 1]
    assert (await office.heart.events("k0"))[-3:] == ["reopen", "claim", "post"]
    history = await office.heart.store.history((await office.heart.entry("k0")).number)
    assert [(each.actor, each.note) for each in history if each.name == "reopen"] == [(ORDER.actor, ORDER.reason)]


async def test_a_dry_run_says_what_would_go_and_changes_nothing(office: Office) -> None:
    """Two would, and one whose channel knows would not."""
    await office.refused("100", "200", "300")
    assert await office.asks("k1") is AnswerKind.REFUSED
    done = await office.orders(dry_run=True)
    assert (done.entries, done.unchanged) == (2, {Why.TOLD: 1})
    assert {each.state for each in await office.heart.entries()} == {State.REFUSED}


async def test_refused_once_more_it_may_be_told_or_taken_back_once_more(office: Office) -> None:
    """A core that remembers its no says it again; nothing is lost by asking."""
    await office.refused("100")
    await office.orders()
    office.heart.core.strangers.add("100")
    await office.heart.forwards(4)
    assert (await office.heart.entry("k0")).state is State.REFUSED
    office.heart.core.strangers.clear()
    assert (await office.orders()).entries == 1
    office.heart.core.strangers.add("100")
    await office.heart.forwards(4)
    assert await office.asks() is AnswerKind.REFUSED
    assert (await office.orders()).unchanged == {Why.TOLD: 1}


async def test_what_its_channel_was_told_of_as_refused_is_never_booked(office: Office) -> None:
    """It may have given the money back already; and it hears the same for ever."""
    await office.refused("100")
    assert await office.asks() is AnswerKind.REFUSED
    assert (await office.orders()).unchanged == {Why.TOLD: 1}
    await office.heart.forwards(4)
    assert await office.asks() is AnswerKind.REFUSED
    assert list(office.heart.core.bookings.values()) == []


async def test_who_asks_while_a_refusal_is_taken_back_hears_that_it_waits(office: Office) -> None:
    """Even if the process dies between the word and the move."""
    await office.refused("100")
    entry = await office.heart.entry("k0")
    assert await FinalWord(office.heart.store).take([entry], 1) == [True]
    answer = await office.heart.acceptor.inquire(Inquiry(channel="kiosk", key="k0"))
    assert (answer.kind, answer.state, answer.refusal) == (AnswerKind.PROVISIONAL, "ready", None)
    assert (await office.orders()).entries == 1


async def test_of_who_tells_and_who_takes_back_at_once_one_has_the_word(office: Office) -> None:
    """Told as refused and sent again is what must never be."""
    await office.refused(*(str(100 * each) for each in range(1, 21)))
    entries, word = await office.heart.entries(), FinalWord(office.heart.store)
    told, taken = await asyncio.gather(
        asyncio.gather(*(word.may_tell(each, 1) for each in entries)), word.take(entries, 1)
    )
    assert [not each for each in told] == taken


@pytest.mark.parametrize("trouble", [Trouble.CLOSED, Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST])
async def test_a_refusal_that_cannot_be_written_down_as_told_is_not_told(
    open_heart: OpenHeart, trouble: Trouble
) -> None:
    """Ask again."""
    office = Office(await open_heart())
    await office.refused("100")
    office.heart.troubles.will("exchange", trouble)
    assert await office.asks() is AnswerKind.IN_PROGRESS
    assert await office.asks() is AnswerKind.REFUSED


async def test_money_that_went_back_or_may_have_stays_back(office: Office) -> None:
    """Returned, or proposed to be."""
    await office.refused("100", "200")
    gone, going = await office.heart.entries()
    closing = Closing(office.heart.spool, office.heart.clock, lambda _: None)
    order = CloseOrder(
        number=gone.number, state=gone.state, changed_at_us=gone.changed_at_us, ending="returned", evidence="transfer 1"
    )
    await closing.close(order, "amina")
    office.ending.add(str(going.number))
    assert (await office.orders()).unchanged == {Why.RETURNING: 1}
    assert (await office.acts.one(await office.heart.entry("k0"), ORDER)).unchanged == {Why.STATE: 1}


async def test_a_no_that_no_channel_heard_a_yes_before_stays(office: Office) -> None:
    """Its payer has his money still."""
    office.heart.core.strangers.add("100")
    assert (await office.heart.pay("k0")).kind is AnswerKind.REFUSED
    assert (await office.orders()).unchanged == {Why.NO_YES: 1}


async def test_a_persons_no_is_not_the_cores(office: Office) -> None:
    """Whoever said it had looked into billing."""
    office.heart.open_route()
    await office.heart.pay("k0")
    entry = await office.heart.entry("k0")
    for step in (way.HOLD, way.CLOSE_REFUSED):
        move = Move(entry=entry, transition=step, at_us=entry.changed_at_us + 1)
        await office.heart.spool.move([move])
        entry = move.after()
    assert (await office.orders()).unchanged == {Why.BY_HAND: 1}


async def test_what_was_once_in_doubt_is_not_sent_again_where_doubles_are_not_known(office: Office) -> None:
    """The no may have been said of another attempt than the one nobody heard of."""
    office.heart.core.will(SILENCE)
    office.heart.core.strangers.add("100")
    office.heart.open_route()
    await office.heart.pay("k0")
    office.heart.close_route()
    await office.heart.forwards(2)
    await office.heart.later(60.0, rounds=8)
    assert (await office.heart.events("k0"))[-2:] == ["resend", "refuse"]
    office.level = Level.C
    assert (await office.orders()).unchanged == {Why.DOUBT: 1}
    office.level = Level.B
    assert (await office.orders(dry_run=True)).entries == 1


async def test_what_its_channel_wanted_undone_is_not_booked(office: Office) -> None:
    """The reversal was told as taken and came to nothing, as there was nothing to undo."""
    office.heart.core.strangers.add("100")
    office.heart.open_route()
    await office.heart.pay("k0")
    office.heart.close_route()
    office.heart.core.hang()
    sending = asyncio.ensure_future(office.heart.forwards())
    await office.heart.core.asked(1)
    await office.heart.undo("r1", "k0")
    office.heart.core.let_go()
    await sending
    await office.heart.forwards(4)
    assert [each.state for each in await office.heart.entries()] == [State.REFUSED, State.CANCELLED]
    assert (await office.acts.one(await office.heart.entry("k0"), ORDER)).unchanged == {Why.REVERSED: 1}


async def test_a_lane_in_use_is_not_entered_a_second_time(office: Office) -> None:
    """Another payment of the account is at the core: two at once would be one too many."""
    await office.refused("100")
    office.heart.core.hang()
    paying = asyncio.ensure_future(office.heart.pay("k1", "100"))
    await office.heart.core.asked(2)
    assert (await office.orders()).unchanged == {Why.LANE: 1}
    office.heart.core.let_go()
    await paying
    assert (await office.orders()).entries == 1


async def test_what_comes_later_goes_behind_what_is_sent_again(office: Office) -> None:
    """And several of one account go in their order."""
    await office.refused("100", "100")
    assert (await office.orders()).entries == 2
    answer = await office.heart.pay("k2", "100")
    assert answer.kind is AnswerKind.PROVISIONAL
    await office.heart.forwards(8)
    assert [each.state for each in await office.heart.entries()] == [State.POSTED] * 3
    assert office.heart.core.numbers("post")[2:] == [each.number for each in await office.heart.entries()]


async def test_a_record_that_does_not_open_stays(office: Office) -> None:
    """It would be quarantined at once."""
    await office.refused("100")
    entry = await office.heart.entry("k0")
    assert await office.heart.store.reseal([(entry, b"nothing")], entry.key_id) == [True]
    assert (await office.orders()).unchanged == {Why.SEALED: 1}


async def test_with_no_core_to_send_it_to_it_stays(office: Office) -> None:
    """Its route is out of the configuration."""
    await office.refused("100")
    office.level = Level.A
    reopening = Reopening(office.heart.spool, office.heart.store, office.heart.clock, {}, office.proposed)
    assert await reopening.sift(await office.heart.entries()) == [Why.STATE]
