"""A text as SMS: the cheapest alphabet, parts that fit, no character in two."""

import importlib
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telling.sinks.smpp import joined, kind_of
from gateway.telling.sinks.sms_text import BASIC, GSM7, UCS2, coding_of, sms_of

LIBRARY: Final[Any] = importlib.import_module("smpplib.gsm")


@pytest.mark.parametrize(
    ("text", "coding"),
    [("route main is open", GSM7), ("50 €, [main] {x}", GSM7), ("маршрут", UCS2), ("“quoted”", UCS2), ("ñ", GSM7)],
)
def test_a_text_takes_the_cheapest_alphabet(text: str, coding: int) -> None:
    """One character outside of the seven-bit alphabet costs more than half the room."""
    assert coding_of(text) == coding


@given(st.text(alphabet=sorted(set(BASIC) - {"\x1b", "§", "`"}) + list("^{}\\[~]|€"), max_size=150))
def test_septets_are_as_another_program_makes_them(text: str) -> None:
    """Smpplib has the table too."""
    assert b"".join(sms_of(text, 10).parts) == LIBRARY.gsm_encode(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, [160]),
        ("a" * 161, [153, 8]),
        ("[" * 80, [160]),
        ("[" * 81, [152, 10]),
        ("я" * 70, [140]),
        ("я" * 71, [134, 8]),
        ("😀" * 36, [132, 12]),
        ("", [0]),
    ],
)
def test_parts_are_as_long_as_the_standard_says(text: str, parts: list[int]) -> None:
    """160 or 153 septets, 70 or 67 units; an escape stays with its character, and so do both halves of a picture."""
    assert [len(part) for part in sms_of(text, 10).parts] == parts


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("text", ["a" * 2_000, "я" * 2_000, "[" * 2_000, "😀" * 500, "a[" * 400])
def test_what_does_not_fit_is_cut_off_and_dots_say_so(text: str, most: int) -> None:
    """Nobody pays for a novel."""
    sms = sms_of(text, most)
    assert len(sms.parts) == most
    assert sms.text.endswith("...")
    assert text.startswith(sms.text.removesuffix("..."))


@given(st.text(max_size=900), st.integers(1, 6))
def test_parts_are_bounded_whatever_the_text(text: str, most: int) -> None:
    """Also of what no alphabet has."""
    sms = sms_of(text, most)
    assert 1 <= len(sms.parts) <= most
    assert all(len(part) <= 160 for part in sms.parts)


def test_parts_say_that_they_belong_together() -> None:
    """With the same reference, how many there are, and which this is."""
    headers = [part[:6] for part in joined(sms_of("a" * 400, 3), 77)]
    assert headers == [bytes((5, 0, 3, 77, 3, number)) for number in (1, 2, 3)]
    assert list(joined(sms_of("a", 3), 77)) == [b"a"]


@pytest.mark.parametrize(
    ("address", "kind"),
    [("+992900000001", (1, "992900000001")), ("1234", (0, "1234")), ("Nightsafe", (5, "Nightsafe"))],
)
def test_an_address_has_a_kind(address: str, kind: tuple[int, str]) -> None:
    """SMPP 3.4, 5.2.5."""
    assert kind_of(address) == kind
