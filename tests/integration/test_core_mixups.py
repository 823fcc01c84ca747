"""Requests by the hundred against a core that misbehaves by chance: nobody ever gets another's answer, or is sent twice."""

import asyncio
import contextlib
import random
import socket
from collections import Counter

import pytest
import uvloop

from adapters.cores.http import HttpClient
from adapters.cores.http_answer import HttpAnswer
from adapters.cores.wire import Connection
from adapters.outcome import NotSent, Unknown
from tests.integration.core_peer import Line, client, peer

REQUESTS = 400
AT_ONCE = 24

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
WAIT_S = 5.0
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def answer(token: str, *, end: str = "") -> bytes:
    """The right answer to one request: what it asked for."""
    return f"HTTP/1.1 200 OK\r\n{end}Content-Length: {len(token)}\r\n\r\n{token}".encode()


class Moody:
    """A core whose connections do something else with each request, by chance."""

    def __init__(self, chance: random.Random) -> None:
        """Do what `chance` says."""
        self._chance = chance
        #: How often each request came.
        self.seen: Counter[str] = Counter()
        self._came = asyncio.Condition()

    async def act(self, line: Line) -> None:
        """One connection."""
        while True:
            token = (await line.hear()).split(b" ")[1].decode()
            async with self._came:
                self.seen[token] += 1
                self._came.notify_all()
            kinds = (self.rightly, self.in_pieces, self.twice, self.late, self.broken, self.closing, self.never)
            if not await self._chance.choices(kinds, weights=(30, 8, 4, 6, 3, 4, 2))[0](line, token):
                return

    async def rightly(self, line: Line, token: str) -> bool:
        """At once."""
        await line.say(answer(token))
        return True

    async def in_pieces(self, line: Line, token: str) -> bool:
        """An interim answer first, then in chunks, with turns of the loop between them."""
        await line.say(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        head, tail = token[:3], token[3:]
        for piece in (
            "HTTP/1.1 200 OK\r\nTransfer-Enc",
            f"oding: chunked\r\n\r\n{len(head):x}\r\n{head}\r\n{len(tail):x}\r\n{tail}",
            "\r\n0\r\n\r\n",
        ):
            await asyncio.sleep(0)
            await line.say(piece.encode())
        return True

    async def twice(self, line: Line, token: str) -> bool:
        """Twice over."""
        await line.say(answer(token) * 2)
        return True

    async def late(self, line: Line, token: str) -> bool:
        """After others were asked, which may be after this one's time."""
        others = self.seen.total() + self._chance.randrange(1, 2 * AT_ONCE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05), self._came:
                await self._came.wait_for(lambda: self.seen.total() > others)
        await line.say(answer(token))
        return True

    async def broken(self, line: Line, token: str) -> bool:
        """Half of it, then a reset."""
        whole = answer(token)
        await line.say(whole[: self._chance.randrange(len(whole))])
        line.reset()
        return False

    async def closing(self, line: Line, token: str) -> bool:
        """Rightly; then it hangs up, and may have said so."""
        await line.say(answer(token, end=self._chance.choice(["", "Connection: close\r\n"])))
        return False

    async def never(self, line: Line, token: str) -> bool:
        """Not at all."""
        del token
        await line.ended()
        return False


async def one(http: HttpClient, chance: random.Random, token: str) -> object:
    """One request, with little or much time, and a caller who sometimes leaves."""
    asked = asyncio.create_task(http.ask(chance.choice(["GET", "POST"]), token, chance.choice([0.005, 0.2, 0.5])))
    if chance.random() < 0.1:
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        asked.cancel()
    await asyncio.wait([asked])
    return None if asked.cancelled() else asked.result()


async def story(seed: int) -> tuple[Counter[str], dict[str, object]]:
    """What came to the core, and what was told of each request."""
    chance = random.Random(seed)  # noqa: S311 - a story, no secret
    moody = Moody(random.Random(seed + 1))  # noqa: S311 - a story, no secret
    tokens = [f"/{number:05d}-{chance.getrandbits(64):016x}" for number in range(REQUESTS)]
    waiting, told = iter(tokens), dict[str, object]()
    settings = {"connections_max": 8, "connect_timeout_s": 0.5, "connection_idle_s": 0.02}

    async def caller(http: HttpClient) -> None:
        for token in waiting:
            told[token] = await one(http, chance, token)

    async with peer(moody.act) as core, client(core.port, **settings) as http:
        await asyncio.gather(*[caller(http) for _ in range(AT_ONCE)])
        assert http._pool is not None
        assert http._pool._slots_left == 8, "every slot came back"
        assert len(http._pool._standing) <= 8, "nothing is kept of connections that are gone"
    return moody.seen, told


class Unmoved:
    """A keeper of connections whom nothing moves."""

    def freed(self, connection: Connection, *, stays: bool) -> None:
        """It is left."""

    def gone(self, connection: Connection) -> None:
        """It is left."""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_request_has_left_when_it_is_written(loop: str) -> None:
    """Not at the end of the loop's turn: a process that stands still before that sends what may be another's by then."""

    async def written() -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as server:
            running = asyncio.get_running_loop()
            keeper = Unmoved()
            _, connection = await running.create_connection(
                lambda: Connection(running, keeper, answer_bytes_max=100, idle_s=1.0), *server.getsockname()
            )
            peer, _ = server.accept()
            with peer:
                peer.settimeout(WAIT_S)
                connection.ask(REQUEST, running.time() + WAIT_S)
                came = peer.recv(len(REQUEST))
            connection.drop()
            return came

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(written()) == REQUEST


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loop", LOOPS)
def test_no_request_gets_another_s_answer_or_is_sent_twice(loop: str, seed: int) -> None:
    """Late, double, broken and missing answers, timeouts and callers who leave, on few connections."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        seen, told = runner.run(story(seed))
    answered = {token: each.body.decode() for token, each in told.items() if isinstance(each, HttpAnswer)}
    assert answered == {token: token for token in answered}
    assert max(seen.values()) == 1
    assert [token for token, each in told.items() if isinstance(each, NotSent) and token in seen] == []
    assert len(answered) > REQUESTS / 10
    assert any(isinstance(each, Unknown) for each in told.values())
