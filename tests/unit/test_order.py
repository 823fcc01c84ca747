"""Which waiting payments go before others, by rules: their ranks, and what comes of these when a core is back."""

import asyncio
from typing import Any, Final

import pytest

from adapters.outcome import Allowed
from adapters.payment import AnswerKind, Check
from gateway.admin.entries.turn import turn_of
from gateway.admin.views import TurnShown
from gateway.clock import settle
from gateway.forward.order import OrderRuleSettings, OrderSettings
from gateway.forward.reading import Reading
from gateway.forward.settings import ForwardSettings
from gateway.forward.window import ANY_TURN, Window
from gateway.route.zone import Zone
from spool.account import AccountNote
from spool.entry import Entry
from spool.lifecycle import Kind
from spool.number import COUNTER_BITS
from spool.rank import RANKS, USUAL, Rank
from tests.contracts.spool_examples import draft
from tests.unit.fake_core import NOT_SENT
from tests.unit.heart import ROUTE, Heart, OpenHeart, kept, payment
from tests.unit.test_forward_window import found, numbers_of

FIRST, EARLY, LATE = int(Rank.FIRST), int(Rank.EARLY), int(Rank.LATE)
ONE_AT_A_TIME: Final = ForwardSettings(in_flight_max=1, backoff_first_s=1.0, slow_start_s=0.0)
AHEAD: Final = (100, 10, 0, -10)
"""What goes first is ahead by a hundred numbers, what goes late behind by ten."""


def rule(goes: Any, **what: Any) -> OrderRuleSettings:
    """A rule."""
    return OrderRuleSettings(goes=goes, **what)


def by(*rules: OrderRuleSettings, **settings: Any) -> OrderSettings:
    """An order."""
    return OrderSettings(rules=list(rules), **settings)


BANK_FIRST: Final = by(rule("first", channels=["bank"]), rule("late", services=["tv"]))


# Rules


@pytest.mark.parametrize(
    ("what", "asked", "rank"),
    [
        ({"channels": ["bank"]}, {"channel": "bank"}, FIRST),
        ({"channels": ["bank"]}, {}, USUAL),
        ({"services": ["tv"]}, {"service": "tv"}, FIRST),
        ({"services": ["tv"]}, {"service": ""}, USUAL),
        ({"accounts": ["10?", "2*"]}, {"account": "100"}, FIRST),
        ({"accounts": ["10?", "2*"]}, {"account": "1000"}, USUAL),
        ({"amount_min": "5"}, {"amount": 500}, FIRST),
        ({"amount_min": "5"}, {"amount": 499}, USUAL),
        ({"amount_max": "5"}, {"amount": 500}, FIRST),
        ({"amount_max": "5"}, {"amount": 501}, USUAL),
        ({"channels": ["kiosk"], "services": ["tv"]}, {}, USUAL),
        ({}, {}, FIRST),
    ],
)
def test_a_rule_fits_what_it_asks_for(what: dict[str, Any], asked: dict[str, Any], rank: int) -> None:
    """All of it."""
    assert by(rule("first", **what)).order("RUB").rank_of(payment(**asked)) == rank


@pytest.mark.parametrize(("goes", "rank"), [("first", FIRST), ("early", EARLY), ("usual", USUAL), ("late", LATE)])
def test_the_first_rule_that_fits_counts(goes: str, rank: int) -> None:
    """As everywhere in the configuration."""
    assert by(rule(goes, channels=["kiosk"]), rule("first")).order("RUB").rank_of(payment()) == rank


@pytest.mark.parametrize(("urgent", "rank"), [(True, FIRST), (False, USUAL)])
def test_an_accounts_state_is_asked_where_a_rule_says_so(*, urgent: bool, rank: int) -> None:
    """And only there is it looked up."""
    order = by(rule("first", urgent_accounts=True)).order("RUB")
    assert (order.asks_accounts, order.rank_of(payment(), urgent=urgent)) == (True, rank)
    assert not by(rule("first")).order("RUB").asks_accounts


@pytest.mark.parametrize(
    ("what", "rank", "urgent", "goes", "why", "number"),
    [
        ({"channel": "bank"}, FIRST, False, "first", "rule", 1),
        ({"service": "tv"}, LATE, False, "late", "rule", 2),
        ({}, USUAL, False, "usual", "no_rule", 0),
        ({}, EARLY, True, "early", "rule", 3),
        ({"channel": "bank"}, LATE, False, "late", "before", 1),
        ({}, FIRST, False, "first", "before", 0),
    ],
)
def test_it_is_said_why_a_payment_goes_when_it_goes(
    what: dict[str, Any], rank: int, goes: str, why: str, number: int, *, urgent: bool
) -> None:
    """By today's rules; where these say something else, what stood before it in its account or rules of then did it."""
    order = by(*BANK_FIRST.rules, rule("early", urgent_accounts=True)).order("RUB")
    assert turn_of(rank, payment(**what), order, urgent=urgent) == TurnShown(goes=goes, why=why, rule=number)


