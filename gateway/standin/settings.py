"""What an operator may set about standing in: whether, for whom, and up to how much money.

Amounts are decimal strings in the route's currency, so that no binary float ever touches money; `policy` turns them
into minor units. The version of a policy is a hash of its content, so two that say the same are the same, and an
entry's stored version tells for ever by which rules it was taken.
"""

import hashlib
import json
from typing import Annotated, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from adapters.amount import WHOLE_DIGITS_MAX, scale

DECIMAL_PATTERN: Final = rf"^[0-9]{{1,{WHOLE_DIGITS_MAX}}}(\.[0-9]{{1,4}})?$"
"""A decimal amount in any currency; how many decimals the route's own has is checked when all is read."""

VERSION_CHARS: Final = 12
"""48 bits of a hash tell apart every policy an operator will ever write."""

Decimal = Annotated[str, Field(pattern=DECIMAL_PATTERN, examples=["5000"])]
Checks = Literal["accept_by_format", "try_later"]

_SETTINGS = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """How much may be waiting provisionally, in minor units and entries; None is no limit of its own."""

    sum_max: int | None
    count_max: int | None


class StandinPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules for one channel on one route, resolved; amounts in minor units of the route's currency."""

    enabled: bool
    payment_max: int
    #: Against everything the route holds provisionally.
    route: Ceiling
    #: Against what the route holds provisionally from this channel.
    channel: Ceiling
    checks: Checks
    #: Seconds before the channel's deadline by which a provisional answer leaves.
    answer_margin_s: float
    version: str


class StandinChannelSettings(BaseModel):
    """What is different for one channel: `[routes.<name>.standin.channels.<channel>]`. Absent keys follow the route's."""

    model_config = _SETTINGS

    enabled: Annotated[bool | None, Field(description="Stand in for this channel.")] = None
    payment_max: Annotated[
        Decimal | None, Field(description="Largest single payment taken provisionally from this channel.")
    ] = None
    exposure_sum_max: Annotated[
        Decimal | None,
        Field(description="Most money of this channel held provisionally at once, beside the route's own limit."),
    ] = None
    exposure_count_max: Annotated[
        int | None,
        Field(
            ge=0,
            le=100_000_000,
            description="Most payments of this channel held provisionally at once, beside the route's own limit.",
        ),
    ] = None


class StandinSettings(BaseModel):
    """Answering in place of a core that cannot answer: `[routes.<name>.standin]`.

    Past a limit a payment gets the channel's "try later"; nothing that was taken is ever dropped.
    """

    model_config = _SETTINGS

    enabled: Annotated[
        bool, Field(description="Take payments while the core cannot; if false they get the channel's try later.")
    ] = True
    payment_max: Annotated[
        Decimal, Field(description="Largest single payment taken provisionally, in the route's currency.")
    ] = "15000"
    exposure_sum_max: Annotated[
        Decimal, Field(description="Most money held provisionally at once on the route, in its currency.")
    ] = "50000000"
    exposure_count_max: Annotated[
        int, Field(ge=0, le=100_000_000, description="Most payments held provisionally at once on the route.")
    ] = 1_000_000
    checks: Annotated[
        Checks,
        Field(
            description="What a check gets while the core cannot answer: yes if the account is well formed, or try later."
        ),
    ] = "accept_by_format"
    answer_margin_s: Annotated[
        float,
        Field(
            ge=0.05,
            le=60,
            description=(
                "Seconds before a channel's deadline at which waiting for the core ends and the provisional answer"
                " is made and sent."
            ),
        ),
    ] = 1.0
    channels: Annotated[
        dict[str, StandinChannelSettings], Field(description="What is different for single channels, by name.")
    ] = {}

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change whenever any rule does, a default included."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:VERSION_CHARS]

    def policy(self, channel: str, currency: str) -> StandinPolicy:
        """The rules for `channel`, in minor units of `currency` (ISO 4217 code).

        Raises:
            BadAmount, UnknownCurrency: an amount isn't one of this currency; the configuration's check finds it first.
        """
        read = scale(currency).read
        own = self.channels.get(channel, StandinChannelSettings())
        return StandinPolicy(
            enabled=self.enabled if own.enabled is None else own.enabled,
            payment_max=read(own.payment_max or self.payment_max),
            route=Ceiling(sum_max=read(self.exposure_sum_max), count_max=self.exposure_count_max),
            channel=Ceiling(
                sum_max=None if own.exposure_sum_max is None else read(own.exposure_sum_max),
                count_max=own.exposure_count_max,
            ),
            checks=self.checks,
            answer_margin_s=self.answer_margin_s,
            version=self.version,
        )
