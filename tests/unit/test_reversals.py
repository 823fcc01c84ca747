"""Reversals: netted before anything was sent, behind the payment while that is open, passed through once it is booked."""

import asyncio

import pytest

from adapters.core import Level
from adapters.outcome import Allowed, Cause, Misconfigured, Refused, Unknown
from adapters.payment import Answer, AnswerKind, Check, Refusal
from gateway.clock import settle
from gateway.route.zone import Zone
from gateway.standin.settings import StandinSettings
from spool.lifecycle import HOLD, State
from spool.store import Move
from spool.verify import verify
from tests.unit.fake_core import NOT_SENT, SILENCE, Does, able
from tests.unit.heart import DEADLINE_S, NO_STANDIN, Heart, OpenHeart, payment
from tests.unit.troubled_store import Trouble

YES, NO, PROVISIONAL = AnswerKind.POSTED, AnswerKind.REFUSED, AnswerKind.PROVISIONAL
LATER, UNDER_WAY = AnswerKind.TRY_LATER, AnswerKind.IN_PROGRESS


async def states(heart: Heart) -> list[State]:
    """Of the payment, then of its reversals."""
    return [entry.state for entry in await heart.entries()]


@pytest.mark.parametrize("standin", [StandinSettings(), NO_STANDIN])
async def test_an_unsent_payment_and_its_reversal_cancel_out_here(
    open_heart: OpenHeart, standin: StandinSettings
) -> None:
    """The core never hears of either; no stand-in is needed, for nothing is promised."""
    heart = await open_heart()
    heart.open_route()
    await heart.pay()
    heart.route.policies.update({"kiosk": standin.policy("kiosk", "RUB")})
    answer = await heart.undo()
    heart.close_route()
    await heart.forwards(3)
    assert (answer.kind, await states(heart)) == (YES, [State.CANCELLED] * 2)
    assert heart.core.calls == []
    assert heart.store.tally.exposure("billing").entries == 0


async def test_a_held_payment_is_cancelled_too(heart: Heart) -> None:
    """A person stopped it before anything was sent."""
    heart.open_route()
    await heart.pay()
    hold = Move(entry=await heart.entry(), transition=HOLD, at_us=heart.clock.now_us())
    await heart.spool.move([hold])
    assert (await heart.undo()).kind is YES
    assert await states(heart) == [State.CANCELLED] * 2


async def test_it_goes_behind_a_payment_that_was_let_through_and_is_not_recorded_yet(heart: Heart) -> None:
    """Else both would be at the core at once, and the later one perhaps first."""
    await heart.pay("k1")
    await settle()
    until = heart.clock.monotonic() + DEADLINE_S
    stood_in = list[Answer]()
    going = heart.acceptor.pay(payment("k2"), until, until, stood_in.append)
    assert going is not None
    answer = await heart.undo("r1", "k1")
    assert ((await going).kind, answer.kind, stood_in) == (YES, PROVISIONAL, [])
    await settle()
    assert await states(heart) == [State.POSTED, State.POSTED, State.READY]


async def test_what_waited_behind_a_cancelled_payment_goes_on(heart: Heart) -> None:
    """Its account is free."""
    heart.open_route()
    await heart.pay("k1")
    await heart.pay("k2")
    await heart.undo("r1", "k1")
    heart.close_route()
    await heart.forwards(3)
    assert heart.core.numbers("post") == [(await heart.entry("k2")).number]


async def test_a_booked_payment_is_undone_at_the_core(heart: Heart) -> None:
    """Passed through, and told by the core's word; named by number as well as by key."""
    number = (await heart.pay()).number
    await settle()
    answer = await heart.undo(payment_key="", number=number)
    await settle()
    assert (answer.kind, await states(heart)) == (YES, [State.POSTED] * 2)
    assert heart.core.calls[-1].delivery.wire == f"undo {number} c{number}".encode()
    assert list(heart.core.undone.values()) == [1]


async def test_a_reversal_the_core_refuses_is_refused_and_another_may_come(heart: Heart) -> None:
    """The service may have been used up; tomorrow it may be another matter."""
    await heart.pay()
    await settle()
    heart.core.will(Refused(refusal=Refusal.FORBIDDEN))
    first = await heart.undo("r1")
    assert (first.kind, first.refusal) == (NO, Refusal.FORBIDDEN)
    assert (await heart.undo("r1")).kind is NO
    assert (await heart.undo("r2")).kind is YES


