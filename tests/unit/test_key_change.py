"""What channels are told while keys change and after days were shredded: the same as before, or a plain no."""

from adapters.outcome import Refused
from adapters.payment import Answer, AnswerKind, Check, Refusal
from gateway.clock import settle
from gateway.standin.settings import StandinSettings
from spool.account import AccountNote
from spool.errors import KeysUnfit
from spool.keys import KeyRing
from spool.lifecycle import State
from spool.spool import Spool
from tests.unit.heart import DEADLINE_S, KEYS, ROUTE, Heart, OpenHeart

ONE, TWO, NEW = b"\x01" * 32, b"\x03" * 32, b"\x04" * 32
HASHED_ANEW = KeyRing(
    [(1, ONE), (2, TWO)], NEW, index_id=2, former_index_keys={1: KEYS.index_key}, index_ids={1: 1, 2: 2}
)
SHREDDED = KeyRing([(2, TWO)], KEYS.index_key, destroyed={1: 1})
CONFLICT, LATER = AnswerKind.CONFLICT, AnswerKind.TRY_LATER
PROVISIONAL, POSTED, REFUSED = AnswerKind.PROVISIONAL, AnswerKind.POSTED, AnswerKind.REFUSED
KNOWING = StandinSettings(known_accounts_only=True, checks="known_accounts")


async def ask(heart: Heart, account: str = "100") -> Answer:
    """A check of an account."""
    check = Check(channel="kiosk", key="c", account=account, currency="RUB")
    return await heart.acceptor.check(check, heart.clock.monotonic() + DEADLINE_S)


async def test_a_repeat_gets_its_first_answer_after_the_index_key_changed(heart: Heart) -> None:
    """Its fingerprint was made with the former one."""
    heart.open_route()
    first = await heart.pay()

    await heart.spool.adopt(HASHED_ANEW)

    again = await heart.pay()
    assert (again.kind, again.number) == (first.kind, first.number)
    assert (await heart.pay(amount=2_000)).kind is CONFLICT
    assert (await heart.pay("k2", account="200")).kind is PROVISIONAL
    assert (await heart.pay("k2", account="300")).fields == ("account",)


async def test_an_accounts_order_holds_while_the_index_key_changes(heart: Heart) -> None:
    """What comes after waits behind what came before."""
    heart.open_route()
    await heart.pay("k1")
    await heart.spool.adopt(HASHED_ANEW)
    await heart.pay("k2")
    heart.close_route()

    await heart.forwards(5)

    entries = await heart.entries()
    assert [entry.state for entry in entries] == [State.POSTED] * 2
    assert len({entry.lane for entry in entries}) == 1
    assert heart.core.numbers("post") == [entry.number for entry in entries]


async def test_a_reversal_stands_behind_what_waits_of_its_account(heart: Heart) -> None:
    """Its payment is booked, in the lane of the former index key; new ones wait in the new one."""
    await heart.pay("k1")
    await settle()
    await heart.spool.adopt(HASHED_ANEW)
    heart.open_route()
    await heart.pay("k2")

    await heart.undo("r1", "k1")

    first, second, undone = await heart.entries()
    assert first.lane != second.lane
    assert undone.lane == second.lane


async def test_a_known_account_is_known_after_the_index_key_changed(open_heart: OpenHeart) -> None:
    """It was noted under its lane of before; so was what the core said of it."""
    heart = await open_heart(standin=KNOWING)
    asked = await ask(heart)
    await heart.accounts.flush()
    await heart.spool.adopt(HASHED_ANEW)
    heart.open_route()

    answer, stranger = await ask(heart), await ask(heart, "200")

    assert (asked.kind, answer.kind, answer.fields_shown[:1]) == (POSTED, PROVISIONAL, asked.fields_shown)
    assert stranger.kind is LATER
    assert (await heart.pay()).kind is PROVISIONAL


async def test_what_is_heard_later_counts_whichever_lane_it_was_noted_under(open_heart: OpenHeart) -> None:
    """Known under the former index key, closed at billing since."""
    heart = await open_heart(standin=KNOWING)
    await ask(heart)
    await heart.accounts.flush()
    await heart.spool.adopt(HASHED_ANEW)
    await heart.clock.advance(1.0)
    heart.core.check_says = Refused(refusal=Refusal.UNKNOWN_ACCOUNT, code="5")
    await ask(heart)
    heart.open_route()

    assert (await ask(heart)).kind is LATER


async def test_an_account_on_the_negative_list_stays_on_it(heart: Heart) -> None:
    """Else a custodian would let everybody off by changing a key."""
    lane = heart.spool.lane_of(ROUTE, "100")
    await heart.store.note_accounts([AccountNote(lane=lane, denied=True, seen_at_us=1)])
    await heart.accounts.refresh()
    await heart.spool.adopt(HASHED_ANEW)
    heart.open_route()

    assert ((await heart.pay()).kind, (await heart.pay("k2", account="200")).kind) == (LATER, PROVISIONAL)


async def test_a_day_of_an_account_is_one_day_whichever_key_hashes(open_heart: OpenHeart) -> None:
    """What it was promised before counts under its new lane."""
    heart = await open_heart(standin=StandinSettings(account_day_count_max=1))
    heart.open_route()
    first = await heart.pay("k1")
    heart.close_route()
    await heart.forwards(2)
    await heart.spool.adopt(HASHED_ANEW)
    heart.open_route()

    second = await heart.pay("k2")

    assert (first.kind, second.kind) == (PROVISIONAL, LATER)


async def test_a_repeat_of_a_shredded_payment_gets_its_first_answer(heart: Heart) -> None:
    """Fingerprint and answer stay; only the fields of a conflict can't be named any more."""
    first = await heart.pay()

    await heart.spool.adopt(SHREDDED)

    assert (await heart.pay()).kind is first.kind is POSTED
    other = await heart.pay(amount=2_000)
    assert (other.kind, other.fields) == (CONFLICT, ())


async def test_a_shredded_payment_can_not_be_reversed(heart: Heart) -> None:
    """Nobody knows any more whose it was: a plain no, not an error."""
    await heart.pay()
    await heart.spool.adopt(SHREDDED)

    answer = await heart.undo()

    assert (answer.kind, answer.refusal) == (REFUSED, Refusal.NOT_REVERSIBLE)


async def test_a_reversal_is_asked_again_while_its_payment_s_key_can_not_be_had(heart: Heart) -> None:
    """Another node sealed the payment, and the key store is away: whose it was will be known, so it is no no."""
    await heart.pay()
    await settle()
    heart.spool.keys = KeyRing([(2, TWO)], KEYS.index_key)
    heart.spool.fetch_keys = away

    assert (await heart.undo()).kind is AnswerKind.IN_PROGRESS
    assert len(await heart.entries()) == 1


async def away() -> None:
    """Nobody can be asked for keys."""
    raise KeysUnfit("the key store is away")


async def test_a_new_process_finds_all_of_it(open_heart: OpenHeart) -> None:
    """With the keys of the change."""
    heart = await open_heart()
    first = await heart.pay()
    await heart.spool.adopt(HASHED_ANEW)
    await heart.store.close()
    spool = Spool(heart.store, HASHED_ANEW)

    await spool.open(heart.clock.now_us())

    entry = await heart.entry()
    assert spool.content(entry)
    assert (await heart.pay()).number == first.number