def test_head_starts_are_differences_of_numbers() -> None:
    """A number is milliseconds and a counter."""
    order = by(first_ahead_s=7, early_ahead_s=5, late_behind_s=3).order("RUB")
    assert [each >> COUNTER_BITS for each in order.ahead] == [7_000, 5_000, 0, -3_000]


# The window


def entry(number: int, rank: int = USUAL, lane: int = 0, **changes: Any) -> Entry:
    """An entry of a rank, in a lane of its own unless said."""
    return kept(draft(number, lane=lane or 1_000 + number, rank=rank, **changes))


@pytest.fixture
def window() -> Window:
    """Room for forty, three of one lane."""
    return Window(40, 3, AHEAD)


def taken(window: Window) -> list[int]:
    """Numbers of all that can be taken now, each finished at once."""
    numbers = list[int]()
    while (each := window.take()) is not None:
        numbers.append(each.number)
        window.finish(each)
    return numbers


def test_entries_go_by_their_turns(window: Window) -> None:
    """What is ahead by a hundred goes before what came less than a hundred before it, and after the rest."""
    window.offer(found(*(entry(number) for number in (1, 99, 100, 200))))
    window.offer(found(entry(198, FIRST)))
    window.offer(found(entry(91, LATE)))
    assert taken(window) == [1, 198, 99, 100, 91, 200]


def test_nothing_goes_before_what_may_not_have_been_read(window: Window) -> None:
    """It may be of the same lane, and earlier."""
    window.offer(found(entry(150), entry(250)))
    window.bound = window.turn(300, FIRST)
    assert taken(window) == [150]
    window.bound = ANY_TURN
    assert taken(window) == [250]


def test_each_rank_has_some_room_whatever_the_others_hold(window: Window) -> None:
    """Else a backlog of one would keep the others from being read."""
    window.offer(found(*(entry(number) for number in range(1, 41))))
    assert (window.room(), window.room(FIRST), window.wants(USUAL), window.wants(FIRST)) == (0, 10, False, True)
    window.offer(found(*(entry(number, FIRST) for number in range(41, 47))))
    assert (window.room(FIRST), window.wants(FIRST)) == (4, False)


def test_the_oldest_payment_of_all_is_the_trial(window: Window) -> None:
    """Not what is ahead of it, and no reversal while there is a payment."""
    window.offer(found(entry(7), kept_reversal(5), entry(8)))
    window.offer(found(entry(20, FIRST)))
    oldest = window.oldest()
    assert oldest is not None
    assert oldest.number == 7
    window.pick(oldest)
    assert taken(window) == [20, 5, 8]


def test_only_reversals_make_a_reversal_the_trial(window: Window) -> None:
    """Something has to be tried."""
    window.offer(found(kept_reversal(5), kept_reversal(6)))
    assert numbers_of(filter(None, [window.oldest()])) == [5]


def test_the_trial_is_nothing_that_may_have_something_before_it(window: Window) -> None:
    """Not even the oldest there is."""
    window.offer(found(entry(7)))
    window.bound = window.turn(0, FIRST)
    assert window.oldest() is None


def kept_reversal(number: int) -> Entry:
    """A reversal of another payment."""
    return kept(draft(number, lane=2_000 + number, kind=Kind.REVERSAL, reverses=1))


# How far it has been read


def turn(number: int, rank: int) -> int:
    """As the window has it."""
    return number - AHEAD[rank]


def read(reading: Reading, rank: int, last: int, *, more: bool) -> None:
    """A rank is read to here."""
    reading.begin(rank)
    reading.end(rank, last, more=more)


def test_until_all_ranks_were_read_nothing_is_known() -> None:
    """Of none that isn't read yet is it known what it holds."""
    reading = Reading({USUAL})
    read(reading, USUAL, 500, more=False)
    assert reading.bound(turn) == turn(0, FIRST)


def test_what_is_known_ends_with_the_rank_that_was_read_least_far() -> None:
    """By its turns, not by its numbers."""
    reading = Reading({USUAL, FIRST})
    for rank, last, more in ((LATE, 0, False), (USUAL, 450, True), (EARLY, 0, False), (FIRST, 500, True)):
        read(reading, rank, last, more=more)
    assert reading.bound(turn) == turn(500, FIRST) == 400
    read(reading, FIRST, 700, more=False)
    assert reading.bound(turn) == 450