async def test_a_reversal_waits_behind_its_payment_under_way(heart: Heart) -> None:
    """Whatever becomes of the payment decides what becomes of the reversal."""
    heart.core.hang()
    paying = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    answer = await heart.undo()
    assert (answer.kind, await states(heart)) == (PROVISIONAL, [State.IN_FLIGHT, State.READY])
    await heart.forwards(3)
    heart.core.let_go()
    assert (await paying).kind is YES
    await heart.forwards(3)
    assert await states(heart) == [State.POSTED, State.POSTED]
    assert [call.operation for call in heart.core.calls] == ["post", "reverse"]


@pytest.mark.parametrize("level", [Level.A, Level.B])
@pytest.mark.parametrize("booked", [True, False])
async def test_a_reversal_waits_behind_its_payment_in_doubt(
    open_heart: OpenHeart,
    level: Level,
    booked: bool,  # noqa: FBT001 - two cases
) -> None:
    """Only when the core has told is there something to undo; in the end nothing is left of the money."""
    heart = await open_heart(level)
    heart.core.will(Does(SILENCE, books=booked))
    await heart.pay()
    assert (await heart.undo()).kind is PROVISIONAL
    assert await states(heart) == [State.IN_DOUBT, State.READY]
    await heart.later(60.0, rounds=8)
    assert await states(heart) == [State.POSTED, State.POSTED]
    assert (list(heart.core.bookings.values()), list(heart.core.undone.values())) == ([1], [1])


async def test_a_reversal_of_a_payment_that_is_refused_in_the_end_is_cancelled(heart: Heart) -> None:
    """There is nothing to undo, and the core isn't asked to."""
    heart.core.strangers.add("100")
    heart.core.hang()
    paying = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    await heart.undo()
    heart.core.let_go()
    assert (await paying).kind is NO
    await heart.forwards(3)
    assert (await states(heart), (await heart.entry("r1")).reason) == (
        [State.REFUSED, State.CANCELLED],
        "nothing_to_reverse",
    )


async def test_a_reversal_of_a_payment_that_is_given_back_is_cancelled(open_heart: OpenHeart) -> None:
    """Surely nothing was sent, and the channel knows."""
    heart = await open_heart()
    heart.close_route()
    heart.core.will(NOT_SENT)
    heart.core.hang()
    paying = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    assert (await heart.undo()).kind is PROVISIONAL
    heart.route.policies.update({"kiosk": NO_STANDIN.policy("kiosk", "RUB")})
    heart.core.let_go()
    assert (await paying).kind is LATER
    await heart.forwards(3)
    assert await states(heart) == [State.CANCELLED, State.CANCELLED]


@pytest.mark.parametrize("standin", [StandinSettings(), NO_STANDIN])
async def test_there_is_nothing_to_undo_in_a_refused_payment(open_heart: OpenHeart, standin: StandinSettings) -> None:
    """A final no, stand-in or not: it will never be another."""
    heart = await open_heart(standin=standin)
    heart.core.strangers.add("100")
    await heart.pay()
    answer = await heart.undo()
    assert (answer.kind, answer.refusal) == (NO, Refusal.NOT_REVERSIBLE)


async def test_a_second_reversal_of_a_payment_has_nothing_to_undo(heart: Heart) -> None:
    """Under another key; under the same one it hears the first answer."""
    await heart.pay()
    await settle()
    await heart.undo("r1")
    await settle()
    second, again = await heart.undo("r2"), await heart.undo("r1")
    assert (second.kind, second.refusal) == (NO, Refusal.NOT_REVERSIBLE)
    assert (again.kind, again.replayed) == (YES, True)
    assert list(heart.core.undone.values()) == [1]


async def test_a_twin_of_a_reversal_waits_for_the_same_answer(heart: Heart) -> None:
    """Sent again while the core thinks: it hears of it once, and both are told what it said."""
    await heart.pay()
    await settle()
    heart.core.hang()
    twins = [asyncio.ensure_future(heart.undo()) for _ in range(2)]
    await heart.core.asked(2)
    await settle()
    heart.core.let_go()
    first, second = await asyncio.gather(*twins)
    assert (first, first.kind, len(heart.core.numbers("reverse"))) == (second, YES, 1)
    assert len(await heart.entries()) == 2


async def test_reversals_of_what_is_unknown_or_anothers_are_refused_alike(heart: Heart) -> None:
    """A channel can't find out about others' payments."""
    number = (await heart.pay()).number
    answers = [
        await heart.undo("r1", "k9"),
        await heart.undo("r2", "k1", channel="bank"),
        await heart.undo("r3", payment_key="", number=number, channel="bank"),
        await heart.undo("r4", payment_key="", number=number + 1),
    ]
    assert [(each.kind, each.refusal) for each in answers] == [(NO, Refusal.NOT_FOUND)] * 4


