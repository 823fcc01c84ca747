"""What channels are told while keys change and after days were shredded: the same as before, or a plain no."""

from adapters.payment import AnswerKind, Refusal
from gateway.clock import settle
from spool.keys import KeyRing
from spool.lifecycle import State
from spool.spool import Spool
from tests.unit.heart import KEYS, Heart, OpenHeart

ONE, TWO, NEW = b"\x01" * 32, b"\x03" * 32, b"\x04" * 32
HASHED_ANEW = KeyRing(
    [(1, ONE), (2, TWO)], NEW, index_id=2, former_index_keys={1: KEYS.index_key}, index_ids={1: 1, 2: 2}
)
SHREDDED = KeyRing([(2, TWO)], KEYS.index_key, destroyed={1: 1})
CONFLICT, PROVISIONAL, POSTED, REFUSED = (
    AnswerKind.CONFLICT,
    AnswerKind.PROVISIONAL,
    AnswerKind.POSTED,
    AnswerKind.REFUSED,
)


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
