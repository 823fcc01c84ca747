"""A channel is told of the money it has to give back: how much, since when, of nothing else, and only what stays refused."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import pytest

from gateway.admin.entries.why import Why
from gateway.returns.owing import Owing, place_of
from gateway.returns.settings import ReturnSettings
from gateway.returns.word import FinalWord
from gateway.standin.headroom import Headroom
from gateway.telling.channels import LOOK_US, NEW_MAX, ChannelReturns, channels_told
from gateway.telling.condition import Condition, Standing
from gateway.telling.event import Kind, Severity
from gateway.telling.settings import SinkSettings, TellingSettings
from gateway.telling.telling import Telling
from gateway.telling.watch import Parts, Watch
from gateway.windows.plan import Plan
from spool.entry import Entry
from spool.lifecycle import CLAIM, CLOSE_RETURNED, REFUSE, State, Told
from spool.memory import MemoryStore
from spool.store import FIRST, Move
from tests.contracts.spool_examples import draft, go, put, put_as, reversal, undo
from tests.unit.heart import Heart, OpenHeart
from tests.unit.telling import FakeSink, settings
from tests.unit.test_reopening import Office
from tests.unit.troubled_store import Trouble, TroubledStore

HOUR: Final = 3_600
LOOK_S: Final = LOOK_US // 1_000_000
AT_ONCE: Final = ReturnSettings(channel_after_s=0)


class Desk:
    """A heart whose people and whose channel are told, each by a sink."""

    def __init__(self, heart: Heart, returns: ReturnSettings) -> None:
        self.heart = heart
        self.office = Office(heart)
        #: By channel; our own people's under no name.
        self.sinks = {"": FakeSink(), "kiosk": FakeSink(), "bank": FakeSink()}
        sinks = {name: {**settings().model_dump(), "channel": name} for name in ("kiosk", "bank")}
        told = TellingSettings.model_validate({"sinks": {"ops": settings("info").model_dump(), **sinks}})
        parts = Parts(
            store=heart.store,
            routes=[heart.route],
            plan=Plan(heart.store, [heart.route], heart.clock),
            headroom=Headroom(),
            clock=heart.clock,
            returns=returns,
            telling=told,
            own=list[Condition],
        )
        self.telling = Telling(
            settings=told,
            store=heart.store,
            node="night",
            clock=heart.clock,
            watch=Watch(parts),
            channels=ChannelReturns(heart.store, heart.clock, returns, channels_told(told.sinks.values())),
            make=self._sink,
        )

    def _sink(self, given: SinkSettings, _clock: object) -> FakeSink:
        return self.sinks[given.channel or ""]

    async def looks(self, after_s: float = LOOK_S) -> None:
        """Some time later, look and tell."""
        await self.heart.clock.advance(after_s)
        await self.telling.look()
        for outlet in self.telling.outlets.values():
            await outlet.run_once()

    async def returned(self, key: str) -> None:
        """The money of a payment went back."""
        entry = await self.heart.entry(key)
        move = Move(entry=entry, transition=CLOSE_RETURNED, at_us=self.heart.clock.now_us(), actor="a", note="n")
        assert await self.heart.spool.move([move]) == [True]

    def told(self, channel: str = "kiosk") -> list[Mapping[str, Any]]:
        """Every event that a channel's sink took."""
        return [each for letter in self.sinks[channel].taken for each in letter.payload["data"]["events"]]

    def types(self, channel: str = "kiosk") -> list[str]:
        """And what they are."""
        return [each["type"] for each in self.told(channel)]


@pytest.fixture
async def desk(heart: Heart) -> Desk:
    """A desk that tells channels at once."""
    return Desk(heart, AT_ONCE)


async def test_a_channel_is_told_how_much_it_has_to_give_back_and_nothing_else(desk: Desk) -> None:
    """Not that billing was away, nor of another channel's; and our own people are told of the duty by its route."""
    await desk.looks()
    await desk.office.refused("100", "200")
    await desk.looks()
    await desk.looks()
    (told,) = desk.told()
    assert (told["type"], told["subject"], told["severity"]) == ("channel.returns.raised", "kiosk", "warning")
    assert told["facts"] == {
        "count": 2,
        "sum": "20.00 RUB",
        "more": 0,
        "oldest": "2026-01-01T00:00:05Z",
        "stage": "due",
        "returned": 0,
    }
    assert desk.types("bank") == []
    assert desk.types("") == ["return.due.raised"]


