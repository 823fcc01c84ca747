"""What is agreed with one bank or wallet that uses the JSON API."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from adapters.amount import scale
from adapters.channels.terms import MoneyTerms, Terms
from adapters.secret import SecretRef

Sha256Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class JsonChannelSettings(Terms):
    """One channel of the JSON API at `/v1`."""

    protocol: Annotated[Literal["json"], Field(description="The JSON API at /v1.")]
    deadline_s: Annotated[
        float, Field(gt=0, le=300, description="Seconds within which the channel must have an answer.")
    ] = 10.0
    tokens_sha256: Annotated[
        tuple[Sha256Hex, ...],
        Field(
            min_length=1,
            max_length=8,
            description="SHA-256 (lower-case hex) of each bearer token the channel may present; several while changing over.",
        ),
    ]
    currencies: Annotated[
        dict[str, MoneyTerms],
        Field(
            max_length=32,
            description=(
                "Other currencies that its payments may name, by their ISO 4217 codes; each goes by a route of that"
                " currency. `amount_min` and `amount_max` of the channel itself are of its own currency alone."
            ),
        ),
    ] = Field(default_factory=dict)
    body_max_bytes: Annotated[
        int, Field(ge=1024, le=65536, description="Longest body taken; sixteen full attributes fit in the default.")
    ] = 32768
    receipt_key: Annotated[
        SecretRef | None,
        Field(
            description=(
                "The Ed25519 private key (PEM) that signs a receipt of each positive answer, as `nightsafe evidence key` makes"
                " it; without it there are none. Signing takes as much CPU as the rest of taking a payment."
            )
        ),
    ] = None

    @field_validator("currencies")
    @classmethod
    def _known_currencies(cls, given: dict[str, MoneyTerms]) -> dict[str, MoneyTerms]:
        return {scale(currency).currency: terms for currency, terms in given.items()}

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if self.currency in self.currencies:
            raise ValueError(f"{self.currency} is the channel's own currency: its limits stand beside `currency`")
        return self

    def moneys(self) -> dict[str, Terms | MoneyTerms]:
        """See `Terms.moneys`."""
        return {self.currency: self, **self.currencies}
