"""A browser's errand: sent to an issuer's page to sign in, and back with a code. Pure.

The authorization code flow of OpenID Connect Core 1.0 (3.1), with PKCE (RFC 7636), and as RFC 9700 wants it.
"""

from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from typing import Final
from urllib.parse import quote_plus, urlencode

import msgspec

from gateway.admin.access.settings import SignInSettings

BACK: Final = "/page/signed-in/"
"""Where a browser comes back to: with the issuer's name after it, so that one issuer's answer is never taken for another's."""


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """One browser's, each drawn anew. Secrets: never shown by its repr."""

    #: Comes back as it was sent: the answer is this browser's.
    state: str
    #: Stands in the ID token: it was made for this errand.
    nonce: str
    #: Never leaves us before the code is redeemed: whoever else has the code can't.
    verifier: str
    #: The page one wanted to see.
    to: str = ""
    #: What it came back with; the issuer names itself where it knows how to (RFC 9207).
    code: str = ""
    issuer: str = ""

    def __repr__(self) -> str:
        return "Errand()"


def asking(endpoint: str, settings: SignInSettings, issuer: str, errand: Errand) -> str:
    """The address at the issuer that a browser is sent to."""
    digest = sha256(errand.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": back(settings, issuer),
        "scope": " ".join(["openid", *(each for each in settings.scopes if each != "openid")]),
        "state": errand.state,
        "nonce": errand.nonce,
        "code_challenge": urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def leaving(endpoint: str, settings: SignInSettings) -> str:
    """The address at the issuer where a browser signs out (OpenID Connect RP-Initiated Logout 1.0, 2).

    Without a hint of whom: no ID token is kept here. So the issuer asks the person first.
    """
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode({'client_id': settings.client_id})}"


def redeeming(settings: SignInSettings, issuer: str, errand: Errand) -> tuple[dict[str, str], str]:
    """The form that redeems a code, and the Authorization header to send with it (RFC 6749, 2.3.1); empty without a secret.

    Raises:
        SecretMissing: the client's secret isn't where the configuration says.
    """
    form = {
        "grant_type": "authorization_code",
        "code": errand.code,
        "redirect_uri": back(settings, issuer),
        "code_verifier": errand.verifier,
    }
    if settings.client_secret is None:
        return {**form, "client_id": settings.client_id}, ""
    secret = settings.client_secret.read().get_secret_value()
    both = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
    return form, f"Basic {b64encode(both.encode()).decode()}"


def back(settings: SignInSettings, issuer: str) -> str:
    """The redirect URI, as the issuer has to know it."""
    return settings.page.rstrip("/") + BACK + issuer
