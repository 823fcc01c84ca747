"""Amounts as the outside writes them: strict ASCII decimal text into integers of minor units, and back.

Python's own readers take too much: `int` reads Arabic and full-width digits and underscores, `Decimal` reads `NaN`,
`1e1000000` and spaces, `float` loses cents. So a pattern over ASCII digits decides first, and the integer is made from
what it let through. How many decimals a currency has is ISO 4217's exponent (RUB 2, JPY 0, KWD 3).
"""

import functools
import re
from typing import Final

from iso4217 import Currency

from adapters.payment import AMOUNT_MINOR_MAX

WHOLE_DIGITS_MAX: Final = 16
"""Digits before the point; longer text is refused before it is made a number."""


class BadAmount(ValueError):
    """The text isn't an amount; its message says why and holds nothing of the text."""


class UnknownCurrency(ValueError):
    """ISO 4217 knows no such currency, or gives it no minor unit (gold, test codes)."""


class Scale:
    """One currency's way of writing amounts. Made once by `scale` and kept."""

    def __init__(self, currency: str, number: int, exponent: int) -> None:
        #: ISO 4217 alphabetic code.
        self.currency: Final = currency
        #: ISO 4217 numeric code as three digits.
        self.number: Final = f"{number:03d}"
        #: Decimals of the currency: 0, 2, 3 or 4.
        self.exponent: Final = exponent
        tail = rf"(?:\.[0-9]{{1,{exponent}}})?" if exponent else ""
        #: What `read` takes, anchored for JSON Schema; the bounds of the number are checked apart.
        self.pattern: Final = rf"^[0-9]{{1,{WHOLE_DIGITS_MAX}}}{tail}$"
        self._whole = re.compile(self.pattern.strip("^$"), re.ASCII).fullmatch

    def read(self, text: str) -> int:
        """Minor units of `text`, 0 to `AMOUNT_MINOR_MAX`: `"200.5"` is 20050 at two decimals.

        Raises:
            BadAmount: anything but ASCII digits with at most the currency's decimals after one dot, or too large.
        """
        # Most sums come with all their decimals: then what is left without the dot is the number.
        dot = len(text) - self.exponent - 1
        if self.exponent and 0 < dot <= WHOLE_DIGITS_MAX and text[dot] == ".":
            digits = text[:dot] + text[dot + 1 :]
            if digits.isascii() and digits.isdigit() and (minor := int(digits)) <= AMOUNT_MINOR_MAX:
                return minor
        return self._read_any(text)

    def _read_any(self, text: str) -> int:
        if self._whole(text) is None:
            raise BadAmount(f"write digits with a dot and at most {self.exponent} decimals")
        whole, _, decimals = text.partition(".")
        minor = int(whole + decimals.ljust(self.exponent, "0"))
        if minor > AMOUNT_MINOR_MAX:
            raise BadAmount("larger than any payment may be")
        return minor

    def write(self, minor: int) -> str:
        """The text of so many minor units, always with all of the currency's decimals: 20050 is `"200.50"`."""
        assert minor >= 0, "amounts of channels and cores have no sign"
        if not self.exponent:
            return str(minor)
        digits = str(minor).zfill(self.exponent + 1)
        return f"{digits[: -self.exponent]}.{digits[-self.exponent :]}"


@functools.cache
def scale(currency: str) -> Scale:
    """The scale of an ISO 4217 alphabetic code.

    Raises:
        UnknownCurrency: no such code, or one without a minor unit.
    """
    try:
        known = Currency(currency)
    except ValueError as error:
        raise UnknownCurrency("not an ISO 4217 currency code") from error
    if known.exponent is None:
        raise UnknownCurrency(f"{known.code} has no minor unit")
    return Scale(known.code, known.number, known.exponent)


def read_amount(text: str, currency: str) -> int:
    """Minor units of `text` in `currency`; as `Scale.read`, for callers that meet many currencies."""
    return scale(currency).read(text)


def write_amount(minor: int, currency: str) -> str:
    """Text of `minor` units in `currency`; as `Scale.write`."""
    return scale(currency).write(minor)