async def test_what_a_channel_was_told_of_in_a_count_is_never_sent_again(desk: Desk) -> None:
    """It may have given the money back, though no payment was named."""
    await desk.office.refused("100")
    await desk.looks()
    assert desk.types() == ["channel.returns.raised"]
    assert (await desk.office.orders()).unchanged == {Why.TOLD: 1}


async def test_what_is_being_taken_back_is_in_no_count(desk: Desk) -> None:
    """Two persons have the word on it; the other one is told of."""
    await desk.office.refused("100", "200")
    assert await FinalWord(desk.heart.store).take([await desk.heart.entry("k0")], 1) == [True]
    await desk.looks()
    (told,) = desk.told()
    assert (told["facts"]["count"], told["facts"]["sum"]) == (1, "10.00 RUB")
    assert (await desk.office.orders()).unchanged == {Why.TOLD: 1}


async def test_of_who_counts_and_who_takes_back_at_once_one_has_the_word(desk: Desk) -> None:
    """In a count and sent again is what must never be."""
    await desk.office.refused(*(str(100 * each) for each in range(1, 21)))
    entries, store = await desk.heart.entries(), desk.heart.store
    owing, word = Owing(store, desk.heart.clock, AT_ONCE), FinalWord(store)
    page, taken = await asyncio.gather(owing.page("kiosk", FIRST, 20), word.take(entries, 1))
    assert [entry not in page.entries for entry in entries] == taken


async def test_for_a_while_a_refusal_is_nobodys_but_ours(heart: Heart) -> None:
    """So that a fault of billing's can be mended; then the channel has to know."""
    desk = Desk(heart, ReturnSettings())
    await desk.office.refused("100")
    await desk.looks(HOUR - 1)
    assert desk.types() == []
    assert (await desk.office.orders(dry_run=True)).entries == 1
    await desk.looks(LOOK_S)
    assert desk.types() == ["channel.returns.raised"]
    assert (await desk.office.orders()).unchanged == {Why.TOLD: 1}


async def test_what_comes_after_the_first_is_told_together(desk: Desk) -> None:
    """An hour later; what grew no further isn't told again then."""
    await desk.office.refused("100")
    await desk.looks()
    heart = desk.heart
    heart.core.strangers.update(("300", "400"))
    heart.open_route()
    await heart.pay("k8", "300")
    await heart.pay("k9", "400")
    heart.close_route()
    await heart.forwards(8)
    await desk.looks(HOUR / 2)
    assert desk.types() == ["channel.returns.raised"]
    await desk.looks(HOUR / 2)
    assert desk.types()[1:] == ["channel.returns.repeated"]
    assert desk.told()[-1]["facts"]["count"] == 3
    await desk.looks(HOUR)
    assert len(desk.told()) == 2


async def test_when_all_went_back_it_is_told_how_many_did(desk: Desk) -> None:
    """Once the last of them did, and not before."""
    await desk.office.refused("100", "200")
    await desk.looks()
    await desk.returned("k0")
    await desk.looks()
    assert desk.types() == ["channel.returns.raised"]
    await desk.returned("k1")
    await desk.looks()
    assert desk.types()[1:] == ["channel.returns.cleared"]
    assert desk.told()[-1]["facts"]["returned"] == 2
    assert "2 payments went back in 10 s" in desk.sinks["kiosk"].taken[-1].text
    await desk.looks(HOUR)
    assert len(desk.told()) == 2


async def test_what_is_overdue_is_critical_for_the_channel(desk: Desk) -> None:
    """Its own time limits have run out."""
    await desk.office.refused("100")
    await desk.looks()
    await desk.looks(72 * HOUR)
    assert desk.types()[1:] == ["channel.returns.escalated"]
    assert (desk.told()[-1]["severity"], desk.told()[-1]["facts"]["stage"]) == ("critical", "overdue")