async def test_a_reversal_cannot_be_reversed(heart: Heart) -> None:
    """Only payments are."""
    await heart.pay()
    await settle()
    await heart.undo("r1")
    assert (await heart.undo("r2", "r1")).refusal is Refusal.NOT_FOUND


async def test_where_the_core_cannot_undo_only_the_unsent_is_reversed(open_heart: OpenHeart) -> None:
    """It declares so."""
    heart = await open_heart(capabilities=able(Level.A, reversal=False))
    await heart.pay("k1")
    heart.open_route()
    await heart.pay("k2", account="200")
    assert (await heart.undo("r1", "k1")).refusal is Refusal.NOT_REVERSIBLE
    assert (await heart.undo("r2", "k2")).kind is YES


async def test_where_the_core_cannot_undo_nothing_is_said_of_what_may_never_have_reached_it(
    open_heart: OpenHeart,
) -> None:
    """A no would be for good, and the payment may turn out to be unsent (seed 20003075 of the simulation)."""
    heart = await open_heart(capabilities=able(Level.A, reversal=False))
    heart.core.will(NOT_SENT)
    heart.core.hang()
    paying = asyncio.ensure_future(heart.pay("k1"))
    await heart.core.asked(1)
    assert (await heart.undo("r1", "k1")).kind is UNDER_WAY
    heart.core.let_go()
    await paying
    assert (await heart.undo("r1", "k1")).kind is YES


async def test_a_reversal_at_a_core_that_cannot_undo_is_parked_and_stops_nobody(open_heart: OpenHeart) -> None:
    """Its payment went out between the question and the record, or the configuration changed since."""
    heart = await open_heart()
    heart.open_route()
    await heart.pay("k1")
    heart.close_route()
    heart.core.hang()
    await heart.forwards()
    assert (await heart.undo("r1", "k1")).kind is PROVISIONAL
    heart.core.capabilities = able(Level.A, reversal=False)
    heart.core.let_go()
    await heart.forwards(3)
    assert (await heart.entry("r1")).reason == "core_cannot_undo"
    assert (await heart.pay("k2", account="200")).kind is YES
    assert (heart.health.zone, heart.core.numbers("reverse")) == (Zone.CLOSED, [])


async def test_without_stand_in_a_reversal_the_core_cannot_take_now_comes_later(open_heart: OpenHeart) -> None:
    """Nothing is promised in the core's place."""
    heart = await open_heart(standin=NO_STANDIN)
    await heart.pay()
    await settle()
    heart.open_route()
    answer = await heart.undo()
    assert (answer.kind, len(await heart.entries())) == (LATER, 1)
    heart.close_route()
    assert (await heart.undo()).kind is YES


@pytest.mark.parametrize("reversal_first", [True, False])
async def test_of_sent_and_cancelled_exactly_one_wins(
    heart: Heart,
    reversal_first: bool,  # noqa: FBT001 - both orders
) -> None:
    """Fifty payments raced by their reversals while the backlog drains: all the money is accounted for."""
    heart.open_route()
    for number in range(50):
        await heart.pay(f"k{number}", account=f"{number}")
    heart.close_route()
    draining = heart.forwards(40)
    undoing = asyncio.gather(*[_undone_after(heart, number, number % 12) for number in range(50)])
    await asyncio.gather(*((undoing, draining) if reversal_first else (draining, undoing)))
    await heart.forwards(60)
    entries = await heart.entries()
    payments, reversals = entries[:50], {entry.reverses: entry for entry in entries[50:]}
    for each in payments:
        assert each.state in {State.CANCELLED, State.POSTED}
        assert reversals[each.number].state is each.state
        assert heart.core.bookings[each.number] == (each.state is State.POSTED)
        assert heart.core.undone[reversals[each.number].number] == (each.state is State.POSTED)
    assert {entry.state for entry in payments} == {State.CANCELLED, State.POSTED}
    assert (await verify(heart.store)).ok


