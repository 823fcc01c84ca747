"""Several endpoints of one core: whose turn it is, what may go on to the next, and what they say together."""

import asyncio
from typing import Final

import pytest

from adapters.core import Capabilities, Delivery, Level
from adapters.outcome import (
    Allowed,
    Cause,
    Conflict,
    InquiryOutcome,
    Misconfigured,
    NotFound,
    NotSent,
    Outcome,
    Pending,
    Posted,
    Refused,
    Unknown,
)
from adapters.payment import Check, Refusal
from gateway.clock import ManualClock, settle
from gateway.route.endpoints import Endpoint, Endpoints, joined, sooner, without_a_common_ledger
from gateway.route.health import RouteHealth
from gateway.route.hurry import UnderWay
from gateway.route.opening import unhurried, watched_by
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Use, Zone
from tests.unit.fake_core import NOT_SENT, SILENCE, FakeCore, able

THROTTLED: Final = NotSent(cause=Cause.THROTTLED, retry_after_s=1)
LOCKED_OUT: Final = Misconfigured(cause=Cause.CREDENTIALS)
BREAKER: Final = BreakerSettings()


def delivery() -> Delivery:
    """An order."""
    return Delivery(number=1, id="id", attempt=1, wire=b"pay 1 100", account="100", amount=100, currency="RUB")


class Pair:
    """Two endpoints of a core."""

    def __init__(self, *, shared: bool, level: Level = Level.A, watched: BreakerSettings = BREAKER) -> None:
        """Both well, and nothing booked."""
        self.clock = ManualClock()
        self.cores = [FakeCore(able(level)), FakeCore(able(level))]
        each = [
            Endpoint(f"{place}", core, RouteHealth(f"{place}", watched, self.clock))
            for place, core in enumerate(self.cores)
        ]
        self.both = Endpoints("billing", each, self.clock, shared_ledger=shared)

    @property
    def calls(self) -> list[int]:
        """How many each has had."""
        return [len(core.calls) for core in self.cores]

    async def post(self) -> Outcome:
        """One payment."""
        return await self.both.post(delivery(), 5.0)


@pytest.mark.parametrize("said", [NOT_SENT, LOCKED_OUT])
async def test_what_surely_was_not_sent_goes_on_to_the_next(said: Outcome) -> None:
    """Nothing of it is anywhere."""
    pair = Pair(shared=False)
    pair.cores[0].will(said)
    assert isinstance(await pair.post(), Posted)
    assert pair.calls == [1, 1]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    "said", [SILENCE, THROTTLED, Pending(), Conflict(found="amount"), Refused(refusal=Refusal.AMOUNT_TOO_LARGE)]
)
async def test_what_may_have_been_sent_does_not_go_on(said: Outcome, *, shared: bool) -> None:
    """Whether they share a ledger or not: what follows from it is decided elsewhere."""
    pair = Pair(shared=shared)
    pair.cores[0].will(said)
    assert await pair.post() == said
    assert pair.calls == [1, 0]


async def test_where_none_takes_calls_it_is_said_why_the_first_does_not() -> None:
    """And nothing is sent to anybody."""
    pair = Pair(shared=True)
    for core in pair.cores:
        core.will(*[NOT_SENT] * BREAKER.unreached_in_a_row)
    for _ in range(BREAKER.unreached_in_a_row):
        await pair.post()
    calls = pair.calls
    told = await pair.post()
    assert told == NotSent(cause=Cause.REFUSED_CONNECTION, detail="no endpoint takes calls: refused")
    assert pair.calls == calls
    assert (await pair.both.probe(1.0)) == told


async def test_one_that_may_be_tried_is_enough_for_a_probe() -> None:
    """The route may be tried then, and tries that one."""
    pair = Pair(shared=True)
    pair.cores[0].will(*[NOT_SENT] * BREAKER.unreached_in_a_row)
    for _ in range(BREAKER.unreached_in_a_row):
        await pair.post()
    assert [each.health.zone for each in pair.both.each] == [Zone.OPEN, Zone.CLOSED]
    assert await pair.both.probe(1.0) == Posted()


