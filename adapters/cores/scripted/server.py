"""The scripted core as a server: reads an order, has it hit by the faults, books, waits for the disk, answers.

Used in-process as `async with ScriptedCore.start(settings) as core:`, or as a command through `run`.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from adapters.channel import Inbound, Reply
from adapters.core import Level
from adapters.cores.scripted import control, jsonapi, osmp
from adapters.cores.scripted.books import Books
from adapters.cores.scripted.control import Control
from adapters.cores.scripted.door import Door, reset
from adapters.cores.scripted.faults import CALM, Dice, FaultKind, Faults, Plan
from adapters.cores.scripted.journal import Journal, LedgerBroken
from adapters.cores.scripted.ledger import Summary, read_attempts, read_bookings, summarise
from adapters.cores.scripted.orders import (
    OPERATIONS,
    Attempt,
    Booked,
    Booking,
    Done,
    Operation,
    Order,
    Protocol,
    Verdict,
    done_by,
)
from adapters.cores.scripted.settings import Settings
from adapters.cores.scripted.spoiled import ended, spoiled
from adapters.cores.scripted.traffic import ALONE, Beside, Traffic

BODY_BYTES_MAX: Final = 64 * 1024
"""A larger request is answered 413."""

_MOVING: Final = frozenset({Operation.PAY, Operation.CANCEL})
_HANG_LOOKS_EVERY_S: Final = 0.25


class Ledger:
    """The ledger as a judge sees it: read from the file, not from the core's memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def bookings(self) -> list[Booking]:
        """Every booking, in order."""
        return read_bookings(self.path)

    def attempts(self) -> list[Attempt]:
        """Every attempt, in the order in which they were done."""
        return read_attempts(self.path)

    def summary(self) -> Summary:
        """Counts, sums and what was doubled."""
        return summarise(self.path)


