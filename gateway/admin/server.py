"""The admin side's HTTP: who asks, what for, may they; then the answer. Told in docs/reference/admin-api.md.

`/livez` and `/readyz` are for machines that hold no token and say nothing of the business; all else needs one. Every
act is logged by who did what; a person's reason goes into the entry's history alone, as it may name somebody.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from gateway.admin import asks
from gateway.admin.account_book import AccountBook
from gateway.admin.acts import Act, Acts, Order
from gateway.admin.call import Call
from gateway.admin.core_word import CoreWord
from gateway.admin.desk import Desk
from gateway.admin.duties import Duties
from gateway.admin.keys import KeysSide
from gateway.admin.metrics import CONTENT_TYPE as METRICS_TYPE
from gateway.admin.metrics import AdminMeter, exposition
from gateway.admin.policy_side import PolicySide
from gateway.admin.problem import CONTENT_TYPE as PROBLEM_TYPE
from gateway.admin.problem import Code, Trouble
from gateway.admin.status import Status, missing, status
from gateway.admin.tokens import Denial, Person, Right, Tokens, may
from gateway.admin.views import EntryPage, done_shown, entry_row, entry_shown, verdict_shown
from gateway.admin.window_side import WindowSide
from gateway.log import log
from gateway.route.zone import Zone
from spool.entry import Entry
from spool.errors import SpoolClosed, StorageFull, StorageUncertain
from spool.verify import verify

JSON: Final = "application/json"
US: Final = 1_000_000

_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="nightsafe admin"'}
_encode: Final = msgspec.json.Encoder().encode
_ACTS: Final = {act.word: act for act in Act}
_ZONES: Final = {"open": Zone.OPEN, "close": Zone.CLOSED}


Handler = Callable[["AdminSide", Call], Awaitable[Any]]


class AdminSide:
    """Answers operators and monitoring."""

    def __init__(self, desk: Desk) -> None:
        """Answer about, and steer, what is on the desk."""
        self._desk = desk
        self._tokens = Tokens(desk.config.admin.tokens)
        self._acts = Acts(desk.spool, desk.shelf, desk.clock, desk.forwarders)
        self._meter = AdminMeter(desk.meter.registry)
        self.duties = Duties(desk, self._meter)
        self.keys = KeysSide(desk, self._meter)
        self.core_word = CoreWord(desk, self._meter)
        self.windows = WindowSide(desk, self._meter)
        self.policies = PolicySide(desk, self.duties.proposals)
        self.accounts = AccountBook(desk, self._meter, desk.accounts)
        self._verifying = False

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
        person = self._authenticated(request)
        if method == "GET" and path == "/metrics":
            self._demand(person, Right.READ)
            return _response(await exposition(self._desk), METRICS_TYPE)
        right, handler, parts = _find(method, path)
        self._demand(person, right)
        call = Call(person=person, parts=parts, query=query, body=body)
        return _response(_encode(await handler(self, call)))

    def _demand(self, person: Person, right: Right) -> None:
        if not may(person, right):
            self._meter.denied("role")
            raise Trouble(Code.FORBIDDEN, f"a {person.role} may not do this")

    def _authenticated(self, request: web.BaseRequest) -> Person:
        sent = request.headers.getall("Authorization", [])
        header = sent[0] if len(sent) == 1 else ""
        who = self._tokens.who(header, self._desk.clock.now_us())
        if isinstance(who, Denial):
            self._meter.denied(who.value)
            log.warning("admin_denied", why=who.value, peer=request.remote)
            raise Trouble(Code.UNAUTHORISED, headers=_CHALLENGE)
        return who

    async def _readyz(self) -> web.StreamResponse:
        lacking = await missing(self._desk)
        return _response(_encode({"ready": not lacking, "missing": lacking}), status=503 if lacking else 200)

    # Looking

    async def status(self, _call: Call) -> Any:
        """How everything stands."""
        return await self._status()

    async def _status(self) -> Status:
        return await status(self._desk, self.duties.proposals)

    async def entries(self, call: Call) -> Any:
        """A page of entries."""
        listing = asks.listing(call.query)
        found = await self._desk.shelf.page(listing.wanted, listing.limit)
        more = len(found) == listing.limit
        return EntryPage(entries=tuple(entry_row(entry) for entry in found), next=str(found[-1].number) if more else "")

    async def entry(self, call: Call) -> Any:
        """One entry by number or id."""
        return await self._shown(await self._named(call.parts[0]))

    async def entry_by_key(self, call: Call) -> Any:
        """One entry by its channel and key."""
        entry = await self._desk.spool.store.find(*asks.key_asked(call.query))
        if entry is None:
            raise Trouble(Code.NO_SUCH_ENTRY)
        return await self._shown(entry)

    async def _named(self, reference: str) -> Entry:
        number, id_ = asks.number_asked(reference)
        entry = await self._desk.spool.store.get(number)
        if entry is None or (id_ and entry.id != id_):
            raise Trouble(Code.NO_SUCH_ENTRY)
        return entry

    async def _shown(self, entry: Entry) -> Any:
        history = await self._desk.spool.store.history(entry.number)
        return entry_shown(entry, history, self._desk.spool.keys.destroyed)

    # Acting on entries

    async def act_on_one(self, call: Call) -> Any:
        """Hold, release or retry one entry; the answer is the entry as it is then."""
        reference, verb = call.parts
        act, reason = _ACTS[verb], asks.plain(asks.body_of(call.body, asks.OneBody).reason)
        entry = await self._named(reference)
        if entry.state not in act.transition.sources:
            sources = " or ".join(sorted(state.word for state in act.transition.sources))
            raise Trouble(Code.WRONG_STATE, f"it is {entry.state.word}; {act.word} starts from {sources}")
        done = await self._acts.one(entry, Order(act=act, actor=call.person.name, reason=reason))
        self._did(call.person, act.word, done.entries, number=entry.number)
        if not done.entries:
            raise Trouble(Code.CHANGED)
        return await self._shown(await self._named(reference))

    async def close_one(self, call: Call) -> Any:
        """End one entry by hand, or propose it to a second person."""
        return await self.duties.close(call, await self._named(call.parts[0]))

    async def act_on_many(self, call: Call) -> Any:
        """Hold, release or retry all that pass a filter, or say what that would be."""
        act, told = _ACTS[call.parts[0]], asks.body_of(call.body, asks.ManyBody)
        order = Order(act=act, actor=call.person.name, reason=asks.plain(told.reason))
        if told.filter.narrows == told.all:
            raise Trouble(Code.INVALID, 'name a filter, or "all": true, and not both')
        wanted = asks.wanted(told.filter, after=asks.after_asked(told.after))
        done = await self._acts.many(wanted, order, dry_run=told.dry_run)
        if not told.dry_run:
            self._did(call.person, act.word, done.entries)
        return done_shown(done)

    def _did(self, person: Person, act: str, count: int, **fields: Any) -> None:
        self._meter.acted(act, count)
        log.warning("admin_act", act=act, actor=person.name, role=person.role, entries=count, **fields)

    # Steering routes

    async def steer(self, call: Call) -> Any:
        """Open (stand in), close (pass through) or leave a route to the evidence again."""
        name, verb = call.parts
        told = asks.body_of(call.body, asks.ForceBody)
        reason, route = asks.plain(told.reason), self._desk.route(name)
        if route is None:
            raise Trouble(Code.NO_SUCH_ROUTE)
        if verb == "auto":
            route.health.release()
        else:
            until_us = self._desk.clock.now_us() + told.for_s * US
            try:
                route.health.force(_ZONES[verb], until_us=until_us, actor=call.person.name, reason=reason)
            except ValueError as error:
                raise Trouble(Code.INVALID, str(error)) from error
        self._meter.acted(f"route_{verb}")
        detail = "" if verb == "auto" else f"for {told.for_s} s"
        await self._desk.evidence.note_act(f"route_{verb}", name, detail, call.person.name, reason)
        log.warning("admin_route", route=name, verb=verb, actor=call.person.name, role=call.person.role)
        return next(each for each in (await self._status()).routes if each.name == name)

    # Evidence

    async def accept_gap(self, call: Call) -> Any:
        """Accept that the spool lacks what was witnessed; then payments are taken and sent."""
        reason = asks.plain(asks.body_of(call.body, asks.OneBody).reason)
        if not await self._desk.evidence.accept(call.person.name, reason):
            raise Trouble(Code.NO_GAP)
        self._meter.acted("gap_accepted")
        log.warning("admin_gap", actor=call.person.name, role=call.person.role)
        await self._desk.begin()
        return await self._status()

    # Verifying

    async def verify(self, call: Call) -> Any:
        """Count everything anew, hold it against the evidence, and open every seal if asked; one at a time, as it reads all.

        Unfinished entries that something speaks against are quarantined.
        """
        told = asks.body_of(call.body, asks.VerifyBody)
        if self._verifying:
            raise Trouble(Code.UNDER_WAY)
        self._verifying = True
        try:
            kept = await self._desk.evidence.witnessed()
            sealer = self._desk.spool.sealer if told.seals else None
            found = await verify(self._desk.shelf, sealer, kept.marks, kept.findings)
            await self._desk.evidence.quarantine(found)
        finally:
            self._verifying = False
        log.info("verified", ok=found.ok, counted=found.counted, opened=found.opened, actor=call.person.name)
        return verdict_shown(found)


_CORE: Final = r"/admin/v1/cores/([A-Za-z0-9_.-]{1,64})"
_VERBS: Final = "hold|release|retry"
_PATHS: Final[tuple[tuple[str, re.Pattern[str], Right, Handler], ...]] = (
    ("GET", re.compile(r"/admin/v1/status"), Right.READ, AdminSide.status),
    ("GET", re.compile(r"/admin/v1/entries"), Right.READ, AdminSide.entries),
    ("GET", re.compile(r"/admin/v1/entries/find"), Right.READ, AdminSide.entry_by_key),
    ("POST", re.compile(rf"/admin/v1/entries/({_VERBS})"), Right.ACT, AdminSide.act_on_many),
    ("GET", re.compile(r"/admin/v1/entries/([0-9a-fA-F-]{1,36})"), Right.READ, AdminSide.entry),
    ("POST", re.compile(rf"/admin/v1/entries/([0-9a-fA-F-]{{1,36}})/({_VERBS})"), Right.ACT, AdminSide.act_on_one),
    ("POST", re.compile(r"/admin/v1/entries/([0-9a-fA-F-]{1,36})/close"), Right.ACT, AdminSide.close_one),
    ("GET", re.compile(r"/admin/v1/returns"), Right.READ, lambda side, call: side.duties.returns(call)),
    ("GET", re.compile(r"/admin/v1/accounts"), Right.READ, lambda side, call: side.accounts.count(call)),
    ("POST", re.compile(r"/admin/v1/accounts/note"), Right.ACT, lambda side, call: side.accounts.note(call)),
    ("POST", re.compile(r"/admin/v1/accounts/look"), Right.READ, lambda side, call: side.accounts.look(call)),
    ("GET", re.compile(r"/admin/v1/windows"), Right.READ, lambda side, call: side.windows.list(call)),
    ("POST", re.compile(r"/admin/v1/windows"), Right.ACT, lambda side, call: side.windows.add(call)),
    (
        "POST",
        re.compile(r"/admin/v1/windows/([0-9]{1,19})/cancel"),
        Right.ACT,
        lambda side, call: side.windows.cancel(call),
    ),
    (
        "GET",
        re.compile(r"/admin/v1/policies/([A-Za-z0-9_.-]{1,64})"),
        Right.READ,
        lambda side, call: side.policies.show(call),
    ),
    (
        "POST",
        re.compile(r"/admin/v1/policies/([A-Za-z0-9_.-]{1,64})"),
        Right.ACT,
        lambda side, call: side.policies.propose(call),
    ),
    (
        "POST",
        re.compile(r"/admin/v1/policies/([A-Za-z0-9_.-]{1,64})/try"),
        Right.READ,
        lambda side, call: side.policies.try_out(call),
    ),
    ("GET", re.compile(r"/admin/v1/proposals"), Right.READ, lambda side, call: side.duties.waiting(call)),
    ("GET", re.compile(r"/admin/v1/proposals/all"), Right.READ, lambda side, call: side.duties.past(call)),
    (
        "POST",
        re.compile(r"/admin/v1/proposals/([0-9]{1,19})/(confirm|decline)"),
        Right.CONFIRM,
        lambda side, call: side.duties.decide(call),
    ),
    (
        "POST",
        re.compile(r"/admin/v1/proposals/([0-9]{1,19})/(withdraw)"),
        Right.ACT,
        lambda side, call: side.duties.decide(call),
    ),
    ("POST", re.compile(r"/admin/v1/routes/([A-Za-z0-9_.-]{1,64})/(open|close|auto)"), Right.ACT, AdminSide.steer),
    ("GET", re.compile(_CORE), Right.CORE, lambda side, call: side.core_word.shown(call)),
    (
        "POST",
        re.compile(_CORE + "/(drain|maintenance|back)"),
        Right.CORE,
        lambda side, call: side.core_word.say(call),
    ),
    ("GET", re.compile(r"/admin/v1/keys"), Right.READ, lambda side, call: side.keys.shown(call)),
    ("POST", re.compile(r"/admin/v1/keys/rotate"), Right.KEYS, lambda side, call: side.keys.rotate(call)),
    ("POST", re.compile(r"/admin/v1/keys/rewrap"), Right.KEYS, lambda side, call: side.keys.rewrap(call)),
    (
        "POST",
        re.compile(r"/admin/v1/keys/([0-9]{1,10})/destroy"),
        Right.KEYS,
        lambda side, call: side.keys.destroy(call),
    ),
    (
        "POST",
        re.compile(r"/admin/v1/keys/masters/local:([0-9a-f]{16})/drop"),
        Right.KEYS,
        lambda side, call: side.keys.drop_master(call),
    ),
    ("POST", re.compile(r"/admin/v1/verify"), Right.READ, AdminSide.verify),
    ("POST", re.compile(r"/admin/v1/gap"), Right.ACT, AdminSide.accept_gap),
)


def _find(method: str, path: str) -> tuple[Right, Handler, tuple[str, ...]]:
    """What a method and a path ask for."""
    allowed = list[str]()
    for own, pattern, right, handler in _PATHS:
        caught = pattern.fullmatch(path)
        if caught is None:
            continue
        if own == method:
            return right, handler, caught.groups()
        allowed.append(own)
    if allowed:
        raise Trouble(Code.METHOD, headers={"Allow": ", ".join(allowed)})
    raise Trouble(Code.NO_SUCH_PATH)


def _response(
    body: bytes, content_type: str = JSON, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(body=body, status=status, headers={**_HEADERS, **(headers or {}), "Content-Type": content_type})
