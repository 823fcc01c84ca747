"""Payers are told that a payment was taken and then credited: once, after the fact, whatever breaks in between."""

import asyncio
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from adapters.outcome import Refused
from adapters.payment import Refusal
from gateway.clock import settle
from gateway.content import Content
from gateway.telling.company import TELLER
from gateway.telling.payers import rounds
from gateway.telling.payers.receipt import contact_of
from gateway.telling.payers.rounds import MEMO, Kept, Payers
from gateway.telling.settings import PayerSettings
from gateway.telling.sink import NotTold, Undeliverable
from spool.lifecycle import PARK
from spool.office import Office
from spool.store import Move
from tests.unit.fake_core import Does
from tests.unit.heart import Heart
from tests.unit.telling import FakeSink, SlowSink, settings
from tests.unit.troubled_store import Trouble

PHONE = "+992 (90) 000-00-01"
DEADLINE_S = 10.0
LATER_S = 60.0
"""When everything taken before is old enough to be looked at."""


def payer_settings(**changes: Any) -> PayerSettings:
    """Payers of the kiosk leave their number as an attribute."""
    return PayerSettings(**{"sink": "sms", "contact": "phone"} | changes)


class Counter:
    """A heart's payers, and a sink that reaches them."""

    def __init__(self, heart: Heart, sink: FakeSink | None = None, **changes: Any) -> None:
        self.heart = heart
        self.sink = sink or FakeSink()
        self.changes = changes
        self.payers = self._payers()

    def _payers(self) -> Payers:
        return Payers(
            spool=self.heart.spool,
            shelf=self.heart.store,
            clock=self.heart.clock,
            settings={"kiosk": payer_settings(**self.changes)},
            sinks={"sms": (settings(), self.sink)},
            deadline_s=DEADLINE_S,
            office=Office(self.heart.store, TELLER),
        )

    async def begin(self) -> None:
        """The first round ever: what comes is told, what was isn't."""
        await self.payers.run_once()
        await self.heart.clock.advance(LATER_S)

    def restart(self) -> None:
        """The next process over the same spool."""
        self.payers = self._payers()

    async def pay(self, key: str = "1", **changes: Any) -> None:
        """A payment of 10.00, of somebody who left his number."""
        await self.heart.pay(key, account=f"44{key}", **{"attributes": {"phone": PHONE}} | changes)

    async def later(self, seconds: float = LATER_S) -> None:
        """Time goes on, and there is a round."""
        await self.heart.clock.advance(seconds)
        await self.payers.run_once()

    async def credited(self) -> None:
        """Billing is back and books."""
        self.heart.close_route()
        await self.heart.forwards(4)

    @property
    def said(self) -> list[tuple[str, str]]:
        """To whom, and what, by the first word that tells."""
        words = {"accepted": "accepted", "is": "credited", "could": "refused"}
        return [
            (
                letter.to[0],
                "accepted" if "accepted" in letter.text else words["is" if "is credited" in letter.text else "could"],
            )
            for letter in self.sink.taken
        ]


@pytest.fixture
async def counter(heart: Heart) -> Counter:
    """A heart in an outage, with payers who left their number."""
    made = Counter(heart)
    await made.begin()
    heart.open_route()
    return made


TO = "+992900000001"


async def test_a_payer_is_told_that_it_was_taken_and_then_that_it_was_credited(counter: Counter) -> None:
    """Each once, however often it is looked at and however often the channel repeats its request."""
    await counter.pay()
    await counter.pay()
    await counter.later()
    await counter.later()
    assert counter.said == [(TO, "accepted")]
    await counter.credited()
    await counter.later()
    await counter.later()
    assert counter.said == [(TO, "accepted"), (TO, "credited")]
    assert [letter.text.strip() for letter in counter.sink.taken] == [
        f"Your payment of 10.00 RUB is accepted and will be credited. Payment {(await counter.heart.entry('1')).number}",
        f"Your payment of 10.00 RUB is credited. Payment {(await counter.heart.entry('1')).number}",
    ]
    assert counter.payers.state.waiting == 0


