"""Passing a live payment through: what the core says, what is kept of it, and what the channel is told."""

import asyncio

import pytest
from structlog.testing import capture_logs

from adapters.core import Capabilities, Delivery, Level
from adapters.outcome import Cause, CheckOutcome, Conflict, Misconfigured, NotSent, Outcome, Pending, Posted, Refused
from adapters.payment import AnswerKind, Check, Payment, Refusal
from gateway.clock import settle
from gateway.route.record import Speaker
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Trip, Zone
from gateway.standin.settings import StandinChannelSettings, StandinSettings
from spool.lifecycle import State, Told
from tests.paying import paid
from tests.unit.fake_core import NOT_SENT, SETTLE_S, SILENCE, Does, FakeCore, able
from tests.unit.heart import DEADLINE_S, NO_STANDIN, Heart, OpenHeart, payment
from tests.unit.troubled_store import Trouble

POSTED = Posted(core_id="c1")
REFUSED = Refused(refusal=Refusal.UNKNOWN_ACCOUNT, code="5")
CONFLICT = Conflict(found="amount")
PENDING = Pending(poll_after_s=7.0)
MISCONFIGURED = Misconfigured(cause=Cause.CREDENTIALS)
YES, NO, PROVISIONAL = AnswerKind.POSTED, AnswerKind.REFUSED, AnswerKind.PROVISIONAL
CHECK = Check(channel="kiosk", account="100", amount=1_000, currency="RUB")
SLOW_S = BreakerSettings().slow_call_s
LATER, UNDER_WAY = AnswerKind.TRY_LATER, AnswerKind.IN_PROGRESS


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize(
    ("outcome", "kind", "state", "told"),
    [
        (POSTED, YES, State.POSTED, Told.POSTED),
        (REFUSED, NO, State.REFUSED, Told.REFUSED),
        (NOT_SENT, PROVISIONAL, State.READY, Told.PROVISIONAL),
        (MISCONFIGURED, PROVISIONAL, State.READY, Told.PROVISIONAL),
        (PENDING, PROVISIONAL, State.IN_DOUBT, Told.PROVISIONAL),
        (CONFLICT, UNDER_WAY, State.PARKED, Told.NOTHING),
    ],
)
async def test_with_stand_in_an_attempt_is_answered(  # noqa: PLR0917 - the table's columns
    open_heart: OpenHeart, level: Level, outcome: Outcome, kind: AnswerKind, state: State, told: Told
) -> None:
    """The core's word where it gave one, else ours; a conflict is a person's to answer."""
    heart = await open_heart(level)
    heart.core.will(Does(outcome, books=True))
    answer = await heart.pay()
    await settle()
    entry = await heart.entry()
    assert (answer.kind, entry.state, entry.told) == (kind, state, told)
    assert (answer.number, answer.key) == (entry.number, "k1")


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize(
    ("outcome", "kind", "state", "told"),
    [
        (POSTED, YES, State.POSTED, Told.POSTED),
        (REFUSED, NO, State.REFUSED, Told.REFUSED),
        (PENDING, UNDER_WAY, State.IN_DOUBT, Told.NOTHING),
        (CONFLICT, UNDER_WAY, State.PARKED, Told.NOTHING),
    ],
)
async def test_without_stand_in_only_the_core_answers(  # noqa: PLR0917 - the table's columns
    open_heart: OpenHeart, level: Level, outcome: Outcome, kind: AnswerKind, state: State, told: Told
) -> None:
    """What the core has not decided is under way, never a yes of ours and never a no."""
    heart = await open_heart(level, standin=NO_STANDIN)
    heart.core.will(Does(outcome, books=True))
    answer = await heart.pay()
    await settle()
    entry = await heart.entry()
    assert (answer.kind, entry.state, entry.told) == (kind, state, told)


