"""The admin side's HTTP: who asks, what for, may they; then the answer. Told in docs/reference/admin-api.md.

`/livez` and `/readyz` are for machines that hold no token and say nothing of the business; all else needs one. Every
act is logged by who did what; a person's reason goes into the entry's history alone, as it may name somebody.
"""

import math
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import msgspec
from aiohttp import web

from gateway.admin import asks
from gateway.admin.access.entrance import Entrance
from gateway.admin.access.errand import Errand
from gateway.admin.access.tokens import Denial, Person, Refusal, Right, may
from gateway.admin.asks import Form
from gateway.admin.desk import Desk
from gateway.admin.duties.proposal import Proposal
from gateway.admin.entries.exporting import TYPES, sheet, written
from gateway.admin.http.call import Call
from gateway.admin.http.description import ADDRESS, description
from gateway.admin.http.problem import CONTENT_TYPE as PROBLEM_TYPE
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.http.share import aside
from gateway.admin.offer import OFFER
from gateway.admin.parts import Parts
from gateway.admin.state.meter import AdminMeter
from gateway.admin.state.metrics import CONTENT_TYPE as METRICS_TYPE
from gateway.admin.state.metrics import exposition
from gateway.admin.state.shown import Status
from gateway.admin.state.status import missing, status
from gateway.log import log
from spool.entry import Act
from spool.errors import SpoolClosed, SpoolError, StorageFull, StorageUncertain

JSON: Final = "application/json"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
EXPORT: Final = "/admin/v1/export"
DAY_EXPORT: Final = "/admin/v1/reports/day/export"

_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="nightsafe admin"'}
_CODES: Final = {
    Denial.SLOWED: Code.SLOWED,
    Denial.NO_ROLE: Code.FORBIDDEN,
    Denial.ISSUER_AWAY: Code.ISSUER_AWAY,
}
"""What a refusal is told as, where it isn't that a known token is needed."""
_encode: Final = msgspec.json.Encoder().encode


