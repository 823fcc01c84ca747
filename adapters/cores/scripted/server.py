"""The scripted core as a server: reads an order, has it hit by the faults, books, waits for the disk, answers.

Used in-process as `async with ScriptedCore.start(settings) as core:`, or as a command through `run`.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from adapters.channel import Inbound, Reply
from adapters.cores.scripted import control, jsonapi, osmp
from adapters.cores.scripted.books import Books
from adapters.cores.scripted.control import Control
from adapters.cores.scripted.door import Door, reset
from adapters.cores.scripted.faults import Dice, Fault, FaultKind, Faults
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
from adapters.cores.scripted.traffic import Traffic
from adapters.cores.scripted.visit import Visit
from adapters.cores.scripted.wire import hang_up, inbound_of, response, truncate, web_server

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

    def __init__(
        self, settings: Settings, journal: Journal, chance: Callable[[], float], books: Books | None = None
    ) -> None:
        """Take up the ledger (or another core's `books`) and bind the ports; nobody is let in yet."""
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._journal = journal
        self._books = books or Books(settings.level, settings.accounts)
        if books is None:
            self._books.restore(journal.bookings())
        self._faults = Faults(chance)
        self._traffic = Traffic()
        self._turn: asyncio.TimerHandle | None = None
        self._closing = asyncio.Event()
        self._server = web_server(self._serve)
        self._door = Door(settings.host, settings.port, self._server)
        self._control_server = web_server(self._serve_control)
        self._control_door: Door | None = None
        self.control = Control(self._faults, self._loop.time, self._follow_faults)
        self.ledger = Ledger(settings.ledger)

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls, settings: Settings, chance: Callable[[], float] | None = None
    ) -> AsyncGenerator["ScriptedCore"]:
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

    @contextlib.asynccontextmanager
    async def beside(self) -> AsyncGenerator["ScriptedCore"]:
        """Another front end of the same books, for the length of a block: a port and faults of its own."""
        settings = msgspec.structs.replace(self._settings, port=0, control_port=None, faults=())
        core = ScriptedCore(settings, self._journal, Dice(settings.seed), self._books)
        try:
            core._open()
            yield core
        finally:
            await core._close()

    @property
    def url(self) -> str:
        """Where payments go."""
        return self._door.url

    @property
    def control_url(self) -> str:
        """Where the controls are, whatever the faults do; where payments go when there is no control port."""
        return self._control_door.url if self._control_door else self._door.url

    async def arrived(self, count: int) -> None:
        """Wait until so many orders came in since the start."""
        await self._traffic.arrived.reach(count)

    async def recorded(self, count: int) -> None:
        """Wait until so many attempts of this run are in the ledger."""
        await self._journal.recorded.reach(count)

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
            # Connections that wait for nothing are let go first, or each would be waited for.
            server.pre_shutdown()
            await server.shutdown(timeout=1.0)

    def _follow_faults(self) -> None:
        """Open or shut the port as the faults say, and look again when they next change by themselves."""
        now = self._loop.time()
        if self._faults.refuses(now):
            self._door.shut()
            for connection in self._server.connections:
                # Asked by what it has, not by its class: uvloop's transports are no subclasses of asyncio's.
                if connection.transport is not None:
                    reset(connection.transport)
        else:
            self._door.open()
        if self._turn is not None:
            self._turn.cancel()
        turn_s = self._faults.next_turn_s(now)
        # A timer may ring a little early; then there is nothing to do yet, and it is set again.
        self._turn = None if turn_s is None else self._loop.call_later(turn_s + 0.001, self._follow_faults)

    async def _serve_control(self, request: web.BaseRequest) -> web.StreamResponse:
        inbound = await inbound_of(request)
        return await self._obey(inbound)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        inbound = await inbound_of(request)
        if inbound.path.startswith(("/faults", "/ledger/")):
            return await self._obey(inbound)
        order = self._read(inbound)
        if isinstance(order, Reply):
            return response(order)
        self._traffic.load += 1
        self._traffic.arrived.add()
        operation = OPERATIONS[type(order)]
        visit = Visit(
            request=request,
            order=order,
            operation=operation,
            account=self._books.account_of(order),
            arrived_at_us=self._journal.now_us(),
            plan=self._faults.draw(operation, self._loop.time(), self._traffic.load),
        )
        try:
            return await (self._move(visit) if operation in _MOVING else self._do(visit))
        finally:
            self._faults.leave(self._loop.time(), self._traffic.load)
            self._traffic.load -= 1

    async def _obey(self, inbound: Inbound) -> web.StreamResponse:
        said = await control.answer(self.control, self._settings.ledger, inbound)
        return response(said or jsonapi.error(404, "not_found", "there is nothing here"))

    def _read(self, inbound: Inbound) -> Order | Reply:
        if inbound.path == "/osmp":
            return osmp.read(inbound, self._settings.currency)
        return jsonapi.read(inbound, self._settings.level, self._settings.currency)

    async def _move(self, visit: Visit) -> web.StreamResponse:
        """Do what moves money, seen by the account's other attempts."""
        transport = visit.request.transport
        visit.beside = self._traffic.enter(visit.account, transport)
        try:
            return await self._do(visit)
        finally:
            self._traffic.leave(visit.account, transport)

    async def _do(self, visit: Visit) -> web.StreamResponse:
        """Wait, book, wait for the disk, wait, answer: each as the plan says."""
        plan = visit.plan
        if plan.before_s:
            await self._wait(plan.before_s)
            if self._closing.is_set():
                # Stopped before it was done; nobody gets to hear of it.
                return hang_up(visit.request)
        try:
            if plan.end is not None:
                await self._journal.record(visit.attempt(Done.NOTHING))
                return await self._end(visit, plan.end)
            verdict = await self._book(visit)
        except LedgerBroken:
            return response(jsonapi.error(500, "ledger", "the ledger can't be written"))
        if delay_s := plan.after_s + self._settings.answer_delay_s:
            await self._wait(delay_s)
        right = (osmp if visit.order.protocol is Protocol.OSMP else jsonapi).write(visit.order, verdict)
        return response(right) if plan.spoil is None else await _spoil(visit, right, plan.spoil)

    async def _book(self, visit: Visit) -> Verdict:
        """What the books say, once it is on disk."""
        verdict = self._books.apply(visit.order, self._journal.now_us(), round(visit.plan.pending_s * 1_000_000))
        booking = verdict.booking if isinstance(verdict, Booked) and not verdict.replayed else None
        await self._journal.record(visit.attempt(*done_by(verdict)), booking)
        return verdict

    async def _end(self, visit: Visit, fault: Fault) -> web.StreamResponse:
        """What a fault says instead of doing anything."""
        request = visit.request
        if fault.kind is FaultKind.RESET_BEFORE:
            return hang_up(request)
        if fault.kind is FaultKind.HANG:
            while request.transport is not None and not self._closing.is_set():
                await self._wait(_HANG_LOOKS_EVERY_S)
            return hang_up(request)
        return response(ended(visit.order, fault))

    async def _wait(self, seconds: float) -> None:
        """Wait by the loop's own timers, or until the core closes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()


async def _spoil(visit: Visit, right: Reply, fault: Fault) -> web.StreamResponse:
    """What a fault makes of the right answer."""
    if fault.kind is FaultKind.RESET_AFTER:
        return hang_up(visit.request)
    if fault.kind is FaultKind.TRUNCATED:
        return await truncate(visit.request, right)
    return response(spoiled(visit.order, right, fault))


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
        import uvloop  # noqa: PLC0415 - optional; without it the standard loop does
    except ImportError:
        factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(settings, say))
