"""Tokens that an issuer signed (JWS, RFC 7515; JWT, RFC 7519): what they say, whether it is proven, whose they are. Pure.

What a token says of itself counts for nothing but to find whose key it has to be proven by: the issuer is one that the
configuration names, the key one that this issuer published, the algorithm one that the configuration allows for it.
"""

import binascii
import hmac
import re
import warnings
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from gateway.admin.access.settings import IssuerSettings, PersonRole
from gateway.admin.access.tokens import Denial, Person, Refusal

Key = RSAKey | ECKey | OKPKey

KEYS_MAX: Final = 64
"""Keys of one issuer that are looked at."""

RSA_BITS_MIN: Final = 2_048
"""RFC 7518, 3.3."""

NAME_CHARS_MAX: Final = 120

_PARTS: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+", re.ASCII).fullmatch
_PLAIN: Final = frozenset({"", "jwt"})
_KINDS: Final = _PLAIN | {"at+jwt", "application/at+jwt"}
"""What `typ` may say (RFC 9068, 2.1): an issuer signs other things too, as word that somebody signed out."""

_FAMILIES: Final[Mapping[str, str]] = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


_UNLIKELY: Final = Refusal(why=Denial.UNPROVEN, detail="its iss or exp can't be right", is_guess=True)
_UNFIT: Final[Mapping[str, Refusal]] = {
    "aud": Refusal(why=Denial.AUDIENCE, detail="it is made out to another service", is_guess=True),
    "nbf": Refusal(why=Denial.EARLY, detail="its time has not begun: compare the clocks", is_guess=True),
    "iat": Refusal(why=Denial.EARLY, detail="it was made in the future: compare the clocks", is_guess=True),
}
"""What a claim that isn't as it should be means."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says of itself, unproven."""

    issuer: str
    algorithm: str
    #: Of the key; None where it doesn't say.
    kid: str | None
    kind: str


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None
    typ: str = ""


class _Payload(msgspec.Struct, frozen=True):
    iss: str


