"""Standing in by rules that ask about the account: who is known, who is denied, and what a day holds."""

import asyncio
from collections.abc import Sequence

import pytest

from adapters.outcome import Allowed, Refused
from adapters.payment import Answer, AnswerKind, Check, Refusal
from gateway.clock import ManualClock, settle
from gateway.route.zone import Zone
from gateway.standin import accounts as room
from gateway.standin.accounts import Accounts, day_of
from gateway.standin.facts import Standing
from gateway.standin.outage import Outage
from gateway.standin.settings import StandinRuleSettings, StandinSettings
from spool.account import AccountNote
from spool.keys import KeyRing
from spool.lifecycle import DOUBT, State, Told
from spool.memory import MemoryStore
from spool.spool import Spool
from spool.store import Move
from tests.unit.fake_core import NOT_SENT, SILENCE, Does
from tests.unit.heart import DEADLINE_S, KEYS, ROUTE, Heart, OpenHeart
from tests.unit.troubled_store import Trouble

YES, NO, PROVISIONAL = AnswerKind.POSTED, AnswerKind.REFUSED, AnswerKind.PROVISIONAL
LATER, UNDER_WAY = AnswerKind.TRY_LATER, AnswerKind.IN_PROGRESS
KNOWN_ONLY = StandinSettings(known_accounts_only=True)
DAY = StandinSettings(account_day_sum_max="25.00")
"""Two payments of 10.00 fit."""

HASHED_ANEW = KeyRing(
    [(1, b"\x01" * 32)], b"\x03" * 32, index_id=2, former_index_keys={1: b"\x02" * 32}, index_ids={1: 1}
)
"""The keys of a heart, after its index key was changed."""


def told(answers: Sequence[Answer]) -> list[str]:
    """What each was told, and why."""
    return [answer.text or answer.kind.value for answer in answers]


async def deny(heart: Heart, account: str = "100") -> None:
    """A person puts an account on the negative list."""
    lane = heart.spool.lane_of(ROUTE, account)
    await heart.store.note_accounts([AccountNote(lane=lane, denied=True, seen_at_us=1)])
    await heart.accounts.refresh()


async def ask(heart: Heart, account: str = "100") -> Answer:
    """A check of an account."""
    check = Check(channel="kiosk", key="c", account=account, currency="RUB")
    return await heart.acceptor.check(check, heart.clock.monotonic() + DEADLINE_S)


# Known accounts


async def test_strangers_come_later_and_whom_billing_booked_for_is_known(open_heart: OpenHeart) -> None:
    """Learned from a posting, before it is even on disk."""
    heart = await open_heart(standin=KNOWN_ONLY)
    assert (await heart.pay("k1", account="100")).kind is YES
    await settle()
    heart.open_route()
    answers = [await heart.pay("k2", account="100"), await heart.pay("k3", account="200")]
    assert told(answers) == ["provisional", "unknown_account"]


async def test_whom_the_backlog_was_posted_for_is_known(open_heart: OpenHeart) -> None:
    """Learned by the forwarder, and kept by the next process."""
    heart = await open_heart(standin=StandinSettings(learn_accounts=True))
    heart.open_route()
    await heart.pay("k1", account="100")
    heart.close_route()
    await heart.forwards(3)
    assert await heart.accounts.flush() == 1
    again = await heart.restarted()
    assert (await again.accounts.heard(again.spool.lanes_of(ROUTE, "100")))[0] is Standing.KNOWN


async def test_nothing_is_learned_where_nobody_asks(heart: Heart) -> None:
    """It would write for nothing."""
    await heart.pay()
    assert await heart.accounts.flush() == 0


async def test_a_denied_account_comes_later_whatever_the_rules(heart: Heart) -> None:
    """Also under plain ones, and for checks; while billing is well it is billing's affair."""
    await deny(heart)
    assert (await heart.pay("k1")).kind is YES
    heart.open_route()
    answers = [await heart.pay("k2"), await heart.pay("k3", account="200"), await ask(heart)]
    assert told(answers) == ["denied_account", "provisional", "denied_account"]


async def test_a_live_payment_that_told_nothing_obeys_the_same_rules(open_heart: OpenHeart) -> None:
    """It wasn't sent, so a stranger's is given back, and a known one's told provisional."""
    heart = await open_heart(standin=KNOWN_ONLY)
    heart.accounts.learn(heart.spool.lane_of(ROUTE, "100"))
    heart.core.will(Does(NOT_SENT), Does(NOT_SENT))
    answers = [await heart.pay("k1", account="100"), await heart.pay("k2", account="200")]
    assert told(answers) == ["provisional", "unknown_account"]


