"""What is agreed with one terminal network that speaks OSMP."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adapters.card_data import CardData
from adapters.channels.osmp_codes import COME_AGAIN, RESULTS, faults
from adapters.channels.terms import Terms
from adapters.payment import AnswerKind
from adapters.secret import SecretRef

Command = Literal["getInfo", "check", "pay", "status", "cancel"]


class BasicSettings(BaseModel):
    """HTTP Basic credentials the channel presents."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: Annotated[str, Field(min_length=1, pattern=r"^[^:]+$", description="User name; no colon in it (RFC 7617).")]
    password: Annotated[SecretRef, Field(description="Where the password is.")]


class OsmpChannelSettings(Terms):
    """One OSMP channel."""

    protocol: Annotated[Literal["osmp"], Field(description="OSMP/QIWI provider protocol and dialects.")]
    deadline_s: Annotated[
        float,
        Field(gt=0, le=300, description="Seconds within which the channel must have an answer; OSMP waits 60."),
    ] = 55.0
    card_data: Annotated[
        CardData,
        Field(
            description='Card data in extras: "mask" takes the payment without it (the payer has paid already), '
            '"refuse" answers 31, "allow" doesn\'t look.'
        ),
    ] = CardData.MASK
    allow: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Field(
            description='Networks the channel calls from, such as "79.142.16.0/20"; empty = any, then `basic` is needed.'
        ),
    ] = ()
    basic: Annotated[BasicSettings | None, Field(description="HTTP Basic credentials, where agreed.")] = None
    commands: Annotated[
        tuple[Command, ...],
        Field(min_length=1, description="Commands taken. `status` and `cancel` exist in dialects, not in QIWI's own."),
    ] = ("getInfo", "check", "pay")
    txn_id_digits_max: Annotated[
        int, Field(ge=1, le=24, description="Longest txn_id in digits: 20, or 24 for QIWI's credit organisations.")
    ] = 20
    check_sum: Annotated[
        Literal["required", "optional"],
        Field(description='"optional" lets `check` come without a sum or with 0.00, as some kiosks ask.'),
    ] = "required"
    service_parameter: Annotated[
        str, Field(min_length=1, description="Parameter that names the operator's service.")
    ] = "prv_id"
    id_tag: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z_]{0,31}$", description="Answer's tag for the channel's id; `rapida_txn_id` for Rapida."
        ),
    ] = "osmp_txn_id"
    in_progress_code: Annotated[
        Literal[1, 90],
        Field(
            description="Code for a payment whose outcome isn't known yet; QIWI's own list has no 90, Optima's does."
        ),
    ] = 1
    codes: Annotated[
        dict[str, int],
        Field(default_factory=dict, description="Result codes of this dialect where they differ: { not_found = 251 }."),
    ]
    come_again_codes: Annotated[
        tuple[int, ...], Field(description="Codes this dialect does not take as final, besides 1 and 90.")
    ] = ()

    @model_validator(mode="after")
    def _somebody_is_known(self) -> Self:
        if not self.allow and self.basic is None:
            raise ValueError("name the channel's networks in `allow`, or its `basic` credentials, or both")
        return self

    @model_validator(mode="after")
    def _codes_make_sense(self) -> Self:
        found = faults(self.results(), COME_AGAIN | frozenset(self.come_again_codes))
        if found:
            raise ValueError("; ".join(found))
        return self

    def results(self) -> dict[str, int]:
        """The whole table of codes: answer kind or refusal -> result code."""
        return {**RESULTS, AnswerKind.IN_PROGRESS.value: self.in_progress_code, **self.codes}
