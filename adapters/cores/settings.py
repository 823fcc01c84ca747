"""What an operator may set about any core: how to reach it over HTTP, and what its contract promises."""

import ipaddress
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, IPvAnyAddress, model_validator

from adapters.core import Capabilities, Level
from adapters.cores.place import place_of
from adapters.secret import SecretRef


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write http:// or https:// and a host")
    if parts.username or parts.password:
        raise ValueError("no user or password in the address: use basic_user and basic_password")
    if parts.query or parts.fragment:
        raise ValueError("no query and no fragment in the address: use parameters or the paths")
    if not (parts.path.isascii() and parts.path.isprintable()) or " " in parts.path:
        raise ValueError("write the path percent-encoded, in ASCII, without spaces")
    place_of(text)
    return text


class HttpSettings(BaseModel):
    """How a core is reached over HTTP. Redirects are never followed, cookies never kept, proxies never used."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    url: Annotated[
        str,
        AfterValidator(_base_url),
        Field(
            description="Address of the core, with its path where it has one.",
            examples=["https://billing.example/osmp"],
        ),
    ]
    addresses: Annotated[
        tuple[IPvAnyAddress, ...],
        Field(max_length=16, description="IP addresses to use instead of asking DNS; TLS still checks the name."),
    ] = ()
    dns_cache_s: Annotated[float, Field(ge=0, le=86_400, description="Seconds for which an answer of DNS is kept.")] = (
        30.0
    )
    connections_max: Annotated[
        int, Field(ge=1, le=4096, description="Connections open at once; at least the route's in_flight_max.")
    ] = 64
    connect_timeout_s: Annotated[
        float,
        Field(
            gt=0,
            le=60,
            description=(
                "Seconds for a connection, its name and its TLS handshake (and for a free one, when all are busy);"
                " never more than nine tenths of the attempt's whole time."
            ),
        ),
    ] = 3.0
    connection_idle_s: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description=(
                "Seconds an idle connection is kept; stay below the core's own limit, as a payment sent on a"
                " connection that the core is just closing is in doubt."
            ),
        ),
    ] = 4.0
    answer_bytes_max: Annotated[
        int, Field(ge=1024, le=16 * 2**20, description="Longest answer that is read, in bytes.")
    ] = 65_536
    basic_user: Annotated[str, Field(max_length=200, description="User of HTTP Basic; empty = none.")] = ""
    basic_password: Annotated[SecretRef | None, Field(description="Where the password of HTTP Basic is.")] = None
    tls_ca_file: Annotated[
        Path | None,
        Field(description="Certificates (PEM) to trust instead of the system's, for a core of your own CA."),
    ] = None
    tls_certificate_file: Annotated[
        Path | None, Field(description="Our own certificate (PEM, with its chain), where the core asks for one.")
    ] = None
    tls_key_file: Annotated[Path | None, Field(description="The key of our own certificate (PEM, no password).")] = None
    unavailable_is_not_sent: Annotated[
        bool,
        Field(
            description=(
                "The core's contract says that a 503 with Retry-After booked nothing. If false it is in doubt, as any"
                " other 5xx is."
            )
        ),
    ] = False

    @property
    def is_tls(self) -> bool:
        """The core is reached by TLS."""
        return urlsplit(self.url).scheme == "https"

    @model_validator(mode="after")
    def _no_half_credentials(self) -> Self:
        if bool(self.basic_user) != (self.basic_password is not None):
            raise ValueError("basic_user and basic_password go together")
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file go together")
        if not self.is_tls and (self.tls_ca_file or self.tls_certificate_file):
            raise ValueError("tls_ca_file and tls_certificate_file need an https address")
        host = urlsplit(self.url).hostname or ""
        if self.addresses and _is_address(host):
            raise ValueError("addresses are for a core that is named; this one's address is in url")
        return self


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class EndpointSettings(BaseModel):
    """Another address of the same core: `[[cores.<name>.endpoints]]`. All else is as for the first."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    url: Annotated[
        str,
        AfterValidator(_base_url),
        Field(description="Its address; plain or by TLS as the first.", examples=["https://billing-2.example/osmp"]),
    ]
    addresses: Annotated[
        tuple[IPvAnyAddress, ...],
        Field(max_length=16, description="IP addresses to use instead of asking DNS; TLS still checks the name."),
    ] = ()


