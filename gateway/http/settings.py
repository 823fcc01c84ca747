"""The tables of the two listeners. Read by themselves where only an address is wanted (`gateway.cli.client`)."""

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

SETTINGS: Final = ConfigDict(
    extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True, validate_default=False
)

FilePath = Annotated[Path, Field(strict=False, examples=["/etc/nightsafe/file"])]


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
        Field(
            ge=1,
            le=1_000_000,
            description="Connections open at once; above it requests but probes get 503 with Retry-After.",
        ),
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
