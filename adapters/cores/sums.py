"""Sums as cores write them back, read only to compare: text with a dot or comma, or a JSON number.

Cores write `10.45`, `10.4500`, `10,45` or a binary float that has lost its last digit (TMF, LANBilling, UTM5), so a
JSON number is rounded to the currency's minor unit; text is taken as written.
"""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from adapters.amount import scale

_TEXT: Final = re.compile(r"-?[0-9]{1,18}(?:[.,][0-9]{1,8})?", re.ASCII)
_NUMBER_MAX: Final = Decimal(10) ** 18


def same_sum(value: object, amount: int, currency: str, *, minor: bool = False) -> bool | None:
    """Whether a core's sum equals `amount` minor units of `currency`; None when it can't be read as a sum.

    `minor` says that the core counts in minor units.
    """
    known = scale(currency)
    if not minor and value == known.write(amount):
        # What nearly every core writes; the rest is for the others.
        return True
    read = _decimal(value)
    if read is None:
        return None
    exponent = 0 if minor else known.exponent
    if isinstance(value, Decimal):
        read = read.quantize(Decimal(1).scaleb(-exponent), rounding=ROUND_HALF_EVEN)
    return read.scaleb(exponent) == amount


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, str):
        text = value.strip()
        return Decimal(text.replace(",", ".")) if _TEXT.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    read = Decimal(value)
    return read if read.is_finite() and read.copy_abs() < _NUMBER_MAX else None
