"""Browsers on their way to an issuer's page and back, each bound by a cookie of its own. Nothing of them is kept here.

Everything that an errand needs is drawn from the cookie by a secret of this process: an answer that another browser brings,
that another errand began, or that comes too late, fits no cookie. So a stranger who begins a thousand takes no room here,
and nobody is signed in as somebody else by a link.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from gateway.admin.access.errand import Errand

LASTS_S: Final = 600
"""Time to sign in at the issuer: a password, a second factor."""

US: Final = 1_000_000

FAULTS: Final = frozenset(
    {
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "invalid_request",
        "invalid_scope",
        "login_required",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
    }
)
"""What an issuer may say instead of a code (RFC 6749, 4.1.2.1; OpenID Connect Core 1.0, 3.1.2.6). Other words aren't repeated."""


class _Held(msgspec.Struct, frozen=True, array_like=True):
    """What a browser's cookie holds."""

    id_: str
    to: str
    #: Microseconds since 1970 in UTC.
    ends_us: int


class Errands:
    """Those of one process."""

    def __init__(self) -> None:
        """Draw the secret."""
        self._secret = secrets.token_bytes(32)

    def begin(self, issuer: str, to: str, now_us: int) -> tuple[str, Errand]:
        """A new one, and the cookie that the browser has to bring back."""
        held = _Held(id_=secrets.token_urlsafe(32), to=to, ends_us=now_us + LASTS_S * US)
        cookie = urlsafe_b64encode(msgspec.json.encode(held)).decode().rstrip("=")
        return cookie, self._of(issuer, cookie, to)

    def end(self, issuer: str, cookie: str, told: Mapping[str, Sequence[str]], now_us: int) -> Errand | None:
        """The one that a browser with this cookie was sent on, as it came back; None where it was sent on none."""
        state, code, names_itself = (_only(told, name) for name in ("state", "code", "iss"))
        of_cookie = self._of(issuer, cookie, "")
        if not hmac.compare_digest(of_cookie.state.encode(), state.encode("utf-8", "surrogatepass")):
            return None
        # We wrote it ourselves.
        held = msgspec.json.decode(urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4)), type=_Held)
        if now_us >= held.ends_us:
            return None
        return msgspec.structs.replace(of_cookie, to=held.to, code=code, issuer=names_itself)

    def _of(self, issuer: str, cookie: str, to: str) -> Errand:
        state, nonce, verifier = (self._drawn(name, issuer, cookie) for name in ("state", "nonce", "verifier"))
        return Errand(state=state, nonce=nonce, verifier=verifier, to=to)

    def _drawn(self, *names: str) -> str:
        drawn = hmac.digest(self._secret, "\0".join(names).encode("utf-8", "surrogatepass"), sha256)
        return urlsafe_b64encode(drawn).decode().rstrip("=")


def fault_in(told: Mapping[str, Sequence[str]]) -> str:
    """What an issuer said instead of a code, in one of the known words; empty where it said a code."""
    if "error" not in told and _only(told, "code"):
        return ""
    said = _only(told, "error")
    return said if said in FAULTS else "unknown"


def _only(told: Mapping[str, Sequence[str]], name: str) -> str:
    """A parameter that is there once; else empty."""
    found = told.get(name, ())
    return found[0] if len(found) == 1 else ""
