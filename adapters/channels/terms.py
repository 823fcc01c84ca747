"""What is agreed with any channel, whatever its protocol: currency, deadline, accounts, sums, card data."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from adapters.amount import read_amount, scale
from adapters.card_data import CardData, card_like, card_text, masked
from adapters.payment import ACCOUNT_CHARS_MAX, Refusal

ACCOUNT_PATTERN: Final = r"[!-~]+"
"""Accounts unless agreed otherwise: visible ASCII, no spaces."""

ATTRIBUTES_MAX: Final = 16
ATTRIBUTE_CHARS_MAX: Final = 256
ATTRIBUTE_NAME: Final = r"[A-Za-z0-9_.-]{1,64}"
SERVICE_PATTERN: Final = r"[A-Za-z0-9_.:-]{1,64}"

RULE_REASONS: Final[Mapping[Refusal, str]] = {
    Refusal.ACCOUNT_FORMAT: "account",
    Refusal.AMOUNT_TOO_SMALL: "amount",
    Refusal.AMOUNT_TOO_LARGE: "amount",
}
"""Refusals of a `Screen` -> the reason they are counted under."""


class MoneyTerms(BaseModel):
    """What is agreed about sums in one more currency: `[channels.<name>.currencies.<code>]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amount_min: Annotated[
        str | None, Field(description='Smallest sum of one payment in this currency, such as "1.00"; none = no limit.')
    ] = None
    amount_max: Annotated[
        str | None, Field(description='Largest sum of one payment in this currency, such as "500"; none = no limit.')
    ] = None


class Terms(BaseModel):
    """Settings every channel has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: Annotated[str, Field(description="ISO 4217 code of the channel's amounts, such as KZT.")]
    deadline_s: Annotated[
        float, Field(gt=0, le=300, description="Seconds within which the channel must have an answer.")
    ]
    account_pattern: Annotated[
        str,
        Field(description="Regular expression a whole account must match; other accounts are a final no (wrong form)."),
    ] = ACCOUNT_PATTERN
    amount_min: Annotated[
        str | None, Field(description='Smallest sum of one payment as decimal text, such as "1.00"; none = no limit.')
    ] = None
    amount_max: Annotated[
        str | None, Field(description='Largest sum of one payment as decimal text, such as "50000"; none = no limit.')
    ] = None
    card_data: Annotated[
        CardData,
        Field(description='Card numbers, tracks and codes in attributes: "refuse" the request, "mask" them, "allow".'),
    ] = CardData.REFUSE

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, value: str) -> str:
        return scale(value).currency

    @field_validator("account_pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value, re.ASCII)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _sums_make_sense(self) -> Self:
        for currency, terms in self.moneys().items():
            lowest, highest = limits(terms, currency)
            if lowest > highest:
                raise ValueError(f"amount_min is above amount_max: nothing could be paid in {currency}")
        return self

    def moneys(self) -> "dict[str, Terms | MoneyTerms]":
        """By each currency that its payments may be in: what is agreed about sums. Its own comes first."""
        return {self.currency: self}


def limits(terms: Terms | MoneyTerms, currency: str) -> tuple[int, int]:
    """Smallest and largest sum in minor units; `(1, 0x7FFF...)` where there is no limit."""
    lowest = 1 if terms.amount_min is None else read_amount(terms.amount_min, currency)
    highest = 2**63 - 1 if terms.amount_max is None else read_amount(terms.amount_max, currency)
    return max(lowest, 1), highest


class Screen:
    """A channel's rules about accounts, sums and card data, ready to be asked."""

    def __init__(self, terms: Terms, currency: str = "") -> None:
        """For sums in one of the channel's currencies, its own if none is named."""
        self._account = re.compile(terms.account_pattern, re.ASCII).fullmatch
        currency = currency or terms.currency
        self._lowest, self._highest = limits(terms.moneys()[currency], currency)
        self._masks = terms.card_data is CardData.MASK
        self._refuses = terms.card_data is CardData.REFUSE

    def refusal(self, account: str, amount: int) -> Refusal | None:
        """The rule against paying `amount` minor units (0 = no sum asked about) to `account`; None when there is none."""
        if len(account) > ACCOUNT_CHARS_MAX or self._account(account) is None or not account.isprintable():
            return Refusal.ACCOUNT_FORMAT
        if amount and amount < self._lowest:
            return Refusal.AMOUNT_TOO_SMALL
        return Refusal.AMOUNT_TOO_LARGE if amount > self._highest else None

    def cleaned(self, attributes: dict[str, str]) -> dict[str, str]:
        """The attributes as they may be stored: masked where that is agreed."""
        return masked(attributes) if self._masks else attributes

    def card_names(self, attributes: dict[str, str]) -> list[str]:
        """Names of the attributes for which the request must be refused, as they hold card data."""
        if not self._refuses:
            return []
        return [name for name, value in attributes.items() if card_like(name, value)]

    def cleaned_note(self, note: str) -> str:
        """A free text as it may be stored."""
        return "***" if self._masks and card_text(note) else note

    def card_note(self, note: str) -> bool:
        """Must the request be refused, as its free text holds card data?"""
        return self._refuses and card_text(note)
