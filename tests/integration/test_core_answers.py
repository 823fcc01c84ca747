"""How a core's answer is read from the wire: where it ends, what it can't be, and what may follow it."""

import asyncio

import pytest

from adapters.cores.http_answer import HttpAnswer
from adapters.cores.wire import HEAD_BYTES_MAX, INTERIMS_MAX
from adapters.outcome import Cause, Unknown
from tests.integration.core_peer import OK, Line, client, keeping, peer, plain, saying

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MAX = 1024

READABLE = {
    "a length": (HEAD + b"Content-Length: 2\r\n\r\n{}", 200, b"{}"),
    "no body": (HEAD + b"Content-Length: 0\r\n\r\n", 200, b""),
    "chunks": (CHUNKED + b"1\r\n{\r\n1;name=value\r\n}\r\n0\r\nTrailer: x\r\n\r\n", 200, b"{}"),
    "the end": (HEAD + b"\r\n{}", 200, b"{}"),
    "the end, in HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n{}", 200, b"{}"),
    "interim answers first": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 7\r\n\r\n" + OK,
        200,
        b"{}",
    ),
    "204 with a length": (b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", 204, b""),
    "304 with a great length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 999999\r\n\r\n", 304, b""),
    "lines without CR": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", 200, b"{}"),
    "a folded header": (HEAD + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}"),
}


async def answered(answer: bytes) -> HttpAnswer | object:
    """What comes of one answer, after which the core hangs up."""
    async with peer(saying(answer)) as core, client(core.port, answer_bytes_max=MAX) as http:
        return await http.ask("GET", "/", 5)


class TestReadable:
    """Every way an answer can rightly end."""

    @pytest.mark.parametrize("answer", READABLE.values(), ids=READABLE)
    async def test_an_answer_ends_where_it_says(self, answer: tuple[bytes, int, bytes]) -> None:
        """By length, chunks, status or the connection's end."""
        said, status, body = answer
        assert await answered(said) == HttpAnswer(status=status, body=body)

    @pytest.mark.parametrize("answer", READABLE.values(), ids=READABLE)
    async def test_it_may_come_byte_by_byte(self, answer: tuple[bytes, int, bytes]) -> None:
        """The network cuts where it likes."""

        async def drip(line: Line) -> None:
            await line.hear()
            for number in range(len(answer[0])):
                await line.say(answer[0][number : number + 1])
                await asyncio.sleep(0)

        async with peer(drip) as core, client(core.port) as http:
            assert await http.ask("GET", "/", 5) == HttpAnswer(status=answer[1], body=answer[2])

    async def test_an_answer_to_head_has_no_body_whatever_it_says(self) -> None:
        """RFC 9110, 9.3.2."""
        async with peer(keeping(HEAD + b"Content-Length: 500\r\n\r\n")) as core, client(core.port) as http:
            assert await http.ask("HEAD", "/", 5) == HttpAnswer(status=200, body=b"")

    async def test_retry_after_is_read_whatever_its_case(self) -> None:
        """The first of several."""
        said = await answered(b"HTTP/1.1 503 No\r\nretry-AFTER: 7\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n")
        assert said == HttpAnswer(status=503, body=b"", retry_after_s=7.0)

    @pytest.mark.parametrize(
        "answer",
        [
            CHUNKED + b"2\r\n{}\r\n0\r\nRetry-After: 9\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n" + OK,
        ],
    )
    async def test_what_stands_beside_the_answer_s_own_head_is_not_believed(self, answer: bytes) -> None:
        """Trailers and interim answers are about something else."""
        assert await answered(answer) == HttpAnswer(status=200, body=b"{}")


class TestTooLong:
    """The limit holds for the answer, not for what is announced."""

    @pytest.mark.parametrize(
        "answer",
        [
            HEAD + b"Content-Length: %d\r\n\r\n" % (MAX + 1),
            HEAD + b"Content-Length: %d\r\n\r\n" % (MAX + 1) + b" " * (MAX + 1),
            CHUNKED + b"%x\r\n" % (MAX + 1) + b" " * (MAX + 1),
            HEAD + b"\r\n" + b" " * (MAX + 1),
        ],
        ids=["announced", "announced and sent", "chunked", "to the end"],
    )
    async def test_a_longer_answer_is_not_read_and_its_connection_ends(self, answer: bytes) -> None:
        """Its status is known all the same, and what is left of it is nobody's answer."""
        async with peer(keeping(answer)) as core, client(core.port, answer_bytes_max=MAX) as http:
            assert await http.ask("GET", "/", 5) == HttpAnswer(status=200, body=b"", too_long=True)
            await core.lines[0].is_left.wait()

    @pytest.mark.parametrize(
        "answer",
        [
            HEAD + b"Content-Length: %d\r\n\r\n" % MAX + b" " * MAX,
            CHUNKED + b"%x\r\n" % MAX + b" " * MAX + b"\r\n0\r\n\r\n",
            HEAD + b"\r\n" + b" " * MAX,
        ],
        ids=["announced", "chunked", "to the end"],
    )
    async def test_one_of_just_that_length_is_read(self, answer: bytes) -> None:
        """The limit is the longest answer that is read."""
        assert await answered(answer) == HttpAnswer(status=200, body=b" " * MAX)


