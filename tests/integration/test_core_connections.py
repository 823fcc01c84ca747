"""The connections to a core: how many, which, for whom, and what a request that ends otherwise leaves behind."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest

from adapters.cores.http_answer import HttpAnswer
from adapters.cores.wire import Connection
from adapters.outcome import Cause, Misconfigured, NotSent, Posted, Unknown
from tests.integration.core_peer import OK, Act, Line, client, keeping, peer, plain, saying, silent

FINE = HttpAnswer(status=200, body=b"{}")


def held(*, answers: asyncio.Event) -> Act:
    """Take every request, and answer it once `answers` is set."""

    async def act(line: Line) -> None:
        while True:
            await line.hear()
            await answers.wait()
            await line.say(OK)

    return act


def target(request: bytes) -> str:
    """What was asked for."""
    return request.split(b" ")[1].decode()


class TestOnce:
    """A request is written once, whatever becomes of it."""

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("kept", [True, False], ids=["kept", "new"])
    async def test_a_connection_that_breaks_after_the_request_is_unknown(self, method: str, kept: bool) -> None:  # noqa: FBT001 - a column of the table
        """Even where it was a kept one that the core was just closing, and the method could be repeated."""
        answers = [OK] * kept

        async def act(line: Line) -> None:
            await saying(*answers)(line)
            await line.hear()
            line.reset()

        async with peer(act) as core, client(core.port) as http:
            for _ in answers:
                await http.ask("GET", "/before", 5)
            outcome = await http.ask(method, "/pay", 5)
            assert outcome == Unknown(cause=Cause.RESET)
            assert [target(each) for each in core.requests].count("/pay") == 1
            assert len(core.lines) == 1

    async def test_a_kept_connection_that_the_core_closed_is_not_used(self) -> None:
        """Nothing was written to it, so the request simply goes over another one."""
        async with peer(saying(OK), plain) as core, client(core.port) as http:
            await http.ask("GET", "/1", 5)
            await core.lines[0].closed()
            assert await http.ask("GET", "/2", 5) == FINE
            assert [len(line.requests) for line in core.lines] == [1, 1]

    async def test_what_comes_unasked_ends_a_kept_connection(self) -> None:
        """An answer given twice, the second one late: it must not be taken for the next request's."""
        is_read = asyncio.Event()

        async def twice(line: Line) -> None:
            await line.hear()
            await line.say(OK)
            await is_read.wait()
            await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
            await line.ended()

        async with peer(twice, plain) as core, client(core.port) as http:
            await http.ask("GET", "/1", 5)
            is_read.set()
            await core.lines[0].is_left.wait()
            assert await http.ask("GET", "/2", 5) == FINE
            assert len(core.lines) == 2


class TestTime:
    """An attempt ends in its time, and so does its connection."""

    async def test_a_late_answer_is_never_the_next_request_s(self) -> None:
        """The connection ends with the wait for its answer."""

        async def late(line: Line) -> None:
            await line.hear()
            await line.ended()
            await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

        async with peer(late, plain) as core, client(core.port) as http:
            assert await http.ask("GET", "/1", 0.02) == Unknown(cause=Cause.ANSWER_TIMEOUT)
            assert await http.ask("GET", "/2", 5) == FINE
            await core.lines[0].is_left.wait()

    async def test_an_earlier_request_s_time_doesn_t_end_a_later_one(self) -> None:
        """One timer serves a whole connection, and is moved on."""
        may_answer = asyncio.Event()
        may_answer.set()
        async with peer(held(answers=may_answer)) as core, client(core.port) as http:
            assert await http.ask("GET", "/1", 0.1) == FINE
            may_answer.clear()
            second = asyncio.create_task(http.ask("GET", "/2", 30))
            # So that it is the second that goes over the first one's connection.
            await asyncio.sleep(0)
            third = await http.ask("GET", "/3", 0.3)
            assert third == Unknown(cause=Cause.ANSWER_TIMEOUT)
            may_answer.set()
            assert await second == FINE

    async def test_a_shorter_time_than_the_one_before_holds(self) -> None:
        """A timer set for a long wait must not let a short one wait as long."""
        async with peer(keeping(OK), silent) as core, client(core.port, connection_idle_s=60) as http:
            await http.ask("GET", "/1", 30)
            assert await http.ask("GET", "/2", 0.02) == Unknown(cause=Cause.ANSWER_TIMEOUT)

    async def test_with_no_time_left_nothing_is_written(self) -> None:
        """Though a warm connection is there: it would be a payment nobody waits for."""
        async with peer(plain) as core, client(core.port) as http:
            await http.ask("GET", "/1", 5)
            assert isinstance(await http.ask("GET", "/2", 0), NotSent)
            assert await http.ask("GET", "/3", 5) == FINE
            assert [target(each) for each in core.requests] == ["/1", "/3"]

    async def test_an_idle_connection_ends_by_itself(self) -> None:
        """Before the core would close it under a payment."""
        async with peer(keeping(OK)) as core, client(core.port, connection_idle_s=0.02) as http:
            await http.ask("GET", "/1", 5)
            await core.lines[0].is_left.wait()

    async def test_with_no_idle_time_every_request_has_its_own_connection(self) -> None:
        """`connection_idle_s = 0`, for cores that close at once."""
        async with peer(plain) as core, client(core.port, connection_idle_s=0) as http:
            await http.ask("GET", "/1", 5)
            await http.ask("GET", "/2", 5)
            assert len(core.lines) == 2


