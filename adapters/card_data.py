"""Card data that has no business here: found before anything is stored.

An operator's billing has no use for card numbers, and a store that holds one falls under PCI DSS as a whole. Free
attributes are where channels leave them by mistake, so each is looked through: card numbers (13 to 19 digits whose Luhn
check digit fits and whose first digits belong to a card scheme), magnetic track data, and fields whose very name says
that they hold a code or a track. One number in ten fits the Luhn check by chance, which is why first digits count too.
"""

import enum
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_DIGITS_MIN: Final = 13
"""No card number is shorter."""

_TELLING_NAMES: Final = frozenset(
    ("cvv", "cvv2", "cvc", "cvc2", "cid", "csc", "pin", "pinblock", "track", "track1", "track2", "track3", "trackdata",
     "pan", "cardnumber", "cardno")
)  # fmt: skip
_DIGIT_RUN: Final = re.compile(r"(?<![0-9])[2-9](?:[ -]?[0-9]){12,18}(?![0-9])", re.ASCII)
# ISO/IEC 7813: `%B` number `^` name `^` expiry on track 1, `;` number `=` expiry on track 2.
_TRACK: Final = re.compile(r"%?B[0-9]{12,19}\^|;?[0-9]{12,19}=[0-9]{4}", re.ASCII)
# Visa 4, Mastercard 2 and 5, Mir 2, American Express 3, Maestro and UnionPay 6, UnionPay 81, Troy 9792.
_SCHEMES: Final = ("2", "3", "4", "5", "6", "81", "9792")
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


class CardData(enum.StrEnum):
    """What a channel does with card data in an attribute."""

    REFUSE = "refuse"
    """The request is refused; nothing of it is stored."""
    MASK = "mask"
    """The request is taken and the value is stored as asterisks: for channels that have the payer's money already."""
    ALLOW = "allow"
    """Nothing is looked for."""


def card_like(name: str, value: str) -> bool:
    """Does this attribute hold card data: in its value, or told or held by its name?"""
    told, held = _judged(name)
    return held or (bool(value) if told else len(value) >= _DIGITS_MIN and card_text(value))


@lru_cache(maxsize=1024)
def _judged(name: str) -> tuple[bool, bool]:
    """Does the very name say that its value is card data, and does it hold some itself? A channel's names are few."""
    return _telling(name), card_text(name)


def _telling(name: str) -> bool:
    return name.lower().replace("_", "").replace("-", "").replace(".", "") in _TELLING_NAMES


def card_text(value: str) -> bool:
    """Does this text hold a card number or track data anywhere in it?"""
    if len(value) < _DIGITS_MIN:
        return False
    if _TRACK.search(value) is not None:
        return True
    return any(_is_card_number(match.group()) for match in _DIGIT_RUN.finditer(value))


def masked(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes with `***` in place of every value that holds card data, without those whose name does."""
    return {
        name: "***" if card_like(name, value) else value for name, value in attributes.items() if not card_text(name)
    }


def _is_card_number(run: str) -> bool:
    digits = run.replace(" ", "").replace("-", "")
    return digits.startswith(_SCHEMES) and _luhn(digits)


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    values = [int(digit) for digit in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0
