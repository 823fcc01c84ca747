"""The configuration's shape: every table and key, its type, its bounds and what it does.

What a protocol needs is described by its adapter (`adapters.cores`, `adapters.channels`), what a part of the service
needs by that part (`gateway.forward`, `gateway.route`, `gateway.standin`); this module joins them. Everything is
frozen, refuses keys it doesn't know, and is bounded. Secrets are only ever referred to.
"""

import ipaddress
import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.channels.registry import ChannelSettings
from adapters.channels.terms import SERVICE_PATTERN
from adapters.cores import CoreSettings
from gateway.admin.access.settings import CertificateSettings, IssuerSettings, TokenSettings
from gateway.config.advice import NAME_PATTERN
from gateway.config.lines import Place
from gateway.config.tree import changed
from gateway.custody.settings import KeysSettings
from gateway.engines.settings import SpoolSettings
from gateway.evidence.settings import EvidenceSettings
from gateway.forward.order import OrderSettings
from gateway.forward.settings import ForwardSettings
from gateway.http.settings import ListenSettings
from gateway.page.settings import PageSettings
from gateway.returns.settings import ReturnSettings
from gateway.route.settings import BreakerSettings
from gateway.standin.settings import Decimal, StandinSettings, Wildcard
from gateway.telling.settings import TellingSettings
from gateway.tracing.settings import TracingSettings

SETTINGS: Final = ConfigDict(
    extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True, validate_default=False
)

HASH_CHARS_SHOWN: Final = 12
"""Enough of a token's hash to tell which one it is, too little to search for the token."""

Name = Annotated[str, Field(pattern=NAME_PATTERN, examples=["main"])]


class NodeSettings(BaseModel):
    """This process: `[node]`."""

    model_config = SETTINGS

    name: Annotated[Name, Field(description="What this node is called in logs, metrics and claims.")] = "nightsafe"
    stop_grace_s: Annotated[
        float,
        Field(
            ge=0,
            le=600,
            description=(
                "Seconds that attempts under way get to end after SIGTERM; past it they are in doubt and are asked about"
                " at the next start. Keep it below the supervisor's own limit (10 s in Docker)."
            ),
        ),
    ] = 8.0


class LogSettings(BaseModel):
    """The log: `[log]`. It never holds personal data or secrets, at any level."""

    model_config = SETTINGS

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="The least important thing that is logged.")
    ] = "info"
    format: Annotated[
        Literal["json", "text"], Field(description="One JSON object a line for machines, or text for eyes.")
    ] = "json"


class SecondPersonSettings(BaseModel):
    """What one person may not do alone: `[admin.second_person]`. The other confirms, and has the role `approver`."""

    model_config = SETTINGS

    close_alone_max: Annotated[
        Decimal,
        Field(
            description=(
                "Largest payment that one person may end by hand (`close`), in its own currency; above it a second person"
                " confirms. 0: always a second one."
            )
        ),
    ] = "0"
    act_alone_entries_max: Annotated[
        int,
        Field(
            ge=0,
            le=2**31,
            description="Most entries that one person may move in one job (hold, release, inquire, retry); above it a second confirms.",
        ),
    ] = 1_000
    act_alone_max: Annotated[
        Decimal,
        Field(
            description=(
                "Largest sum of such a job, and of a payment that one person may release or retry by itself, in its own"
                " currency; above it a second person confirms."
            )
        ),
    ] = "1000000"
    proposal_expires_s: Annotated[
        int,
        Field(ge=60, le=31 * 86_400, description="Seconds in which a proposal has to be confirmed; past it, never."),
    ] = 86_400


class AdminSettings(BaseModel):
    """Who may use the admin side: `[admin]`. Nobody, while there is neither token nor certificate nor issuer."""

    model_config = SETTINGS

    tokens: Annotated[dict[Name, TokenSettings], Field(description="Bearer tokens by the name they appear under.")] = {}
    certificates: Annotated[
        dict[Name, CertificateSettings], Field(description="Client certificates by the name they appear under.")
    ] = {}
    issuers: Annotated[
        dict[Name, IssuerSettings],
        Field(description="Who signs tokens for persons, by OpenID Connect, by the name that stands before theirs."),
    ] = {}
    second_person: Annotated[SecondPersonSettings, Field(description="What takes a second person's confirmation.")] = (
        SecondPersonSettings()
    )
    page: Annotated[
        PageSettings, Field(description="The page: how long one stays signed in, and how times are shown.")
    ] = PageSettings()


