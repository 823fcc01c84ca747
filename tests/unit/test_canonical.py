"""Fingerprints cover what makes a payment another payment, and nothing else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.canonical import canonical, differing
from adapters.payment import Check, Inquiry, Payment, Request, Reversal

PAYMENT = Payment(channel="c", key="k", account="77", amount=20000, currency="KZT", service="tv")
REVERSAL = Reversal(channel="c", key="r", number=5)
CHECK = Check(channel="c", account="77", amount=20000, currency="KZT", service="tv")
INQUIRY = Inquiry(channel="c", number=5)


@pytest.mark.parametrize(
    ("field", "value"), [("account", "78"), ("amount", 20001), ("currency", "RUB"), ("service", "net")]
)
def test_another_content_of_a_payment_is_another_fingerprint_and_named(field: str, value: object) -> None:
    """A conflict names the fields, so that a channel's operator sees the mistake at once (RFC 9457 answer)."""
    other = msgspec.structs.replace(PAYMENT, **{field: value})
    assert canonical(other) != canonical(PAYMENT)
    assert differing(PAYMENT, other) == (field,)


@pytest.mark.parametrize(
    ("field", "value"),
    [("channel_time", "20260101000000"), ("attributes", {"terminal": "9"}), ("key", "other"), ("channel", "other")],
)
def test_what_a_repeat_may_change_is_not_covered(field: str, value: object) -> None:
    """A terminal network repeats a payment with a new time; that must not turn into a conflict."""
    other = msgspec.structs.replace(PAYMENT, **{field: value})
    assert canonical(other) == canonical(PAYMENT)
    assert differing(PAYMENT, other) == ()


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (Reversal(channel="c", key="r", number=6), ("number",)),
        (Reversal(channel="c", key="r", payment_key="5"), ("number", "payment_key")),
    ],
)
def test_a_reversal_is_told_by_the_payment_it_undoes(other: Reversal, field: tuple[str, ...]) -> None:
    """A reversal's key sent again for another payment must not undo that one."""
    assert canonical(other) != canonical(REVERSAL)
    assert differing(REVERSAL, other) == field


@pytest.mark.parametrize("other", [REVERSAL, CHECK, INQUIRY])
def test_requests_of_another_kind_differ_in_kind(other: Request) -> None:
    """A reversal under a payment's key is a conflict, never a replay of the payment."""
    assert canonical(other) != canonical(PAYMENT)
    assert differing(PAYMENT, other) == ("kind",)


def test_a_check_and_an_inquiry_are_told_by_their_content() -> None:
    """They are never stored, but whoever compares two requests need not know that."""
    assert differing(CHECK, msgspec.structs.replace(CHECK, account="1")) == ("account",)
    assert differing(INQUIRY, Inquiry(channel="c", key="5")) == ("number", "key")


def test_the_layout_of_a_fingerprint_never_changes() -> None:
    """Fingerprints are compared years later; this literal is the promise."""
    assert canonical(PAYMENT) == b'["payment/1","77",20000,"KZT","tv"]'
    assert canonical(REVERSAL) == b'["reversal/1",5,""]'
    assert canonical(CHECK) == b'["check/1","77",20000,"KZT","tv"]'
    assert canonical(INQUIRY) == b'["inquiry/1",5,""]'


texts = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable())


@given(st.tuples(texts, st.integers(1, 999), texts), st.tuples(texts, st.integers(1, 999), texts))
def test_no_two_contents_share_their_bytes(a: tuple[str, int, str], b: tuple[str, int, str]) -> None:
    """Quotes and commas in an account must not let one field run into the next."""
    one, other = (Payment(channel="c", key="k", account=x, amount=y, currency="KZT", service=z) for x, y, z in (a, b))
    assert (canonical(one) == canonical(other)) == (a == b)
    assert (differing(one, other) == ()) == (a == b)