async def test_a_strangers_payment_in_doubt_is_told_nothing(open_heart: OpenHeart) -> None:
    """It may be booked: neither yes nor no."""
    heart = await open_heart(standin=KNOWN_ONLY)
    heart.core.will(Does(SILENCE, books=True))
    assert (await heart.pay()).kind is UNDER_WAY


# How long


async def test_an_outage_is_stood_in_for_as_long_as_the_policy_says(open_heart: OpenHeart) -> None:
    """From its beginning, over trials that fail; the next outage begins anew."""
    heart = await open_heart(standin=StandinSettings(outage_max_s=60))
    heart.open_route()
    await heart.clock.advance(60)
    assert told([await heart.pay("k1")]) == ["provisional"]
    await heart.clock.advance(1)
    assert told([await heart.pay("k2", account="2")]) == ["outage_limit"]
    heart.close_route()
    heart.open_route()
    assert told([await heart.pay("k3", account="3")]) == ["provisional"]


def test_a_trial_that_fails_begins_no_new_outage() -> None:
    """And a restart none either, if it is known when it began."""
    outage = Outage()
    outage.went_on(5)
    assert outage.lasts_s(10_000_000) == 0.0
    outage.changed(Zone.OPEN, 2_000_000)
    outage.changed(Zone.TRIAL, 3_000_000)
    outage.changed(Zone.OPEN, 4_000_000)
    assert outage.lasts_s(10_000_000) == 8.0
    outage.went_on(1_000_000)
    assert (outage.lasts_s(10_000_000), outage.lasts_s(0)) == (9.0, 0.0)
    outage.changed(Zone.SOFT, 11_000_000)
    assert outage.lasts_s(12_000_000) == 0.0


# A day's limit


async def test_a_day_holds_so_much_for_an_account_and_no_more(open_heart: OpenHeart) -> None:
    """Others have their own; the next day is another."""
    heart = await open_heart(standin=DAY)
    heart.open_route()
    answers = [await heart.pay(f"k{n}") for n in range(3)]
    assert told([*answers, await heart.pay("k3", account="200")]) == [
        "provisional",
        "provisional",
        "account_limit",
        "provisional",
    ]
    await heart.clock.advance(86_400)
    heart.open_route()
    assert told([await heart.pay("k4")]) == ["provisional"]


async def test_of_a_hundred_at_once_no_more_pass_than_the_day_holds(open_heart: OpenHeart) -> None:
    """Counted where only one is counted at a time."""
    heart = await open_heart(standin=DAY)
    heart.open_route()
    answers = await asyncio.gather(*(heart.pay(f"k{n}") for n in range(100)))
    assert told(answers).count("provisional") == 2


async def test_a_repeat_is_not_counted_twice(open_heart: OpenHeart) -> None:
    """The first answer again, and room for another payment."""
    heart = await open_heart(standin=DAY)
    heart.open_route()
    assert told([await heart.pay("k1"), await heart.pay("k1"), await heart.pay("k1")]) == ["provisional"] * 3
    await settle()
    assert told([await heart.pay("k2")]) == ["provisional"]


async def test_what_could_not_be_recorded_is_not_counted(open_heart: OpenHeart) -> None:
    """No room for it on disk; once there is, it fits."""
    heart = await open_heart(standin=StandinSettings(account_day_count_max=1))
    heart.open_route()
    heart.troubles.will("insert", Trouble.FULL)
    assert told([await heart.pay("k1")]) == ["storage"]
    await settle()
    assert told([await heart.pay("k1")]) == ["provisional"]


async def test_a_limit_that_others_used_up_meanwhile_stands(open_heart: OpenHeart) -> None:
    """While one's day is counted, another takes the last room of the route; nothing is counted for nothing."""
    heart = await open_heart(standin=StandinSettings(exposure_count_max=1, account_day_count_max=1))
    heart.open_route()
    heart.troubles.stop("spend")
    slow = asyncio.ensure_future(heart.pay("k1", account="1"))
    await settle()
    heart.route.stand_in_by(StandinSettings(exposure_count_max=1))
    assert told([await heart.pay("k2", account="2")]) == ["provisional"]
    heart.troubles.go_on()
    assert told([await slow]) == ["route_limit"]
    await settle()
    heart.route.stand_in_by(StandinSettings(exposure_count_max=9, account_day_count_max=1))
    assert told([await heart.pay("k3", account="1")]) == ["provisional"]


