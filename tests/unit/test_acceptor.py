"""Taking payments: one entry and one answer per key, limits that hold, lanes that are not overtaken."""

import asyncio

import pytest

from adapters.core import Level
from adapters.payment import Answer, AnswerKind, Inquiry, Refusal
from gateway.accept.acceptor import Acceptor
from gateway.clock import settle
from gateway.route.route import Routing
from gateway.route.settings import BreakerSettings
from gateway.standin.settings import StandinChannelSettings, StandinSettings
from spool.lifecycle import State
from spool.number import id_text
from tests.paying import paid
from tests.unit.fake_core import NOT_SENT, SILENCE, Does
from tests.unit.heart import DEADLINE_S, NO_STANDIN, Heart, OpenHeart, payment
from tests.unit.troubled_store import Trouble

YES, NO, PROVISIONAL = AnswerKind.POSTED, AnswerKind.REFUSED, AnswerKind.PROVISIONAL
LATER, UNDER_WAY, CONFLICT = AnswerKind.TRY_LATER, AnswerKind.IN_PROGRESS, AnswerKind.CONFLICT


def kinds(answers: list[Answer]) -> list[AnswerKind]:
    """What each was told."""
    return [answer.kind for answer in answers]


# The way in


async def test_a_payment_on_a_closed_route_is_booked_and_told_so(heart: Heart) -> None:
    """The everyday course."""
    answer = await heart.pay(amount=1_000)
    await settle()
    entry = await heart.entry()
    assert (answer.kind, answer.amount, answer.currency, answer.replayed) == (YES, 1_000, "RUB", False)
    assert (heart.core.bookings, entry.state) == ({entry.number: 1}, State.POSTED)


async def test_what_the_core_gets_is_what_was_stored(heart: Heart) -> None:
    """Number, id, account, sum and bytes: made once at acceptance."""
    await heart.pay(account="4242", amount=77)
    (call,) = heart.core.calls
    entry = await heart.entry()
    sent = call.delivery
    assert (sent.number, sent.id, sent.account, sent.amount, sent.attempt) == (
        entry.number, id_text(entry.id), "4242", 77, 1,
    )  # fmt: skip
    assert sent.wire == f"pay {entry.number} 4242".encode()


async def test_a_payment_on_an_open_route_is_taken_without_the_core(heart: Heart) -> None:
    """Recorded durably, told provisional, with the policy it was taken under."""
    heart.open_route()
    answer = await heart.pay()
    entry = await heart.entry()
    assert (answer.kind, answer.number, entry.state) == (PROVISIONAL, entry.number, State.READY)
    assert (entry.policy, heart.core.calls) == (heart.standin.version, [])


@pytest.mark.parametrize(
    ("standin", "amount", "why"),
    [
        (NO_STANDIN, 1, "standin_off"),
        (StandinSettings(payment_max="5.00"), 501, "payment_limit"),
        (StandinSettings(exposure_sum_max="5.00"), 501, "route_limit"),
        (StandinSettings(exposure_count_max=0), 1, "route_limit"),
        (StandinSettings(channels={"kiosk": StandinChannelSettings(exposure_sum_max="5.00")}), 501, "channel_limit"),
        (StandinSettings(channels={"kiosk": StandinChannelSettings(enabled=False)}), 1, "standin_off"),
    ],
)
async def test_past_a_limit_nothing_is_taken(
    open_heart: OpenHeart, standin: StandinSettings, amount: int, why: str
) -> None:
    """Try later, with the reason; nothing is stored."""
    heart = await open_heart(standin=standin)
    heart.open_route()
    answer = await heart.pay(amount=amount)
    assert (answer.kind, answer.text, await heart.entries()) == (LATER, why, [])


async def test_a_hundred_payments_at_once_do_not_overshoot_a_limit(open_heart: OpenHeart) -> None:
    """Counted in the accept transaction."""
    heart = await open_heart(standin=StandinSettings(exposure_sum_max="100.00"))
    heart.open_route()
    answers = await asyncio.gather(*[heart.pay(f"k{n}", account=f"{n}", amount=300) for n in range(100)])
    assert kinds(answers).count(PROVISIONAL) == 33
    assert heart.store.tally.exposure("billing").amount == 9_900