@pytest.mark.parametrize(
    ("level", "standin", "state", "kind"),
    [
        (Level.A, StandinSettings(), State.IN_DOUBT, PROVISIONAL),
        (Level.B, StandinSettings(), State.IN_DOUBT, PROVISIONAL),
        (Level.C, StandinSettings(), State.PARKED, PROVISIONAL),
        (Level.A, NO_STANDIN, State.IN_DOUBT, UNDER_WAY),
        (Level.B, NO_STANDIN, State.IN_DOUBT, UNDER_WAY),
        (Level.C, NO_STANDIN, State.PARKED, UNDER_WAY),
    ],
)
async def test_silence_is_a_doubt_never_a_no(
    open_heart: OpenHeart, level: Level, standin: StandinSettings, state: State, kind: AnswerKind
) -> None:
    """The core may have booked it; at level C only a person can find out."""
    heart = await open_heart(level, standin=standin)
    heart.core.will(Does(SILENCE, books=True))
    answer = await heart.pay()
    assert (answer.kind, (await heart.entry()).state) == (kind, state)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("outcome", [NOT_SENT, MISCONFIGURED])
async def test_what_was_surely_not_sent_is_given_back_with_its_key_where_nobody_stands_in(
    open_heart: OpenHeart, level: Level, outcome: Outcome
) -> None:
    """The channel may come again with the same key, even with another sum, and is then booked once."""
    heart = await open_heart(level, standin=NO_STANDIN)
    heart.close_route()
    heart.core.will(outcome)
    first = await heart.pay(amount=1_000)
    (given_back,) = await heart.entries()
    second = await heart.pay(amount=2_000)
    assert (first.kind, given_back.state, second.kind, second.replayed) == (LATER, State.CANCELLED, YES, False)
    assert sum(heart.core.bookings.values()) == 1


async def test_a_refusal_is_on_disk_before_it_is_told(open_heart: OpenHeart) -> None:
    """A no that was told and forgotten could turn into a yes."""
    heart = await open_heart()
    heart.core.will(REFUSED)
    heart.troubles.stop("insert")
    asking = asyncio.ensure_future(heart.pay())
    await settle()
    assert heart.core.calls == []
    heart.troubles.go_on()
    await heart.core.asked(1)
    heart.troubles.stop("move")
    await settle()
    assert not asking.done()
    heart.troubles.go_on()
    assert (await asking).refusal is Refusal.UNKNOWN_ACCOUNT


