"""Who is signed in to the page: sessions kept here, in memory, by the hash of what the browser holds.

A session begins at sign-in, always with a new id, and ends at sign-out, when nobody uses it, after a shift, with its
token's own end, and with the process. What is drawn here is secret, so it comes from the system's own source.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.admin.access.tokens import Person, Right, may
from gateway.page.settings import PageSettings

SESSIONS_MAX: Final = 1_000
"""Sessions at once; above it the one that was used longest ago ends."""

ID_BYTES: Final = 32


class Session(msgspec.Struct, kw_only=True):
    """One person in one browser. Secrets: never shown by its repr."""

    person: Person
    #: What every act has to carry.
    csrf: str
    #: Monotonic seconds.
    began: float
    used: float
    #: What is to be said on the next page, once: a key of the catalogue.
    said: str = ""

    def __repr__(self) -> str:
        return f"Session({self.person.name})"

    def is_own(self, token: str) -> bool:
        """Is this the token that this session's forms carry?"""
        return hmac.compare_digest(self.csrf.encode(), token.encode())


class Sessions:
    """All sessions there are."""

    def __init__(self, settings: PageSettings) -> None:
        """Nobody is signed in."""
        self._settings = settings
        self._known: dict[bytes, Session] = {}

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, person: Person, now: float) -> str:
        """Sign a person in; the new session's id, for the browser to keep."""
        self._forget(now)
        while len(self._known) >= SESSIONS_MAX:
            del self._known[min(self._known, key=lambda each: self._known[each].used)]
        id_ = secrets.token_urlsafe(ID_BYTES)
        self._known[_hashed(id_)] = Session(person=person, csrf=secrets.token_urlsafe(ID_BYTES), began=now, used=now)
        return id_

    def find(self, id_: str, now: float, *, looks_on: bool = False) -> Session | None:
        """The session of this id, if it still counts; `looks_on`: nobody did anything, a page only follows what happens."""
        session = self._known.get(_hashed(id_))
        if session is None:
            return None
        if self._is_over(session, now):
            self.end(id_)
            return None
        if not looks_on or not may(session.person, Right.ACT):
            session.used = now
        return session

    def end(self, id_: str) -> None:
        """Sign out."""
        self._known.pop(_hashed(id_), None)

    def _is_over(self, session: Session, now: float) -> bool:
        return now - session.began >= self._settings.session_s or now - session.used >= self._settings.idle_s

    def _forget(self, now: float) -> None:
        for key in [key for key, session in self._known.items() if self._is_over(session, now)]:
            del self._known[key]


def cookies_in(headers: Iterable[str]) -> dict[str, str]:
    """What a browser's Cookie headers hold, by name; of several of a name the first."""
    found: dict[str, str] = {}
    for header in headers:
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            found.setdefault(name, value)
    return found


def _hashed(id_: str) -> bytes:
    return hashlib.sha256(id_.encode("utf-8", "surrogatepass")).digest()
