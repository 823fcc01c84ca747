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

from adapters.secret import SecretMissing
from gateway.admin.access.errand import Errand, asking, leaving, redeeming
from gateway.admin.access.settings import IssuerSettings, is_safe_address
from gateway.admin.access.signed import Key, Said, fitting, read_keys, said, unfit, who_signed_in, whose
from gateway.admin.access.tokens import Denial, Person, Refusal
from gateway.clock import Clock
from gateway.log import log

ANSWER_BYTES_MAX: Final = 262_144
WELL_KNOWN: Final = "/.well-known/openid-configuration"

_AWAY: Final = Refusal(why=Denial.ISSUER_AWAY, detail="its issuer does not tell its keys now: try again")
_NOBODY: Final = Refusal(why=Denial.UNKNOWN, detail="no issuer of this name has people sign in", is_guess=True)


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


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """Where an issuer has people sign in, and out (OpenID Connect Discovery 1.0, 3; RP-Initiated Logout 1.0, 2.1; RFC 9207, 3)."""

    authorization_endpoint: str
    token_endpoint: str
    end_session_endpoint: str | None = None
    #: Each answer of its page says whose it is.
    authorization_response_iss_parameter_supported: bool = False


class _Redeemed(msgspec.Struct, frozen=True):
    """What we need of the answer to a code (OpenID Connect Core 1.0, 3.1.3.3)."""

    id_token: str


class CodeRefused(Exception):
    """An issuer gave nothing for a code."""


class Issuer:
    """One issuer."""

    def __init__(self, name: str, settings: IssuerSettings, clock: Clock, fetched: Fetched) -> None:
        """Asks nobody yet."""
        self.settings: Final = settings
        self._name = name
        self._clock = clock
        self._fetched = fetched
        self._keys: list[Key] = []
        self._doors: Doors | None = None
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

    async def doors(self) -> Doors | None:
        """Where people sign in; None while it doesn't answer, and where it has nothing of the kind."""
        if self._doors is None and (fetch := self._begin()) is not None:
            await asyncio.wait([fetch])
        return self._doors

    async def redeem(self, doors: Doors, errand: Errand) -> str:
        """The ID token that a code is good for.

        Raises:
            CodeRefused: for nothing.
            IssuerUnreachable: it didn't answer, or strangely.
        """
        sign_in = self.settings.sign_in
        assert sign_in is not None, "only who has a client asks"
        try:
            form, basic = redeeming(sign_in, self._name, errand)
            async with self._session() as session:
                token = await _post(session, doors.token_endpoint, form, basic, secure=self._secure())
            return msgspec.json.decode(token, type=_Redeemed).id_token
        except SecretMissing as error:
            raise IssuerUnreachable("the secret of its client is not where the configuration says") from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            raise IssuerUnreachable(type(error).__name__) from error

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.settings.timeout_s))

    def _secure(self) -> SSLContext | bool:
        file = self.settings.tls_ca_file
        return file is None or create_default_context(cafile=file)

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
        try:
            secure = self._secure()
            async with self._session() as session:
                described = await _get(session, settings.issuer.rstrip("/") + WELL_KNOWN, secure=secure)
                told = msgspec.json.decode(described, type=_Description)
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
        self._doors = _doors_in(described)
        return keys


def _doors_in(described: bytes) -> Doors | None:
    """None where it has none, or where what passes there could be read or changed on its way."""
    try:
        found = msgspec.json.decode(described, type=Doors)
    except msgspec.DecodeError:
        return None
    both = (found.authorization_endpoint, found.token_endpoint)
    # They may have a query (RFC 6749, 3.1 and 3.2).
    return found if all(map(_is_safe, both)) else None


def _is_safe(url: str) -> bool:
    return is_safe_address(url.partition("?")[0])


async def _get(session: aiohttp.ClientSession, url: str, *, secure: SSLContext | bool) -> bytes:
    async with session.get(url, allow_redirects=False, ssl=secure) as answer:
        return await _whole(answer)


async def _post(
    session: aiohttp.ClientSession, url: str, form: Mapping[str, str], basic: str, *, secure: SSLContext | bool
) -> bytes:
    headers = {"Accept": "application/json", **({"Authorization": basic} if basic else {})}
    async with session.post(url, data=form, headers=headers, allow_redirects=False, ssl=secure) as answer:
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise CodeRefused(f"it answered {answer.status}")
        return await _whole(answer)


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
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

    @property
    def doors(self) -> list[str]:
        """Issuers at whose own page one may sign in, by name."""
        return [name for name, issuer in self._by_address.values() if issuer.settings.sign_in is not None]

    def _with_doors(self, name: str) -> Issuer | None:
        of_name = dict(self._by_address.values()).get(name)
        return None if of_name is None or of_name.settings.sign_in is None else of_name

    async def sent_to(self, name: str, errand: Errand) -> str | Refusal:
        """The address at which a browser on this errand signs in."""
        issuer = self._with_doors(name)
        if issuer is None or issuer.settings.sign_in is None:
            return _NOBODY
        doors = await issuer.doors()
        return _AWAY if doors is None else asking(doors.authorization_endpoint, issuer.settings.sign_in, name, errand)

    async def sent_away(self, name: str) -> str | Refusal:
        """The address at which a browser signs out there; empty where it tells none."""
        issuer = self._with_doors(name)
        if issuer is None or issuer.settings.sign_in is None:
            return _NOBODY
        doors = await issuer.doors()
        if doors is None:
            return _AWAY
        out = doors.end_session_endpoint or ""
        return leaving(out, issuer.settings.sign_in) if _is_safe(out) else ""

    async def signed_in(self, name: str, errand: Errand) -> Person | Refusal:
        """Whom an issuer tells that a browser is, once it came back from its errand."""
        issuer = self._with_doors(name)
        if issuer is None:
            return _NOBODY
        doors = await issuer.doors()
        if doors is None:
            return _AWAY
        says = errand.issuer or ("" if doors.authorization_response_iss_parameter_supported else issuer.settings.issuer)
        if says != issuer.settings.issuer:
            return Refusal(why=Denial.UNPROVEN, detail="another issuer's answer came back", is_guess=True)
        try:
            token = await issuer.redeem(doors, errand)
        except CodeRefused:
            return Refusal(why=Denial.UNPROVEN, detail="its issuer gives nothing for this code", is_guess=True)
        except IssuerUnreachable as error:
            log.warning("issuer_away", issuer=name, why=str(error))
            return _AWAY
        return await self._told_by(issuer, name, token, errand.nonce)

    async def _told_by(self, issuer: Issuer, name: str, token: str, nonce: str) -> Person | Refusal:
        told = said(token)
        if told is None or told.issuer != issuer.settings.issuer:
            return Refusal(why=Denial.UNPROVEN, detail="it is no ID token of this issuer's", is_guess=True)
        if (refusal := unfit(issuer.settings, told, is_of_a_sign_in=True)) is not None:
            return refusal
        key = await issuer.key(told)
        if key is None:
            return Refusal(why=Denial.UNPROVEN, detail="its issuer has no such key", is_guess=True)
        return who_signed_in(token, key, name, issuer.settings, nonce=nonce, now_us=self._clock.now_us())

    def counts(self, person: Person) -> bool:
        """Does the signed token still count that a person once came with?"""
        return self._clock.now_us() < person.until_us and any(
            issuer.settings == person.vouched for _, issuer in self._by_address.values()
        )

    async def close(self) -> None:
        """Fetch no more."""
        for _, issuer in self._by_address.values():
            await issuer.close()