async def _undone_after(heart: Heart, number: int, turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    await heart.undo(f"r{number}", f"k{number}")


@pytest.mark.parametrize("trouble", [Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST])
@pytest.mark.parametrize("sent", [True, False])
async def test_after_an_unsure_commit_a_reversal_is_asked_for_again_and_done_once(
    heart: Heart,
    trouble: Trouble,
    sent: bool,  # noqa: FBT001 - two cases
) -> None:
    """Whether it was to be netted here or to go to the core."""
    (heart.close_route if sent else heart.open_route)()
    await heart.pay()
    await settle()
    heart.troubles.will("reverse", trouble)
    first = await heart.undo()
    await settle()
    again = await heart.undo()
    heart.close_route()
    await heart.forwards(4)
    assert first.kind is UNDER_WAY
    assert again.kind in {YES, PROVISIONAL, UNDER_WAY}
    assert await states(heart) == [State.POSTED if sent else State.CANCELLED] * 2
    assert list(heart.core.undone.values()) == [1] * sent
    assert heart.health.counts.waiting == 0


async def test_who_waits_behind_a_payment_goes_on_when_an_unsure_reversal_cancelled_that_out(heart: Heart) -> None:
    """Nobody else looks behind a payment that is over (seed 30020981 of the simulation)."""
    heart.open_route()
    await heart.pay("k1")
    await heart.pay("k2")
    heart.close_route()
    heart.core.will(NOT_SENT)
    await heart.forwards(3)
    heart.troubles.will("reverse", Trouble.UNSURE_KEPT)
    assert (await heart.undo("r1", "k1")).kind is UNDER_WAY
    await heart.later(60.0, rounds=4)
    assert await states(heart) == [State.CANCELLED, State.POSTED, State.CANCELLED]


@pytest.mark.parametrize("trouble", [Trouble.FULL, Trouble.CLOSED])
async def test_a_reversal_that_was_surely_not_stored_comes_later(heart: Heart, trouble: Trouble) -> None:
    """As with payments."""
    await heart.pay()
    await settle()
    heart.troubles.will("reverse", trouble)
    assert (await heart.undo()).kind is LATER
    assert heart.core.numbers("reverse") == []
    assert (await heart.undo()).kind is YES


async def test_a_reversal_in_doubt_is_asked_about_not_sent_twice(open_heart: OpenHeart) -> None:
    """Undone twice, the operator would pay."""
    heart = await open_heart(Level.B)
    await heart.pay()
    await settle()
    heart.core.will(Does(SILENCE, books=True))
    assert (await heart.undo()).kind is PROVISIONAL
    await heart.later(60.0, rounds=4)
    assert await states(heart) == [State.POSTED, State.POSTED]
    assert [call.operation for call in heart.core.calls] == ["post", "reverse", "inquire"]


# Checks


def check(account: str = "100", amount: int = 100) -> Check:
    """May this account be paid?"""
    return Check(channel="kiosk", account=account, amount=amount, currency="RUB", key="q1")


async def test_a_well_core_is_asked(heart: Heart) -> None:
    """Its words are shown to the payer; nothing is stored."""
    until = heart.clock.monotonic() + DEADLINE_S
    yes = await heart.acceptor.check(check(), until)
    heart.core.check_says = Refused(refusal=Refusal.ACCOUNT_INACTIVE)
    no = await heart.acceptor.check(check(), until)
    assert (yes.kind, yes.fields_shown, yes.key) == (YES, (("name", "A. B."),), "q1")
    assert (no.kind, no.refusal, await heart.entries()) == (NO, Refusal.ACCOUNT_INACTIVE, [])


@pytest.mark.parametrize(
    ("standin", "kind"),
    [
        (StandinSettings(), PROVISIONAL),
        (StandinSettings(checks="try_later"), LATER),
        (NO_STANDIN, LATER),
        (StandinSettings(payment_max="0.50"), LATER),
    ],
)
@pytest.mark.parametrize("says", [NOT_SENT, SILENCE, Misconfigured(cause=Cause.CONTRACT), None])
async def test_where_the_core_tells_nothing_the_policy_answers_a_check(
    open_heart: OpenHeart, standin: StandinSettings, kind: AnswerKind, says: Unknown | None
) -> None:
    """A yes only where the payment that follows would be taken."""
    heart = await open_heart(standin=standin)
    heart.core.check_says = says or Allowed()
    (heart.open_route if says is None else heart.close_route)()
    answer = await heart.acceptor.check(check(), heart.clock.monotonic() + DEADLINE_S)
    assert answer.kind is kind


async def test_a_core_without_a_check_is_not_asked(open_heart: OpenHeart) -> None:
    """It would have side effects."""
    heart = await open_heart(capabilities=able(Level.A, check=False))
    heart.core.check_says = Refused(refusal=Refusal.OTHER)
    answer = await heart.acceptor.check(check(), heart.clock.monotonic() + DEADLINE_S)
    assert answer.kind is PROVISIONAL
