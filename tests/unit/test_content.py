"""The sealed part of an entry: whole again after years, and shown by nobody's repr."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.payment import Payment, Reversal
from gateway import content
from spool.entry import Entry
from spool.lifecycle import Kind, State
from tests.contracts.spool_examples import draft, reversal
from tests.unit.heart import kept

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


def entry_of(request: Payment) -> Entry:
    """The entry a payment was recorded as."""
    new = draft(1, channel=request.channel, key=request.key, amount=request.amount, currency=request.currency)
    return kept(new, state=State.READY)


payments = st.builds(
    Payment,
    channel=st.just("kiosk"),
    key=texts.filter(bool),
    account=texts.filter(bool),
    amount=st.integers(1, 10**15),
    currency=st.just("RUB"),
    service=texts,
    channel_time=texts,
    attributes=st.dictionaries(texts, texts, max_size=5),
)


@given(payments, st.binary(max_size=200))
def test_a_payment_and_its_bytes_come_back_as_they_were(payment: Payment, wire: bytes) -> None:
    """What is sent on the hundredth attempt is what was made for the first."""
    found = content.read(content.of_payment(payment, wire))
    assert found.wire == wire
    assert content.payment_of(entry_of(payment), found) == payment


@pytest.mark.parametrize("named", [{"number": 5}, {"payment_key": "k1"}])
def test_a_reversal_comes_back_as_it_was(named: dict[str, object]) -> None:
    """By which name it called its payment belongs to what makes two requests the same."""
    asked = Reversal(channel="kiosk", key="r1", note="changed her mind", **named)  # type: ignore[arg-type]  # one of two names
    payment = kept(draft(1), state=State.POSTED)
    entry = kept(reversal(2, payment, key="r1"), state=State.READY)
    found = content.read(content.of_reversal(asked, "100"))
    assert (found.account, found.wire, entry.kind) == ("100", b"", Kind.REVERSAL)
    assert content.reversal_of(entry, found) == asked


@pytest.mark.parametrize(
    "damaged",
    [b"", b"\x00", b"\xff" * 20, msgspec.msgpack.encode([1, 2]), msgspec.msgpack.encode([2, "", "", "", {}, b""])],
)
def test_what_is_no_content_of_a_known_layout_is_said_to_be_none(damaged: bytes) -> None:
    """A ValueError, whatever is wrong: the entry is put in quarantine, nothing else stops."""
    with pytest.raises(ValueError, match=r".*"):
        content.read(damaged)


def test_the_layout_written_in_the_first_version_is_read_for_ever() -> None:
    """These bytes lie on disks."""
    first = msgspec.msgpack.encode([1, "100", "tv", "20260115120133", {"a": "b"}, b"wire", "", 0, ""])
    payment = Payment(
        channel="kiosk",
        key="k",
        account="100",
        amount=1,
        currency="RUB",
        service="tv",
        channel_time="20260115120133",
        attributes={"a": "b"},
    )
    assert content.of_payment(payment, b"wire") == first


def test_nothing_personal_is_in_its_repr() -> None:
    """A log line or a traceback shows reprs."""
    found = content.read(content.of_reversal(Reversal(channel="c", key="k", number=5, note="Anna"), "4242"))
    assert repr(found) == "Content(layout=1)"
