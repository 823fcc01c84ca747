"""Who asks, and what they may: bearer tokens by their hash, roles by what they are for.

A token is drawn at random, so its plain SHA-256 tells nothing of it. Every known hash is compared, in constant time, so
that an answer's time tells neither whether nor where a guess came near.
"""

import enum
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from gateway.admin.access.settings import CertificateSettings, IssuerSettings, Role, TokenSettings

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person or program the configuration knows."""

    #: The token's name in the configuration: what histories and logs call them.
    name: str
    role: Role
    #: Cores it speaks for.
    cores: frozenset[str] = frozenset()
    #: Of who comes with a signed token: when that ends, microseconds since 1970 in UTC ...
    until_us: int = 0
    #: ... and who vouches for them, as the configuration had it.
    vouched: IssuerSettings | None = None


class Denial(enum.StrEnum):
    """Why a request is nobody's: a bounded vocabulary (a metric's label)."""

    MISSING = "missing"
    """No bearer token, or not one header with one."""
    UNKNOWN = "unknown"
    """A token nobody has."""
    EXPIRED = "expired"
    """A known token, or certificate, past its end."""
    SLOWED = "slowed"
    """Its client came with so many unknown ones that it has to wait."""
    UNPROVEN = "unproven"
    """A signed token that no known issuer's key has proven."""
    AUDIENCE = "audience"
    """An issuer's token for another service."""
    EARLY = "early"
    """An issuer's token whose time has not begun."""
    NO_ROLE = "no_role"
    """An issuer's token of a person whom no group gives a role here."""
    NAMELESS = "nameless"
    """An issuer's token that doesn't say whose it is."""
    ISSUER_AWAY = "issuer_away"
    """An issuer's token, while nobody can say by which key it has to be proven."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A request is nobody's."""

    why: Denial
    #: In words, for who sent it.
    detail: str = ""
    #: Whoever comes with many of these is slowed.
    is_guess: bool = False
    #: Seconds to wait.
    wait_s: float = 0.0


class Right(enum.Enum):
    """What a request needs."""

    READ = "read"
    ACT = "act"
    CONFIRM = "confirm"
    KEYS = "keys"
    CORE = "core"
    REVEAL = "reveal"
    AUDIT = "audit"
    WITNESS = "witness"


_MAY: Final[Mapping[Right, frozenset[str]]] = {
    Right.READ: frozenset({"viewer", "operator", "approver", "auditor", "custodian"}),
    Right.ACT: frozenset({"operator", "approver"}),
    Right.CONFIRM: frozenset({"approver"}),
    Right.KEYS: frozenset({"custodian"}),
    Right.CORE: frozenset({"core"}),
    Right.REVEAL: frozenset({"operator", "approver", "auditor"}),
    Right.AUDIT: frozenset({"approver", "auditor"}),
    Right.WITNESS: frozenset({"peer"}),
}


class Tokens:
    """The tokens of one configuration."""

    def __init__(self, settings: Mapping[str, TokenSettings]) -> None:
        """Know these tokens, by name."""
        self._known = [(bytes.fromhex(token.sha256), name, token) for name, token in settings.items()]

    def who(self, digest: bytes, now_us: int) -> Person | Denial:
        """Whose the token of this hash is, at `now_us` (microseconds since 1970 in UTC)."""
        found = [(name, token) for known, name, token in self._known if hmac.compare_digest(known, digest)]
        if not found:
            return Denial.UNKNOWN
        name, token = found[0]
        if is_over(token.expires, now_us):
            return Denial.EXPIRED
        return Person(name=name, role=token.role, cores=frozenset(token.cores))

    def counts(self, person: Person, now_us: int) -> bool:
        """Is there a token of this name and role that is not past its end?"""
        return any(
            (name, token.role) == (person.name, person.role) and not is_over(token.expires, now_us)
            for _, name, token in self._known
        )


def is_over(expires: datetime | None, now_us: int) -> bool:
    """Is this end past?"""
    return expires is not None and _EPOCH + timedelta(microseconds=now_us) >= expires


class Certificates:
    """The client certificates of one configuration, by their subject's common name."""

    def __init__(self, settings: Mapping[str, CertificateSettings]) -> None:
        """Know these, by the name they appear under."""
        self._known = {each.common_name: (name, each) for name, each in settings.items()}

    def who(self, certificate: Mapping[str, Any] | None, now_us: int) -> Person | Denial:
        """Whose a certificate is that the listener's authorities vouch for, as `ssl` tells it."""
        names = [value for part in (certificate or {}).get("subject", ()) for key, value in part if key == "commonName"]
        if not names:
            return Denial.MISSING
        found = self._known.get(names[0]) if len(names) == 1 else None
        if found is None:
            return Denial.UNKNOWN
        name, settings = found
        if is_over(settings.expires, now_us):
            return Denial.EXPIRED
        return Person(name=name, role=settings.role)


def roles_of(right: Right) -> list[str]:
    """Roles that have a right."""
    return sorted(_MAY[right])


def may(person: Person, right: Right) -> bool:
    """Whether a person's role has a right; who has which stands in `_MAY`, and is told in docs/reference/admin-api.md."""
    return person.role in _MAY[right]
