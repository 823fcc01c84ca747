"""The entrance of the admin side: whose a request is, by a bearer token or the connection's client certificate.

A token is one that the configuration has the hash of, or one that an issuer of the configuration signed. What once was let
in is looked at again each time.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from gateway.admin.access.errand import Errand
from gateway.admin.access.gatekeeper import Gatekeeper, client_of
from gateway.admin.access.issuers import Fetched, Issuers
from gateway.admin.access.tokens import Certificates, Denial, Person, Refusal, Tokens
from gateway.clock import Clock
from gateway.config.model import AdminSettings

_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]{1,8000}=*)", re.ASCII).fullmatch
"""RFC 6750, 2.1. A signed token of a person in many groups has some thousand characters."""


class Entrance:
    """Who may come in."""

    def __init__(self, settings: AdminSettings, clock: Clock, fetched: Fetched) -> None:
        """Know who the configuration knows."""
        self._clock = clock
        #: Who may, as it is in force.
        self.settings = settings
        self._tokens = Tokens(settings.tokens)
        self._certificates = Certificates(settings.certificates)
        self._issuers = Issuers(settings.issuers, clock, fetched)
        self._gatekeeper = Gatekeeper()

    async def follow(self, settings: AdminSettings) -> None:
        """Know these from now on. Who guessed before is remembered, and so are the keys of issuers that stay as they are."""
        self.settings = settings
        self._tokens = Tokens(settings.tokens)
        self._certificates = Certificates(settings.certificates)
        await self._issuers.follow(settings.issuers)

    async def by_token(self, authorization: str, peer: str | None) -> Person | Refusal:
        """Whose an Authorization header is that came from an address."""
        sent = _BEARER(authorization)
        if sent is None:
            return Refusal(why=Denial.MISSING)
        digest = sha256(sent[1].encode("ascii")).digest()
        client, now = client_of(peer), self._clock.monotonic()
        if wait_s := self._gatekeeper.wait_s(client, digest, now):
            return Refusal(why=Denial.SLOWED, wait_s=wait_s)
        who = await self._whose(sent[1], digest)
        if isinstance(who, Person):
            self._gatekeeper.passed(client, digest)
        elif who.is_guess:
            self._gatekeeper.failed(client, now)
        return who

    @property
    def doors(self) -> list[str]:
        """Issuers at whose own page one may sign in, by name."""
        return self._issuers.doors

    async def sent_to(self, issuer: str, errand: Errand) -> str | Refusal:
        """The address at which a browser on this errand signs in."""
        return await self._issuers.sent_to(issuer, errand)

    async def sent_away(self, issuer: str) -> str | Refusal:
        """The address at which a browser signs out at an issuer; empty where it tells none."""
        return await self._issuers.sent_away(issuer)

    async def by_errand(self, issuer: str, errand: Errand, peer: str | None) -> Person | Refusal:
        """Who came back from an issuer with a code. Codes are guessed no faster than tokens."""
        digest = sha256(errand.code.encode()).digest()
        client, now = client_of(peer), self._clock.monotonic()
        if wait_s := self._gatekeeper.wait_s(client, digest, now):
            return Refusal(why=Denial.SLOWED, wait_s=wait_s)
        who = await self._issuers.signed_in(issuer, errand)
        if isinstance(who, Refusal) and who.is_guess:
            self._gatekeeper.failed(client, now)
        return who

    async def _whose(self, token: str, digest: bytes) -> Person | Refusal:
        who = self._tokens.who(digest, self._clock.now_us())
        if isinstance(who, Person):
            return who
        if who is not Denial.UNKNOWN:
            return Refusal(why=who)
        return await self._issuers.who(token) or Refusal(why=who, is_guess=True)

    def by_certificate(self, certificate: Mapping[str, Any] | None) -> Person | Refusal:
        """Whose a certificate is that the listener's authorities vouch for, as `ssl` tells it."""
        who = self._certificates.who(certificate, self._clock.now_us())
        return Refusal(why=who) if isinstance(who, Denial) else who

    def still_known(self, person: Person) -> bool:
        """Does the token of one who showed it once still count?"""
        if person.vouched is not None:
            return self._issuers.counts(person)
        return self._tokens.counts(person, self._clock.now_us())

    async def close(self) -> None:
        """Ask issuers nothing more."""
        await self._issuers.close()