async def test_what_waits_for_its_days_count_is_not_overtaken(open_heart: OpenHeart) -> None:
    """The route closes meanwhile: the next payment of the account must not go to the core before it."""
    heart = await open_heart(standin=DAY)
    heart.open_route()
    heart.troubles.stop("spend")
    first = asyncio.ensure_future(heart.pay("k1"))
    await settle()
    heart.close_route()
    second = asyncio.ensure_future(heart.pay("k2"))
    await settle()
    assert heart.core.calls == []
    heart.troubles.go_on()
    assert told([await first, await second]) == ["provisional", "provisional"]
    assert (await heart.entry("k1")).number < (await heart.entry("k2")).number


@pytest.mark.parametrize("trouble", [Trouble.CLOSED, Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST])
async def test_without_the_disk_nothing_is_promised(open_heart: OpenHeart, trouble: Trouble) -> None:
    """Neither for known accounts nor for a day's limit."""
    heart = await open_heart(standin=StandinSettings(known_accounts_only=True, account_day_count_max=5))
    heart.accounts.learn(heart.spool.lane_of(ROUTE, "100"))
    heart.open_route()
    heart.troubles.will("spend", trouble)
    answers = [await heart.pay("k1")]
    heart.troubles.will("account", Trouble.CLOSED)
    assert told([*answers, await heart.pay("k2")]) == ["storage", "storage"]


@pytest.mark.parametrize("trouble", [Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST])
async def test_what_may_have_been_recorded_stays_counted(open_heart: OpenHeart, trouble: Trouble) -> None:
    """Nobody knows: so the channel asks again, and the day's limit is as if it had been promised."""
    heart = await open_heart(standin=StandinSettings(account_day_count_max=1))
    heart.open_route()
    heart.troubles.will("insert", trouble)
    assert (await heart.pay("k1")).kind is UNDER_WAY
    assert told([await heart.pay("k2")]) == ["account_limit"]


@pytest.mark.parametrize(("outcome", "kind"), [(NOT_SENT, PROVISIONAL), (SILENCE, PROVISIONAL)])
async def test_a_live_payment_counts_once_it_is_told_provisional(
    open_heart: OpenHeart, outcome: object, kind: AnswerKind
) -> None:
    """And what was booked doesn't count at all."""
    heart = await open_heart(standin=StandinSettings(account_day_count_max=1))
    assert (await heart.pay("k0")).kind is YES
    await settle()
    heart.core.will(Does(outcome))  # type: ignore[arg-type]  # a column of the table
    assert (await heart.pay("k1")).kind is kind
    heart.open_route()
    assert told([await heart.pay("k2")]) == ["account_limit"]


async def test_a_live_payment_above_its_days_limit_is_given_back(open_heart: OpenHeart) -> None:
    """Surely nothing was sent, so the channel may send it later."""
    heart = await open_heart(standin=StandinSettings(account_day_count_max=0))
    heart.core.will(Does(NOT_SENT))
    assert told([await heart.pay()]) == ["account_limit"]


async def test_a_live_payment_the_disk_says_nothing_about_is_given_back(open_heart: OpenHeart) -> None:
    """Nobody can count it."""
    heart = await open_heart(standin=DAY)
    heart.core.will(Does(NOT_SENT))
    heart.troubles.will("spend", Trouble.CLOSED)
    assert told([await heart.pay()]) == ["storage"]


async def test_a_live_payment_above_another_limit_is_not_counted(open_heart: OpenHeart) -> None:
    """It is asked for before anything is counted."""
    heart = await open_heart(standin=StandinSettings(payment_max="1.00", account_day_count_max=1))
    heart.core.will(Does(NOT_SENT))
    assert told([await heart.pay()]) == ["payment_limit"]
    heart.open_route()
    assert told([await heart.pay("k2", amount=100)]) == ["provisional"]


async def test_what_was_counted_for_a_live_payment_somebody_else_moved_is_taken_back(open_heart: OpenHeart) -> None:
    """The store did not make the move, so nothing was told."""
    heart = await open_heart(standin=StandinSettings(account_day_count_max=1))
    heart.core.hang()
    paying = asyncio.ensure_future(heart.pay("k1"))
    await settle()
    entry = await heart.entry()
    assert await heart.store.move([Move(entry=entry, transition=DOUBT, at_us=entry.changed_at_us)]) == [True]
    heart.core.will(Does(NOT_SENT))
    heart.core.let_go()
    await paying
    await settle()
    heart.open_route()
    assert told([await heart.pay("k2")]) == ["provisional"]