async def test_an_endpoint_that_hangs_is_given_up_once_it_is_open() -> None:
    """Its calls get a moment more, and are in doubt then."""
    pair = Pair(shared=True)
    pair.cores[0].hang()
    waiting = [asyncio.create_task(pair.post()) for _ in range(BREAKER.hung_calls)]
    await pair.cores[0].asked(BREAKER.hung_calls)
    for _ in range(12):
        await pair.clock.advance(BREAKER.hung_after_s / 10)
        pair.both.each[0].health.watch_once()
    assert pair.both.each[0].health.zone is Zone.OPEN
    assert isinstance(await pair.post(), Posted)
    told = await asyncio.gather(*waiting)
    assert {type(each) for each in told} == {Unknown}


class Payers:
    """Twenty payments a second by a route of two endpoints that are known to be quick."""

    def __init__(self) -> None:
        """Nobody yet; endpoints are watched as `open_route_core` has them watched."""
        own = unhurried(BREAKER).model_copy(update={"hung_after_s": sooner(BREAKER.hung_after_s)})
        self.pair = Pair(shared=True, watched=own)
        self.clock = self.pair.clock
        self.route = RouteHealth("route", watched_by(self.pair.both, BREAKER), self.clock)
        self.healths = [self.route, *(each.health for each in self.pair.both.each)]
        self._paying = list[asyncio.Task[None]]()

    async def _one(self) -> None:
        permit = self.route.admit()
        if permit is not None:
            begun_s = self.clock.monotonic()
            self.route.report(permit, await self.pair.post(), self.clock.monotonic() - begun_s)

    async def _pay(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            for _ in range(2):
                self._paying.append(asyncio.create_task(self._one()))
                await self.clock.advance(0.05)
            for health in self.healths:
                health.watch_once()

    async def silent(self, *places: int, for_s: float) -> list[Zone]:
        """In health for a while, until these endpoints say nothing: how route and endpoints stand so much later."""
        await self._pay(15.0)
        for place in places:
            self.pair.cores[place].hang()
        await self._pay(for_s)
        zones = [health.zone for health in self.healths]
        for core in self.pair.cores:
            core.let_go()
        await asyncio.gather(*self._paying)
        return zones


async def test_one_of_two_that_falls_silent_is_known_within_a_second_and_the_route_goes_on() -> None:
    """It is passed over after half of it, and the other one has the other half to do its work."""
    assert await Payers().silent(0, for_s=0.8) == [Zone.CLOSED, Zone.OPEN, Zone.CLOSED]
    assert (await Payers().silent(0, for_s=1.5))[0] is Zone.CLOSED


async def test_all_that_fall_silent_at_once_are_known_soon_after_a_second() -> None:
    """Of the second nothing is known before it is asked, which is when the first is given up: twice half a second."""
    assert (await Payers().silent(0, 1, for_s=0.9))[:2] == [Zone.CLOSED, Zone.OPEN]
    assert (await Payers().silent(0, 1, for_s=1.2))[0] is Zone.OPEN


async def test_at_level_c_nobody_is_given_up() -> None:
    """In doubt is a person's work there."""
    pair = Pair(shared=True, level=Level.C)
    pair.cores[0].hang()
    waiting = asyncio.create_task(pair.post())
    await pair.cores[0].asked(1)
    until_us = pair.clock.now_us() + 1_000_000
    pair.both.each[0].health.force(Zone.OPEN, until_us=until_us, actor="a", reason="b")
    assert pair.both.each[0]._under_way.ends == [None]
    pair.cores[0].let_go()
    assert isinstance(await waiting, Posted)


async def test_a_call_that_is_cancelled_says_nothing_of_its_endpoint() -> None:
    """As with a core of one."""
    pair = Pair(shared=True)
    pair.cores[0].hang()
    waiting = asyncio.create_task(pair.post())
    await pair.cores[0].asked(1)
    waiting.cancel()
    await settle()
    assert waiting.cancelled()
    assert pair.both.each[0].health.counts.withdrawn == 1


async def test_an_adapters_own_timeout_is_not_taken_for_ours() -> None:
    """It is a bug, and says nothing of whether it was hurried."""

    async def raises() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await UnderWay().unless_hurried(raises())


# Asking


async def test_one_endpoint_is_asked_where_all_know_the_same() -> None:
    """The first; the next where that can't be reached."""
    pair = Pair(shared=True)
    pair.cores[0].will_tell(NOT_SENT)
    assert await pair.both.inquire(delivery(), 5.0) == NotFound()
    assert pair.calls == [1, 1]
    assert await pair.both.inquire(delivery(), 5.0) == NotFound()
    assert pair.calls == [2, 1]


async def test_all_are_asked_where_each_has_a_ledger_of_its_own() -> None:
    """The second one's word is as good as the first one's."""
    pair = Pair(shared=False)
    pair.cores[1].bookings[delivery().number] = 1
    assert isinstance(await pair.both.inquire(delivery(), 5.0), Posted)
    assert pair.calls == [1, 1]


@pytest.mark.parametrize(
    ("told", "together"),
    [
        ([NotFound(), NotFound()], NotFound()),
        ([NotFound(), Posted(core_id="1")], Posted(core_id="1")),
        ([SILENCE, Posted(core_id="1")], Posted(core_id="1")),
        ([NotFound(), SILENCE], SILENCE),
        ([NOT_SENT, NotFound()], NOT_SENT),
        ([Refused(refusal=Refusal.NOT_FOUND), NotFound()], Refused(refusal=Refusal.NOT_FOUND)),
        ([Refused(refusal=Refusal.NOT_FOUND), SILENCE], SILENCE),
        ([NotFound(), Pending()], Pending()),
        ([LOCKED_OUT, NotFound()], LOCKED_OUT),
    ],
)
def test_ledgers_of_their_own_say_together(told: list[InquiryOutcome], together: InquiryOutcome) -> None:
    """That none has it, is what all of them say; a booking is what one of them says."""
    assert joined(told) == together


@pytest.mark.parametrize(
    ("alone", "level"),
    [(able(Level.A), "B"), (able(Level.B), "B"), (able(Level.C), "C"), (able(Level.A, lookup=False), "C")],
)
def test_without_a_common_ledger_none_dedupes_for_another(alone: Capabilities, level: str) -> None:
    """So what is in doubt is asked about, and a booking can't be undone by whoever doesn't have it."""
    together = without_a_common_ledger(alone)
    assert (together.level.value, together.reversal, together.key_lifetime_s) == (level, False, 0.0)


# The rest


async def test_checks_reversals_and_the_end_go_the_same_way() -> None:
    """To the first that takes them."""
    pair = Pair(shared=True)
    pair.cores[0].check_says = NOT_SENT
    check = Check(channel="kiosk", key="k", account="1", currency="RUB")
    assert isinstance(await pair.both.check(check, 5.0), Allowed)
    pair.cores[0].will(NOT_SENT)
    assert isinstance(await pair.both.reverse(delivery(), 5.0), Posted)
    assert pair.both.prepare_reversal(2, "id", delivery(), "c1") == b"undo 1 c1"
    await pair.both.close()


async def test_while_the_route_is_on_trial_an_endpoint_that_is_well_decides() -> None:
    """Not one that is on trial itself: its failure would keep the route open."""
    pair = Pair(shared=True)
    pair.cores[0].will(*[NOT_SENT] * BREAKER.unreached_in_a_row)
    for _ in range(BREAKER.unreached_in_a_row):
        await pair.post()
    first = pair.both.each[0].health
    await pair.clock.advance(BREAKER.open_for_s + 0.1)
    first.watch_once()
    assert first.zone is Zone.TRIAL
    pair.both.is_on_trial = lambda: True
    calls = pair.calls
    await pair.post()
    pair.both.is_on_trial = lambda: False
    await pair.post()
    assert pair.calls == [calls[0] + 1, calls[1] + 1]


async def test_it_is_said_which_is_asked_first_and_what_the_others_are_there_for() -> None:
    """The first that is well; one before it on trial or left out, one behind it stands by."""
    pair = Pair(shared=True)
    health = pair.both.each[0].health
    found = [pair.both.uses()]
    pair.cores[0].will(*[NOT_SENT] * 3)
    for _ in range(3):
        await pair.post()
    found.append(pair.both.uses())
    await pair.clock.advance(BREAKER.open_for_s)
    health.watch_once()
    assert health.zone is Zone.TRIAL
    found.append(pair.both.uses())
    assert found == [
        [Use.IN_USE, Use.STANDS_BY],
        [Use.LEFT_OUT, Use.IN_USE],
        [Use.ON_TRIAL, Use.IN_USE],
    ]