async def test_without_a_route_a_payment_is_refused(heart: Heart) -> None:
    """No service of that name goes anywhere."""
    nowhere = Acceptor(
        spool=heart.spool,
        routing=Routing([("kiosk", frozenset({"tv"}), heart.route)]),
        clock=heart.clock,
        numbers=heart.numbers,
        settler=heart.settler,
        meter=heart.meter,
        accounts=heart.accounts,
    )
    until = heart.clock.monotonic() + DEADLINE_S
    answer = await paid(nowhere, payment(service="gas"), until, until)
    assert (answer.kind, answer.refusal) == (NO, Refusal.NO_ROUTE)
    assert (await paid(nowhere, payment(service="tv"), until, until)).kind is YES


async def test_a_payment_that_was_taken_is_not_refused_when_its_route_is_gone(heart: Heart) -> None:
    """It is booked, whatever the configuration says by the time it is asked for again; and a no would be believed."""
    heart.open_route()
    first = await heart.pay("k1")
    nowhere = Acceptor(
        spool=heart.spool,
        routing=Routing([("kiosk", frozenset({"tv"}), heart.route)]),
        clock=heart.clock,
        numbers=heart.numbers,
        settler=heart.settler,
        meter=heart.meter,
        accounts=heart.accounts,
    )
    until = heart.clock.monotonic() + DEADLINE_S
    again = await paid(nowhere, payment("k1"), until, until)
    other = await paid(nowhere, payment("k2"), until, until)
    assert (first.kind, again.kind, again.number) == (PROVISIONAL, PROVISIONAL, first.number)
    assert (other.kind, other.refusal) == (NO, Refusal.NO_ROUTE)


async def test_a_lane_with_something_unfinished_is_not_overtaken(heart: Heart) -> None:
    """A second payment of the account queues behind the first, though the core is well; others go."""
    heart.core.will(Does(SILENCE, books=True))
    assert (await heart.pay("k1")).kind is PROVISIONAL
    assert (await heart.pay("k2")).kind is PROVISIONAL
    assert (await heart.pay("k3", account="200")).kind is YES
    assert (await heart.entry("k2")).state is State.READY


async def test_two_payments_of_one_account_at_once_are_not_both_under_way(heart: Heart) -> None:
    """The second sees the first before that one is on disk."""
    heart.core.hang()
    first = asyncio.ensure_future(heart.pay("k1"))
    second = asyncio.ensure_future(heart.pay("k2"))
    await heart.core.asked(1)
    assert (await second).kind is PROVISIONAL
    heart.core.let_go()
    assert (await first).kind is YES
    assert heart.core.crossed_accounts == set()


# One answer per key


async def test_what_is_read_before_a_recording_began_does_not_overtake_it(heart: Heart) -> None:
    """Two requests of one account in one round of the loop: the task that records the first has yet to begin."""
    until, told = heart.clock.monotonic() + DEADLINE_S, list[Answer]()
    first = heart.acceptor.pay(payment("k1"), until, until, told.append)
    second = heart.acceptor.pay(payment("k2"), until, until, told.append)
    assert first is not None
    passed = await first
    await settle()
    assert (second, passed.kind, kinds(told)) == (None, YES, [PROVISIONAL])
    assert heart.core.numbers("post") == [passed.number]
    assert (await heart.pay("k3", account="200")).kind is YES


async def test_a_twin_waits_for_the_same_answer(heart: Heart) -> None:
    """One entry, one booking, two equal answers."""
    heart.core.hang()
    twins = [asyncio.ensure_future(heart.pay()) for _ in range(3)]
    await heart.core.asked(1)
    await settle()
    heart.core.let_go()
    first, *others = await asyncio.gather(*twins)
    assert others == [first, first]
    assert (first.kind, len(heart.core.calls), len(await heart.entries())) == (YES, 1, 1)