async def test_a_channels_letter_names_no_verb_of_ours(desk: Desk) -> None:
    """Nor an account."""
    await desk.office.refused("79161234567")
    await desk.looks()
    (letter,) = desk.sinks["kiosk"].taken
    said = letter.title + letter.text + letter.short + str(letter.payload)
    assert "nightsafe " not in said
    assert "79161234567" not in said
    assert letter.text.endswith("Node night. Times are UTC.\n")


async def test_a_channels_sink_can_be_tried(desk: Desk) -> None:
    """By the test event, which goes to that sink alone."""
    desk.telling.tell(Kind.TEST, "kiosk", Severity.INFO, {"actor": "operator"})
    await desk.looks()
    assert (desk.types(), desk.types("bank"), desk.types("")) == (["test.told"], [], [])


async def test_who_tells_next_goes_on(desk: Desk) -> None:
    """Told once, and cleared once, by whichever process."""
    await desk.office.refused("100")
    await desk.looks()
    again = Desk(desk.heart, AT_ONCE)
    await again.telling.open()
    await again.looks()
    await again.returned("k0")
    await again.looks()
    assert again.types() == ["channel.returns.cleared"]


# Bad moments


@pytest.fixture
async def store() -> TroubledStore:
    """A store that is open."""
    made = TroubledStore()
    await made.open(0)
    return made


@pytest.mark.parametrize("trouble", [Trouble.CLOSED, Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST])
async def test_what_can_not_be_written_down_as_told_is_not_told(desk: Desk, trouble: Trouble) -> None:
    """Another look tells of it."""
    await desk.office.refused("100")
    desk.heart.troubles.will("exchange", trouble)
    await desk.looks()
    assert desk.types() == []
    await desk.looks()
    assert desk.types() == ["channel.returns.raised"]


async def test_what_was_told_stands_while_it_can_not_be_looked_at(desk: Desk) -> None:
    """It is not over because our disk is."""
    await desk.office.refused("100")
    await desk.looks()
    desk.heart.core.strangers.add("200")
    desk.heart.open_route()
    await desk.heart.pay("k1", "200")
    desk.heart.close_route()
    await desk.heart.forwards(4)
    desk.heart.troubles.will("exchange", Trouble.CLOSED)
    await desk.looks()
    assert desk.types() == ["channel.returns.raised"]
    await desk.looks(HOUR)
    assert [(each["type"], each["facts"]["count"]) for each in desk.told()[1:]] == [("channel.returns.repeated", 2)]


async def test_a_disk_that_hangs_is_not_waited_for(heart: Heart, store: TroubledStore) -> None:
    """That it does is to be told, in the same look; what a channel was told stands, and it is tried again some time later."""
    await put_as(store, draft(1), State.REFUSED)
    returns = ChannelReturns(store, heart.clock, AT_ONCE, ["kiosk"], within_s=0.0)
    store.stop("exchange")
    known = Standing(
        kind=Kind.CHANNEL_RETURNS,
        subject="kiosk",
        since_us=0,
        severity=Severity.CRITICAL,
        told_us=0,
        facts={"count": 7},
        counts={},
        size=7,
    )
    stood = await returns.look({"channel.returns kiosk": known})
    assert [(each.severity, each.facts, each.size) for each in stood] == [(Severity.CRITICAL, {"count": 7}, 7)]
    store.go_on()
    assert await returns.look({}) == []
    await heart.clock.advance(LOOK_S)
    later = ChannelReturns(store, heart.clock, AT_ONCE, ["kiosk"])
    assert len(await later.look({})) == 1


# Which they are


def looking(heart: Heart, store: MemoryStore) -> ChannelReturns:
    """What the kiosk is told of, by the heart's clock."""
    return ChannelReturns(store, heart.clock, AT_ONCE, ["kiosk"])


async def test_returns_of_all_routes_and_currencies_are_summed_up(heart: Heart, store: TroubledStore) -> None:
    """The channel knows nothing of our routes."""
    await put_as(store, draft(1, amount=1_050), State.REFUSED)
    await put_as(store, draft(2, route="mobile", currency="RUB", amount=200), State.REFUSED)
    await put_as(store, draft(3, route="mobile", amount=50), State.REFUSED)
    await put_as(store, draft(4, channel="bank"), State.REFUSED)
    (found,) = await looking(heart, store).look({})
    assert (found.facts["count"], found.facts["sum"], found.size) == (3, "2.00 RUB + 11.00 TJS", 3)