async def test_another_index_key_begins_no_new_day(open_heart: OpenHeart) -> None:
    """What was promised to the account under its former lane is promised."""
    heart = await open_heart(standin=DAY)
    heart.open_route()
    answers = [await heart.pay("k1")]
    await heart.spool.adopt(HASHED_ANEW)
    answers += [await heart.pay("k2"), await heart.pay("k3")]
    assert told(answers) == ["provisional", "provisional", "account_limit"]


async def test_what_is_looked_up_while_the_index_key_changes_is_counted_with_what_overtakes_it(
    open_heart: OpenHeart,
) -> None:
    """It is asked for its lanes when it is counted, and not before."""
    rule = StandinRuleSettings(services=["slow"], known_accounts_only=True)
    heart = await open_heart(standin=StandinSettings(account_day_count_max=1, rules=[rule]))
    heart.open_route()
    heart.accounts.learn(heart.spool.lane_of(ROUTE, "100"))
    heart.troubles.stop("account")
    first = asyncio.ensure_future(heart.pay("k1", service="slow"))
    await settle()
    await heart.spool.adopt(HASHED_ANEW)
    overtakes = await heart.pay("k2")
    heart.troubles.go_on()
    assert told([overtakes, await first]) == ["provisional", "account_limit"]


def test_a_day_begins_where_the_payers_live() -> None:
    """Half past eight in the evening in London is tomorrow in Dushanbe."""
    at_us = 1_767_299_400_000_000
    assert day_of(at_us, "Asia/Dushanbe") == day_of(at_us, "UTC") + 1


# Rules


async def test_what_a_rule_refuses_stays_refused_under_its_key(open_heart: OpenHeart) -> None:
    """Also when billing is back: a no that was believed never turns into a booking."""
    heart = await open_heart(standin=StandinSettings(rules=[StandinRuleSettings(accounts=["9*"], answer="refuse")]))
    heart.open_route()
    answers = [await heart.pay("k1", account="911"), await heart.pay("k2", account="100")]
    assert told(answers) == ["refused", "provisional"]
    entry = await heart.entry("k1")
    assert (entry.state, entry.told, entry.policy) == (State.CANCELLED, Told.REFUSED, heart.standin.version)
    heart.close_route()
    again = await heart.pay("k1", account="911")
    assert (again.kind, again.replayed) == (NO, True)
    assert (await heart.pay("k3", account="911")).kind is YES


async def test_reversals_wait_for_the_core_where_the_policy_says_so(open_heart: OpenHeart) -> None:
    """One of a payment that waits here is done here in any case."""
    heart = await open_heart(standin=StandinSettings(reversals=False))
    await heart.pay("k1")
    await settle()
    heart.open_route()
    await heart.pay("k2", account="2")
    assert [(await heart.undo("r1", "k1")).kind, (await heart.undo("r2", "k2")).kind] == [LATER, YES]


async def test_a_live_reversal_that_told_nothing_is_not_promised_where_the_policy_says_so(
    open_heart: OpenHeart,
) -> None:
    """It was surely not sent."""
    heart = await open_heart(standin=StandinSettings(reversals=False))
    await heart.pay("k1")
    await settle()
    heart.core.will(Does(NOT_SENT))
    assert told([await heart.undo()]) == ["standin_off"]


# Checks

KNOWING = StandinSettings(checks="known_accounts")


async def test_a_check_is_answered_by_what_the_core_said_last_with_its_time(open_heart: OpenHeart) -> None:
    """The payer sees a name, and whoever cares that it is an old one."""
    heart = await open_heart(standin=KNOWING)
    heart.core.check_says = Allowed(fields_shown=(("name", "A. B."),))
    assert (await ask(heart)).kind is YES
    await heart.accounts.flush()
    heart.open_route()
    answer = await ask(heart)
    assert (answer.kind, answer.fields_shown) == (
        PROVISIONAL,
        (("name", "A. B."), ("as_of", "2026-01-01T00:00:00.000000Z")),
    )


async def test_a_check_of_an_account_known_without_words_says_yes_without_words(open_heart: OpenHeart) -> None:
    """Learned from a posting."""
    heart = await open_heart(standin=KNOWING)
    await heart.pay()
    await settle()
    heart.open_route()
    answer = await ask(heart)
    assert (answer.kind, answer.fields_shown) == (PROVISIONAL, ())