def test_the_better_ranks_are_read_again_after_a_worse_one() -> None:
    """One commit may have brought entries of both in one lane, and nobody was told yet."""
    reading = Reading({USUAL, FIRST})
    for rank in reversed(range(RANKS)):
        read(reading, rank, 0, more=False)
    assert reading.bound(turn) == ANY_TURN
    read(reading, USUAL, 500, more=False)
    assert (reading.wants(FIRST), reading.wants(LATE), reading.bound(turn)) == (True, False, turn(0, FIRST))


def test_what_is_being_read_is_not_known() -> None:
    """Whoever sends meanwhile must not overtake it."""
    reading = Reading({USUAL})
    for rank in reversed(range(RANKS)):
        read(reading, rank, 0, more=False)
    reading.more_of(USUAL)
    reading.begin(USUAL)
    assert reading.bound(turn) == 0


def test_news_while_it_is_read_are_not_lost() -> None:
    """They came after what was read."""
    reading = Reading({USUAL})
    reading.begin(USUAL)
    reading.more_of(None)
    reading.end(USUAL, 5, more=False)
    assert reading.wants(USUAL)


def test_going_back_makes_nothing_unknown() -> None:
    """What is read again was known before, or stands behind others of its lane."""
    reading = Reading({USUAL})
    for rank in reversed(range(RANKS)):
        read(reading, rank, 500, more=rank == USUAL)
    reading.rewind(3)
    assert (reading.begin(USUAL), reading.bound(turn)) == (2, 500 - 100)
    reading.end(USUAL, 300, more=False)
    assert reading.begin(USUAL) == 300


# When a core is back


async def booked(heart: Heart, rounds: int = 30) -> list[str]:
    """Accounts in the order in which they were booked for."""
    heart.close_route()
    await heart.forwards(rounds)
    return [call.delivery.account for call in heart.core.calls if call.operation == "post"]


async def test_what_goes_first_goes_before_the_backlog_and_what_goes_late_after_it(open_heart: OpenHeart) -> None:
    """At a pace of one, so that the order shows."""
    heart = await open_heart(forward=ONE_AT_A_TIME, order=BANK_FIRST)
    heart.open_route()
    kinds: list[dict[str, Any]] = [{"service": "tv"}, {}, {"channel": "bank"}, {}, {"channel": "bank"}]
    for number, what in enumerate(kinds):
        answer = await heart.pay(f"k{number}", account=f"{number}", **what)
        assert answer.kind is AnswerKind.PROVISIONAL
    assert await booked(heart) == ["2", "4", "1", "3", "0"]


async def test_an_account_is_booked_for_in_the_order_in_which_it_paid(open_heart: OpenHeart) -> None:
    """Whatever the rules say of its single payments; where its first goes first, that goes before the others'."""
    heart = await open_heart(forward=ONE_AT_A_TIME, order=BANK_FIRST)
    heart.open_route()
    await heart.pay("k0", account="a", amount=1, service="tv")
    await heart.pay("k1", account="a", amount=2, channel="bank")
    await heart.pay("k2", account="b", amount=3, channel="bank")
    await heart.pay("k3", account="b", amount=4, service="tv")
    await booked(heart)
    amounts = [call.delivery.amount for call in heart.core.calls]
    assert (amounts[0], amounts.index(1) < amounts.index(2), len(amounts)) == (3, True, 4)


async def test_nothing_waits_for_what_came_later_by_more_than_the_head_start(open_heart: OpenHeart) -> None:
    """However much of it comes: so nothing starves."""
    heart = await open_heart(forward=ONE_AT_A_TIME, order=by(rule("first", channels=["bank"]), first_ahead_s=60))
    heart.open_route()
    await heart.pay("usual", account="usual")
    for number in range(12):
        await heart.pay(f"k{number}", account=f"{number}", channel="bank")
        await heart.clock.advance(10)
        heart.open_route()
    order = await booked(heart)
    assert order.index("usual") in (6, 7)
    assert len(order) == 13


async def test_what_goes_first_goes_on_before_the_rest_while_it_comes(open_heart: OpenHeart) -> None:
    """A backlog under way makes room for it, though the window is full of others."""
    forward = ForwardSettings(in_flight_max=1, slow_start_s=0.0, window_entries_max=16)
    heart = await open_heart(forward=forward, order=BANK_FIRST)
    heart.open_route()
    for number in range(40):
        await heart.pay(f"k{number}", account=f"{number}")
    heart.close_route()
    await heart.forwards(6)
    begun = len(heart.core.calls)
    heart.open_route()
    for number in range(3):
        await heart.pay(f"b{number}", account=f"bank{number}", channel="bank")
    order = await booked(heart, rounds=90)
    assert order[begun : begun + 3] == ["bank0", "bank1", "bank2"]
    assert len(order) == 43