async def test_a_repeat_hears_the_same_yes_while_that_is_on_its_way_to_disk(heart: Heart) -> None:
    """A booking may be told before it is recorded; told once, it is told again."""
    heart.core.hang()
    paying = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    heart.troubles.stop("move")
    heart.core.let_go()
    first = await paying
    again = await heart.pay()
    asked = await heart.acceptor.inquire(Inquiry(channel="kiosk", key="k1"))
    heart.troubles.go_on()
    assert (first.kind, again.kind, again.replayed, asked.kind) == (YES, YES, True, YES)
    assert again.core_id == first.core_id


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"amount": 2_000}, ("amount",)),
        ({"account": "200"}, ("account",)),
        ({"account": "200", "amount": 5, "service": "tv"}, ("account", "amount", "service")),
    ],
)
async def test_other_content_under_the_same_key_is_a_conflict_that_names_the_fields(
    heart: Heart, changes: dict[str, object], fields: tuple[str, ...]
) -> None:
    """Both while the first is being answered and ever after; nothing of it is stored."""
    heart.core.hang()
    first = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    other = payment(**changes)  # type: ignore[arg-type]  # the table's changes
    twin = await heart.take(other)
    heart.core.let_go()
    await first
    later = await heart.take(other)
    assert [(each.kind, each.fields) for each in (twin, later)] == [(CONFLICT, fields)] * 2
    assert len(await heart.entries()) == 1


async def test_a_reversal_under_a_payments_key_is_a_conflict_of_kind(heart: Heart) -> None:
    """They share the channel's keys."""
    await heart.pay("k1")
    answer = await heart.undo("k1", "k1")
    assert (answer.kind, answer.fields) == (CONFLICT, ("kind",))


async def test_a_channel_writes_another_time_or_terminal_into_a_repeat(heart: Heart) -> None:
    """It is the same payment all the same."""
    await heart.pay(channel_time="20260101", attributes={"terminal": "1"})
    again = await heart.pay(channel_time="20260102", attributes={"terminal": "2"})
    assert (again.kind, again.replayed) == (YES, True)


async def test_a_twin_that_runs_out_of_time_is_told_to_ask_again(heart: Heart) -> None:
    """Its deadline is its own."""
    heart.core.hang()
    first = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    now = heart.clock.monotonic()
    twin = await paid(heart.acceptor, payment(), now + DEADLINE_S, now)
    assert twin.kind is UNDER_WAY
    heart.core.let_go()
    assert (await first).kind is YES


async def test_a_twin_of_a_cancelled_request_is_told_to_ask_again(heart: Heart) -> None:
    """We are stopping: it isn't left to hang."""
    heart.core.hang()
    first = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    twin = asyncio.ensure_future(heart.pay())
    await settle()
    first.cancel()
    assert (await twin).kind is UNDER_WAY
    await asyncio.wait([first])


async def test_the_same_key_of_two_channels_is_two_payments(heart: Heart) -> None:
    """Keys are unique per channel."""
    await heart.pay("k1", account="100")
    answer = await heart.pay("k1", account="200", channel="bank")
    assert (answer.kind, answer.replayed, len(await heart.entries())) == (YES, False, 2)


async def test_a_provisional_yes_is_repeated_though_the_core_refused_since(heart: Heart) -> None:
    """What was told stays told; the return is due by another way."""
    heart.open_route()
    first = await heart.pay(account="404")
    heart.core.strangers.add("404")
    heart.close_route()
    await heart.forwards()
    again = await heart.pay(account="404")
    assert (await heart.entry()).state is State.REFUSED
    assert (first.kind, again.kind, again.replayed, again.number) == (PROVISIONAL, PROVISIONAL, True, first.number)
    asked = await heart.acceptor.inquire(Inquiry(channel="kiosk", key="k1"))
    assert (asked.kind, asked.refusal) == (NO, Refusal.UNKNOWN_ACCOUNT)


async def test_a_known_request_hears_its_answer_even_past_the_limits(open_heart: OpenHeart) -> None:
    """A limit reached since then must not turn a yes into a try later."""
    heart = await open_heart(standin=StandinSettings(exposure_count_max=1))
    heart.open_route()
    await heart.pay("k1")
    assert (await heart.pay("k2", account="200")).kind is LATER
    again = await heart.pay("k1")
    assert (again.kind, again.replayed) == (PROVISIONAL, True)


async def test_known_takes_nothing(heart: Heart) -> None:
    """It is asked for requests a rule of today is against."""
    assert await heart.acceptor.known(payment()) is None
    await heart.pay()
    found = await heart.acceptor.known(payment())
    assert found is not None
    assert (found.kind, found.replayed, len(await heart.entries())) == (YES, True, 1)


# The disk's bad moments