class TestCancelled:
    """A caller who leaves."""

    async def test_a_cancelled_request_ends_its_connection_and_frees_its_slot(self) -> None:
        """Its answer may still come, and would be read as the next one's."""
        async with peer(silent, plain) as core, client(core.port, connections_max=1) as http:
            asked = asyncio.create_task(http.ask("GET", "/1", 30))
            first = await core.line(0)
            await first.is_heard.wait()
            asked.cancel()
            await asyncio.wait([asked])
            assert asked.cancelled()
            await first.is_left.wait()
            assert await http.ask("GET", "/2", 5) == FINE

    async def test_one_who_is_cancelled_as_the_answer_comes_takes_nothing_from_the_next(self) -> None:
        """The connection is another's by then."""
        async with peer(plain) as core, client(core.port, connections_max=1) as http:
            await http.ask("GET", "/0", 5)
            pool = http._pool
            assert pool is not None
            first = pool.kept()
            assert first is not None
            answer = first.ask(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n", asyncio.get_running_loop().time() + 5)
            await answer
            second = asyncio.create_task(http.ask("GET", "/2", 5))
            await asyncio.sleep(0)
            first.give_up(answer)
            assert await second == FINE
            assert len(core.lines) == 1

    async def test_one_who_leaves_the_queue_is_passed_over(self) -> None:
        """The slot goes to whoever is next."""
        may_answer = asyncio.Event()
        async with peer(held(answers=may_answer)) as core, client(core.port, connections_max=1) as http:
            asked = [asyncio.create_task(http.ask("GET", f"/{number}", 30)) for number in range(3)]
            await (await core.line(0)).is_heard.wait()
            asked[1].cancel()
            may_answer.set()
            assert await asked[0] == await asked[2] == FINE
            assert [target(each) for each in core.requests] == ["/0", "/2"]

    @pytest.mark.parametrize("is_first", [True, False], ids=["as it is freed", "before it is freed"])
    async def test_a_slot_that_is_freed_as_its_next_one_leaves_is_not_lost(self, is_first: bool) -> None:  # noqa: FBT001 - a column of the table
        """Each lost one would leave the core a connection poorer until the next start."""
        async with peer(plain) as core, client(core.port, connections_max=1) as http:
            await http.ask("GET", "/0", 5)
            pool = http._pool
            assert pool is not None
            assert pool.kept() is not None
            waiter = asyncio.create_task(http.ask("GET", "/1", 5))
            await asyncio.sleep(0)
            acts: list[Callable[[], object]] = [pool._give_on, waiter.cancel]
            for act in acts if is_first else reversed(acts):
                act()
            await asyncio.wait([waiter])
            assert waiter.cancelled()
            assert not pool._waiting
            assert await http.ask("GET", "/2", 5) == FINE


class TestSlots:
    """At most so many at once, each in its turn."""

    async def test_there_are_never_more_connections_than_allowed(self) -> None:
        """The core's own limit."""
        async with peer(plain) as core, client(core.port, connections_max=3) as http:
            answers = await asyncio.gather(*[http.ask("GET", f"/{number}", 30) for number in range(40)])
            assert answers == [FINE] * 40
            assert len(core.lines) == 3

    async def test_those_who_wait_are_served_in_order(self) -> None:
        """Nobody waits longer for others who came later."""
        async with peer(plain) as core, client(core.port, connections_max=1) as http:
            await asyncio.gather(*[http.ask("GET", f"/{number}", 30) for number in range(9)])
            assert [target(each) for each in core.requests] == [f"/{number}" for number in range(9)]

    async def test_the_connection_freed_last_is_used_first(self) -> None:
        """So that those too many grow old and end."""
        may_answer = asyncio.Event()
        async with peer(held(answers=may_answer)) as core, client(core.port) as http:
            asked = [asyncio.create_task(http.ask("GET", f"/{number}", 30)) for number in range(3)]
            for number in range(3):
                await (await core.line(number)).is_heard.wait()
            may_answer.set()
            await asyncio.gather(*asked)
            for number in range(3, 6):
                await http.ask("GET", f"/{number}", 30)
            assert sorted(len(line.requests) for line in core.lines) == [1, 1, 4]

    async def test_a_request_that_finds_none_free_in_time_was_not_sent(self) -> None:
        """And its turn goes to nobody by mistake."""
        may_answer = asyncio.Event()
        # The first connection has to be made within it too, on a machine that has much else to do.
        settings = {"connections_max": 1, "connect_timeout_s": 1.0}
        async with peer(held(answers=may_answer)) as core, client(core.port, **settings) as http:
            first = asyncio.create_task(http.ask("GET", "/1", 30))
            await (await core.line(0)).is_heard.wait()
            second = await http.ask("GET", "/2", 30)
            assert isinstance(second, NotSent)
            assert second.cause is Cause.CONNECT_TIMEOUT
            assert http._pool is not None
            assert not http._pool._waiting
            may_answer.set()
            assert await first == FINE
            assert await http.ask("GET", "/3", 30) == FINE
            assert [target(each) for each in core.requests] == ["/1", "/3"]

    async def test_a_failed_connection_gives_its_slot_back(self, free_port: int) -> None:
        """A core that was down for an hour would else be down for ever."""
        async with client(free_port, connections_max=1, connect_timeout_s=5) as http:
            outcomes = [await http.ask("GET", "/", 5) for _ in range(3)]
            assert [getattr(each, "cause", None) for each in outcomes] == [Cause.REFUSED_CONNECTION] * 3

    async def test_a_probe_needs_no_slot(self) -> None:
        """It asks whether the core is there, also while all are busy."""
        async with peer(silent) as core, client(core.port, connections_max=1) as http:
            asked = asyncio.create_task(http.ask("GET", "/1", 30))
            await (await core.line(0)).is_heard.wait()
            assert await http.touch(5) == Posted()
            asked.cancel()
            await asyncio.wait([asked])


class TestClosing:
    """The end of the service."""

    async def test_what_is_under_way_is_unknown_and_what_waits_was_not_sent(self) -> None:
        """And all connections are gone when `close` returns."""
        async with peer(silent) as core, client(core.port, connections_max=1) as http:
            first, second = (asyncio.create_task(http.ask("GET", f"/{number}", 30)) for number in range(2))
            await (await core.line(0)).is_heard.wait()
            await http.close()
            assert await first == Unknown(cause=Cause.RESET)
            assert isinstance(await second, NotSent)
            assert isinstance(await http.ask("GET", "/3", 30), NotSent)
            assert isinstance(await http.touch(30), NotSent)
            assert [target(each) for each in core.requests] == ["/0"]

    async def test_who_waits_behind_one_that_is_still_connecting_is_told_at_once(self, free_port: int) -> None:
        """A dead host must not hold up the end of the service."""
        async with client(free_port, connections_max=1, connect_timeout_s=60) as http:
            with deaf("127.0.0.1", free_port):
                first, second = (asyncio.create_task(http.ask("GET", f"/{number}", 90)) for number in range(2))
                await asyncio.sleep(0)
                await http.close()
                assert await second == NotSent(cause=Cause.UNREACHABLE, detail="closed")
                first.cancel()
                await asyncio.wait([first])

    async def test_before_the_first_request_there_is_nothing_to_let_go_of(self) -> None:
        """And nothing opens after."""
        async with peer(plain) as core, client(core.port) as http:
            await http.close()
            assert isinstance(await http.ask("GET", "/1", 30), NotSent)
            assert core.lines == []
            assert http._pool is None

    async def test_a_connection_that_opens_after_the_end_is_not_used(self) -> None:
        """The service ends while the core is being called."""
        async with peer(plain) as core, client(core.port) as http:
            asked = asyncio.create_task(http.ask("GET", "/1", 30))
            await asyncio.sleep(0)
            await http.close()
            assert isinstance(await asked, NotSent)
            assert core.requests == []


@pytest.fixture
def free_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextlib.contextmanager
def deaf(address: str, port: int) -> Iterator[None]:
    """Somebody who listens there and takes no connection."""
    with socket.create_server((address, port), backlog=0) as server, contextlib.ExitStack() as stack:
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield


class TestAddresses:
    """A core of several addresses."""

    @pytest.mark.parametrize("number", range(2))
    async def test_the_next_address_is_tried_when_one_refuses(self, number: int) -> None:
        """In whichever order they come up."""
        async with (
            peer(plain) as core,
            client(core.port, url=f"http://billing.test:{core.port}", addresses=["127.0.0.2", "127.0.0.1"]) as http,
        ):
            outcomes = [await http.ask("GET", f"/{each}", 5) for each in range(number + 1)]
            assert outcomes == [FINE] * (number + 1)

    @pytest.mark.parametrize("addresses", [["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"]])
    async def test_the_next_address_is_tried_when_one_is_deaf(self, addresses: list[str]) -> None:
        """A host that drops what it is sent must not use up the time of the others."""
        async with peer(plain) as core:
            settings = {"url": f"http://billing.test:{core.port}", "addresses": addresses, "connect_timeout_s": 20}
            async with client(core.port, **settings) as http:
                with deaf("127.0.0.2", core.port):
                    assert await http.ask("GET", "/", 30) == FINE
                    assert await http.touch(30) == Posted()

    async def test_when_all_refuse_nothing_was_sent(self, free_port: int) -> None:
        """The last one's reason is told."""
        settings = {"url": f"http://billing.test:{free_port}", "addresses": ["127.0.0.2", "127.0.0.1"]}
        async with client(free_port, **settings) as http:
            outcome = await http.ask("GET", "/", 5)
            assert isinstance(outcome, NotSent)
            assert outcome.cause is Cause.REFUSED_CONNECTION


class TestUnsendable:
    """What can't be one request."""

    @pytest.mark.parametrize(("path", "headers"), [("/a b", {}), ("/", {"X": "a\r\nY: b"}), ("/", {"Host": "other"})])
    async def test_it_is_a_fault_of_the_configuration_and_opens_nothing(
        self, path: str, headers: dict[str, str]
    ) -> None:
        """Every payment would have it."""
        async with peer(plain) as core, client(core.port) as http:
            assert isinstance(await http.ask("GET", path, 5, headers=headers), Misconfigured)
            assert core.lines == []


class Watcher:
    """A keeper of one connection that only looks."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.is_gone = asyncio.Event()

    def freed(self, connection: Connection, *, stays: bool) -> None:
        """Its request has ended."""

    def gone(self, connection: Connection) -> None:
        """It is no more."""
        assert not connection.is_open
        self.is_gone.set()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection, the client's and the core's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


class TestFit:
    """Whether a kept connection may have the next payment written to it."""

    @pytest.fixture
    async def connection(self, ends: tuple[socket.socket, socket.socket]) -> Connection:
        """One that has had its first answer and was kept for a minute."""
        loop = asyncio.get_running_loop()
        made = Connection(loop, Watcher(), answer_bytes_max=1024, idle_s=60)
        await loop.create_connection(lambda: made, sock=ends[0])
        answer = made.ask(b"GET / HTTP/1.1\r\n\r\n", loop.time() + 5)
        ends[1].send(OK)
        await answer
        return made

    async def end(self, connection: Connection) -> None:
        """Let go of it."""
        connection.drop()
        watcher = connection._keeper
        assert isinstance(watcher, Watcher)
        await watcher.is_gone.wait()

    async def test_one_that_stands_and_says_nothing_is_fit(self, connection: Connection) -> None:
        """The usual case."""
        assert connection.is_fit(asyncio.get_running_loop().time())
        await self.end(connection)

    async def test_one_that_the_core_closed_this_moment_is_not(
        self, connection: Connection, ends: tuple[socket.socket, socket.socket]
    ) -> None:
        """The loop doesn't know yet; the system does."""
        ends[1].close()
        assert connection.is_open
        assert not connection.is_fit(asyncio.get_running_loop().time())
        await self.end(connection)

    async def test_one_over_which_something_came_unasked_is_not(
        self, connection: Connection, ends: tuple[socket.socket, socket.socket]
    ) -> None:
        """It would be read as the answer to the payment written next."""
        ends[1].send(OK)
        assert not connection.is_fit(asyncio.get_running_loop().time())
        await self.end(connection)

    async def test_one_that_is_too_old_is_not_though_its_timer_hasn_t_rung(self, connection: Connection) -> None:
        """A loop that was held up finds old connections before their timers."""
        now_s = asyncio.get_running_loop().time()
        assert not connection.is_fit(now_s + 61)
        await self.end(connection)

    async def test_one_over_which_the_core_spoke_first_is_never_open(
        self, ends: tuple[socket.socket, socket.socket]
    ) -> None:
        """It speaks another protocol, or answers somebody else."""
        watcher = Watcher()
        loop = asyncio.get_running_loop()
        made = Connection(loop, watcher, answer_bytes_max=1024, idle_s=60)
        ends[1].send(OK)
        await loop.create_connection(lambda: made, sock=ends[0])
        await watcher.is_gone.wait()
        assert not made.is_open
