"""A payment's way as spans, told to a collector over HTTP: through to the core, and by way of the spool."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.clock import ManualClock
from gateway.http.doors import Doors
from gateway.tracing.settings import TracingSettings
from gateway.tracing.spans import NO_SPANS
from gateway.tracing.tracing import Tracing
from spool.spool import Spool
from tests.integration.collector import Collector, Sent, collector
from tests.integration.core_peer import OK, client, peer, saying
from tests.integration.house import WAIT_S, House, open_house

TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT: Final = "00f067aa0ba902b7"
SAMPLED: Final = f"00-{TRACE}-{PARENT}-01"
ACCOUNT: Final = "9171234567"


@dataclass
class Traced:
    """A house, and the collector it tells."""

    house: House
    collector: Collector
    _stack: contextlib.AsyncExitStack

    async def pay(self, key: str, traceparent: str = "") -> str:
        """A payment by OSMP."""
        query = f"command=pay&txn_id={key}&txn_date=20260115120000&account={ACCOUNT}&sum=10.00"
        url = f"http://127.0.0.1:{self.house.service.channel_listener.port}/osmp/kiosk?{query}"
        headers = {"traceparent": traceparent} if traceparent else {}
        async with self.house.client.get(url, headers=headers) as answer:
            assert "<result>0</result>" in await answer.text()
        found = await self.house.get(f"/admin/v1/entries/find?channel=kiosk&key={key}")
        number: str = found["entry"]["number"]
        return number

    async def spans(self) -> list[Sent]:
        """Stop, and see what was told."""
        await self._stack.aclose()
        return self.collector.spans


@contextlib.asynccontextmanager
async def a_traced_house(folder: Path, more: str = "share = 1.0", url: str = "") -> AsyncIterator[Traced]:
    """A house that traces, to the collector unless another place is named."""
    async with collector() as told:
        stack = contextlib.AsyncExitStack()
        table = f'\n[tracing]\nurl = "{url or told.url}"\n{more}\n'
        try:
            house = await stack.enter_async_context(open_house(folder, table))
            yield Traced(house, told, stack)
        finally:
            await stack.aclose()


@pytest.fixture
async def traced(tmp_path: Path) -> AsyncIterator[Traced]:
    """A house that traces all."""
    async with a_traced_house(tmp_path) as made:
        yield made


async def test_a_payment_that_passes_is_one_trace_with_its_channel_s(traced: Traced) -> None:
    """The request below the channel's own span; recording, asking the core, recording below the request."""
    number = await traced.pay("1", SAMPLED)
    spans = [each for each in await traced.spans() if each.trace == TRACE]
    (request,) = [each for each in spans if each.name == "payment"]
    assert (request.parent, request.attributes["nightsafe.answer"]) == (PARENT, "posted")
    assert (request.attributes["nightsafe.number"], request.attributes["nightsafe.channel"]) == (number, "kiosk")
    inside = {each.name: each for each in spans if each.parent == request.id}
    assert set(inside) == {"record", "post"}
    assert inside["post"].attributes["nightsafe.outcome"] == "posted"
    assert sorted(each.attributes["nightsafe.state"] for each in spans if each.name == "record") == [
        "in_flight",
        "posted",
    ]


async def test_a_payment_that_waited_has_a_trace_of_its_own_linked_with_its_request(traced: Traced) -> None:
    """Its root is the time it waited, from its acceptance on; claiming, asking and recording are below it."""
    await traced.house.post("/admin/v1/routes/main/open", **{"for": 600})
    number = await traced.pay("1", SAMPLED)
    await traced.house.post("/admin/v1/routes/main/auto")
    await traced.house.until_state(number, "posted")
    spans = await traced.spans()
    (request,) = [each for each in spans if each.name == "payment"]
    (wait,) = [each for each in spans if each.name == "wait"]
    assert (wait.parent, wait.links, request.links) == ("", [TRACE], [wait.trace])
    assert (wait.attributes["nightsafe.number"], wait.attributes["nightsafe.state"]) == (number, "posted")
    own = [each for each in spans if each.trace == wait.trace and each is not wait]
    assert [each.name for each in sorted(own, key=lambda each: each.ended_ns)] == ["claim", "post", "record"]
    assert {each.parent for each in own} == {wait.id}
    assert wait.began_ns <= min(each.began_ns for each in own)
    assert wait.ended_ns >= max(each.ended_ns for each in own)


