"""The configuration's shape: every table and key, its type, its bounds and what it does.

What a protocol needs is described by its adapter (`adapters.cores`, `adapters.channels`), what a part of the service
needs by that part (`gateway.forward`, `gateway.route`, `gateway.standin`); this module joins them. Everything is
frozen, refuses keys it doesn't know, and is bounded. Secrets are only ever referred to.
"""

import ipaddress
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from adapters.channels.registry import ChannelSettings
from adapters.channels.terms import SERVICE_PATTERN
from adapters.cores import CoreSettings
from gateway.admin.access.settings import IssuerSettings
from gateway.config.advice import NAME_PATTERN, SHA256_PATTERN
from gateway.config.lines import Place
from gateway.config.tree import changed
from gateway.custody.settings import KeysSettings
from gateway.engines.settings import SpoolSettings
from gateway.evidence.settings import EvidenceSettings
from gateway.forward.order import OrderSettings
from gateway.forward.settings import ForwardSettings
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
FilePath = Annotated[Path, Field(strict=False, examples=["/etc/nightsafe/file"])]
Role = Literal["viewer", "operator", "approver", "auditor", "custodian", "core", "peer"]


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


class TlsSettings(BaseModel):
    """A certificate of a listener."""

    model_config = SETTINGS

    cert_file: Annotated[
        FilePath, Field(description="Certificate and its chain, PEM.", examples=["/etc/nightsafe/tls/cert.pem"])
    ]
    key_file: Annotated[FilePath, Field(description="Its private key, PEM.", examples=["/etc/nightsafe/tls/key.pem"])]


class ListenerSettings(BaseModel):
    """A listener. Every limit is per process."""

    model_config = SETTINGS

    host: Annotated[
        str,
        Field(
            min_length=1,
            max_length=255,
            description="Address to listen on; 0.0.0.0 or :: for every one of the machine.",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535, description="Port to listen on; 0 takes any free one.")]
    tls: Annotated[
        TlsSettings | None, Field(description="Serve TLS with this certificate; without it, plain HTTP.")
    ] = None
    connections_max: Annotated[
        int,
        Field(ge=1, le=1_000_000, description="Connections open at once; above it requests get 503 with Retry-After."),
    ]
    body_bytes_max: Annotated[
        int, Field(ge=1024, le=16_777_216, description="Largest request body; a larger one is refused unread.")
    ] = 65_536
    body_timeout_s: Annotated[
        float, Field(ge=0.1, le=300, description="Seconds a client may take to send a request's body.")
    ] = 10.0
    keepalive_s: Annotated[
        float,
        Field(
            ge=1,
            le=3600,
            description="Seconds an idle connection stays open.",
        ),
    ] = 75.0


class ChannelListenerSettings(ListenerSettings):
    """Where payments come in: `[listen.channels]`."""

    port: Annotated[int, Field(ge=0, le=65_535, description="Port to listen on; 0 takes any free one.")] = 8080
    connections_max: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description=(
                "Connections open at once; the one idle for longest makes room for the next, and where none is idle the"
                " next gets 503 with Retry-After."
            ),
        ),
    ] = 1024
    connections_per_address_max: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description=(
                "Connections open at once from one address, above which it gets 503; 0 for no limit of its own, as"
                " behind a proxy all come from one."
            ),
        ),
    ] = 512
    head_timeout_s: Annotated[
        float, Field(ge=0.1, le=300, description="Seconds a client may take to send a request's line and headers.")
    ] = 5.0


class AdminListenerSettings(ListenerSettings):
    """Where operators and monitoring come in: `[listen.admin]`."""

    port: Annotated[int, Field(ge=0, le=65_535, description="Port to listen on; 0 takes any free one.")] = 8081
    connections_max: Annotated[
        int,
        Field(ge=1, le=1_000_000, description="Connections open at once; above it requests get 503 with Retry-After."),
    ] = 64
    client_ca_file: Annotated[
        FilePath | None,
        Field(
            description="Authorities that vouch for client certificates, PEM; needs tls. Tokens are taken too.",
            examples=["/etc/nightsafe/tls/clients.pem"],
        ),
    ] = None
    allow_plain: Annotated[
        bool,
        Field(description="Serve plain HTTP beyond loopback; only where something in front of it does the TLS."),
    ] = False


class ListenSettings(BaseModel):
    """The two listeners, never on one port."""

    model_config = SETTINGS

    channels: Annotated[ChannelListenerSettings, Field(description="Where payments come in.")] = (
        ChannelListenerSettings()
    )
    admin: Annotated[AdminListenerSettings, Field(description="Where operators and monitoring come in.")] = (
        AdminListenerSettings()
    )


class TokenSettings(BaseModel):
    """A person or program that may use the admin side: `[admin.tokens.<name>]`."""

    model_config = SETTINGS

    role: Annotated[Role, Field(description="What it may do.", examples=["operator"])]
    cores: Annotated[
        list[Name],
        Field(
            max_length=100,
            description="Cores whose own team this is: with the role core it may say drain and maintenance for them.",
            examples=[["billing"]],
        ),
    ] = []
    sha256: Annotated[
        str,
        Field(
            pattern=SHA256_PATTERN,
            description="SHA-256 of the token, in lower-case hexadecimal; the token itself is never written here.",
            examples=["0000000000000000000000000000000000000000000000000000000000000000"],
        ),
    ]
    expires: Annotated[
        AwareDatetime | None,
        Field(
            description="When it ends, with a time zone; without it, never.",
            examples=[datetime(2027, 1, 1, tzinfo=UTC)],
        ),
    ] = None


class CertificateSettings(BaseModel):
    """A person or program that comes with a client certificate: `[admin.certificates.<name>]`.

    The certificate is one that an authority in `client_ca_file` of the listener vouches for.
    """

    model_config = SETTINGS

    role: Annotated[Role, Field(description="What it may do; not core.", examples=["operator"])]
    common_name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            description="Common name of the certificate's subject, exactly.",
            examples=["amina.k"],
        ),
    ]
    expires: Annotated[
        AwareDatetime | None,
        Field(
            description="When it ends here, with a time zone; without it, with the certificate.",
            examples=[datetime(2027, 1, 1, tzinfo=UTC)],
        ),
    ] = None


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
            description="Most entries that one person may hold, release or retry in one job; above it a second confirms.",
        ),
    ] = 1_000
    act_alone_max: Annotated[
        Decimal,
        Field(description="Largest sum of such a job, in its own currency; above it a second person confirms."),
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