class ContractSettings(HttpSettings):
    """What the core's contract promises. When in doubt choose the weaker: it costs inquiries, never money."""

    endpoints: Annotated[
        tuple[EndpointSettings, ...],
        Field(
            max_length=8,
            description=(
                "Further addresses of this core, tried in this order while those before them can't be reached or don't"
                " answer; connections_max is for each."
            ),
        ),
    ] = ()
    shared_ledger: Annotated[
        bool,
        Field(
            description=(
                "All endpoints book into one ledger and know each other's keys, so that what is in doubt at one may be sent"
                " or asked at another. If false all are asked before anything in doubt is sent again, and bookings can't"
                " be undone."
            )
        ),
    ] = False
    level: Annotated[
        Level,
        Field(
            description=(
                "How the core protects from booking twice. A: it refuses or replays a repeat of the same key."
                " B: it can be asked by our reference. C: neither; payments in doubt wait for a person."
            )
        ),
    ]
    not_found_is_final: Annotated[
        bool,
        Field(description="When the core says, after settle_delay_s, that it holds nothing, it will never book it."),
    ] = False
    settle_delay_s: Annotated[
        float,
        Field(
            ge=0,
            le=86_400,
            description="Seconds to wait after an unclear attempt before asking; longer than the core's longest request.",
        ),
    ] = 60.0
    key_lifetime_s: Annotated[
        float,
        Field(
            ge=0, description="Seconds for which the core remembers a key; 0 = for ever. Afterwards level B applies."
        ),
    ] = 0.0
    time_zone: Annotated[
        str, Field(description="Zone (IANA name) of the times written to the core and of channel times without one.")
    ] = "UTC"

    def contradictions(self, *, lookup: bool) -> None:
        """Refuse a contract that contradicts itself.

        Raises:
            ValueError: it says what to write instead.
        """
        if any(urlsplit(each.url).scheme != urlsplit(self.url).scheme for each in self.endpoints):
            raise ValueError("all endpoints are http or all are https")
        if len({self.url, *(each.url for each in self.endpoints)}) <= len(self.endpoints):
            raise ValueError("two endpoints have one address")
        if self.shared_ledger and not self.endpoints:
            raise ValueError("shared_ledger is for a core with further endpoints")
        if self.endpoints and not self.shared_ledger and self.level is not Level.C and not lookup:
            raise ValueError(
                "endpoints without a shared ledger have to be asked what they booked, and no lookup is set: set one, say"
                " shared_ledger = true if it is one, or say level C"
            )
        if self.level is Level.B and not lookup:
            raise ValueError("level B means that the core can be asked, and no lookup is set: set one or say level C")
        if self.level is Level.B and self.settle_delay_s == 0:
            raise ValueError("level B needs a settle_delay_s longer than the core's longest request")
        if self.not_found_is_final and not lookup:
            raise ValueError("not_found_is_final says how far to trust a lookup, and none is set")
        if self.key_lifetime_s and self.level is not Level.A:
            raise ValueError("key_lifetime_s is for level A: other levels don't rely on the key")
        if self.key_lifetime_s and not lookup:
            raise ValueError("past key_lifetime_s the core must be asked, and no lookup is set: set one or say level C")

    def declared(self, *, lookup: bool, reversal: bool, check: bool, effective_date: bool) -> Capabilities:
        """The capabilities decisions read. Every probe we offer is free of side effects."""
        return Capabilities(
            level=self.level,
            lookup=lookup,
            not_found_is_final=self.not_found_is_final,
            reversal=reversal,
            settle_delay_s=self.settle_delay_s,
            key_lifetime_s=self.key_lifetime_s,
            safe_probe=True,
            effective_date=effective_date,
            check=check,
        )