class ScriptedCore:
    """A billing system at work. Made by `start`."""

    def __init__(self, settings: Settings, journal: Journal, chance: Callable[[], float]) -> None:
        """Take up the ledger and bind the ports; nobody is let in yet."""
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._journal = journal
        self._books = Books(settings.level, settings.accounts)
        self._books.restore(journal.bookings())
        self._faults = Faults(chance)
        self._traffic = Traffic()
        self._turn: asyncio.TimerHandle | None = None
        self._closing = asyncio.Event()
        self._server = _web_server(self._serve)
        self._door = Door(settings.host, settings.port, self._server)
        self._control_server = _web_server(self._serve_control)
        self._control_door: Door | None = None
        self.control = Control(self._faults, self._loop.time, self._follow_faults)
        self.ledger = Ledger(settings.ledger)

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls, settings: Settings, chance: Callable[[], float] | None = None
    ) -> AsyncIterator["ScriptedCore"]:
        """Run one for the length of a block. `chance` decides about faults' probabilities (else: the seed).

        Raises:
            OSError: a port is taken.
            LedgerHeld, LedgerBroken: the ledger is another process's, or none.
        """
        journal = Journal(settings.ledger)
        try:
            core = cls(settings, journal, chance or Dice(settings.seed))
            try:
                core._open()
                yield core
            finally:
                await core._close()
        finally:
            await journal.close()

    @property
    def url(self) -> str:
        """Where payments go."""
        return self._door.url

    @property
    def control_url(self) -> str:
        """Where the controls are, whatever the faults do; where payments go when there is no control port."""
        return self._control_door.url if self._control_door else self._door.url

    def _open(self) -> None:
        if self._settings.control_port is not None:
            self._control_door = Door(self._settings.host, self._settings.control_port, self._control_server)
            self._control_door.open()
        for fault in self._settings.faults:
            self._faults.set(fault, self._loop.time())
        self._follow_faults()

    async def _close(self) -> None:
        self._closing.set()
        if self._turn is not None:
            self._turn.cancel()
        doors = [self._door, self._control_door] if self._control_door else [self._door]
        for door in doors:
            await door.close()
        for server in (self._server, self._control_server):
            await server.shutdown(timeout=1.0)

    def _follow_faults(self) -> None:
        """Open or shut the port as the faults say, and look again when they next change by themselves."""
        now = self._loop.time()
        if self._faults.refuses(now):
            self._door.shut()
            for connection in self._server.connections:
                if isinstance(connection.transport, asyncio.Transport):
                    reset(connection.transport)
        else:
            self._door.open()
        if self._turn is not None:
            self._turn.cancel()
        turn_s = self._faults.next_turn_s(now)
        # A timer may ring a little early; then there is nothing to do yet, and it is set again.
        self._turn = None if turn_s is None else self._loop.call_later(turn_s + 0.001, self._follow_faults)

    async def _serve_control(self, request: web.BaseRequest) -> web.StreamResponse:
        inbound = await _inbound(request)
        if inbound.path == "/livez":
            return _response(jsonapi.reply(200, {"status": "alive"}))
        said = await control.answer(self.control, self._settings.ledger, inbound)
        return _response(said or jsonapi.error(404, "not_found", "there is nothing here"))

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        inbound = await _inbound(request)
        if inbound.path.startswith(("/faults", "/ledger/")):
            return await self._serve_control_inbound(inbound)
        order = self._read(inbound)
        if isinstance(order, Reply):
            return _response(order)
        operation = OPERATIONS[type(order)]
        self._traffic.load += 1
        try:
            plan = self._faults.draw(operation, self._loop.time(), self._traffic.load)
            if operation in _MOVING:
                return await self._move(request, order, operation, plan)
            return await self._do(request, order, operation, plan, "", ALONE)
        finally:
            self._faults.leave(self._loop.time(), self._traffic.load)
            self._traffic.load -= 1

    async def _serve_control_inbound(self, inbound: Inbound) -> web.StreamResponse:
        said = await control.answer(self.control, self._settings.ledger, inbound)
        return _response(said or jsonapi.error(404, "not_found", "there is nothing here"))

    def _read(self, inbound: Inbound) -> Order | Reply:
        if inbound.path == "/osmp":
            return osmp.read(inbound, self._settings.currency)
        return jsonapi.read(inbound, self._settings.level, self._settings.currency)

    async def _move(
        self, request: web.BaseRequest, order: Order, operation: Operation, plan: Plan
    ) -> web.StreamResponse:
        """Do what moves money, seen by the account's other attempts."""
        account = self._books.account_of(order)
        transport = request.transport
        beside = self._traffic.enter(account, transport)
        try:
            return await self._do(request, order, operation, plan, account, beside)
        finally:
            self._traffic.leave(account, transport)

    async def _do(
        self,
        request: web.BaseRequest,
        order: Order,
        operation: Operation,
        plan: Plan,
        account: str,
        beside: Beside,
    ) -> web.StreamResponse:
        arrived_at_us = self._journal.now_us()

        def attempt(done: Done, booking: int = 0) -> Attempt:
            return Attempt(
                arrived_at_us=arrived_at_us,
                protocol=order.protocol,
                operation=operation,
                reference=getattr(order, "reference", ""),
                account=account or getattr(order, "account", ""),
                done=done,
                booking=booking,
                in_flight=beside.waiting,
                abandoned=beside.abandoned,
                fault=plan.named,
            )

        if plan.before_s:
            await self._wait(plan.before_s)
        if plan.end is not None:
            written = self._journal.record(attempt(Done.NOTHING))
            return await self._end(request, order, plan, written)
        verdict = self._books.apply(order, self._journal.now_us(), round(plan.pending_s * 1_000_000))
        booking = verdict.booking if isinstance(verdict, Booked) and not verdict.replayed else None
        try:
            await self._journal.record(attempt(*done_by(verdict)), booking)
        except LedgerBroken:
            return _response(jsonapi.error(500, "ledger", "the ledger can't be written"))
        if delay_s := plan.after_s + self._settings.answer_delay_s:
            await self._wait(delay_s)
        right = _write(order, verdict)
        return _response(right) if plan is CALM else await _say(request, order, right, plan)

    async def _end(
        self, request: web.BaseRequest, order: Order, plan: Plan, written: "asyncio.Future[None]"
    ) -> web.StreamResponse:
        """What the faults say instead of doing anything."""
        assert plan.end is not None
        with contextlib.suppress(LedgerBroken):
            await written
        if plan.end.kind is FaultKind.RESET_BEFORE:
            return _reset(request)
        if plan.end.kind is FaultKind.HANG:
            while request.transport is not None and not self._closing.is_set():
                await self._wait(_HANG_LOOKS_EVERY_S)
            return _reset(request)
        return _response(ended(order, plan.end))

    async def _wait(self, seconds: float) -> None:
        """Wait by the loop's own timers, or until the core closes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()


async def _say(request: web.BaseRequest, order: Order, right: Reply, plan: Plan) -> web.StreamResponse:
    """Answer, spoiled as the plan says."""
    if plan.spoil is None:
        return _response(right)
    if plan.spoil.kind is FaultKind.RESET_AFTER:
        return _reset(request)
    if plan.spoil.kind is FaultKind.TRUNCATED:
        return await _truncate(request, right)
    return _response(spoiled(order, right, plan.spoil))


def _write(order: Order, verdict: Verdict) -> Reply:
    return (osmp if order.protocol is Protocol.OSMP else jsonapi).write(order, verdict)


async def _truncate(request: web.BaseRequest, right: Reply) -> web.StreamResponse:
    """Promise the whole answer, send half of it, hang up."""
    half = web.StreamResponse(status=right.status, headers={"Content-Type": right.content_type})
    half.content_length = len(right.body)
    with contextlib.suppress(ConnectionError):
        await half.prepare(request)
        await half.write(right.body[: len(right.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        reset(request.transport)
    return web.Response()


def _response(said: Reply) -> web.Response:
    headers = (
        {"Content-Type": said.content_type, **said.headers} if said.headers else {"Content-Type": said.content_type}
    )
    return web.Response(status=said.status, body=said.body, headers=headers)


async def _inbound(request: web.BaseRequest) -> Inbound:
    path, _, query = request.raw_path.partition("?")
    body = await request.read() if request.can_read_body else b""
    return Inbound(method=request.method, path=path, query=query, headers=request.headers, body=body, peer="")


def _web_server(handler: Callable[[web.BaseRequest], Coroutine[Any, Any, web.StreamResponse]]) -> web.Server:
    def make_request(
        message: Any, payload: Any, protocol: Any, writer: Any, task: "asyncio.Task[None]"
    ) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES_MAX)

    return web.Server(handler, request_factory=make_request, access_log=None, keepalive_timeout=75.0)


async def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT; tells where it listens when it does."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    async with ScriptedCore.start(settings) as core:
        if settings.control_port is not None:
            say(f"controls on {core.control_url.removeprefix('http://')}")
        say(f"listening on {core.url.removeprefix('http://')}")
        await stop.wait()


def run(settings: Settings, say: Callable[[str], None]) -> None:
    """Run in an event loop of its own (uvloop's where there is one) until told to stop."""
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - optional; without it the standard loop does
    except ImportError:
        new_event_loop = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve(settings, say))


__all__ = ["Ledger", "Level", "ScriptedCore", "run", "serve"]
