"""Who asks, and what they may: bearer tokens by their hash, roles by what they are for.

A token is drawn at random, so its plain SHA-256 tells nothing of it. Every known hash is compared, in constant time, so
that an answer's time tells neither whether nor where a guess came near.
"""

import enum
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from adapters.channels.json_headers import bearer_digest
from gateway.config.model import Role, TokenSettings

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person or program the configuration knows."""

    #: The token's name in the configuration: what histories and logs call them.
    name: str
    role: Role
    #: Cores it speaks for.
    cores: frozenset[str] = frozenset()


class Denial(enum.StrEnum):
    """Why a request is nobody's: a bounded vocabulary (a metric's label)."""

    MISSING = "missing"
    """No bearer token, or not one header with one."""
    UNKNOWN = "unknown"
    """A token nobody has."""
    EXPIRED = "expired"
    """A known token past its end."""


class Right(enum.Enum):
    """What a request needs."""

    READ = "read"
    ACT = "act"
    CONFIRM = "confirm"
    KEYS = "keys"
    CORE = "core"


_MAY: Final[Mapping[Right, frozenset[str]]] = {
    Right.READ: frozenset({"viewer", "operator", "approver", "auditor", "custodian"}),
    Right.ACT: frozenset({"operator", "approver"}),
    Right.CONFIRM: frozenset({"approver"}),
    Right.KEYS: frozenset({"custodian"}),
    Right.CORE: frozenset({"core"}),
}


class Tokens:
    """The tokens of one configuration."""

    def __init__(self, settings: Mapping[str, TokenSettings]) -> None:
        """Know these tokens, by name."""
        self._known = [(bytes.fromhex(token.sha256), name, token) for name, token in settings.items()]

    def who(self, authorization: str, now_us: int) -> Person | Denial:
        """Whose an Authorization header is, at `now_us` (microseconds since 1970 in UTC)."""
        digest = bearer_digest(authorization)
        if not digest:
            return Denial.MISSING
        found = [(name, token) for known, name, token in self._known if hmac.compare_digest(known, digest)]
        if not found:
            return Denial.UNKNOWN
        name, token = found[0]
        if _is_over(token, now_us):
            return Denial.EXPIRED
        return Person(name=name, role=token.role, cores=frozenset(token.cores))

    def counts(self, person: Person, now_us: int) -> bool:
        """Is the token of this person not past its end?"""
        return any(name == person.name and not _is_over(token, now_us) for _, name, token in self._known)


def _is_over(token: TokenSettings, now_us: int) -> bool:
    return token.expires is not None and _EPOCH + timedelta(microseconds=now_us) >= token.expires


def may(person: Person, right: Right) -> bool:
    """Reading is for every role; acting for operators and approvers; confirming for approvers; keys for custodians."""
    return person.role in _MAY[right]