async def test_a_reversal_that_was_refused_is_no_money_to_give_back(heart: Heart, store: TroubledStore) -> None:
    """The payment is booked and stays so: that is a matter between the channel and us."""
    await put_as(store, draft(1), State.REFUSED)
    payment = await put_as(store, draft(2), State.POSTED)
    undone = await go(store, await undo(store, reversal(3, payment, told=Told.PROVISIONAL)), CLAIM, REFUSE)
    assert [each.number for each in await store.returns_due("billing", 10)] == [1, 3]
    returns = looking(heart, store)
    (found,) = await returns.look({})
    await go(store, undone, CLOSE_RETURNED)
    assert (found.facts["count"], returns.totals()) == (1, {found.name: {"returned": 0}})


async def test_of_very_many_some_are_told_now_and_the_rest_soon(heart: Heart, store: TroubledStore) -> None:
    """Each is written down as told first, and payments go on meanwhile."""
    many = NEW_MAX + 300
    for number in range(1, many + 1):
        await put_as(store, draft(number, amount=1), State.REFUSED)
    returns = looking(heart, store)
    (first,) = await returns.look({})
    await heart.clock.advance(LOOK_S)
    (second,) = await returns.look({})
    assert (first.facts["more"], second.facts["more"], second.facts["count"]) == (1, 0, many)
    assert NEW_MAX <= first.size < many


async def test_what_was_told_is_written_down_once(heart: Heart, store: TroubledStore) -> None:
    """Each look after the first only reads."""
    await put_as(store, draft(1), State.REFUSED)
    returns = looking(heart, store)
    await returns.look({})
    store.will("exchange", Trouble.CLOSED)
    await heart.clock.advance(LOOK_S)
    assert len(await returns.look({})) == 1


async def test_pages_go_on_behind_what_may_not_be_told(heart: Heart, store: TroubledStore) -> None:
    """A page may show nothing, and the next one something."""
    entries = [await put_as(store, draft(number), State.REFUSED) for number in (1, 2, 3)]
    await FinalWord(store).take(entries[:2], 1)
    owing = Owing(store, heart.clock, AT_ONCE)
    first = await owing.page("kiosk", FIRST, 2)
    assert (first.entries, first.next) == ([], place_of(entries[1]))
    second = await owing.page("kiosk", place_of(entries[1]), 2)
    assert (second.entries, second.next) == ([entries[2]], None)


async def test_pages_go_through_all_routes_in_one_order(heart: Heart, store: TroubledStore) -> None:
    """By when they were refused: none is left out, and none comes twice."""
    for number, route in enumerate(("billing", "mobile", "billing", "mobile"), start=1):
        await put_as(store, draft(number, route=route), State.REFUSED)
    owing = Owing(store, heart.clock, AT_ONCE)
    first = await owing.page("kiosk", FIRST, 3)
    assert first.next is not None
    second = await owing.page("kiosk", first.next, 3)
    assert [each.number for page in (first, second) for each in page.entries] == [1, 2, 3, 4]
    assert (len(first.entries), second.next) == (3, None)


async def test_what_is_forgotten_or_settled_is_owed_no_more(heart: Heart, store: TroubledStore) -> None:
    """Then there is nothing to look at."""
    entry: Entry = await put_as(store, draft(1), State.REFUSED)
    owing = Owing(store, heart.clock, AT_ONCE)
    assert (owing.owes("kiosk"), owing.owes("bank"), owing.returned("kiosk")) == (True, False, 0)
    await go(store, entry, CLOSE_RETURNED)
    assert (owing.owes("kiosk"), owing.returned("kiosk")) == (False, 1)
    await put(store, draft(2))
    assert not owing.owes("kiosk")


async def test_another_process_has_the_same_word(open_heart: OpenHeart) -> None:
    """What one told of is told of by the next without a word more, and never taken back."""
    desk = Desk(await open_heart(), AT_ONCE)
    await desk.office.refused("100")
    await desk.looks()
    again = Desk(await desk.heart.restarted(), AT_ONCE)
    again.heart.troubles.will("exchange", Trouble.CLOSED)
    await again.looks()
    assert (await again.office.orders()).unchanged == {Why.TOLD: 1}
