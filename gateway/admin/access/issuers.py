"""Issuers of signed tokens: their published keys, fetched when they are needed and kept while nobody answers.

A stranger's token names whatever key he likes, so a fetch that it causes is bounded in number (`keys_refresh_min_s`), in
time and in size; and one fetch serves all who wait for it.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from ssl import SSLContext, create_default_context
from typing import Final, Protocol

import aiohttp
import msgspec

from gateway.admin.access.settings import IssuerSettings, is_safe_address
from gateway.admin.access.signed import Key, Said, fitting, read_keys, said, unfit, whose
from gateway.admin.access.tokens import Denial, Person, Refusal
from gateway.clock import Clock
from gateway.log import log

ANSWER_BYTES_MAX: Final = 262_144
WELL_KNOWN: Final = "/.well-known/openid-configuration"

_AWAY: Final = Refusal(why=Denial.ISSUER_AWAY, detail="its issuer does not tell its keys now: try again")


class Fetched(Protocol):
    """Is told of each fetch."""

    def __call__(self, issuer: str, *, ok: bool) -> None:
        """Keys of this issuer were fetched, or were not."""
        ...


class IssuerUnreachable(Exception):
    """An issuer's keys could not be fetched; says why, in bounded words."""


class _Description(msgspec.Struct, frozen=True):
    """What we need of an issuer's description (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    jwks_uri: str


class Issuer:
    """One issuer."""

    def __init__(self, name: str, settings: IssuerSettings, clock: Clock, fetched: Fetched) -> None:
        """Asks nobody yet."""
        self.settings: Final = settings
        self._name = name
        self._clock = clock
        self._fetched = fetched
        self._keys: list[Key] = []
        #: Monotonic seconds.
        self._asked_at: float | None = None
        self._known_at = 0.0
        self._fetch: asyncio.Task[None] | None = None

    async def key(self, told: Said) -> Key | None:
        """The key that a token has to be proven by, fetched if need be; None where the issuer has no such key."""
        if self._keys and self._clock.monotonic() - self._known_at >= self.settings.keys_refresh_s:
            self._begin()
        found = fitting(self._keys, told)
        if found is None and (fetch := self._begin()) is not None:
            # Who gives up waiting ends nobody else's fetch, and whom the configuration forgets ends nobody's request.
            await asyncio.wait([fetch])
            found = fitting(self._keys, told)
        return found

    @property
    def is_known(self) -> bool:
        """Has it told its keys?"""
        return bool(self._keys)

    async def close(self) -> None:
        """Fetch no more."""
        if self._fetch is not None:
            self._fetch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fetch

    def _begin(self) -> "asyncio.Task[None] | None":
        """The fetch under way, else a new one; None where it is too soon for one."""
        if self._fetch is not None:
            return self._fetch
        now = self._clock.monotonic()
        if self._asked_at is not None and now - self._asked_at < self.settings.keys_refresh_min_s:
            return None
        self._asked_at = now
        self._fetch = asyncio.create_task(self._refresh(), name=f"keys of issuer {self._name}")
        return self._fetch

    async def _refresh(self) -> None:
        """Have its keys as they are now; the ones from before stay where that fails."""
        try:
            self._keys = await self._published()
        except IssuerUnreachable as error:
            log.warning("issuer_away", issuer=self._name, why=str(error), keys=len(self._keys))
            self._fetched(self._name, ok=False)
        else:
            self._known_at = self._clock.monotonic()
            log.info("issuer_keys", issuer=self._name, keys=len(self._keys))
            self._fetched(self._name, ok=True)
        finally:
            self._fetch = None

    async def _published(self) -> list[Key]:
        settings = self.settings
        timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
        try:
            secure = settings.tls_ca_file is None or create_default_context(cafile=settings.tls_ca_file)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                address = settings.issuer.rstrip("/") + WELL_KNOWN
                told = msgspec.json.decode(await _get(session, address, secure=secure), type=_Description)
                if told.issuer != settings.issuer:
                    raise IssuerUnreachable("it describes another issuer than the configuration names")
                if not is_safe_address(told.jwks_uri):
                    raise IssuerUnreachable("its keys are at no safe address")
                keys = read_keys(await _get(session, told.jwks_uri, secure=secure))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            # Their words may be anybody's.
            raise IssuerUnreachable(type(error).__name__) from error
        if not keys:
            raise IssuerUnreachable("it has no key that can be used")
        return keys


async def _get(session: aiohttp.ClientSession, url: str, *, secure: SSLContext | bool) -> bytes:
    content = bytearray()
    async with session.get(url, allow_redirects=False, ssl=secure) as answer:
        if answer.status != HTTPStatus.OK:
            raise IssuerUnreachable(f"it answered {answer.status}")
        async for piece in answer.content.iter_any():
            content += piece
            if len(content) > ANSWER_BYTES_MAX:
                raise IssuerUnreachable(f"its answer has more than {ANSWER_BYTES_MAX} bytes")
    return bytes(content)


class Issuers:
    """The issuers of one configuration."""

    def __init__(self, settings: Mapping[str, IssuerSettings], clock: Clock, fetched: Fetched) -> None:
        """Know these, by name."""
        self._clock = clock
        self._fetched = fetched
        self._by_address = {each.issuer: (name, self._issuer(name, each)) for name, each in settings.items()}

    def _issuer(self, name: str, settings: IssuerSettings) -> Issuer:
        return Issuer(name, settings, self._clock, self._fetched)

    async def follow(self, settings: Mapping[str, IssuerSettings]) -> None:
        """Know these from now on; of one that stays as it is the keys are kept."""
        before = dict(self._by_address.values())
        stays = {name: issuer for name, issuer in before.items() if settings.get(name) == issuer.settings}
        self._by_address = {
            each.issuer: (name, stays.get(name) or self._issuer(name, each)) for name, each in settings.items()
        }
        for name, issuer in before.items():
            if name not in stays:
                await issuer.close()

    async def who(self, token: str) -> Person | Refusal | None:
        """Whose a signed token is; None where it is no signed token, or no issuer is known at all."""
        told = said(token) if self._by_address else None
        if told is None:
            return None
        name, issuer = self._by_address.get(told.issuer, ("", None))
        if issuer is None:
            return Refusal(why=Denial.UNPROVEN, detail="its issuer is not known here", is_guess=True)
        if (refusal := unfit(issuer.settings, told)) is not None:
            return refusal
        key = await issuer.key(told)
        if key is None:
            unknown = Refusal(why=Denial.UNPROVEN, detail="its issuer has no such key", is_guess=True)
            return unknown if issuer.is_known else _AWAY
        return whose(token, key, name, issuer.settings, self._clock.now_us())

    def counts(self, person: Person) -> bool:
        """Does the signed token still count that a person once came with?"""
        return self._clock.now_us() < person.until_us and any(
            issuer.settings == person.vouched for _, issuer in self._by_address.values()
        )

    async def close(self) -> None:
        """Fetch no more."""
        for _, issuer in self._by_address.values():
            await issuer.close()