@pytest.mark.parametrize(("level", "answered"), [(Level.A, True), (Level.B, True), (Level.C, False)])
async def test_a_booking_is_told_before_it_is_on_disk_only_where_it_would_be_found_again(
    open_heart: OpenHeart,
    level: Level,
    answered: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """At level C a crash between telling and recording would leave a person nothing to find."""
    heart = await open_heart(level)
    heart.core.hang()
    asking = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    heart.troubles.stop("move")
    heart.core.let_go()
    await settle()
    assert asking.done() is answered
    heart.troubles.go_on()
    assert (await asking).kind is YES


async def test_the_attempt_is_on_disk_before_the_core_hears_of_it(heart: Heart) -> None:
    """A crash at any later moment finds it in doubt, not lost."""
    heart.core.hang()
    asking = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    entry = await heart.entry()
    assert (entry.state, entry.epoch, entry.attempts) == (State.IN_FLIGHT, 1, 1)
    heart.core.let_go()
    await asking


async def test_when_recording_hangs_past_the_deadline_the_answer_is_ask_again(heart: Heart) -> None:
    """The channel's time is up; the outcome is recorded all the same, and the next request hears it."""
    heart.core.will(REFUSED)
    heart.core.hang()
    request = asyncio.ensure_future(paid(heart.acceptor, payment(), heart.clock.monotonic(), 0.0))
    await heart.core.asked(1)
    heart.troubles.stop("move")
    heart.core.let_go()
    assert (await request).kind is UNDER_WAY
    heart.troubles.go_on()
    await settle()
    again = await heart.pay()
    assert (again.kind, again.replayed) == (NO, True)


@pytest.mark.parametrize("trouble", [Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST, Trouble.FULL, Trouble.CLOSED])
async def test_an_outcome_is_recorded_whatever_the_disk_does(heart: Heart, trouble: Trouble) -> None:
    """What is known must not be forgotten: it is tried until the disk has taken it, once in effect."""
    heart.core.will(REFUSED)
    heart.troubles.will("move", trouble, trouble)
    asking = asyncio.ensure_future(heart.pay())
    await settle()
    await heart.clock.advance(1.0)
    assert (await asking).kind is NO
    assert (await heart.entry()).state is State.REFUSED


# Times


async def test_an_attempt_gets_the_channels_time_less_the_margin(open_heart: OpenHeart) -> None:
    """The provisional answer must still be made and sent within the deadline."""
    heart = await open_heart(standin=StandinSettings(answer_margin_s=1.5))
    core = Timed(able(Level.A))
    heart.route.core = core
    await paid(heart.acceptor, payment("k1"), heart.clock.monotonic() + 6.0, 0.0)
    await paid(heart.acceptor, payment("k2", "200"), heart.clock.monotonic() + 1000.0, 0.0)
    await paid(heart.acceptor, payment("k3", "300"), heart.clock.monotonic() + 1.0, 0.0)
    assert core.times == [4.5, heart.forward.attempt_timeout_s, 0.05]


class Timed(FakeCore):
    """Notes how long each order may take."""

    def __init__(self, capabilities: Capabilities) -> None:
        """As the fake, with nothing noted."""
        super().__init__(capabilities)
        self.times: list[float] = []

    async def post(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Note the time, then book."""
        self.times.append(timeout_s)
        return await super().post(delivery, timeout_s)


async def test_silence_waits_the_settle_delay_at_level_b(open_heart: OpenHeart) -> None:
    """Asked sooner, the core might not know yet of what it is booking."""
    heart = await open_heart(Level.B)
    heart.core.will(Does(SILENCE, books=True))
    await heart.pay()
    entry = await heart.entry()
    assert entry.due_at_us - entry.changed_at_us == SETTLE_S * 1_000_000


async def test_a_pending_booking_is_asked_about_when_the_core_said(heart: Heart) -> None:
    """`poll_after_s` is the core's own word."""
    heart.core.will(PENDING)
    await heart.pay()
    entry = await heart.entry()
    assert entry.due_at_us - entry.changed_at_us == 7_000_000


# The route opens meanwhile


@pytest.mark.parametrize("level", [Level.A, Level.B])
async def test_an_attempt_under_way_is_given_up_soon_after_the_route_opens(open_heart: OpenHeart, level: Level) -> None:
    """No payer waits out a deadline once it is known that the core says nothing; what was sent is in doubt."""
    heart = await open_heart(level)
    heart.core.hang()
    asking = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    heart.open_route()
    answer = await asking
    assert (answer.kind, (await heart.entry()).state) == (PROVISIONAL, State.IN_DOUBT)


async def test_at_level_c_an_attempt_under_way_is_waited_for_though_the_route_opens(open_heart: OpenHeart) -> None:
    """In doubt means a person's work there; a question that is given up shows that the patience is over."""
    heart = await open_heart(Level.C)
    heart.route.core = core = Thoughtful(able(Level.C))
    core.hang()
    asking = asyncio.ensure_future(heart.pay())
    await core.asked(1)
    checking = asyncio.ensure_future(heart.acceptor.check(CHECK, heart.clock.monotonic() + DEADLINE_S))
    await core.asking.wait()
    heart.open_route()
    await checking
    await settle()
    core.let_go()
    assert (await asking).kind is YES


async def test_an_answer_that_comes_in_time_after_the_opening_counts(heart: Heart) -> None:
    """It may have been on the way."""
    heart.core.hang()
    asking = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    heart.open_route()
    heart.core.let_go()
    assert (await asking).kind is YES


async def test_a_check_under_way_is_given_up_soon_after_the_route_opens(heart: Heart) -> None:
    """Whoever asks before he pays waits at the same terminal."""
    heart.route.core = core = Thoughtful(able(Level.A))
    asking = asyncio.ensure_future(heart.acceptor.check(CHECK, heart.clock.monotonic() + DEADLINE_S))
    await core.asking.wait()
    heart.open_route()
    assert (await asking).kind is PROVISIONAL


async def test_a_question_that_is_cancelled_says_nothing_of_the_core(heart: Heart) -> None:
    """We are being stopped: its leave is given back."""
    heart.route.core = core = Thoughtful(able(Level.A))
    asking = asyncio.ensure_future(heart.acceptor.check(CHECK, heart.clock.monotonic() + DEADLINE_S))
    await core.asking.wait()
    asking.cancel()
    await asyncio.wait([asking])
    assert (asking.cancelled(), heart.health.counts.withdrawn) == (True, 1)


class Thoughtful(FakeCore):
    """Never says whether an account may be paid."""

    def __init__(self, capabilities: Capabilities) -> None:
        """As the fake."""
        super().__init__(capabilities)
        self.asking = asyncio.Event()

    async def check(self, check: Check, timeout_s: float) -> CheckOutcome:  # noqa: ARG002 - the seam's words
        """Take the question in."""
        self.asking.set()
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().create_future()
        finally:
            # A connection takes a moment to be given back. (And what CPython 3.11 throws in, it traces only from here on.)
            await asyncio.sleep(0)
        raise AssertionError("whoever asked has given up long before")


@pytest.mark.parametrize("level", Level)
async def test_a_payment_on_its_way_to_disk_when_the_route_opens_is_not_sent(
    open_heart: OpenHeart, level: Level
) -> None:
    """Its leave was for the route as it was; sent now, it would wait for a core of which we know that it is silent."""
    heart = await open_heart(level)
    heart.troubles.stop("insert")
    asking = asyncio.ensure_future(heart.pay())
    await settle()
    heart.open_route()
    heart.troubles.go_on()
    answer = await asking
    entry = await heart.entry()
    assert (answer.kind, entry.state, entry.told, heart.core.calls) == (PROVISIONAL, State.READY, Told.PROVISIONAL, [])
    heart.close_route()
    await heart.later(1.0)
    assert (heart.core.numbers("post"), (await heart.entry()).state) == ([entry.number], State.POSTED)


async def test_a_payment_on_its_way_to_disk_is_given_back_where_nobody_stands_in(open_heart: OpenHeart) -> None:
    """Surely nothing was sent, so its channel may come again."""
    heart = await open_heart(standin=NO_STANDIN)
    heart.troubles.stop("insert")
    asking = asyncio.ensure_future(heart.pay())
    await settle()
    heart.open_route()
    heart.troubles.go_on()
    answer = await asking
    (given_back,) = await heart.entries()
    assert (answer.kind, given_back.state, heart.core.calls) == (LATER, State.CANCELLED, [])


# The payment that is the trial


def on_trial(heart: Heart) -> None:
    """A probe has passed, and nothing waits."""
    heart.open_route()
    heart.health.release()
    heart.health.watch_once()
    assert heart.health.zone is Zone.TRIAL


@pytest.mark.parametrize("level", [Level.A, Level.B])
async def test_a_payment_that_is_the_trial_is_waited_for_no_longer_than_a_good_answer_takes(
    open_heart: OpenHeart, level: Level
) -> None:
    """A later one would prove nothing of the core, and this payer is the only one who would wait for it."""
    heart = await open_heart(level)
    heart.route.core = core = Timed(able(level))
    on_trial(heart)
    await heart.forwards()
    core.will(Does(SILENCE, books=True))
    answer = await heart.pay()
    assert (answer.kind, (await heart.entry()).state, core.times) == (PROVISIONAL, State.IN_DOUBT, [SLOW_S])
    assert (heart.health.zone, heart.health.trip) == (Zone.OPEN, Trip.TRIAL_FAILED)


async def test_a_trial_whose_time_is_shorter_than_a_good_answer_gets_no_more(heart: Heart) -> None:
    """The deadline is the channel's."""
    heart.route.core = core = Timed(able(Level.A))
    on_trial(heart)
    await heart.forwards()
    await paid(heart.acceptor, payment(), heart.clock.monotonic() + 2.5, 0.0)
    assert core.times == [1.5]


async def test_at_level_c_a_payment_is_stood_in_for_and_tries_the_route_from_the_backlog(open_heart: OpenHeart) -> None:
    """In doubt means a person's work there: the payer has his answer before his payment is the one that finds out."""
    heart = await open_heart(Level.C)
    on_trial(heart)
    await heart.forwards()
    assert (await heart.pay()).kind is PROVISIONAL
    assert heart.core.calls == []
    await heart.forwards()
    assert (await heart.entry()).state is State.POSTED


async def test_at_level_c_a_reversal_tries_no_route_either(open_heart: OpenHeart) -> None:
    """As a payment."""
    heart = await open_heart(Level.C)
    await heart.pay()
    await settle()
    on_trial(heart)
    await heart.forwards()
    assert (await heart.undo()).kind is PROVISIONAL
    assert heart.core.numbers("reverse") == []
    await heart.forwards()
    assert len(heart.core.numbers("reverse")) == 1


@pytest.mark.parametrize(
    "standin",
    [NO_STANDIN, StandinSettings(payment_max="5.00"), StandinSettings(exposure_count_max=0)],
)
async def test_at_level_c_a_payment_nobody_stands_in_for_is_the_trial_with_all_its_time(
    open_heart: OpenHeart, standin: StandinSettings
) -> None:
    """Somebody must be, or the route would never close; given up early, it would be a person's work."""
    heart = await open_heart(Level.C, standin=standin)
    heart.route.core = core = Timed(able(Level.C))
    on_trial(heart)
    await heart.forwards()
    assert (await heart.pay()).kind is YES
    assert core.times == [DEADLINE_S - 1.0]


async def test_the_backlog_is_the_trial_also_before_the_forwarder_has_read_it(open_heart: OpenHeart) -> None:
    """A probe passes and payments come in the same moment: until somebody has looked, entries may wait."""
    heart = await open_heart()
    await heart.forwards()
    heart.open_route()
    await heart.pay("waiting")
    on_trial(heart)
    assert (await heart.pay("live", account="200")).kind is PROVISIONAL
    assert heart.core.calls == []
    await heart.forwards()
    assert heart.core.numbers("post")[0] == (await heart.entry("waiting")).number


async def test_the_backlog_is_the_trial_also_while_the_forwarder_reads_it(open_heart: OpenHeart) -> None:
    """As above, a moment later."""
    heart = await open_heart()
    heart.open_route()
    await heart.pay("waiting")
    on_trial(heart)
    heart.troubles.stop("ready")
    reading = asyncio.ensure_future(heart.forwarder.run_once())
    await settle()
    assert (await heart.pay("live", account="200")).kind is PROVISIONAL
    heart.troubles.go_on()
    await reading


async def test_the_backlog_is_the_trial_also_while_it_waits_for_the_next(open_heart: OpenHeart) -> None:
    """The core asked for a pause; when it is over, a payer who comes first isn't sent first."""
    heart = await open_heart()
    heart.open_route()
    for number in range(3):
        await heart.pay(f"waiting{number}", account=f"{number}")
    heart.core.will(NotSent(cause=Cause.THROTTLED))
    on_trial(heart)
    await heart.forwards(3)
    await heart.clock.advance(heart.breaker.trial_pause_s)
    assert (await heart.pay("live", account="200")).kind is PROVISIONAL


# What else may happen


async def test_an_adapters_bug_is_a_doubt_and_the_route_stays_closed(heart: Heart) -> None:
    """It may have sent; and one payment that breaks an adapter must not stop all others (P9)."""
    heart.core.will(Does(ZeroDivisionError("a bug")))
    answer = await heart.pay("k1")
    assert (answer.kind, (await heart.entry("k1")).state) == (PROVISIONAL, State.IN_DOUBT)
    assert (await heart.pay("k2", account="200")).kind is YES


async def test_an_adapter_that_cannot_prepare_a_payment_leaves_no_call_waiting(heart: Heart) -> None:
    """Calls that seem to wait for ever would open the route for everybody."""
    heart.route.core = Unprepared(able(Level.A))
    with capture_logs() as logs:
        answer = await heart.pay()
    assert (answer.kind, await heart.entries(), heart.health.counts.waiting) == (UNDER_WAY, [], 0)
    assert [(each["event"], each["error"]) for each in logs] == [("answer_failed", "ZeroDivisionError")]


class Unprepared(FakeCore):
    """An adapter with a bug where the bytes are made."""

    def prepare(self, payment: Payment, number: int, id: str) -> bytes:  # noqa: A002, ARG002 - the seam's words
        """Fail."""
        raise ZeroDivisionError("a bug")


async def test_a_request_cancelled_in_mid_call_leaves_its_entry_in_flight_and_the_permit_given_back(
    heart: Heart,
) -> None:
    """We are being stopped: the next start finds it in doubt; the cancellation says nothing of the core."""
    heart.core.hang()
    asking = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    assert ((await heart.entry()).state, heart.health.counts.waiting) == (State.IN_FLIGHT, 0)


async def test_payments_that_end_in_doubt_together_stay_below_the_limit(open_heart: OpenHeart) -> None:
    """A core that dies under a hundred calls must not be stood in for beyond the limit (P3, exposure)."""
    heart = await open_heart(standin=StandinSettings(exposure_count_max=10))
    heart.core.hang()
    heart.core.will(*[Does(SILENCE, books=True)] * 100)
    asking = [asyncio.ensure_future(heart.pay(f"k{n}", account=f"{n}")) for n in range(100)]
    await heart.core.asked(100)
    heart.core.let_go()
    kinds = [answer.kind for answer in await asyncio.gather(*asking)]
    assert (kinds.count(PROVISIONAL), kinds.count(UNDER_WAY)) == (10, 90)
    assert heart.store.tally.exposure("billing").entries == 10


async def test_payments_not_sent_together_stay_below_the_limit_and_the_rest_is_given_back(
    open_heart: OpenHeart,
) -> None:
    """As above, where surely nothing was sent."""
    channels = {"kiosk": StandinChannelSettings(exposure_sum_max="30.00")}
    heart = await open_heart(standin=StandinSettings(channels=channels))
    heart.core.hang()
    heart.core.will(*[NOT_SENT] * 20)
    asking = [asyncio.ensure_future(heart.pay(f"k{n}", account=f"{n}", amount=1_000)) for n in range(20)]
    await heart.core.asked(20)
    heart.core.let_go()
    kinds = [answer.kind for answer in await asyncio.gather(*asking)]
    assert (kinds.count(PROVISIONAL), kinds.count(LATER)) == (3, 17)
    assert heart.store.tally.exposure("billing").amount == 3_000


async def test_a_drain_lets_what_is_under_way_end(heart: Heart) -> None:
    """The core's own team asked for nothing new, and its core still answers."""
    heart.core.hang()
    paying = asyncio.ensure_future(heart.pay())
    await heart.core.asked(1)
    until_us = heart.clock.now_us() + 60_000_000
    heart.health.force(Zone.OPEN, until_us=until_us, actor="team", reason="release", speaker=Speaker.DRAIN)
    assert (await heart.pay("k2", account="2")).kind is PROVISIONAL
    assert heart.acceptor._live._under_way[heart.route.name].ends == [None]
    heart.core.let_go()
    assert (await paying).kind is AnswerKind.POSTED
