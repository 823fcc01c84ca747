"""What is agreed with one bank or wallet that uses the JSON API."""

from typing import Annotated, Literal

from pydantic import Field

from adapters.channels.terms import Terms
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