async def test_more_than_memory_holds_goes_in_order_by_rank_and_account(open_heart: OpenHeart) -> None:
    """The window is the smallest there is, each account pays by all channels, and many are at the core at once."""
    forward = ForwardSettings(in_flight_max=8, slow_start_s=0.0, window_entries_max=16, lane_entries_max=2)
    heart = await open_heart(forward=forward, order=BANK_FIRST)
    heart.open_route()
    kinds: tuple[dict[str, Any], ...] = ({"service": "tv"}, {"channel": "bank"}, {})
    for number in range(240):
        await heart.pay(f"k{number}", account=f"{number * 7 % 31}", amount=number + 1, **kinds[number * 5 % 3])
    await booked(heart, rounds=300)
    by_account = dict[str, list[int]]()
    for call in heart.core.calls:
        by_account.setdefault(call.delivery.account, []).append(call.delivery.amount)
    assert sum(map(len, by_account.values())) == 240
    assert [amounts for amounts in by_account.values() if amounts != sorted(amounts)] == []
    assert heart.core.crossed_accounts == set()


async def test_one_set_behind_is_sent_though_one_before_it_was_read_once_their_lane_was_free(
    open_heart: OpenHeart,
) -> None:
    """The later one is of a rank that is read first, and was blocked as it was read."""
    heart = await open_heart(order=BANK_FIRST)
    heart.open_route()
    await heart.pay("k0", account="a", amount=1, channel="bank")
    heart.core.hang()
    heart.close_route()
    await heart.forwards()
    await heart.pay("k1", account="a", amount=2, channel="bank")
    await heart.pay("k2", account="a", amount=3)
    heart.troubles.stop("set_behind")
    reading = asyncio.ensure_future(heart.forwarder.run_once())
    await settle()
    heart.core.let_go()
    await settle()
    heart.troubles.go_on()
    await reading
    await heart.forwards(6)
    assert [call.delivery.amount for call in heart.core.calls] == [1, 2, 3]


async def test_the_oldest_payment_tries_the_core(open_heart: OpenHeart) -> None:
    """And only then come those that go first."""
    heart = await open_heart(forward=ONE_AT_A_TIME, order=BANK_FIRST)
    heart.core.will(*[NOT_SENT] * heart.breaker.unreached_in_a_row)
    for number in range(heart.breaker.unreached_in_a_row):
        await heart.pay(f"k{number}", account=f"{number}")
    await heart.pay("bank", account="bank", channel="bank")
    begun = len(heart.core.calls)
    await heart.clock.advance(heart.breaker.open_for_s + 0.1)
    heart.health.watch_once()
    assert heart.health.zone is Zone.TRIAL
    await heart.forwards(3)
    assert heart.core.calls[begun].delivery.account != "bank"


# Urgent accounts


async def test_who_is_cut_off_goes_first(open_heart: OpenHeart) -> None:
    """As billing or a person said before the outage."""
    heart = await open_heart(forward=ONE_AT_A_TIME, order=by(rule("first", urgent_accounts=True)))
    note = AccountNote(lane=heart.spool.lane_of(ROUTE, "cut off"), urgent=True, seen_at_us=1)
    await heart.store.note_accounts([note])
    heart.open_route()
    for number, account in enumerate(("a", "b", "cut off")):
        await heart.pay(f"k{number}", account=account)
    assert await booked(heart) == ["cut off", "a", "b"]


async def test_billings_answer_to_a_check_says_who_is_urgent(open_heart: OpenHeart) -> None:
    """And says it again when it is over."""
    urgent_if = {"State": ["blocked"]}
    heart = await open_heart(forward=ONE_AT_A_TIME, order=by(rule("first", urgent_accounts=True), urgent_if=urgent_if))
    lane = heart.spool.lane_of(ROUTE, "a")
    said = list[bool | None]()
    for state in ("blocked", "fine"):
        heart.core.check_says = Allowed(fields_shown=(("State", state),))
        await heart.acceptor.check(
            Check(channel="kiosk", key="c", account="a", currency="RUB"), heart.clock.monotonic() + 5
        )
        await heart.accounts.flush()
        note = await heart.store.account(lane)
        said.append(None if note is None else note.urgent)
    assert said == [True, False]
