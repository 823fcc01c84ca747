"""What strangers send to the page: it is answered, shown as text or refused, never a fault of ours, and nobody hangs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.integration.house import House, open_house
from tests.integration.reader import Reader

pytestmark = pytest.mark.asyncio(loop_scope="module")

TARGETS: Final = (
    b"/page/\xff\xfe",
    b"/page/%ff%fe",
    b"/page/../admin/v1/status",
    b"/page/..%2f..%2fetc%2fpasswd",
    b"/page/static/%2e%2e/side.py",
    b"/page/payments/99999999999999999999999999",
    b"/page/payments/0",
    b"/page/payments/-1",
    b"/page/jobs/9999999999999999999",
    b"/page/outages/9999999999",
    b"/page/policy/" + b"x" * 64,
    b"/page/policy/nowhere",
    b"/page/queue?state=%ff",
    b"/page/queue?state=lost",
    b"/page/queue?before=99999999999999999999",
    b"/page/queue?accepted_from=0000-00-00T99:99",
    b"/page/queue?accepted_from=9999-12-31T23:59:59",
    b"/page/queue?accepted_from=0001-01-01T00:00:00",
    b"/page/queue?amount=1e9",
    b"/page/queue?lane=9999999999999999999",
    b"/page/queue?key=" + b"%00" * 64,
    b"/page/queue?" + b"a=1&" * 60,
    b"/page/audit?from=x&after=y",
    b"/page/jobs?after=-5",
    b"/page/sign-in?to=%0d%0aSet-Cookie:%20a=b",
    b"/page/sign-in?to=%ff",
    b"/page/language/ru?to=javascript:alert(1)",
    b"/page/language/xx",
    b"/page//evil.example",
)

BODIES: Final = (
    b"",
    b"\xff\xfe\x00",
    b"token=%ff&to=%ff",
    b"token=" + b"a" * 5_000,
    b"csrf=&why=&sure=yes",
    b"&" * 200,
    b"a=1&" * 100,
    b'{"token": "operator"}',
)

COOKIES: Final = (
    b"nightsafe=",
    b"nightsafe=\xff\xfe",
    b"nightsafe=" + b"a" * 4_000,
    b"nightsafe=a; nightsafe=b",
    b";;;=;=",
    b"nightsafe-language=<script>; nightsafe",
)

FORMS: Final = (
    "/page/sign-in",
    "/page/queue/hold",
    "/page/windows",
    "/page/policy/main/try",
    "/page/find",
    "/page/sign-out",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """An open house; nothing here changes it."""
    folder: Path = tmp_path_factory.mktemp("page")
    async with open_house(folder) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cookie(house: House) -> str:
    """Of an operator who is signed in."""
    reader = Reader(house)
    await reader.sign_in("operator")
    return f"nightsafe={reader.cookies['nightsafe']}"


async def told(house: House, request: bytes) -> bytes:
    """The head of the answer to a request as it is on the wire."""
    port = house.service.admin_listener.port
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    return head


def head(line: bytes, cookie: bytes, more: bytes = b"") -> bytes:
    """A request's head."""
    return line + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: " + cookie + b"\r\n" + more + b"\r\n"


@pytest.mark.parametrize("target", TARGETS)
async def test_an_address_nobody_thought_of_is_no_fault_of_ours(house: House, cookie: str, target: bytes) -> None:
    """Signed in or not: an answer below 500, and none that leads away from here."""
    for sent in (b"", cookie.encode()):
        answer = await told(house, head(b"GET " + target, sent))
        assert 200 <= int(answer.split()[1]) < 500
        places = [line.split(b": ", 1)[1] for line in answer.split(b"\r\n") if line.lower().startswith(b"location:")]
        assert [place for place in places if not (place.isascii() and place.startswith(b"/page/"))] == []
        assert answer.lower().count(b"set-cookie: a=") == 0


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", FORMS)
async def test_a_body_nobody_thought_of_is_refused(house: House, cookie: str, path: str, body: bytes) -> None:
    """Nothing of it is done, as none has the session's secret."""
    kind = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n" % len(body)
    answer = await told(house, head(b"POST " + path.encode(), cookie.encode(), kind) + body)
    assert int(answer.split()[1]) in {400, 401, 403, 429}


@pytest.mark.parametrize("sent", COOKIES)
async def test_a_cookie_nobody_gave_opens_nothing(house: House, sent: bytes) -> None:
    """Whatever is in it."""
    answer = await told(house, head(b"GET /page/queue", sent))
    assert answer.split()[1] in {b"303", b"400"}


@pytest.mark.parametrize("method", [b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"BREW"])
async def test_a_method_that_no_page_has_is_refused(house: House, cookie: str, method: bytes) -> None:
    """By the page or by the listener."""
    answer = await told(house, head(method + b" /page/queue", cookie.encode()))
    assert answer.split()[1] in {b"400", b"405"}