async def test_a_check_of_a_stranger_cannot_be_made_now(open_heart: OpenHeart) -> None:
    """Nor of one that billing has no more, nor while the disk says nothing."""
    heart = await open_heart(standin=KNOWING)
    await ask(heart)
    heart.core.check_says = Refused(refusal=Refusal.ACCOUNT_INACTIVE, code="79")
    assert (await ask(heart)).kind is NO
    heart.open_route()
    answers = [await ask(heart), await ask(heart, "200")]
    heart.troubles.will("account", Trouble.CLOSED)
    assert told([*answers, await ask(heart)]) == ["unknown_account", "unknown_account", "storage"]


async def test_a_refusal_that_says_nothing_of_the_account_is_not_learned(open_heart: OpenHeart) -> None:
    """Too large a sum."""
    heart = await open_heart(standin=KNOWING)
    await ask(heart)
    heart.core.check_says = Refused(refusal=Refusal.AMOUNT_TOO_LARGE, code="242")
    await ask(heart)
    heart.open_route()
    assert (await ask(heart)).kind is PROVISIONAL


async def test_an_answer_that_no_longer_opens_is_no_answer(open_heart: OpenHeart) -> None:
    """Its key is gone, or somebody moved it; that the account is known stays."""
    heart = await open_heart(standin=KNOWING)
    lane = heart.spool.lane_of(ROUTE, "100")
    moved = heart.spool.seal_note(lane + 1, b"")
    note = AccountNote(lane=lane, known=True, seen_at_us=1, key_id=moved[0], sealed=moved[1])
    await heart.store.note_accounts([note])
    heart.open_route()
    answer = await ask(heart)
    assert (answer.kind, answer.fields_shown) == (PROVISIONAL, ())


# Learning


class Bench:
    """Accounts over a memory store."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock()
        self.accounts = Accounts(Spool(self.store, KEYS), self.clock)


@pytest.fixture
async def bench() -> Bench:
    """An open store."""
    made = Bench()
    await made.store.open(1)
    return made


async def test_what_was_learned_lately_is_not_learned_again(bench: Bench) -> None:
    """Unless billing said that it is gone meanwhile."""
    bench.accounts.learn(7)
    assert await bench.accounts.flush() == 1
    bench.accounts.learn(7)
    assert await bench.accounts.flush() == 0
    bench.accounts.learn(7, known=False)
    bench.accounts.learn(7)
    await bench.accounts.flush()
    note = await bench.store.account(7)
    assert note is not None
    assert note.known


async def test_what_the_disk_did_not_take_is_learned_again(bench: Bench) -> None:
    """With the next payment."""
    bench.accounts.learn(7)
    await bench.store.close()
    assert await bench.accounts.flush() == 0
    await bench.store.open(1)
    bench.accounts.learn(7)
    assert await bench.accounts.flush() == 1


async def test_what_is_learned_at_once_is_bounded(bench: Bench) -> None:
    """What comes beyond is learned another time."""
    for lane in range(room.LEARNED_MAX + 10):
        bench.accounts.learn(lane)
    assert await bench.accounts.flush() == room.LEARNED_MAX


async def test_what_is_remembered_as_learned_is_bounded(bench: Bench) -> None:
    """Then all of it is forgotten, and learned anew."""
    for start in range(0, room.LATELY_MAX + 1, room.LEARNED_MAX):
        for lane in range(start, start + room.LEARNED_MAX):
            bench.accounts.learn(lane)
        await bench.accounts.flush()
    bench.accounts.learn(0)
    assert await bench.accounts.flush() == 1


async def test_what_was_learned_goes_to_disk_by_itself(bench: Bench) -> None:
    """And a negative list that another node made is seen."""
    running = asyncio.ensure_future(bench.accounts.run())
    await settle()
    bench.accounts.learn(7)
    await bench.store.note_accounts([AccountNote(lane=8, denied=True, seen_at_us=1)])
    await bench.clock.advance(room.FLUSH_S)
    assert (await bench.store.accounts_counted(), bench.accounts.denies) == ((1, 1), True)
    await bench.store.close()
    await bench.clock.advance(room.FLUSH_S)
    running.cancel()


async def test_a_refund_the_disk_does_not_take_is_let_go(bench: Bench) -> None:
    """The day's limit is so much lower; nobody gains."""
    policy = StandinSettings(account_day_count_max=1).policy("kiosk", "RUB")
    spent = await bench.accounts.spend(policy, policy.terms, (ROUTE, "7"), 100)
    assert spent is not None
    await bench.store.close()
    await bench.accounts.refund(spent)