class _Published(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Registry(JWSRegistry):
    """Headers that nobody here knows are ignored unless they say they are critical (RFC 7515, 4)."""

    max_header_length = 4_096
    max_payload_length = 8_192


def said(token: str) -> Said | None:
    """What a token says of itself; None where it isn't one of three parts that can be read."""
    parts = _PARTS(token)
    if parts is None:
        return None
    try:
        header = msgspec.json.decode(_bytes(parts[1]), type=_Header)
        payload = msgspec.json.decode(_bytes(parts[2]), type=_Payload)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    return Said(issuer=payload.iss, algorithm=header.alg, kid=header.kid, kind=header.typ.lower())


def read_keys(document: bytes) -> list[Key]:
    """The keys for signatures in a JWK set (RFC 7517, 5); what isn't one that we can use is left out.

    Raises:
        ValueError: it is no such set.
    """
    try:
        published = msgspec.json.decode(document, type=_Published).keys
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("no key set") from error
    return [key for each in published[:KEYS_MAX] if (key := _read_key(each)) is not None]


def _read_key(published: dict[str, Any]) -> Key | None:
    if published.get("use", "sig") != "sig":
        return None
    try:
        with warnings.catch_warnings():
            # What it would warn of is refused below.
            warnings.simplefilter("ignore", SecurityWarning)
            key = JWKRegistry.import_key(published)
    except (JoseError, ValueError, TypeError, KeyError, binascii.Error):
        # KeyError: a curve that the library doesn't know.
        return None
    if not isinstance(key, Key) or key.is_private:
        return None
    return None if isinstance(key, RSAKey) and key.raw_value.key_size < RSA_BITS_MIN else key


def fitting(keys: Sequence[Key], told: Said) -> Key | None:
    """The one key by which a token may be proven: of its id, kind and, where the key says one, algorithm."""
    family = _FAMILIES.get(told.algorithm[:2], "")
    found = [
        key
        for key in keys
        if key.key_type == family and key.alg in {None, told.algorithm} and told.kid in {None, key.kid}
    ]
    return found[0] if len(found) == 1 or (found and told.kid is not None) else None


def unfit(settings: IssuerSettings, told: Said, *, is_of_a_sign_in: bool = False) -> Refusal | None:
    """Why no key needs to be looked for; None where one does. Who signs in brings an ID token, never one for asking with."""
    if told.algorithm not in settings.algorithms:
        return Refusal(why=Denial.UNPROVEN, detail="its signature is of a kind that is not taken here", is_guess=True)
    if told.kind not in (_PLAIN if is_of_a_sign_in else _KINDS):
        kind = "ID token" if is_of_a_sign_in else "token for asking with"
        return Refusal(why=Denial.UNPROVEN, detail=f"it is no {kind}", is_guess=True)
    return None


def whose(token: str, key: Key, name: str, settings: IssuerSettings, now_us: int) -> Person | Refusal:
    """Whose a token is at `now_us` (microseconds since 1970 in UTC), once this key has proven it."""
    claims = _proven(token, key, settings)
    if isinstance(claims, Refusal):
        return claims
    return _unfit_claims(claims, settings, settings.audience, now_us) or _person(claims, name, settings)


def who_signed_in(
    token: str, key: Key, name: str, settings: IssuerSettings, *, nonce: str, now_us: int
) -> Person | Refusal:
    """Whom an ID token tells (OpenID Connect Core 1.0, 3.1.3.7) that was asked for with this nonce.

    How long such a token lasts says nothing of the person: who signed in is in for `session_s`.
    """
    assert settings.sign_in is not None, "only who has a client is asked for such tokens"
    claims = _proven(token, key, settings)
    if isinstance(claims, Refusal):
        return claims
    if (refusal := _unfit_claims(claims, settings, settings.sign_in.client_id, now_us)) is not None:
        return refusal
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        return Refusal(why=Denial.UNPROVEN, detail="it was made for another sign-in", is_guess=True)
    # Of one that is made out to us alone it goes without saying who asked for it.
    alone = claims["aud"] in (settings.sign_in.client_id, [settings.sign_in.client_id])
    if claims.get("azp", settings.sign_in.client_id if alone else "") != settings.sign_in.client_id:
        return Refusal(why=Denial.AUDIENCE, detail="it is made out to several, and another asked for it", is_guess=True)
    person = _person(claims, name, settings)
    if isinstance(person, Refusal):
        return person
    return msgspec.structs.replace(person, until_us=now_us + settings.sign_in.session_s * 1_000_000)


def _proven(token: str, key: Key, settings: IssuerSettings) -> dict[str, Any] | Refusal:
    """The claims of a token that this key signed."""
    try:
        registry = _Registry(algorithms=list(settings.algorithms), strict_check_header=False)
        return jwt.decode(token, key, registry=registry).claims
    except (JoseError, ValueError, RecursionError):
        return Refusal(why=Denial.UNPROVEN, detail="its signature does not fit", is_guess=True)


def _unfit_claims(claims: dict[str, Any], settings: IssuerSettings, audience: str, now_us: int) -> Refusal | None:
    expected = jwt.JWTClaimsRegistry(
        now=now_us // 1_000_000,
        leeway=settings.leeway_s,
        iss={"essential": True, "value": settings.issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
    )
    # Only what is known here is looked at: a claim's name would else choose a method of the registry.
    known: dict[str, Any] = {claim: claims[claim] for claim in ("iss", "aud", "exp", "nbf", "iat") if claim in claims}
    try:
        expected.validate(known)
    except ExpiredTokenError:
        return Refusal(why=Denial.EXPIRED, detail="its time is over: get a new one", is_guess=True)
    except MissingClaimError:
        return Refusal(why=Denial.UNPROVEN, detail="it lacks iss, aud or exp", is_guess=True)
    except InvalidClaimError as error:
        return _UNFIT.get(error.claim, _UNLIKELY)
    return None


def _person(claims: Mapping[str, Any], name: str, settings: IssuerSettings) -> Person | Refusal:
    called = claims.get(settings.name_claim)
    if not isinstance(called, str) or not 0 < len(called) <= NAME_CHARS_MAX or not called.isprintable():
        detail = f"its claim {settings.name_claim} is no name of at most {NAME_CHARS_MAX} characters"
        return Refusal(why=Denial.NAMELESS, detail=detail, is_guess=True)
    groups = _groups(claims, settings.roles_claim)
    role: PersonRole | None = next((role for group, role in settings.roles.items() if group in groups), None)
    if role is None:
        return Refusal(why=Denial.NO_ROLE, detail="none of the groups in it has a role here", is_guess=True)
    return Person(name=f"{name}:{called}", role=role, until_us=_us(claims["exp"]), vouched=settings)


def _groups(claims: Mapping[str, Any], way: Sequence[str]) -> set[str]:
    found: Any = claims
    for step in way:
        found = cast("dict[str, Any]", found).get(step) if isinstance(found, dict) else None
    several = cast("Sequence[Any]", found if isinstance(found, list) else [found])
    return {each for each in several if isinstance(each, str)}


def _us(seconds: float) -> int:
    return int(seconds) * 1_000_000


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