async def test_nobody_is_told_before_it_is_sure(counter: Counter) -> None:
    """An answer may change until its channel's deadline; and what is credited soon is told as that alone."""
    await counter.pay()
    await counter.later(DEADLINE_S + 29)
    assert counter.said == []
    await counter.credited()
    await counter.later()
    assert counter.said == [(TO, "credited")]


async def test_who_got_billings_own_answer_is_told_nothing(counter: Counter) -> None:
    """He knows it."""
    counter.heart.close_route()
    await counter.pay()
    await counter.later()
    assert counter.said == []


async def test_a_payer_is_told_that_it_could_not_be_credited(counter: Counter) -> None:
    """He was told that it would be."""
    await counter.pay()
    await counter.later()
    counter.heart.core.will(Does(Refused(refusal=Refusal.UNKNOWN_ACCOUNT)))
    await counter.credited()
    await counter.later()
    assert counter.said == [(TO, "accepted"), (TO, "refused")]


async def test_channels_that_did_not_ask_for_it_are_left_out(counter: Counter) -> None:
    """So are payers who left nothing that is a number, and they are counted."""
    await counter.pay("1", channel="bank")
    await counter.pay("2", attributes={})
    await counter.pay("3", attributes={"phone": "none"})
    await counter.later()
    assert (counter.said, counter.payers.state.unreached) == ([], 2)


async def test_a_restart_tells_nothing_twice_and_forgets_nobody(counter: Counter) -> None:
    """What was told before it, and what was taken before it and credited after."""
    await counter.pay("1")
    await counter.later()
    counter.restart()
    await counter.pay("2")
    await counter.later()
    counter.restart()
    await counter.credited()
    await counter.later()
    counter.restart()
    await counter.later()
    assert sorted(counter.said) == [(TO, "accepted")] * 2 + [(TO, "credited")] * 2


async def test_what_was_before_the_first_start_is_told_to_nobody(heart: Heart) -> None:
    """Switching it on sends no messages of last month."""
    heart.open_route()
    counter = Counter(heart)
    await counter.pay("0")
    await heart.clock.advance(3_600)
    await counter.begin()
    await counter.pay("1")
    await counter.later()
    assert len(counter.said) == 1


async def test_a_sink_that_is_away_holds_up_nothing_and_is_tried_again(heart: Heart) -> None:
    """Payments are taken and booked meanwhile; what is credited by then is told as that."""
    counter = Counter(heart, FakeSink(*[NotTold("away")] * 3))
    await counter.begin()
    heart.open_route()
    await counter.pay()
    await counter.later()
    assert counter.payers.state.error == "away"
    await counter.credited()
    assert (await heart.entry("1")).state.word == "posted"
    for _ in range(4):
        await counter.later()
    assert counter.said == [(TO, "credited")]


async def test_waits_grow_while_the_sink_is_away(heart: Heart) -> None:
    """It isn't hammered."""
    counter = Counter(heart, FakeSink(*[NotTold("away")] * 20))
    await counter.begin()
    heart.open_route()
    await counter.pay()
    await heart.clock.advance(LATER_S)
    waits = [await counter.payers.run_once() for _ in range(20)]
    assert max(waits[:2]) < 5.0
    assert 60.0 < max(waits) <= 300.1


@pytest.mark.parametrize("error", [Undeliverable("refuses the number"), KeyError(PHONE)])
async def test_one_whom_nothing_reaches_keeps_it_from_no_other(heart: Heart, error: Exception) -> None:
    """And no log, and no state, says who it was."""
    counter = Counter(heart, FakeSink(error))
    await counter.begin()
    heart.open_route()
    with capture_logs() as logged:
        await counter.pay("1")
        await counter.pay("2")
        await counter.later()
    assert len(counter.said) == 1
    shown = f"{logged} {counter.payers.state} {counter.sink.taken}"
    assert "900000001" not in shown
    assert "900000001" not in repr(await heart.store.recall(MEMO))


async def test_a_disk_that_does_not_take_how_far_it_is_repeats_at_most_a_round(counter: Counter) -> None:
    """Told again after a restart rather than never."""
    await counter.pay()
    counter.heart.troubles.will("remember", Trouble.CLOSED)
    with pytest.raises(Exception, match="open"):
        await counter.later()
    counter.restart()
    await counter.later()
    await counter.later()
    assert counter.said == [(TO, "accepted")] * 2


