"""The play itself: health, billing killed, the gateway killed too, billing back, the drain, and the count.

Everything is real: processes, sockets, SQLite on disk, SIGKILL. What the senders were told and what billing booked are
compared by `adapters.judge`, which knows nothing of the gateway; then the gateway verifies its own books.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final, TypeVar

import aiohttp
import msgspec
from rich.console import Console

from adapters.channels.scripted.crowd import Crowd, Habits
from adapters.channels.scripted.diary import Diary
from adapters.cores.scripted.ledger import summarise
from adapters.cores.scripted.orders import Kind
from gateway.admin.state.shown import RouteShown, Status
from gateway.admin.views import VerdictShown
from gateway.clock import Clock, SystemClock
from gateway.demo.actor import Actor, DidNotStart
from gateway.demo.count import last_words, verdict_of
from gateway.demo.scene import CorePart, NoPort, Scene
from gateway.demo.show import Board, Show
from spool.errors import KeysUnfit

BILLING: Final = "billing"

SECONDS: Final = 30.0
"""How long payments keep coming, unless told otherwise."""

RATE: Final = 60.0
"""New payments a second, unless told otherwise."""

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""

LOOK_EVERY_S: Final = 0.25
ASK_TIMEOUT_S: Final = 2.0
DRAIN_TIMEOUT_S: Final = 60.0

# Shares of the whole: in health, until the gateway is killed, until billing is back, until no new payments come.
HEALTH: Final = 0.25
UNTIL_KILL: Final = 0.2
OUTAGE_AFTER: Final = 0.25
RECOVERY: Final = 0.3

T = TypeVar("T")


class Play:
    """One run of the demo."""

    def __init__(self, scene: Scene, crowd: Crowd, client: aiohttp.ClientSession, show: Show, clock: Clock) -> None:
        """Everything is there; nothing runs yet."""
        self.gateway: Final = scene.gateway()
        self.billing: Final = scene.core(BILLING)
        self._scene = scene
        self._crowd = crowd
        self._client = client
        self._show = show
        self._clock = clock
        self._phase = "starting"
        self._began_at = clock.monotonic()
        self._booked = 0
        self._status: Status | None = None
        self._yes_before = 0
        self._looked_at = self._began_at
        self._rate = 0.0

    async def act(self, seconds: float) -> bool:
        """All acts, payments coming for `seconds`; True when everything was answered and posted in the end."""
        over = asyncio.Event()
        await self.billing.start()
        await self.gateway.start()
        watching = asyncio.create_task(self._watch())
        sending = asyncio.create_task(self._crowd.send(over))
        try:
            await self._health(seconds * HEALTH)
            await self._outage(seconds * UNTIL_KILL, seconds * OUTAGE_AFTER)
            await self._recovery(seconds * RECOVERY)
            over.set()
            await sending
            return await self._drain()
        finally:
            watching.cancel()
            sending.cancel()
            await asyncio.wait([watching, sending])

    async def _health(self, seconds: float) -> None:
        self._enter("in health", "Terminals (OSMP) and a bank (JSON) pay; each payment goes through to billing.")
        await self._clock.sleep(seconds)

    async def _outage(self, before_kill_s: float, after_kill_s: float) -> None:
        self._enter("billing down", "Billing is killed (SIGKILL). Payments are taken in its place.")
        await self.billing.kill()
        await self._clock.sleep(before_kill_s)
        self._enter("gateway down", "In the middle of it the gateway itself is killed (SIGKILL), and started again.")
        await self.gateway.kill()
        await self.gateway.start()
        self._enter("billing down", "The gateway is back with everything it had; billing is still down.")
        await self._clock.sleep(after_kill_s)

    async def _recovery(self, seconds: float) -> None:
        self._enter("billing back", "Billing is started again. What waits is posted while new payments come in.")
        await self.billing.start()
        await self._clock.sleep(seconds)

    async def _drain(self) -> bool:
        self._enter("draining", "No new payments; what waits is posted.")
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await self._crowd.settled()
                while not _drained(await self._ask_status()):
                    await self._clock.sleep(LOOK_EVERY_S)
        except TimeoutError:
            return False
        return True

    def _enter(self, phase: str, text: str) -> None:
        self._phase = phase
        self._show.tell(text)

    # Looking

    async def _watch(self) -> None:
        while True:
            self._status = await self._ask_status()
            # From the file, so that it can be seen while billing is dead.
            ledger = await asyncio.to_thread(summarise, self._scene.ledger(BILLING))
            self._booked = ledger.count(Kind.PAYMENT)
            self._show.look(self._board())
            await self._clock.sleep(LOOK_EVERY_S)

    async def _ask_status(self) -> Status | None:
        return await self._ask(f"{self._scene.admin_url}/admin/v1/status", Status)

    async def verify(self) -> VerdictShown | None:
        """The gateway's own count of everything, seals included; None when it doesn't say."""
        return await self._ask(f"{self._scene.admin_url}/admin/v1/verify", VerdictShown, body=b'{"seals":true}')

    async def _ask(self, url: str, kind: type[T], *, body: bytes | None = None) -> T | None:
        """What is at `url`; None while nobody answers."""
        headers = {"Authorization": f"Bearer {self._scene.admin_token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(total=ASK_TIMEOUT_S if body is None else DRAIN_TIMEOUT_S)
        method = "GET" if body is None else "POST"
        try:
            async with self._client.request(method, url, headers=headers, data=body, timeout=timeout) as answer:
                return msgspec.json.decode(await answer.read(), type=kind)
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError):
            return None

    def _board(self) -> Board:
        now = self._clock.monotonic()
        self._rate += 0.3 * ((self._crowd.yes - self._yes_before) / max(now - self._looked_at, 0.01) - self._rate)
        self._yes_before, self._looked_at = self._crowd.yes, now
        board = Board(
            at_s=now - self._began_at,
            phase=self._phase,
            begun=self._crowd.begun,
            yes=self._crowd.yes,
            rate=self._rate,
            booked=self._booked,
        )
        return board if self._status is None else _with_status(board, self._status)


def _with_status(board: Board, status: Status) -> Board:
    route = status.routes[0]
    books = [each for each in status.conservation if each.kind == "payment"]
    exposed = route.exposure[0].now if route.exposure else None
    return msgspec.structs.replace(
        board,
        zone=route.zone,
        diagnosis=_why(route),
        accepted=sum(each.accepted.entries for each in books),
        posted=sum(each.posted.entries for each in books),
        waiting=sum(each.waiting.entries for each in books),
        exposed=f"{exposed.entries} payments, {exposed.amount} {exposed.currency}" if exposed else "",
    )


def _why(route: RouteShown) -> str:
    return route.diagnosis.words if route.diagnosis and route.zone != "closed" else ""


def _drained(status: Status | None) -> bool:
    return status is not None and not any(each.waiting.entries for each in status.conservation)


@contextlib.asynccontextmanager
async def _staged(scene: Scene, show: Show, clock: Clock, rate: float) -> AsyncGenerator[Play]:
    """A play with its senders, whose processes end with the block."""
    with Diary(scene.diary(BILLING)) as diary:
        async with (
            aiohttp.ClientSession() as client,
            Crowd.gather(
                lambda: scene.url,
                scene.speeches(BILLING),
                diary=diary,
                chance=clock.fraction,
                habits=Habits(rate=rate),
            ) as crowd,
        ):
            play = Play(scene, crowd, client, show, clock)
            try:
                yield play
            finally:
                await _end(play.gateway, play.billing)


async def _end(*actors: Actor) -> None:
    for actor in actors:
        if actor.is_running:
            await actor.stop()


async def perform(folder: Path, console: Console, clock: Clock, *, seconds: float, rate: float) -> int:
    """The whole demo in `folder`; 0 when nothing is lost or doubled and the books are right, else 1.

    Raises:
        DidNotStart: gateway or billing doesn't start.
    """
    scene = Scene(folder, [CorePart(name=BILLING)], clock)
    # A token of this play alone, which ends with it.
    page = f"The page: {scene.admin_url}/page/  Sign in with {scene.admin_token}"
    console.print(page, highlight=False, soft_wrap=True, markup=False)
    with Show(console) as show:
        async with _staged(scene, show, clock, rate) as play:
            drained = await play.act(seconds)
            books = await play.verify()
            kills = play.gateway.kills + play.billing.kills
    verdict = verdict_of(scene, BILLING)
    for line in last_words(verdict, books, drained=drained):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if drained and verdict.sound and books is not None and books.ok:
        console.print(
            f"[green]Every payment answered yes was booked once, over {kills} kills.[/green]", highlight=False
        )
        return 0
    console.print(f"[red]Something is off.[/red] Everything is left in {folder}", soft_wrap=True)
    return 1


def run(
    folder: Path | None = None,
    *,
    seconds: float = SECONDS,
    rate: float = RATE,
    console: Console | None = None,
) -> int:
    """`nightsafe demo`: payments come for `seconds` at `rate` a second; returns the exit code.

    Without a folder a temporary one is used; it is left when something is off, so that one can look.
    """
    console = console or Console()
    place = folder or Path(tempfile.mkdtemp(prefix="nightsafe-demo-"))
    try:
        place.mkdir(parents=True, exist_ok=True)
        code = asyncio.run(perform(place, console, SystemClock(), seconds=seconds, rate=rate))
    except (DidNotStart, KeysUnfit, NoPort, OSError) as error:
        console.print(f"The demo can't be played in {place}: {error}", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print(f"Interrupted. Everything is left in {place}", markup=False, soft_wrap=True)
        return INTERRUPTED
    if code == 0 and folder is None:
        shutil.rmtree(place)
    return code
