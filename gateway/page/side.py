"""The page's HTTP: who asks, is it a form of our own, then the screen. All it loads comes from here.

What is shown and done is the admin API's: each screen asks it in the person's name. A browser gets a policy under which it
runs nothing and loads nothing that isn't served here, and no page of anybody else's may frame or fill in ours.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from gateway.admin import asks
from gateway.admin.access.errand import Errand
from gateway.admin.access.tokens import Person, Right, may
from gateway.admin.desk import Desk
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.http.server import DAY_EXPORT, EXPORT, AdminSide
from gateway.log import log
from gateway.page.errands import LASTS_S, Errands, fault_in
from gateway.page.files import PREFIX
from gateway.page.live import Live, Parts
from gateway.page.look import Look
from gateway.page.screens import Screens
from gateway.page.sessions import Session, Sessions, cookies_in
from gateway.page.visit import Elsewhere, Kept, Shown, Visit
from gateway.page.words import LANGUAGES, Language, chosen
from gateway.page.writing import FILES, written
from spool.errors import SpoolClosed, StorageFull, StorageUncertain

HOME: Final = "/page/"
SIGN_IN: Final = "/page/sign-in"
LIVE: Final = "/page/live"
LANGUAGE_COOKIE: Final = "nightsafe-language"
WRITTEN: Final = {"/page/queue/export": EXPORT, "/page/report/export": DAY_EXPORT}
"""Files to be kept, by whose paths of the API they are."""

YEAR_S: Final = 366 * 86_400
LONG_AGO: Final = "public, max-age=31536000, immutable"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_OWN_PAGE: Final = re.compile(r"/page/[A-Za-z0-9/_.-]*(\?[A-Za-z0-9_.=&%+:-]*)?")
_ISSUER: Final = re.compile(r"/page/(sign-in|signed-in|sign-out)/([a-z0-9_-]{1,32})")
_LANGUAGE: Final = re.compile(r"/page/language/([a-z]{2})")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request to the page."""

    request: web.BaseRequest
    path: str
    query: str
    body: bytes
    language: Language

    @property
    def is_posted(self) -> bool:
        """Does it bring a form?"""
        return self.request.method == "POST"

    def __repr__(self) -> str:
        return "Asked()"