class RouteSettings(BaseModel):
    """One path to one core: `[routes.<name>]`."""

    model_config = SETTINGS

    core: Annotated[Name, Field(description="Name of the core that books its payments.", examples=["billing"])]
    currency: Annotated[
        str,
        Field(
            pattern=r"^[A-Z]{3}$",
            description="ISO 4217 code of its payments: of those that its channels send in it. It takes no others.",
            examples=["RUB"],
        ),
    ]
    channels: Annotated[
        list[Name],
        Field(min_length=1, max_length=1000, description="Channels whose payments take it.", examples=[["kiosk"]]),
    ]
    services: Annotated[
        list[Annotated[str, Field(pattern=f"^{SERVICE_PATTERN}$")]],
        Field(
            max_length=1000,
            description="Only these services of those channels; empty: all that no other route of the channel names.",
            examples=[["internet"]],
        ),
    ] = []
    accounts: Annotated[
        list[Wildcard],
        Field(
            max_length=1000,
            description=(
                "Only accounts like one of these: * is any characters, ? is one; empty: all. A route for some accounts is"
                " stronger than one for all."
            ),
        ),
    ] = []
    breaker: Annotated[BreakerSettings, Field(description="When the core counts as down, and as back.")] = (
        BreakerSettings()
    )
    forward: Annotated[ForwardSettings, Field(description="How waiting payments are sent.")] = ForwardSettings()
    standin: Annotated[StandinSettings, Field(description="What is answered while the core cannot.")] = (
        StandinSettings()
    )
    order: Annotated[OrderSettings, Field(description="Which waiting payments go before others.")] = OrderSettings()


class Config(BaseModel):
    """Everything, checked: make one with `gateway.config.load.load`."""

    model_config = SETTINGS

    node: Annotated[NodeSettings, Field(description="This process.")] = NodeSettings()
    log: Annotated[LogSettings, Field(description="The log.")] = LogSettings()
    spool: Annotated[SpoolSettings, Field(description="Where accepted payments are kept.")] = SpoolSettings()
    keys: Annotated[KeysSettings, Field(description="Who keeps the master key, and how long data keys live.")] = (
        KeysSettings()
    )
    listen: Annotated[ListenSettings, Field(description="The two listeners.")] = ListenSettings()
    admin: Annotated[AdminSettings, Field(description="Who may use the admin side.")] = AdminSettings()
    returns: Annotated[ReturnSettings, Field(description="How soon money owed back has to be on its way.")] = (
        ReturnSettings()
    )
    evidence: Annotated[
        EvidenceSettings, Field(description="Signed heads of the log of all that happens, and who keeps them.")
    ] = EvidenceSettings()
    telling: Annotated[TellingSettings, Field(description="Who is told of outages, limits, windows and duties.")] = (
        TellingSettings()
    )
    tracing: Annotated[TracingSettings | None, Field(description="Where traces go; without it, nowhere.")] = None
    channels: Annotated[dict[Name, ChannelSettings], Field(description="Who sends payments, by name.")] = {}
    cores: Annotated[dict[Name, CoreSettings], Field(description="The billing systems that book them, by name.")] = {}
    routes: Annotated[dict[Name, RouteSettings], Field(description="Which channel's payments go to which core.")] = {}

    def shown(self) -> dict[str, Any]:
        """The whole configuration as plain data for printing: secrets as references only, hashes of tokens cut short."""
        shown: dict[str, Any] = changed(self.model_dump(mode="json", exclude_none=True), _shown)
        return shown

    def text(self) -> str:
        """The same as it is printed; its SHA-256 is in the evidence."""
        return json.dumps(self.shown(), indent=2, ensure_ascii=False) + "\n"


def is_loopback(host: str) -> bool:
    """Can nobody but this machine reach a listener on `host`?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(place: Place, value: Any) -> Any:
    return f"{value[:HASH_CHARS_SHOWN]}..." if is_hash(place) else value


def is_hash(place: Place) -> bool:
    """Is this a key, or an item of a key, that holds the hash of a token?"""
    return any("sha256" in str(part) for part in place[-2:])