class AdminSide:
    """Answers operators and monitoring."""

    def __init__(self, desk: Desk) -> None:
        """Answer about, and steer, what is on the desk."""
        self._desk = desk
        self._meter = AdminMeter(desk.meter.registry)
        self._entrance = Entrance(desk.config.admin, desk.clock, self._meter.keys_fetched)
        self._parts = Parts(desk, self._meter, self._entrance)

    async def run(self) -> None:
        """Keep jobs going until cancelled."""
        await self._parts.jobs.jobs.run()

    async def status(self) -> Status:
        """How everything stands; for who was let in before, and only looks on."""
        self._demand_spool()
        return await status(self._desk, self._parts.duties.proposals)

    async def _undecided(self) -> list[Proposal]:
        """For metrics, which are told even where the spool can't say now."""
        try:
            return await self.proposals()
        except SpoolError:
            return []

    async def proposals(self) -> list[Proposal]:
        """What waits for a second person, oldest first. Errors: see `Store.recall_some`."""
        return await self._parts.duties.proposals.waiting()

    async def handle(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """Answer one HTTP request; whatever goes wrong is a problem, never a traceback."""
        path, _, query = request.raw_path.partition("?")
        method = "GET" if request.method == "HEAD" else request.method
        try:
            return await self._answer(method, path, query, request, body)
        except Trouble as trouble:
            found = trouble
        except (SpoolClosed, StorageFull):
            found = Trouble(Code.CLOSED, headers={"Retry-After": "5"})
        except StorageUncertain:
            found = Trouble(Code.UNCERTAIN)
        except Exception as error:  # noqa: BLE001 - our own bug: the asker is told so, and we are told loudly
            log.error("admin_failed", error=type(error).__name__, exc_info=True)
            found = Trouble(Code.INTERNAL)
        return _response(_encode(found.problem), PROBLEM_TYPE, found.code.status, found.headers)

    async def _answer(
        self, method: str, path: str, query: str, request: web.BaseRequest, body: bytes
    ) -> web.StreamResponse:
        if method == "GET" and path == "/livez":
            return _response(b'{"live":true}')
        if method == "GET" and path == "/readyz":
            return await self._readyz()
        person = await self._authenticated(request)
        if method == "GET" and path == "/metrics":
            self._demand_right(person, Right.READ)
            return _response(await exposition(self._desk, await self._undecided()), METRICS_TYPE)
        if method == "GET" and path in {EXPORT, DAY_EXPORT}:
            return await self.file(request, person, path, query)
        if method == "GET" and path == ADDRESS:
            self._demand(person, Right.READ)
            return _response(_encode(description()))
        found = await self.ask(person, method, path, query, body)
        return _response(found.encode(), TEXT_TYPE) if isinstance(found, str) else _response(_encode(found))

    async def file(self, request: web.BaseRequest, person: Person, path: str, query: str) -> web.StreamResponse:
        """What is written out for other programs: entries that pass a filter, or the report of a day.

        Raises:
            Trouble: it is refused, or asks for what there is none of. Errors of the spool.
        """
        self._demand(person, Right.READ)
        if path == EXPORT:
            return await self._export(request, person, query)
        form, asked = asks.table_asked(query)
        body = await self._parts.reports.written(asked, form)
        await self._exported(person, f"day report, {form}")
        return web.Response(body=body, headers=_file_headers("day", form))

    async def _exported(self, person: Person, what: str) -> None:
        """Who had what written out is in the evidence first."""
        now_us = self._desk.clock.now_us()
        await self._desk.spool.store.act(Act(at_us=now_us, name="export", detail=what, actor=person.name))
        self._meter.acted("export")
        log.warning("admin_export", form=what, actor=person.name, role=person.role)

    async def _export(self, request: web.BaseRequest, person: Person, query: str) -> web.StreamResponse:
        """Entries that pass a filter, written out as they are read; a spreadsheet's file is whole before it begins."""
        form, wanted = self._parts.looking.exported(query)
        await self._exported(person, form)
        if form == "xlsx":
            made_at = datetime.fromtimestamp(self._desk.clock.now_us() / 1_000_000, UTC)
            return web.Response(
                body=await sheet(self._desk.shelf, wanted, made_at), headers=_file_headers("entries", form)
            )
        response = web.StreamResponse(headers=_file_headers("entries", form))
        await response.prepare(request)
        try:
            async for piece in written(self._desk.shelf, wanted, form):
                # Whoever reads slowly may ask for other things meanwhile.
                async with aside():
                    await response.write(piece)
            await response.write_eof()
        except SpoolError as error:
            # It is too late for another status: an answer without its end is how a reader knows that something is missing.
            log.error("export_broke_off", error=type(error).__name__)
            if request.transport is not None:
                request.transport.abort()
        return response

    async def ask(self, person: Person, method: str, path: str, query: str, body: bytes) -> Any:
        """What a person asks for, as the plain data that is written out as JSON, or shown on the page.

        Raises:
            Trouble: it is refused, or came to nothing. Errors of the spool.
        """
        asked, parts = OFFER.find(method, path)
        self._demand(person, asked.right)
        return await asked.handler(self._parts, Call(person=person, parts=parts, query=query, body=body))

    def _demand_spool(self) -> None:
        """There is a spool to look at; at a start without its database there is none yet."""
        why = self._desk.waits()
        if why:
            raise Trouble(Code.CLOSED, f"the spool is not open yet; {why}", headers={"Retry-After": "5"})

    def _demand(self, person: Person, right: Right) -> None:
        self._demand_right(person, right)
        self._demand_spool()

    def _demand_right(self, person: Person, right: Right) -> None:
        if not may(person, right):
            self._meter.denied("role")
            raise Trouble(Code.FORBIDDEN, f"{person.role} may not do this")

    async def _authenticated(self, request: web.BaseRequest) -> Person:
        """Who asks: by a bearer token, or without one by the connection's client certificate."""
        sent = request.headers.getall("Authorization", [])
        if sent:
            return await self.known(sent[0] if len(sent) == 1 else "", request.remote)
        return self._let_in(self._entrance.by_certificate(request.get_extra_info("peercert")), request.remote)

    async def known(self, authorization: str, peer: str | None) -> Person:
        """Whose an Authorization header is.

        Raises:
            Trouble: nobody's, or its client guessed so much that it has to wait.
        """
        return self._let_in(await self._entrance.by_token(authorization, peer), peer)

    @property
    def doors(self) -> list[str]:
        """Issuers at whose own page one may sign in to ours, by name."""
        return self._entrance.doors

    async def sent_to(self, issuer: str, errand: Errand, peer: str | None) -> str:
        """The address at which a browser on this errand signs in.

        Raises:
            Trouble: there is no such issuer, or it doesn't answer.
        """
        async with aside():
            found = await self._entrance.sent_to(issuer, errand)
        return found if isinstance(found, str) else self._denied(found, peer)

    async def sent_away(self, issuer: str, peer: str | None) -> str:
        """The address at which a browser signs out at an issuer; empty where it tells none.

        Raises:
            Trouble: there is no such issuer, or it doesn't answer.
        """
        async with aside():
            found = await self._entrance.sent_away(issuer)
        return found if isinstance(found, str) else self._denied(found, peer)

    async def came_back(self, issuer: str, errand: Errand, peer: str | None) -> Person:
        """Who came back from an issuer.

        Raises:
            Trouble: nobody that counts here, or the issuer doesn't answer, or this client guessed so much that it has to wait.
        """
        async with aside():
            who = await self._entrance.by_errand(issuer, errand, peer)
        return self._let_in(who, peer)

    def still_known(self, person: Person) -> bool:
        """Does the token of one who showed it once still count?"""
        return self._entrance.still_known(person)

    def _let_in(self, who: Person | Refusal, peer: str | None) -> Person:
        return who if isinstance(who, Person) else self._denied(who, peer)

    def _denied(self, who: Refusal, peer: str | None) -> NoReturn:
        self._meter.denied(who.why.value)
        log.warning("admin_denied", why=who.why.value, peer=peer)
        code = _CODES.get(who.why, Code.UNAUTHORISED)
        wait = {"Retry-After": str(math.ceil(who.wait_s))} if who.wait_s else {}
        raise Trouble(code, who.detail, headers=_CHALLENGE if code is Code.UNAUTHORISED else wait)

    async def read_access_anew(self) -> None:
        """Read anew who may come in, on a signal; with a fault in the configuration all stays as it was, and the log says so."""
        try:
            await self._parts.access.read_anew("", "SIGHUP")
        except Trouble as trouble:
            log.error("access_kept", why=trouble.code.word)

    async def close(self) -> None:
        """Ask nobody outside anything more."""
        await self._entrance.close()

    async def _readyz(self) -> web.StreamResponse:
        lacking = await missing(self._desk)
        return _response(_encode({"ready": not lacking, "missing": lacking}), status=503 if lacking else 200)


def _file_headers(name: str, form: Form) -> dict[str, str]:
    """Those of a file to be kept."""
    return {
        **_HEADERS,
        "Content-Type": TYPES[form],
        "Content-Disposition": f'attachment; filename="{name}.{form}"',
    }


def _response(
    body: bytes, content_type: str = JSON, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(body=body, status=status, headers={**_HEADERS, **(headers or {}), "Content-Type": content_type})
