"""What an operator may set about standing in: whether, for whom, and up to how much money.

Amounts are decimal strings in the route's currency, so that no binary float ever touches money; `policy` turns them
into minor units. The version of a policy is a hash of its content, so two that say the same are the same, and an
entry's stored version tells for ever by which rules it was taken.
"""

import hashlib
import json
import zoneinfo
from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adapters.amount import WHOLE_DIGITS_MAX, scale
from adapters.channels.terms import SERVICE_PATTERN
from gateway.standin.policy import Answer, Ceiling, Checks, Rule, StandinPolicy, Terms, accounts_pattern

DECIMAL_PATTERN: Final = rf"^[0-9]{{1,{WHOLE_DIGITS_MAX}}}(\.[0-9]{{1,4}})?$"
"""A decimal amount in any currency; how many decimals the route's own has is checked when all is read."""

VERSION_CHARS: Final = 12
"""48 bits of a hash tell apart every policy an operator will ever write."""

Decimal = Annotated[str, Field(pattern=DECIMAL_PATTERN, examples=["5000"])]
Count = Annotated[int, Field(ge=0, le=100_000_000)]
Wildcard = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$", examples=["7916*"])]
Service = Annotated[str, Field(pattern=f"^{SERVICE_PATTERN}$")]

_SETTINGS = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)


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


class StandinRuleSettings(BaseModel):
    """Terms for some payments: `[[routes.<name>.standin.rules]]`.

    The rules are asked from top to bottom; the first that fits a payment's channel, service and account counts, and
    what it doesn't say is as the route (or its table for the channel) has it. The limits on all that is held stay over
    it.
    """

    model_config = _SETTINGS

    channels: Annotated[
        list[str], Field(max_length=100, description="Only for these channels; empty: for every one of the route.")
    ] = []
    services: Annotated[
        list[Service], Field(max_length=1000, description="Only for these services; empty: for every one.")
    ] = []
    accounts: Annotated[
        list[Wildcard],
        Field(
            max_length=1000,
            description="Only for accounts like one of these: * is any characters, ? is one; empty: for every one.",
        ),
    ] = []
    answer: Annotated[
        Answer,
        Field(
            description=(
                "What they get while the core cannot: taken provisionally, the channel's try later, or a final no. What"
                " is refused so stays refused under its key."
            )
        ),
    ] = "provisional"
    payment_max: Annotated[Decimal | None, Field(description="Largest single payment taken.")] = None
    known_accounts_only: Annotated[bool | None, Field(description="Take only what is for a known account.")] = None
    account_day_sum_max: Annotated[
        Decimal | None, Field(description="Most money taken for one account in one day.")
    ] = None
    account_day_count_max: Annotated[
        Count | None, Field(description="Most payments taken for one account in one day.")
    ] = None
    outage_max_s: Annotated[
        int | None,
        Field(ge=0, le=366 * 86_400, description="Seconds from an outage's beginning in which they are taken."),
    ] = None
    checks: Annotated[Checks | None, Field(description="What a check of such an account gets.")] = None


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
            description=(
                "What a check gets while the core cannot answer: yes if the account is well formed, the last known"
                " answer for a known account and else try later, or always try later."
            )
        ),
    ] = "accept_by_format"
    known_accounts_only: Annotated[
        bool,
        Field(description="Take only payments for accounts that billing is known to have (`nightsafe accounts`)."),
    ] = False
    learn_accounts: Annotated[
        bool,
        Field(
            description=(
                "Remember accounts that billing booked for or knew when asked, to know them in an outage; rules that ask"
                " for known accounts have it done in any case."
            )
        ),
    ] = False
    account_day_sum_max: Annotated[
        Decimal | None,
        Field(description="Most money taken provisionally for one account in one day; without it, no such limit."),
    ] = None
    account_day_count_max: Annotated[
        Count | None,
        Field(description="Most payments taken provisionally for one account in one day; without it, no such limit."),
    ] = None
    time_zone: Annotated[
        str,
        Field(
            max_length=64,
            description="Zone in which such a day begins and ends, by its IANA name.",
            examples=["Asia/Dushanbe"],
        ),
    ] = "UTC"
    outage_max_s: Annotated[
        int | None,
        Field(
            ge=0,
            le=366 * 86_400,
            description="Seconds from an outage's beginning in which payments are taken; without it, as long as it lasts.",
        ),
    ] = None
    reversals: Annotated[
        bool,
        Field(
            description=(
                "Take reversals that billing has to do, while it cannot; one of a payment that waits here is always done"
                " here."
            )
        ),
    ] = True
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
    rules: Annotated[
        list[StandinRuleSettings],
        Field(max_length=200, description="Terms for some payments; the first rule that fits counts."),
    ] = []

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            zoneinfo.ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError('write an IANA name, as "Asia/Dushanbe"') from None
        return name

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change whenever any rule does, a default included."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:VERSION_CHARS]

    @property
    def learns(self) -> bool:
        """Accounts are remembered, because it is said so or because a rule asks for them."""
        by_rule = any(rule.known_accounts_only or rule.checks == "known_accounts" for rule in self.rules)
        return self.learn_accounts or self.known_accounts_only or self.checks == "known_accounts" or by_rule

    def policy(self, channel: str, currency: str) -> StandinPolicy:
        """The rules for `channel`, in minor units of `currency` (ISO 4217 code).

        Raises:
            BadAmount, UnknownCurrency: an amount isn't one of this currency; the configuration's check finds it first.
        """
        read = scale(currency).read
        own = self.channels.get(channel, StandinChannelSettings())
        return StandinPolicy(
            enabled=self.enabled if own.enabled is None else own.enabled,
            terms=self._terms(own, StandinRuleSettings(), read, 0),
            rules=tuple(
                Rule(
                    services=frozenset(rule.services),
                    accounts=accounts_pattern(rule.accounts),
                    terms=self._terms(own, rule, read, number),
                )
                for number, rule in enumerate(self.rules, start=1)
                if not rule.channels or channel in rule.channels
            ),
            route=Ceiling(sum_max=read(self.exposure_sum_max), count_max=self.exposure_count_max),
            channel=_ceiling(read, own.exposure_sum_max, own.exposure_count_max),
            reversals=self.reversals,
            answer_margin_s=self.answer_margin_s,
            time_zone=self.time_zone,
            version=self.version,
        )

    def _terms(
        self, own: StandinChannelSettings, rule: StandinRuleSettings, read: Callable[[str], int], number: int
    ) -> Terms:
        """A rule's terms, with the channel's and the route's where it says nothing."""

        def first(*values: Any) -> Any:
            return next((value for value in values if value is not None), None)

        return Terms.made(
            rule=number,
            answer=rule.answer,
            payment_max=read(first(rule.payment_max, own.payment_max, self.payment_max)),
            known_accounts_only=first(rule.known_accounts_only, self.known_accounts_only),
            account_day=_ceiling(
                read,
                first(rule.account_day_sum_max, self.account_day_sum_max),
                first(rule.account_day_count_max, self.account_day_count_max),
            ),
            outage_max_s=first(rule.outage_max_s, self.outage_max_s),
            checks=first(rule.checks, self.checks),
        )


def _ceiling(read: Callable[[str], int], sum_max: str | None, count_max: int | None) -> Ceiling:
    return Ceiling(sum_max=None if sum_max is None else read(sum_max), count_max=count_max)
