"""The doors: requests of one turn are answered together, and what breaks one of them breaks no other."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from adapters.channel import Channel, Inbound, Reply
from adapters.payment import Answer, Payment, Request
from gateway.accept.closed import Closed
from gateway.clock import settle
from gateway.http.doors import Doors
from gateway.returns.listed import ListedReturns
from gateway.returns.settings import ReturnSettings
from gateway.windows.board import Board
from gateway.windows.plan import Plan
from spool.store import Filter
from tests.unit.heart import Heart, payment
from tests.unit.json_examples import ask, channel

GOOD, DEAF, MUTE = "/osmp/kiosk", "/osmp/deaf", "/osmp/mute"


class Plainspoken:
    """A channel whose requests are their keys, and whose answers their kinds; with a bug, if it is made with one."""

    def __init__(self, name: str, bug: str = "") -> None:
        self.name = name
        self.currency = "RUB"
        self.deadline_s = 10.0
        self._bug = bug

    def read(self, inbound: Inbound) -> Request:
        """A payment."""
        assert self._bug != "read", "a bug"
        return payment(inbound.query, channel="kiosk")

    def write(self, request: Request, answer: Answer) -> Reply:
        """The kind of the answer."""
        assert self._bug != "write", "a bug"
        assert isinstance(request, Payment)
        return Reply(status=200, content_type="text/plain", body=f"{request.key} {answer.kind.value}".encode())


class Asking:
    """A request in hand."""

    def __init__(self, path: str, key: str, *, gone: bool = False) -> None:
        self.inbound = Inbound(method="GET", path=path, query=key, headers={}, body=b"", peer="127.0.0.1")
        self.heard = list[str]()
        self._gone = gone
        self._running: asyncio.Future[None] | None = None

    def tell(self, reply: Reply) -> None:
        """An answer."""
        assert not self._gone, "a bug"
        self.heard.append(reply.body.decode())

    def run(self, more: Coroutine[Any, Any, Reply]) -> None:
        """An answer that takes more."""
        self._running = asyncio.ensure_future(self._serve(more))

    async def _serve(self, more: Coroutine[Any, Any, Reply]) -> None:
        self.tell(await more)

    def fail(self, error: Exception) -> None:
        """A bug."""
        self.heard.append(type(error).__name__)


@pytest.fixture
def doors(heart: Heart) -> Doors:
    """Of three channels, two of them with a bug, before a route that is open."""
    heart.open_route()
    channels: list[Channel] = [Plainspoken("kiosk"), Plainspoken("deaf", "read"), Plainspoken("mute", "write")]
    return Doors(
        channels,
        heart.acceptor,
        heart.clock,
        heart.meter,
        Board([], Plan(heart.store, [heart.route], heart.clock), heart.clock),
        returns=ListedReturns(heart.store, heart.clock, ReturnSettings()),
    )


async def test_a_turn_s_requests_are_answered_together_though_some_break(doors: Doors) -> None:
    """One that can't be read and one that can't be answered are told so; the others have their answers."""
    asked = [Asking(GOOD, "a"), Asking(DEAF, "b"), Asking(MUTE, "c"), Asking(GOOD, "d")]
    doors.handle(asked)
    await settle()
    assert [each.heard for each in asked] == [
        ["a provisional"],
        ["AssertionError"],
        ["AssertionError"],
        ["d provisional"],
    ]


async def test_a_connection_that_breaks_at_its_answer_takes_nobody_s(doors: Doors) -> None:
    """Those behind it in the turn are told."""
    asked = [Asking(GOOD, "a", gone=True), Asking(GOOD, "b")]
    doors.handle(asked)
    await settle()
    assert [each.heard for each in asked] == [[], ["b provisional"]]


async def test_twins_of_one_turn_are_one_payment(doors: Doors, heart: Heart) -> None:
    """The second waits for the first one's answer."""
    asked = [Asking(GOOD, "a"), Asking(GOOD, "a")]
    doors.handle(asked)
    await settle()
    assert [each.heard for each in asked] == [["a provisional"], ["a provisional"]]
    assert [entry.key for entry in await heart.store.page(Filter(), 2)] == ["a"]


class Punctual(Closed):
    """Says nothing until the last moment it is given; keeps which that was."""

    def __init__(self) -> None:
        self.until = 0.0

    def pay(self, payment: Payment, until: float, twin_until: float, tell: Callable[[Answer], None]) -> None:
        """A payment."""
        self.until = min(until, twin_until)
        super().pay(payment, until, twin_until, tell)


@pytest.mark.parametrize(("deadline_s", "at_s"), [(55.0, 54.9), (1.0, 0.95)], ids=["usual", "short"])
async def test_what_is_said_in_the_last_moment_has_time_for_its_way(
    heart: Heart, deadline_s: float, at_s: float
) -> None:
    """A channel must have its answer within its deadline: whoever waits to the end stops a little before it."""
    kiosk, punctual = Plainspoken("kiosk"), Punctual()
    kiosk.deadline_s = deadline_s
    board = Board([], Plan(heart.store, [heart.route], heart.clock), heart.clock)
    doors, came = Doors([kiosk], punctual, heart.clock, heart.meter, board, returns=None), heart.clock.monotonic()
    doors.handle([Asking(GOOD, "a")])
    await settle()
    assert punctual.until - came == pytest.approx(at_s)


async def test_before_the_spool_is_open_nobody_is_told_what_he_owes(heart: Heart) -> None:
    """Nobody can look: ask later. Who has no token is told so all the same."""
    board = Board([], Plan(heart.store, [heart.route], heart.clock), heart.clock)
    closed = Doors([channel()], Closed(), heart.clock, heart.meter, board, returns=None)
    known, stranger = Asking("/v1/returns", ""), Asking("/v1/returns", "")
    known.inbound = ask("GET", "/v1/returns")
    closed.handle([known, stranger])
    await settle()
    assert ["try_later" in known.heard[0], "unauthorised" in stranger.heard[0]] == [True, True]
