"""SMS to an SMS centre and to a provider that we did not write."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web

from adapters.secret import SecretRef
from gateway.clock import SystemClock
from gateway.telling.event import Severity
from gateway.telling.letter import Letter
from gateway.telling.settings import HttpSmsSinkSettings, SmppSinkSettings
from gateway.telling.sink import NotTold, Undeliverable
from gateway.telling.sinks.http_sms import HttpSmsSink
from gateway.telling.sinks.smpp import SmppSink
from tests.integration.smsc.centre import Centre, centre, node

GOOD: Final = "+992900000001"
BAD: Final = "+992900000000"
FULL: Final = "+992900000009"

with_centre = pytest.mark.skipif(node() is None, reason="the SMS centre is not installed: make smsc")


def letter(text: str, *to: str) -> Letter:
    """A letter with this text."""
    return Letter(
        id="night-1-1", at_us=0, severity=Severity.CRITICAL, to=to, title=text, text=text, short=text, payload={}
    )


# By SMPP


@pytest.fixture
async def smsc() -> AsyncIterator[Centre]:
    """A running SMS centre."""
    async with centre() as made:
        yield made


def sink_to(smsc_port: int, folder: Path, *to: str, password: str = "secret") -> SmppSink:  # noqa: S107 - an example
    """A sink that tells these."""
    (folder / "password").write_text(password)
    settings = SmppSinkSettings(
        protocol="smpp",
        host="127.0.0.1",
        port=smsc_port,
        system_id="nightsafe",
        password=SecretRef(file=folder / "password"),
        sender="Nightsafe",
        to=list(to),
    )
    return SmppSink(settings, SystemClock())


@with_centre
@pytest.mark.parametrize(
    ("text", "coding"), [("route main is open: 50.00 € [RUB]", 0), ("маршрут main открыт", 8), ("a" * 160, 0)]
)
async def test_a_short_text_arrives_as_one_message(smsc: Centre, tmp_path: Path, text: str, coding: int) -> None:
    """In the cheapest alphabet that has it."""
    await sink_to(smsc.port, tmp_path, GOOD).send(letter(text))
    assert (await smsc.says())["known"]
    said = await smsc.says()
    assert (said["text"], said["coding"], said["udh"]) == (text, coding, None)
    assert (said["to"], said["ton"], said["from"]) == (GOOD[1:], 1, "Nightsafe")


@with_centre
async def test_a_long_text_arrives_in_parts_that_belong_together(smsc: Centre, tmp_path: Path) -> None:
    """Put together again by the centre's own reading of them."""
    text = "маршрут main: " + "я" * 100
    await sink_to(smsc.port, tmp_path, GOOD).send(letter(text))
    await smsc.says()
    parts = [await smsc.says(), await smsc.says()]
    assert "".join(part["text"] for part in parts) == text
    assert [part["udh"][-2:] for part in parts] == [[2, 1], [2, 2]]


@with_centre
async def test_a_number_that_is_none_keeps_it_from_no_other(smsc: Centre, tmp_path: Path) -> None:
    """And is not tried for ever."""
    with pytest.raises(Undeliverable, match="refuses the number"):
        await sink_to(smsc.port, tmp_path, BAD, GOOD).send(letter("text"))
    said = [await smsc.says() for _ in range(3)]
    assert [each["to"] for each in said[1:]] == [BAD[1:], GOOD[1:]]


@with_centre
async def test_a_full_centre_is_tried_again(smsc: Centre, tmp_path: Path) -> None:
    """The second time it has room."""
    sink = sink_to(smsc.port, tmp_path, FULL)
    with pytest.raises(NotTold, match="0x14"):
        await sink.send(letter("text"))
    await sink.send(letter("text"))


@with_centre
async def test_who_is_not_known_to_the_centre_is_told_so(smsc: Centre, tmp_path: Path) -> None:
    """Without the password in its words."""
    with pytest.raises(NotTold) as raised:
        await sink_to(smsc.port, tmp_path, GOOD, password="wrong").send(letter("text"))
    assert str(raised.value) == "the centre answered 0x0e"


async def test_a_centre_that_is_not_there_is_tried_again(tmp_path: Path) -> None:
    """By its own number, nothing of it is told."""
    with pytest.raises(NotTold, match="can't be reached"):
        await sink_to(9, tmp_path, GOOD).send(letter("text"))


# By a provider's HTTP interface


class Provider:
    """A provider of SMS: keeps what it was sent, answers as it is told."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.statuses: list[int] = []

    async def take(self, request: web.Request) -> web.Response:
        """Take one."""
        self.sent.append((request.headers["Authorization"], json.loads(await request.read())))
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, headers={"Retry-After": "7"})


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[tuple[Provider, HttpSmsSink]]:
    """A provider, and a sink that tells two numbers by it."""
    made, app = Provider(), web.Application()
    app.router.add_post("/send", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (tmp_path / "key").write_text("secret")
    settings = HttpSmsSinkSettings(
        protocol="http_sms",
        url=f"http://127.0.0.1:{runner.addresses[0][1]}/send",
        body='{"to": {{ to | tojson }}, "text": {{ text | tojson }}, "id": {{ id | tojson }}}',
        secret=SecretRef(file=tmp_path / "key"),
        to=[GOOD, FULL],
        parts_max=1,
    )
    sink = HttpSmsSink(settings)
    yield made, sink
    await sink.close()
    await runner.cleanup()


async def test_a_provider_is_sent_what_its_template_says(provider: tuple[Provider, HttpSmsSink]) -> None:
    """To each number; whatever is in the text stays within its quotes."""
    made, sink = provider
    await sink.send(letter('маршрут "main" \\ {{ 7 * 7 }}'))
    assert [each["to"] for _, each in made.sent] == [GOOD, FULL]
    assert made.sent[0] == ("Bearer secret", {"to": GOOD, "text": 'маршрут "main" \\ {{ 7 * 7 }}', "id": "night-1-1"})


async def test_a_text_is_cut_to_what_may_be_paid_for(provider: tuple[Provider, HttpSmsSink]) -> None:
    """One message."""
    made, sink = provider
    await sink.send(letter("я" * 200))
    assert made.sent[0][1]["text"] == "я" * 67 + "..."


async def test_a_provider_that_asks_to_wait_is_obeyed(provider: tuple[Provider, HttpSmsSink]) -> None:
    """For as long as it says."""
    made, sink = provider
    made.statuses = [429, 200]
    with pytest.raises(NotTold, match="answered 429") as raised:
        await sink.send(letter("text"))
    assert raised.value.retry_after_s == 7.0


async def test_a_refused_number_keeps_it_from_no_other(provider: tuple[Provider, HttpSmsSink]) -> None:
    """And is not tried for ever; who we are not known to, is."""
    made, sink = provider
    made.statuses = [422, 200]
    with pytest.raises(Undeliverable, match="answered 422"):
        await sink.send(letter("text"))
    assert len(made.sent) == 2
    made.statuses = [401, 200]
    with pytest.raises(NotTold, match="answered 401"):
        await sink.send(letter("text", GOOD))
    assert len(made.sent) == 3