UNREADABLE = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a status below 100": b"HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n",
    "a switched protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a negative length": HEAD + b"Content-Length: -2\r\n\r\n{}",
    "a coding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "a coding in chunks": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a header too long": HEAD + b"X: " + b"a" * HEAD_BYTES_MAX + b"\r\n\r\n",
    "a header too long, of a whole answer": HEAD + b"X: " + b"a" * HEAD_BYTES_MAX + b"\r\nContent-Length: 2\r\n\r\n{}",
    "too many headers": HEAD + b"X-Name: value\r\n" * (HEAD_BYTES_MAX // 11) + b"\r\n",
    "a header without end": HEAD + b"X: " + b"a" * (HEAD_BYTES_MAX + 1),
    "a reason without end": b"HTTP/1.1 200 " + b"a" * (HEAD_BYTES_MAX + 1),
    "a trailer without end": CHUNKED + b"1\r\n{\r\n0\r\nX: " + b"a" * 2**20,
    "an extension without end": CHUNKED + b"1;" + b"a" * (HEAD_BYTES_MAX + 1),
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * (INTERIMS_MAX + 1),
    "a chunk that is none": CHUNKED + b"zz\r\n",
}


class TestUnreadable:
    """What is none, or never ends: found without waiting for the attempt's time."""

    @pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE)
    async def test_an_answer_that_can_t_be_read_is_unknown_and_its_connection_ends(self, answer: bytes) -> None:
        """The payment was sent; the next one goes over another connection."""
        async with peer(keeping(answer)) as core, client(core.port) as http:
            outcome = await http.ask("GET", "/", 30)
            assert isinstance(outcome, Unknown)
            assert outcome.cause is Cause.UNREADABLE
            await core.lines[0].is_left.wait()

    @pytest.mark.parametrize(
        ("said", "cause"),
        [
            (b"", Cause.RESET),
            (b"HTTP/1.1 2", Cause.RESET),
            (b"HTTP/1.1 100 Continue\r\n\r\n", Cause.RESET),
            (HEAD + b"Content-Length: 2\r\n\r\n{", Cause.UNREADABLE),
            (CHUNKED + b"2\r\n{}\r\n", Cause.UNREADABLE),
        ],
    )
    async def test_a_core_that_hangs_up_too_soon_is_unknown(self, said: bytes, cause: Cause) -> None:
        """Before the head it was a reset, after it an answer cut short."""
        outcome = await answered(said)
        assert isinstance(outcome, Unknown)
        assert outcome.cause is cause

    @pytest.mark.parametrize(
        "head", [HEAD + b"Content-Length: 9\r\n\r\n", HEAD + b"\r\n"], ids=["length", "to the end"]
    )
    async def test_a_reset_within_the_body_is_never_its_end(self, head: bytes) -> None:
        """Even where the connection's end would be the answer's: that is a proper end only."""
        heard = asyncio.Event()

        async def act(line: Line) -> None:
            await line.hear()
            await line.say(head + b"{}")
            await heard.wait()
            line.reset()

        async with peer(act) as core, client(core.port) as http:
            asked = asyncio.create_task(http.ask("GET", "/", 30))
            await (await core.line(0)).is_heard.wait()
            # The client reads the head in one of these turns of the loop, before the reset takes it away.
            for _ in range(20):
                await asyncio.sleep(0)
            heard.set()
            outcome = await asked
            assert isinstance(outcome, Unknown)
            assert outcome.cause is Cause.UNREADABLE


class TestReuse:
    """A connection takes the next request only after an answer that ended well, with nothing behind it."""

    @pytest.mark.parametrize(
        ("answer", "lines"),
        [
            (OK, 1),
            (CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", 1),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
            (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 1),
            (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}", 1),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", 2),
            (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}", 2),
            (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}{}", 2),
            (OK + OK, 2),
            (OK + b"HTTP", 2),
            (OK + b"\0", 2),
            (
                b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                2,
            ),
        ],
    )
    async def test_a_second_request_goes_over_the_same_connection_or_a_new_one(self, answer: bytes, lines: int) -> None:
        """An answer nobody asked for must not wait there for the next request."""
        async with peer(keeping(answer, answer)) as core, client(core.port) as http:
            first = await http.ask("GET", "/1", 5)
            second = await http.ask("GET", "/2", 5)
            assert isinstance(first, HttpAnswer)
            assert first == second
            assert len(core.lines) == lines

    async def test_a_head_is_not_answered_twice_over_one_connection(self) -> None:
        """Where a body followed in spite of all, it would be the next answer."""
        async with peer(keeping(HEAD + b"Content-Length: 2\r\n\r\n"), plain) as core, client(core.port) as http:
            await http.ask("HEAD", "/1", 5)
            assert await http.ask("GET", "/2", 5) == HttpAnswer(status=200, body=b"{}")
            assert len(core.lines) == 2

    async def test_a_core_that_answers_half_a_request_gets_no_second_one_behind_it(self) -> None:
        """What is left of the first would be read as the next."""

        async def hasty(line: Line) -> None:
            await line.reader.readuntil(b"\r\n\r\n")
            await line.say(OK)
            await line.is_left.wait()

        async with peer(hasty, plain) as core, client(core.port) as http:
            assert await http.ask("POST", "/1", 5, body=b" " * 2**24) == HttpAnswer(status=200, body=b"{}")
            assert await http.ask("GET", "/2", 5) == HttpAnswer(status=200, body=b"{}")
            assert len(core.lines) == 2