def in_memory(share: float = 1.0) -> tuple[Tracing, InMemorySpanExporter]:
    """A tracing whose spans stay here."""
    kept = InMemorySpanExporter()
    settings = TracingSettings(url="http://127.0.0.1:1/", share=share)
    made = Tracing(settings, node="night", version="1", clock=ManualClock(), to=SimpleSpanProcessor(kept))
    return made, kept


async def test_the_core_is_told_the_trace() -> None:
    """So that billing's own spans come below ours; without a trace it is told nothing."""
    tracing, kept = in_memory()
    async with peer(saying(OK, OK)) as core, client(core.port) as http:
        await tracing.asked("check", None, http.ask("GET", "/x", 5.0))
        await http.ask("GET", "/x", 5.0)
        traced, untraced = (await core.line(0)).requests
    (span,) = kept.get_finished_spans()
    told = f"traceparent: 00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01\r\n"
    assert (told.encode() in traced, b"traceparent" in untraced) == (True, False)


async def test_who_breaks_off_and_what_breaks_is_told_without_its_words() -> None:
    """An exception's text may be anybody's: its span says that it failed and nothing of it."""
    tracing, kept = in_memory()

    async def breaking() -> None:
        raise ValueError(ACCOUNT)

    with pytest.raises(ValueError, match=ACCOUNT):
        await tracing.asked("post", None, breaking())
    (span,) = kept.get_finished_spans()
    assert (span.attributes, span.events, ACCOUNT in span.to_json()) == ({"nightsafe.outcome": "failed"}, (), False)


async def test_spans_hold_nothing_personal(traced: Traced) -> None:
    """No account, no amount, no key of a channel's: words of ours, and our number."""
    number = await traced.pay("98765432101", SAMPLED)
    spans = await traced.spans()
    told = {(name, value) for each in spans for name, value in each.attributes.items()}
    assert told == {
        ("nightsafe.channel", "kiosk"),
        ("nightsafe.route", "main"),
        ("nightsafe.number", number),
        ("nightsafe.state", "in_flight"),
        ("nightsafe.state", "posted"),
        ("nightsafe.attempt", "1"),
        ("nightsafe.answer", "posted"),
        ("nightsafe.outcome", "posted"),
    }
    assert {each.name for each in spans} == {"payment", "record", "post"}
    assert set(traced.collector.resource) == {"service.name", "service.instance.id", "service.version"}


async def test_a_trace_that_nobody_can_read_begins_a_new_one(traced: Traced) -> None:
    """A strange header harms no payment."""
    await traced.pay("1", "00-zz")
    (request,) = [each for each in await traced.spans() if each.name == "payment"]
    assert request.parent == ""


@pytest.mark.parametrize(
    ("more", "traceparent", "count"),
    [
        ("share = 0.0", SAMPLED, 0),
        ("share = 1.0", f"00-{TRACE}-{PARENT}-00", 1),
        ("share = 0.0\nfollow_channels = true", SAMPLED, 1),
        ("share = 1.0\nfollow_channels = true", f"00-{TRACE}-{PARENT}-00", 0),
    ],
)
async def test_the_share_decides_unless_channels_are_followed(
    tmp_path: Path, more: str, traceparent: str, count: int
) -> None:
    """A channel can't have us trace all it sends, unless an operator says so."""
    async with a_traced_house(tmp_path, more) as traced:
        await traced.pay("1", traceparent)
        assert len([each for each in await traced.spans() if each.name == "payment"]) == count


async def test_a_collector_that_is_away_harms_no_payment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does it hold up the stop; the log says so, in none of the library's words."""
    nowhere = "http://127.0.0.1:1/v1/traces"
    async with a_traced_house(tmp_path, "share = 1.0\ntimeout_s = 0.2", nowhere) as traced:
        assert await traced.pay("1")
        said = ""
        async with asyncio.timeout(WAIT_S):
            while "tracing_trouble" not in said:
                await traced.house.get("/admin/v1/status")
                said += capsys.readouterr().err
        assert await traced.spans() == []
    assert "127.0.0.1:1/" not in said + capsys.readouterr().err


async def test_without_it_nothing_is_traced_and_nothing_spent(tmp_path: Path) -> None:
    """The parts are the plain ones, what is awaited is the core's own answer, and the library isn't even imported."""
    async with open_house(tmp_path) as house:
        service = house.service
        assert (type(service.joining.doors), type(service.spool), service.tracing) == (Doors, Spool, None)
        assert [route.spans for route in service.routes] == [NO_SPANS]
    answer = asyncio.get_running_loop().create_future()
    assert NO_SPANS.asked("post", None, answer) is answer
    program = "import sys, gateway.service; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: ASYNC221 - the test waits
    assert done.stdout.strip() == "[]"