async def test_what_waits_for_a_person_is_told_when_he_ends_it_and_holds_up_nobody(counter: Counter) -> None:
    """Others are told meanwhile."""
    heart = counter.heart
    await counter.pay("1")
    await counter.pay("2")
    await heart.spool.move([Move(entry=await heart.entry("1"), transition=PARK, at_us=heart.clock.now_us())])
    await counter.later()
    await counter.credited()
    await counter.later()
    assert [what for _, what in counter.said] == ["accepted", "accepted", "credited"]


async def test_what_is_remembered_is_bounded(counter: Counter) -> None:
    """The cursor waits, and where persons are waited for, the oldest is left to them."""
    heart = counter.heart
    await heart.store.remember(
        MEMO, msgspec.json.encode(Kept(after=0, waiting={-number: True for number in range(1, rounds.WAITING_MAX)}))
    )
    counter.restart()
    await counter.pay("1")
    await counter.pay("2")
    await counter.later()
    assert len(counter.said) == 1
    await counter.later()
    assert len(counter.said) == 1
    assert counter.payers.state.waiting == rounds.WAITING_MAX


async def test_nobody_is_told_long_after(heart: Heart) -> None:
    """He knows by now; what is news is told all the same."""
    counter = Counter(heart, FakeSink(*[NotTold("away")] * 2), expires_s=600)
    await counter.begin()
    heart.open_route()
    await counter.pay()
    await counter.later()
    await counter.later(700)
    await counter.later()
    assert counter.said == []
    await counter.credited()
    await counter.later()
    await counter.later()
    assert counter.said == [(TO, "credited")]


async def test_an_operators_own_text_is_sent_and_an_empty_one_is_not(heart: Heart) -> None:
    """A text that can't be made is none."""
    counter = Counter(heart, accepted_text="{{ amount }} {{ currency }} ..{{ account_end }}", credited_text="")
    await counter.begin()
    heart.open_route()
    await counter.pay("123")
    await counter.later()
    await counter.credited()
    await counter.later()
    assert [letter.short for letter in counter.sink.taken] == ["10.00 RUB ..4123"]


@pytest.mark.parametrize(
    ("left", "prefix", "found"),
    [
        ("+992 90 000-00-01", "", "+992900000001"),
        ("900000001", "+992", "+992900000001"),
        ("900000001", "", "900000001"),
        ("+992900000001", "+7", "+992900000001"),
        ("12", "", ""),
        ("+99290000000123456789", "", ""),
        ("9000000o1", "", ""),
        ("900000001; drop", "", ""),
    ],
)
def test_a_number_is_taken_as_people_write_it(left: str, prefix: str, found: str) -> None:
    """And nothing else is taken for one."""
    content = Content(1, "44", "", "", {"phone": left}, b"")
    assert contact_of(content, payer_settings(number_prefix=prefix), by_mail=False) == found


@pytest.mark.parametrize(
    ("left", "found"),
    [("a@example.com", "a@example.com"), ("a@b, c@d", ""), ("+992900000001", ""), ("a@b\nBcc: x", "")],
)
def test_an_address_is_one_address(left: str, found: str) -> None:
    """A payer writes no headers."""
    content = Content(1, left, "", "", {}, b"")
    assert contact_of(content, payer_settings(contact="account"), by_mail=True) == found


async def test_a_service_that_ends_lets_a_round_end_and_begins_with_nobody_else(heart: Heart) -> None:
    """Whoever was told in a round that is cut off would be told again after the restart."""
    counter = Counter(heart, sink := SlowSink())
    await counter.begin()
    heart.open_route()
    for key in range(rounds.AT_ONCE + 1):
        await counter.pay(str(key))
    await heart.clock.advance(LATER_S)
    running = asyncio.create_task(counter.payers.run())
    await sink.has_taken.wait()

    finishing = asyncio.create_task(counter.payers.finish())
    await settle()
    assert not finishing.done()
    sink.may_say.set()
    await finishing
    await running
    assert len(counter.said) == rounds.AT_ONCE

    counter.restart()
    await counter.later()
    assert len(counter.said) == rounds.AT_ONCE + 1
