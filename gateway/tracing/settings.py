"""What an operator may set about traces."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from adapters.secret import SecretRef


class TracingSettings(BaseModel):
    """Where traces go, by OpenTelemetry's protocol over HTTP: `[tracing]`.

    Needs the extra `nightsafe[otel]`. Without this table nothing is traced and nothing is spent on it. A span names channel,
    route, our number of the payment and what came of it: no account, no amount, nothing sealed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    url: Annotated[
        str,
        Field(
            pattern=r"^https?://[^\s]+$",
            max_length=2000,
            description="Where spans are sent, by POST, as protobuf; a collector's own path is /v1/traces.",
            examples=["http://127.0.0.1:4318/v1/traces"],
        ),
    ]
    token: Annotated[SecretRef | None, Field(description="A bearer token to send along.")] = None
    tls_ca_file: Annotated[
        Path | None, Field(strict=False, description="Certificates (PEM) to trust instead of the system's.")
    ] = None
    share: Annotated[
        float,
        Field(ge=0, le=1, description="Share of requests and payments that are traced, drawn by their trace's id."),
    ] = 0.01
    follow_channels: Annotated[
        bool,
        Field(
            description=(
                "Trace what a channel traces and nothing else of those that send traceparent, whatever the share says; if"
                " false, their word counts for the id alone."
            )
        ),
    ] = False
    spans_waiting_max: Annotated[
        int,
        Field(ge=64, le=1_000_000, description="Spans in memory that wait to be sent; above it new ones are dropped."),
    ] = 4096
    timeout_s: Annotated[float, Field(ge=0.1, le=60, description="Seconds one request may take.")] = 5.0