@pytest.mark.parametrize("trouble", [Trouble.FULL, Trouble.CLOSED])
@pytest.mark.parametrize("route_is_open", [False, True])
async def test_when_surely_nothing_was_stored_it_is_try_later_and_the_core_is_not_asked(
    heart: Heart,
    trouble: Trouble,
    route_is_open: bool,  # noqa: FBT001 - two cases
) -> None:
    """The key first: without it on disk nothing is sent. The same key may come again."""
    (heart.open_route if route_is_open else heart.close_route)()
    heart.troubles.will("insert", trouble)
    first = await heart.pay()
    assert (first.kind, first.text, heart.core.calls, heart.health.counts.waiting) == (LATER, "storage", [], 0)
    assert (await heart.pay()).kind is (PROVISIONAL if route_is_open else YES)


@pytest.mark.parametrize("trouble", [Trouble.FULL, Trouble.CLOSED])
async def test_a_known_request_hears_its_answer_while_nothing_can_be_stored(heart: Heart, trouble: Trouble) -> None:
    """Reading goes on."""
    await heart.pay()
    heart.troubles.will("insert", trouble)
    assert (await heart.pay()).kind is YES


@pytest.mark.parametrize("trouble", [Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST])
@pytest.mark.parametrize("route_is_open", [False, True])
async def test_after_an_unsure_commit_it_is_ask_again_and_in_the_end_booked_once(
    heart: Heart,
    trouble: Trouble,
    route_is_open: bool,  # noqa: FBT001 - two cases
) -> None:
    """Never a no for what may be on disk; and what is on disk goes, though nobody ever asks again."""
    (heart.open_route if route_is_open else heart.close_route)()
    heart.troubles.will("insert", trouble)
    first = await heart.pay()
    assert (first.kind, heart.core.calls, heart.health.counts.waiting) == (UNDER_WAY, [], 0)
    await settle()
    heart.close_route()
    await heart.forwards(2)
    assert sum(heart.core.bookings.values()) == (trouble is Trouble.UNSURE_KEPT)
    again = await heart.pay()
    await heart.forwards(2)
    assert again.kind in {YES, PROVISIONAL}
    assert list(heart.core.bookings.values()) == [1]


async def test_until_the_disk_has_told_a_repeat_of_an_unsure_payment_is_never_told_that_nothing_was_taken(
    heart: Heart,
) -> None:
    """P3b: try later would let the payer take his money elsewhere, and it is booked here afterwards."""
    heart.open_route()
    heart.troubles.will("insert", Trouble.UNSURE_LOST, Trouble.CLOSED, Trouble.CLOSED)
    heart.troubles.will("remember", Trouble.CLOSED)
    told = [await heart.pay() for _ in range(2)]
    asked = await heart.acceptor.inquire(Inquiry(channel="kiosk", key="k1"))
    undone = await heart.undo("r1", "k1")
    await settle()
    await heart.clock.advance(1.0)
    told.append(await heart.pay())
    assert kinds([*told, asked, undone]) == [UNDER_WAY, UNDER_WAY, LATER, UNDER_WAY, UNDER_WAY]


async def test_an_orphan_claim_is_taken_back_and_not_a_claim_of_the_forwarder(heart: Heart) -> None:
    """Recorded ready by an unsure commit, claimed since by the forwarder: that one really is being sent."""
    heart.open_route()
    heart.troubles.will("insert", Trouble.UNSURE_KEPT)
    heart.troubles.will("remember", Trouble.CLOSED)
    await heart.pay()
    heart.close_route()
    heart.core.hang()
    await heart.forwards()
    await heart.core.asked(1)
    await heart.clock.advance(1.0)
    assert (await heart.entry()).state is State.IN_FLIGHT
    heart.core.let_go()
    await heart.forwards(2)
    assert list(heart.core.bookings.values()) == [1]


# Inquiries


async def test_a_channel_asks_about_its_own_by_key_or_number_and_about_no_others(heart: Heart) -> None:
    """Keys of channels are guessable; so are numbers."""
    number = (await heart.pay()).number
    await settle()
    own = [
        await heart.acceptor.inquire(Inquiry(channel="kiosk", key="k1")),
        await heart.acceptor.inquire(Inquiry(channel="kiosk", number=number)),
    ]
    others = [
        await heart.acceptor.inquire(Inquiry(channel="bank", key="k1")),
        await heart.acceptor.inquire(Inquiry(channel="bank", number=number)),
        await heart.acceptor.inquire(Inquiry(channel="kiosk", key="k2")),
    ]
    assert kinds(own) == [YES, YES]
    assert [(each.kind, each.refusal) for each in others] == [(NO, Refusal.NOT_FOUND)] * 3