class PageSide:
    """Answers browsers, and hands on to the admin API what isn't for them."""

    def __init__(self, desk: Desk, admin: AdminSide) -> None:
        """Show what `admin` shows, and do what it does."""
        self._admin = admin
        self._clock = desk.clock
        self._settings = desk.config.admin.page
        self._zone = ZoneInfo(self._settings.time_zone)
        self._is_tls = desk.config.listen.admin.tls is not None
        # Under TLS the browser itself sees to it that nobody but this host has set it.
        self._cookie = "__Host-nightsafe" if self._is_tls else "nightsafe"
        self._errand_cookie = f"{self._cookie}-errand"
        self._errands = Errands()
        self._sessions = Sessions(self._settings)
        self._screens = Screens(admin, desk)
        self._live = Live(self._render_parts, desk.clock)

    async def close(self) -> None:
        """Let nobody wait for more."""
        await self._live.close()

    async def handle(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """Answer one HTTP request."""
        path, _, query = request.raw_path.partition("?")
        if path == "/" and request.method in {"GET", "HEAD"}:
            return _elsewhere(HOME)
        if not path.startswith(HOME):
            return await self._admin.handle(request, body)
        if path in FILES:
            return _file(path)
        asked = Asked(request=request, path=path, query=query, body=body, language=self._language(request))
        session: Session | None = None
        try:
            session = self._session(request, looks_on=path == LIVE)
            return await self._answer(asked, session)
        except Trouble as trouble:
            found = trouble
        except (SpoolClosed, StorageFull):
            found = Trouble(Code.CLOSED)
        except StorageUncertain:
            found = Trouble(Code.UNCERTAIN)
        except Exception as error:  # noqa: BLE001 - our own bug: the reader is told so, and we are told loudly
            log.error("page_failed", error=type(error).__name__, exc_info=True)
            found = Trouble(Code.INTERNAL)
        return self._trouble(found, asked.language, session)

    async def _answer(self, asked: Asked, session: Session | None) -> web.StreamResponse:
        if asked.is_posted:
            _demand_own_form(asked.request)
        elif asked.request.method not in {"GET", "HEAD"} or (asked.path, asked.request.method) == (LIVE, "HEAD"):
            raise Trouble(Code.METHOD, headers={"Allow": "GET" if asked.path == LIVE else "GET, HEAD, POST"})
        if (open_to_all := await self._open_to_all(asked)) is not None:
            return open_to_all
        if asked.path == LIVE:
            # 204 is what tells a browser to ask no more.
            return web.Response(status=204, headers=HEADERS) if session is None else await self._follow(asked, session)
        if session is None:
            # Where it leads back to is looked at there.
            return _elsewhere(SIGN_IN if asked.is_posted or asked.path == HOME else f"{SIGN_IN}?to={asked.path}")
        form = _form(asked.body) if asked.is_posted else {}
        if asked.is_posted and not session.is_own(form.pop("csrf", "")):
            raise Trouble(Code.FOREIGN_FORM)
        if not asked.is_posted and asked.path in WRITTEN:
            return await self._admin.file(asked.request, session.person, WRITTEN[asked.path], asked.query)
        if asked.path == "/page/sign-out":
            return self._sign_out(asked, session)
        return await self._screen(asked, session, form)

    async def _open_to_all(self, asked: Asked) -> web.Response | None:
        """What is answered before it is known who asks."""
        if choice := _LANGUAGE.fullmatch(asked.path):
            return self._choose_language(choice[1], asked.query)
        if asked.path == SIGN_IN:
            return await self._sign_in(asked) if asked.is_posted else self._door(asked)
        if asked.path.startswith(PREFIX):
            raise Trouble(Code.NO_SUCH_PATH)
        if gone := _ISSUER.fullmatch(asked.path):
            if asked.request.method != "GET":
                raise Trouble(Code.METHOD, headers={"Allow": "GET"})
            ways = {"sign-in": self._send, "signed-in": self._receive, "sign-out": self._send_away}
            return await ways[gone[1]](asked, gone[2])
        return None

    async def _screen(self, asked: Asked, session: Session, form: Mapping[str, str]) -> web.Response:
        screen, parts = self._screens.answering("POST" if asked.is_posted else "GET", asked.path)
        look = self._look(asked.language)
        visit = Visit(session=session, look=look, path=asked.path, parts=parts, query=asked.query, form=form)
        came = await screen(self._screens, visit)
        if isinstance(came, Elsewhere):
            session.said = came.said
            return _elsewhere(came.path)
        if isinstance(came, Kept):
            return _kept(came)
        return self._page(came, look, session, asked.path)

    # Signing in

    def _door(
        self, asked: Asked, *, fault: str = "", why: str = "", issuer: str = "", to: str = "", status: int = 200
    ) -> web.Response:
        told = asks.parameters(asked.query)
        to = to or told.get("to", [HOME])[0]
        left = told.get("left", [""])[0]
        shown = Shown(
            template="sign_in.html",
            fields={
                "to": to if _OWN_PAGE.fullmatch(to) else HOME,
                "fault": fault,
                "why": why,
                "issuer": issuer,
                "issuers": self._admin.doors,
                # Where one may still be signed in.
                "left": left if left in self._admin.doors else "",
            },
            status=status,
        )
        return self._page(shown, self._look(asked.language), None, SIGN_IN)

    async def _sign_in(self, asked: Asked) -> web.Response:
        form = _form(asked.body)
        try:
            person = await self._admin.known(f"Bearer {form.get('token', '').strip()}", asked.request.remote)
        except Trouble as trouble:
            if trouble.code is not Code.UNAUTHORISED:
                raise
            return self._door(asked, fault="wrong", why=trouble.detail, status=401)
        if not may(person, Right.READ):
            raise Trouble(Code.FORBIDDEN)
        return self._let_in(asked, person, form.get("to", HOME))

    async def _send(self, asked: Asked, issuer: str) -> web.Response:
        """To an issuer's page."""
        _demand_own_link(asked.request)
        to = asks.parameters(asked.query).get("to", [HOME])[0]
        cookie, errand = self._errands.begin(issuer, to if _OWN_PAGE.fullmatch(to) else HOME, self._clock.now_us())
        try:
            address = await self._admin.sent_to(issuer, errand, asked.request.remote)
        except Trouble as trouble:
            return self._turned_away(asked, issuer, trouble)
        response = _elsewhere(address)
        # A browser brings strict ones along to nobody's links, and it is the issuer's that it comes back by.
        response.set_cookie(
            self._errand_cookie, cookie, path="/", max_age=LASTS_S, secure=self._is_tls, httponly=True, samesite="Lax"
        )
        return response

    async def _receive(self, asked: Asked, issuer: str) -> web.Response:
        """Back from an issuer's page."""
        told, now_us = asks.parameters(asked.query), self._clock.now_us()
        errand = self._errands.end(issuer, _cookies(asked.request).get(self._errand_cookie, ""), told, now_us)
        if errand is None:
            return self._door(asked, fault="astray", to=HOME, status=400)
        if fault := fault_in(told):
            response = self._door(asked, fault="refused", why=fault, issuer=issuer, to=errand.to, status=401)
        else:
            response = await self._ask_issuer(asked, issuer, errand)
        response.del_cookie(self._errand_cookie, path="/", secure=self._is_tls, httponly=True, samesite="Lax")
        return response

    async def _ask_issuer(self, asked: Asked, issuer: str, errand: Errand) -> web.Response:
        try:
            person = await self._admin.came_back(issuer, errand, asked.request.remote)
        except Trouble as trouble:
            return self._turned_away(asked, issuer, trouble, errand.to)
        # The next page is our own page's to ask for, not the issuer's: to that the browser brings no strict cookie.
        shown = Shown(template="signed_in.html", fields={"to": errand.to})
        response = self._page(shown, self._look(asked.language), None, SIGN_IN)
        self._sign(asked, response, person)
        return response

    def _turned_away(self, asked: Asked, issuer: str, trouble: Trouble, to: str = "") -> web.Response:
        faults = {Code.UNAUTHORISED: "unproven", Code.FORBIDDEN: "unproven", Code.ISSUER_AWAY: "away"}
        if trouble.code not in faults:
            raise trouble
        why = trouble.detail if faults[trouble.code] == "unproven" else ""
        status = trouble.code.status
        return self._door(asked, fault=faults[trouble.code], why=why, issuer=issuer, to=to, status=status)

    def _let_in(self, asked: Asked, person: Person, to: str) -> web.Response:
        response = _elsewhere(to if _OWN_PAGE.fullmatch(to) else HOME)
        self._sign(asked, response, person)
        return response

    def _sign(self, asked: Asked, response: web.Response, person: Person) -> None:
        # Whatever the browser held before ends, and what it holds from now on it did not bring along.
        if held := self._held(asked.request):
            self._sessions.end(held)
        id_ = self._sessions.begin(person, self._clock.monotonic())
        self._give(response, self._cookie, id_)
        log.info("page_signed_in", actor=person.name, role=person.role)

    async def _send_away(self, asked: Asked, issuer: str) -> web.Response:
        """To where one signs out at an issuer: by a link, as no form of ours may lead to another site."""
        _demand_own_link(asked.request)
        try:
            address = await self._admin.sent_away(issuer, asked.request.remote)
        except Trouble as trouble:
            return self._turned_away(asked, issuer, trouble)
        return _elsewhere(address) if address else self._door(asked, fault="stays", issuer=issuer)

    def _sign_out(self, asked: Asked, session: Session) -> web.Response:
        if not asked.is_posted:
            raise Trouble(Code.METHOD, headers={"Allow": "POST"})
        self._sessions.end(self._held(asked.request))
        vouched, (issuer, _, _) = session.person.vouched, session.person.name.partition(":")
        response = _elsewhere(f"{SIGN_IN}?left={issuer}" if vouched and vouched.sign_in else SIGN_IN)
        response.del_cookie(self._cookie, path="/", secure=self._is_tls, httponly=True, samesite="Strict")
        return response

    def _session(self, request: web.BaseRequest, *, looks_on: bool) -> Session | None:
        held = self._held(request)
        session = self._sessions.find(held, self._clock.monotonic(), looks_on=looks_on)
        if session is not None and not self._admin.still_known(session.person):
            self._sessions.end(held)
            return None
        return session

    def _held(self, request: web.BaseRequest) -> str:
        return _cookies(request).get(self._cookie, "")

    def _give(self, response: web.Response, name: str, value: str, max_age: int | None = None) -> None:
        response.set_cookie(
            name, value, path="/", max_age=max_age, secure=self._is_tls, httponly=True, samesite="Strict"
        )

    # Languages

    def _language(self, request: web.BaseRequest) -> Language:
        cookie, accepts = _cookies(request).get(LANGUAGE_COOKIE, ""), request.headers.get("Accept-Language", "")
        return chosen(cookie, accepts, self._settings.language)

    def _choose_language(self, name: str, query: str) -> web.Response:
        to = asks.parameters(query).get("to", [HOME])[0]
        response = _elsewhere(to if _OWN_PAGE.fullmatch(to) else HOME)
        if name in LANGUAGES:
            self._give(response, LANGUAGE_COOKIE, name, YEAR_S)
        return response

    # What is fresh

    async def _follow(self, asked: Asked, session: Session) -> web.StreamResponse:
        if self._live.is_full:
            return web.Response(status=204, headers=HEADERS)
        held = self._held(asked.request)

        def counts() -> bool:
            found = self._sessions.find(held, self._clock.monotonic(), looks_on=True)
            return found is session and self._admin.still_known(session.person)

        return await self._live.follow(asked.request, HEADERS, asked.language, counts)

    async def _render_parts(self, language: Language) -> Parts:
        return await self._screens.parts(self._look(language))

    # Answers

    def _look(self, language: Language) -> Look:
        return Look(language, self._zone, self._clock.now_us())

    def _trouble(self, trouble: Trouble, language: Language, session: Session | None) -> web.Response:
        shown = Shown(
            template="trouble.html",
            fields={"code": trouble.code, "detail": trouble.detail},
            status=trouble.code.status,
        )
        response = self._page(shown, self._look(language), session, HOME)
        response.headers.update(trouble.headers)
        return response

    def _page(self, shown: Shown, look: Look, session: Session | None, path: str) -> web.Response:
        person = session.person if session else None
        said = session.said if session else ""
        if session is not None:
            session.said = ""
        fields: dict[str, Any] = {
            "look": look,
            "t": look.t,
            "person": person,
            "can": _rights(person),
            "csrf": session.csrf if session else "",
            "said": said,
            "path": path,
            "node": self._screens.node,
            **shown.fields,
        }
        headers = {**HEADERS, "Content-Language": look.language}
        text = written(shown.template, fields)
        return web.Response(text=text, content_type="text/html", charset="utf-8", status=shown.status, headers=headers)


def _rights(person: Person | None) -> Mapping[str, bool]:
    """What this person may, by the rights' words."""
    return {right.value: person is not None and may(person, right) for right in Right}


def _demand_own_form(request: web.BaseRequest) -> None:
    """Forms come from our own pages: browsers say where from, and the token says the rest."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Trouble(Code.FOREIGN_FORM)
    if request.content_type != "application/x-www-form-urlencoded":
        raise Trouble(Code.INVALID, "a form is sent as application/x-www-form-urlencoded")


def _demand_own_link(request: web.BaseRequest) -> None:
    """From nobody else's page: he would have people leave what they do here.

    Raises:
        Trouble: it is one of another site.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        raise Trouble(Code.FOREIGN_FORM)


def _form(body: bytes) -> dict[str, str]:
    """The fields of a form; of one that is there twice, the last."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise Trouble(Code.INVALID, "the form can't be read") from None
    return {name: values[-1] for name, values in asks.parameters(text).items()}


def _cookies(request: web.BaseRequest) -> Mapping[str, str]:
    return cookies_in(request.headers.getall("Cookie", []))


def _kept(file: Kept) -> web.Response:
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{file.name}"'}
    return web.Response(text=file.text, content_type="text/html", charset="utf-8", headers=headers)


def _file(path: str) -> web.Response:
    found = FILES[path]
    headers = {**HEADERS, "Cache-Control": LONG_AGO, "Content-Type": found.content_type}
    return web.Response(body=found.body, headers=headers)


def _elsewhere(path: str) -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": path})
