"""What an operator may set about who comes in to the admin side: tokens, client certificates, who signs tokens."""

import ipaddress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from adapters.secret import SecretRef
from gateway.config.advice import NAME_PATTERN, SHA256_PATTERN

SETTINGS = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)

PersonRole = Literal["viewer", "operator", "approver", "auditor", "custodian"]

Role = Literal["viewer", "operator", "approver", "auditor", "custodian", "core", "peer"]

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]
"""Signatures by a key that only the issuer has: neither `none` nor a secret that both would share."""

CoreName = Annotated[str, Field(pattern=NAME_PATTERN, examples=["main"])]

ClaimText = Annotated[str, Field(min_length=1, max_length=256)]


class TokenSettings(BaseModel):
    """A person or program that may use the admin side: `[admin.tokens.<name>]`."""

    model_config = SETTINGS

    role: Annotated[Role, Field(description="What it may do.", examples=["operator"])]
    cores: Annotated[
        list[CoreName],
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


class SignInSettings(BaseModel):
    """Signing in to the page at the issuer's own, without a token to paste: `[admin.issuers.<name>.sign_in]`.

    To the issuer the page is a client of its own, with the authorization code flow and PKCE, and with this redirect URI:
    `page`, then `/page/signed-in/<name>`. The groups and the name have to be in its ID tokens.
    """

    model_config = SETTINGS

    client_id: Annotated[
        ClaimText, Field(description="Under which the issuer knows the page.", examples=["nightsafe-page"])
    ]
    client_secret: Annotated[
        SecretRef | None,
        Field(
            description="What the issuer knows the client by; without it the client is a public one, and PKCE is all."
        ),
    ] = None
    page: Annotated[
        str,
        Field(
            max_length=1000,
            description="Address at which browsers have the page, without a path; https, and http on this machine alone.",
            examples=["https://night.example:8081"],
        ),
    ]
    scopes: Annotated[
        list[Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,100}$")]],
        Field(
            max_length=20,
            description="What is asked for besides `openid`, as the issuer wants it for groups and names.",
        ),
    ] = []
    session_s: Annotated[
        int,
        Field(
            ge=60,
            le=31 * 86_400,
            description=(
                "Seconds after which one has to sign in again, and the issuer may say no; within it, whom it put out stays in."
                " `admin.page.session_s` bounds it too."
            ),
        ),
    ] = 3_600

    @field_validator("page")
    @classmethod
    def _is_an_origin(cls, url: str) -> str:
        if not is_safe_address(url) or urlsplit(url).path:
            raise ValueError("write an https address without a path, or http://127.0.0.1:8081 for one on this machine")
        return url


class IssuerSettings(BaseModel):
    """Who signs tokens for persons, by OpenID Connect: `[admin.issuers.<name>]`.

    A person it vouches for is `<name>:` and what its `name_claim` says, in histories and the log. Its keys are found by its
    own description (`/.well-known/openid-configuration`).
    """

    model_config = SETTINGS

    issuer: Annotated[
        str,
        Field(
            max_length=1000,
            description="Its address, exactly as it stands in its tokens (iss); https, and http on this machine alone.",
            examples=["https://login.example/realms/staff"],
        ),
    ]
    audience: Annotated[
        ClaimText,
        Field(
            description="What its tokens for this service are made out to (aud): no other token of its counts.",
            examples=["nightsafe"],
        ),
    ]
    roles: Annotated[
        dict[ClaimText, PersonRole],
        Field(
            min_length=1,
            max_length=100,
            description=(
                "What who is in which of its groups may do; of several the one that stands first here counts. Who is in none"
                " may nothing."
            ),
            examples=[{"payments-shift": "operator", "payments-leads": "approver"}],
        ),
    ]
    roles_claim: Annotated[
        list[ClaimText],
        Field(
            min_length=1,
            max_length=5,
            description='The claim with those groups; of one inside others all names on the way: ["realm_access", "roles"].',
        ),
    ] = ["groups"]
    name_claim: Annotated[
        ClaimText,
        Field(
            description=(
                "The claim with a person's name; one that it never gives to another, and that nobody can change himself: who"
                " proposed and who confirms are told apart by it."
            )
        ),
    ] = "sub"
    algorithms: Annotated[
        list[Algorithm], Field(min_length=1, max_length=10, description="Signatures that are taken.")
    ] = ["RS256", "PS256", "ES256", "Ed25519"]
    leeway_s: Annotated[
        int, Field(ge=0, le=300, description="Seconds by which its clock and this machine's may differ.")
    ] = 30
    keys_refresh_s: Annotated[
        float, Field(ge=60, le=86_400, description="Seconds after which its keys are fetched again, in the background.")
    ] = 3600.0
    keys_refresh_min_s: Annotated[
        float,
        Field(
            ge=1,
            le=3600,
            description=(
                "Seconds between two fetches at least: a token of an unknown key has its keys fetched once in this time,"
                " whoever brings it."
            ),
        ),
    ] = 60.0
    timeout_s: Annotated[float, Field(ge=0.1, le=30, description="Seconds one request to it may take.")] = 5.0
    tls_ca_file: Annotated[
        Path | None, Field(strict=False, description="Certificates (PEM) to trust instead of the system's.")
    ] = None
    sign_in: Annotated[
        SignInSettings | None, Field(description="Signing in to the page there; without it, with a token of its alone.")
    ] = None

    @field_validator("issuer")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not is_safe_address(url):
            raise ValueError("write an https address without query, or http://127.0.0.1 for one on this machine")
        return url

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.keys_refresh_min_s > self.keys_refresh_s:
            raise ValueError("keys_refresh_min_s must not exceed keys_refresh_s")
        # What tells an ID token from one for asking with is whom it is made out to: other marks issuers make, or don't.
        if self.sign_in is not None and self.sign_in.client_id == self.audience:
            raise ValueError("sign_in.client_id must differ from audience, else its ID tokens open the API as well")
        return self


def is_safe_address(url: str) -> bool:
    """Can nobody between here and there change what is answered? https, or this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_plain = bool(host) and not parts.query and not parts.fragment and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False
    return is_plain and (parts.scheme == "https" or (parts.scheme == "http" and _is_here(host)))


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