async def test_what_is_being_recorded_is_not_said_to_be_unknown(heart: Heart) -> None:
    """A no now, and a booking a moment later, would be two truths."""
    heart.troubles.stop("insert")
    paying = asyncio.ensure_future(heart.pay())
    await settle()
    asked = await heart.acceptor.inquire(Inquiry(channel="kiosk", key="k1"))
    undone = await heart.undo("r1", "k1")
    heart.troubles.go_on()
    assert kinds([asked, undone, await paying]) == [UNDER_WAY, UNDER_WAY, YES]


async def test_while_the_spool_is_closed_questions_come_later(heart: Heart) -> None:
    """It may be reopening. Of a reversal nobody can say that it wasn't taken before."""
    await heart.store.close()
    asked = await heart.acceptor.inquire(Inquiry(channel="kiosk", key="k1"))
    undone = await heart.undo()
    assert kinds([asked, undone]) == [LATER, UNDER_WAY]
    assert await heart.acceptor.known(payment()) is None
    await heart.open()


async def test_a_payment_asked_again_while_the_spool_is_closed_is_not_told_that_nothing_was_taken(heart: Heart) -> None:
    """Its first answer may have been lost on the way: who is told no would give the money back (seed 0 of the simulation)."""
    first = await heart.pay()
    await heart.store.close()
    assert kinds([first, await heart.pay()]) == [AnswerKind.POSTED, UNDER_WAY]
    await heart.open()


# What was not sent, and the trial


async def test_a_payment_that_was_not_sent_is_sent_first_of_its_lane_when_the_core_is_back(heart: Heart) -> None:
    """It waits before the ones that came after it, whatever was read meanwhile."""
    heart.core.will(NOT_SENT)
    await heart.pay("k1")
    heart.open_route()
    await heart.pay("k2")
    await heart.pay("k3", account="200")
    heart.close_route()
    await heart.forwards()
    await heart.later(5.0, rounds=4)
    sent = [call.number for call in heart.core.calls[1:]]
    k1, k2, k3 = [(await heart.entry(key)).number for key in ("k1", "k2", "k3")]
    assert sorted(sent) == [k1, k2, k3]
    assert sent.index(k1) < sent.index(k2)


async def test_a_payment_that_was_not_sent_is_found_though_later_ones_were_read_before_it_came_back(
    heart: Heart,
) -> None:
    """While it was under way the reading in order of arrival had passed it."""
    heart.core.hang()
    heart.core.will(NOT_SENT)
    paying = asyncio.ensure_future(heart.pay("k1"))
    await heart.core.asked(1)
    heart.open_route()
    await heart.pay("k2", account="200")
    heart.close_route()
    await heart.forwards()
    heart.open_route()
    heart.core.let_go()
    assert (await paying).kind is PROVISIONAL
    heart.close_route()
    await heart.forwards(3)
    assert [entry.state for entry in await heart.entries()] == [State.POSTED, State.POSTED]


async def test_on_a_route_in_trial_one_payment_is_tried_and_the_others_are_stood_in_for(
    open_heart: OpenHeart,
) -> None:
    """The real payment has the last word about the core."""
    heart = await open_heart(breaker=BreakerSettings(trials_needed=1))
    heart.core.will(*[NOT_SENT] * 3)
    for number in range(3):
        await heart.pay(f"k{number}", account=f"{number}")
    await heart.clock.advance(2.0)
    heart.health.watch_once()
    await heart.clock.advance(heart.breaker.trial_reserved_s)
    heart.core.hang()
    trial = asyncio.ensure_future(heart.pay("k5", account="5"))
    await heart.core.asked(4)
    assert (await heart.pay("k6", account="6")).kind is PROVISIONAL
    heart.core.let_go()
    assert (await trial).kind is YES
    assert (await heart.pay("k7", account="7")).kind is YES


@pytest.mark.parametrize("level", Level)
async def test_a_request_that_breaks_us_is_told_to_ask_again(open_heart: OpenHeart, level: Level) -> None:
    """A bug of ours is no answer about money."""
    heart = await open_heart(level)
    heart.open_route()
    heart.route.policies.clear()
    answer = await heart.pay()
    assert (answer.kind, await heart.entries()) == (UNDER_WAY, [])
