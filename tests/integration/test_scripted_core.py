"""The scripted core over real sockets: each level, each fault, and a ledger that survives the kill."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from adapters.core import Level
from adapters.cores.scripted import ledger
from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.journal import LedgerHeld
from adapters.cores.scripted.orders import Done, Kind, Operation
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings

FOR_EVER = 3600.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A level A core with a control port of its own."""
    return Settings(ledger=tmp_path / "ledger.db", control_port=0)


@pytest.fixture
async def core(settings: Settings) -> AsyncIterator[ScriptedCore]:
    """The core of `settings`, at work."""
    async with ScriptedCore.start(settings) as started:
        yield started


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that keeps its connections."""
    async with aiohttp.ClientSession() as session:
        yield session


Told = tuple[int, Any, Any]


async def pay(client: aiohttp.ClientSession, core: ScriptedCore, key: str = "p1", account: str = "100") -> Told:
    """Pay 5.00 by JSON: the status, the body, the headers."""
    body = {"id": key, "account": account, "amount": "5.00", "currency": "RUB"}
    async with client.post(f"{core.url}/payments", json=body, headers={"Idempotency-Key": key}) as answer:
        return answer.status, await answer.json(), answer.headers


async def get(client: aiohttp.ClientSession, url: str) -> Told:
    """Ask: the status, the body, the headers."""
    async with client.get(url) as answer:
        return answer.status, await answer.json(), answer.headers


async def osmp(client: aiohttp.ClientSession, core: ScriptedCore, query: str) -> str:
    """Ask by OSMP: the XML."""
    async with client.get(f"{core.url}/osmp?{query}") as answer:
        assert answer.status == 200
        return await answer.text()


def references(core: ScriptedCore) -> list[str]:
    """What was booked, as the ledger's file has it."""
    return [booking.reference for booking in core.ledger.bookings()]


async def test_level_a_books_once_and_replays(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """The first answer again, marked."""
    first, again = await pay(client, core), await pay(client, core)
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1]
    assert again[2]["Idempotent-Replayed"] == "true"
    assert references(core) == ["p1"]


async def test_twins_at_level_a_book_once(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """Two requests with one key at the same moment are one payment with one answer."""
    twins = await asyncio.gather(*(pay(client, core) for _ in range(8)))
    assert sorted(status for status, _, _ in twins) == [200] * 7 + [201]
    assert {body["core_id"] for _, body, _ in twins} == {"1"}
    assert references(core) == ["p1"]


async def test_level_a_answers_409_to_other_content(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """And books nothing."""
    await pay(client, core)
    status, body, _ = await pay(client, core, account="200")
    assert (status, body["code"]) == (409, "conflict")
    assert references(core) == ["p1"]


async def test_osmp_replays_the_same_prv_txn(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """A repeat is answered 0 with the first id, by status as well."""
    paid = await osmp(client, core, "command=pay&txn_id=7&account=100&sum=5.00")
    assert "<result>0</result>" in paid
    assert "<prv_txn>1</prv_txn>" in paid
    assert await osmp(client, core, "command=pay&txn_id=7&account=100&sum=5.00") == paid
    assert await osmp(client, core, "command=status&txn_id=7") == paid
    assert references(core) == ["7"]


async def test_osmp_takes_a_form(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """POST instead of GET."""
    form = {"command": "pay", "txn_id": "7", "account": "100", "sum": "5.00"}
    async with client.post(f"{core.url}/osmp", data=form) as answer:
        assert "<prv_txn>1</prv_txn>" in await answer.text()


@pytest.mark.parametrize("level", [Level.B, Level.C])
async def test_below_level_a_a_resend_books_again(
    settings: Settings, client: aiohttp.ClientSession, level: Level
) -> None:
    """Two rows in the ledger, and the summary counts the doubled reference."""
    async with ScriptedCore.start(msgspec.structs.replace(settings, level=level)) as core:
        await pay(client, core)
        await pay(client, core)
        assert references(core) == ["p1", "p1"]
        _, summary, _ = await get(client, f"{core.control_url}/ledger/summary")
    assert (summary["doubled"], summary["doubled_references"]) == (1, ["p1"])


async def test_level_b_can_be_asked_by_reference(settings: Settings, client: aiohttp.ClientSession) -> None:
    """Found, with what was booked; or an empty list."""
    async with ScriptedCore.start(msgspec.structs.replace(settings, level=Level.B)) as core:
        await pay(client, core)
        status, found, _ = await get(client, f"{core.url}/payments?reference=p1")
        _, nothing, _ = await get(client, f"{core.url}/payments?reference=p2")
    assert status == 200
    assert [(each["core_id"], each["account"], each["amount"]) for each in found["payments"]] == [("1", "100", "5.00")]
    assert nothing == {"payments": []}


async def test_level_c_cannot_be_asked(settings: Settings, client: aiohttp.ClientSession) -> None:
    """404 by JSON, an unknown command by OSMP."""
    async with ScriptedCore.start(msgspec.structs.replace(settings, level=Level.C)) as core:
        await pay(client, core)
        status, _, _ = await get(client, f"{core.url}/payments?reference=p1")
        by_osmp = await osmp(client, core, "command=status&txn_id=7")
    assert status == 404
    assert "<result>300</result>" in by_osmp


async def test_a_payment_is_given_back(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """By JSON, once; the payment is then shown as reversed."""
    await pay(client, core)
    async with client.post(f"{core.url}/payments/1/reversal", headers={"Idempotency-Key": "r1"}) as answer:
        status, body = answer.status, await answer.json()
    _, shown, _ = await get(client, f"{core.url}/payments/1")
    assert (status, body["reverses"], body["amount"]) == (201, "1", "5.00")
    assert shown["status"] == "reversed"
    assert [booking.kind for booking in core.ledger.bookings()] == [Kind.PAYMENT, Kind.REVERSAL]


async def test_osmp_cancels(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """By our id; a cancel of nothing is 251."""
    await osmp(client, core, "command=pay&txn_id=7&account=100&sum=5.00")
    assert "<result>0</result>" in await osmp(client, core, "command=cancel&prv_txn=1")
    assert "<result>251</result>" in await osmp(client, core, "command=cancel&prv_txn=9")
    assert [booking.reverses for booking in core.ledger.bookings()] == [0, 1]


async def test_a_refused_port_comes_back_as_the_same_port(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """New connections are refused, kept ones reset, the controls go on."""
    await pay(client, core)
    async with client.post(f"{core.control_url}/faults", json={"outage": "refuse"}) as answer:
        assert answer.status == 201
    with pytest.raises(aiohttp.ClientOSError):
        await pay(client, core, "by a kept connection")
    with pytest.raises(aiohttp.ClientConnectorError):
        await pay(client, core, "p2")
    assert (await get(client, f"{core.control_url}/faults"))[1]["faults"][0]["applies"] is True
    async with client.delete(f"{core.control_url}/faults") as answer:
        assert await answer.json() == {"cleared": 1}
    assert (await pay(client, core, "p3"))[0] == 201
    assert references(core) == ["p1", "p3"]


async def test_refusing_resets_connections_that_are_open(core: ScriptedCore) -> None:
    """A caller that waits hears at once that nobody is there any more."""
    core.control.outage(FaultKind.HANG)
    reader, writer = await raw(core.url, pay_bytes("p1"))
    await core.arrived(1)
    core.control.outage(FaultKind.REFUSE)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_an_outage_may_end_by_itself(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """The port opens again when the fault's time is over."""
    core.control.set(Fault(kind=FaultKind.REFUSE, for_s=0.05))
    assert not core._door.is_open
    assert (await eventually(lambda: pay(client, core)))[0] == 201


async def test_what_hangs_is_not_booked_and_not_answered(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """Others are answered meanwhile."""
    core.control.set(Fault(kind=FaultKind.HANG, count=1))
    hanging = asyncio.create_task(pay(client, core))
    await core.recorded(1)
    assert (await pay(client, core, "p2"))[0] == 201
    assert not hanging.done()
    await gone(hanging)
    assert references(core) == ["p2"]
    assert [(attempt.done, attempt.fault) for attempt in core.ledger.attempts()] == [
        (Done.NOTHING, "hang"),
        (Done.BOOKED, ""),
    ]


async def test_a_late_answer_is_booked_long_before(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """An inquiry finds what its sender has not heard of."""
    core.control.set(Fault(kind=FaultKind.LATE, operation=Operation.PAY, delay_s=FOR_EVER))
    waiting = asyncio.create_task(pay(client, core))
    await core.recorded(1)
    _, found, _ = await get(client, f"{core.url}/payments?reference=p1")
    assert [each["status"] for each in found["payments"]] == ["booked"]
    assert not waiting.done()
    await gone(waiting)


async def test_a_slow_payment_cannot_be_found_until_it_is_booked(
    core: ScriptedCore, client: aiohttp.ClientSession
) -> None:
    """Why "not found" counts only after the settle delay: this one is still to come."""
    core.control.set(Fault(kind=FaultKind.SLOW, operation=Operation.PAY, delay_s=FOR_EVER))
    slow = asyncio.create_task(pay(client, core))
    await core.arrived(1)
    _, early, _ = await get(client, f"{core.url}/payments?reference=p1")
    assert early == {"payments": []}
    await gone(slow)


async def test_a_slow_payment_is_booked_in_the_end(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """Whether or not its sender still waits."""
    core.control.set(Fault(kind=FaultKind.SLOW, operation=Operation.PAY, delay_s=0.1))
    slow = asyncio.create_task(pay(client, core))
    await core.arrived(1)
    await gone(slow)
    await core.recorded(1)
    assert references(core) == ["p1"]


@pytest.mark.parametrize(("kind", "booked"), [(FaultKind.RESET_BEFORE, []), (FaultKind.RESET_AFTER, ["p1"])])
async def test_a_reset_tells_nothing_about_the_booking(core: ScriptedCore, kind: FaultKind, booked: list[str]) -> None:
    """The same RST, before or after."""
    core.control.set(Fault(kind=kind, count=1))
    reader, writer = await raw(core.url, pay_bytes("p1"))
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    assert references(core) == booked


@pytest.mark.parametrize(
    ("kind", "status", "booked"),
    [
        (FaultKind.ERROR_BEFORE, 500, []),
        (FaultKind.ERROR_AFTER, 500, ["p1"]),
        (FaultKind.MAINTENANCE, 503, []),
        (FaultKind.THROTTLE, 429, []),
        (FaultKind.UNAUTHORISED, 401, []),
        (FaultKind.FORBID, 422, []),
        (FaultKind.WRONG_CODE, 418, ["p1"]),
    ],
)
async def test_an_error_is_answered_with_or_without_a_booking(
    core: ScriptedCore, client: aiohttp.ClientSession, kind: FaultKind, status: int, booked: list[str]
) -> None:
    """The status says what it is, the ledger what it did."""
    core.control.outage(kind)
    assert (await pay(client, core))[0] == status
    assert references(core) == booked


@pytest.mark.parametrize("kind", [FaultKind.MAINTENANCE, FaultKind.THROTTLE])
async def test_a_core_that_asks_for_patience_says_for_how_long(
    core: ScriptedCore, client: aiohttp.ClientSession, kind: FaultKind
) -> None:
    """By Retry-After."""
    core.control.set(Fault(kind=kind, retry_after_s=17))
    assert (await pay(client, core))[2]["Retry-After"] == "17"


async def test_osmp_has_codes_for_maintenance_and_for_nonsense(
    core: ScriptedCore, client: aiohttp.ClientSession
) -> None:
    """1 is temporary; 999 is in no table."""
    number = core.control.outage(FaultKind.MAINTENANCE)
    assert "<result>1</result>" in await osmp(client, core, "command=pay&txn_id=7&account=100&sum=5.00")
    core.control.clear(number)
    core.control.set(Fault(kind=FaultKind.WRONG_CODE, code=999, books=False))
    assert "<result>999</result>" in await osmp(client, core, "command=pay&txn_id=7&account=100&sum=5.00")
    assert references(core) == []


async def test_a_pending_payment_is_in_the_ledger_already(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """202 by JSON, 90 by OSMP, a repeat changes nothing."""
    core.control.set(Fault(kind=FaultKind.PENDING, delay_s=FOR_EVER))
    assert [(await pay(client, core))[0], (await pay(client, core))[0]] == [202, 202]
    assert (await get(client, f"{core.url}/payments/1"))[1]["status"] == "pending"
    assert "<result>90</result>" in await osmp(client, core, "command=pay&txn_id=7&account=100&sum=5.00")
    assert references(core) == ["p1", "7"]


async def test_a_truncated_answer_ends_too_soon(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """Its length was promised, the connection ends before."""
    core.control.outage(FaultKind.TRUNCATED)
    with pytest.raises(aiohttp.ClientPayloadError):
        await pay(client, core)
    assert references(core) == ["p1"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(kind=FaultKind.GARBAGE), ("application/json", b"\x00\xff<\xfe{]\x00\xff", 96)),
        (Fault(kind=FaultKind.WRONG_TYPE), ("text/html", b"<!DOCTYP", 59)),
        (Fault(kind=FaultKind.HUGE, size_bytes=3_000_000), ("application/json", b" " * 8, 3_000_000)),
    ],
)
async def test_an_unreadable_answer_is_booked_all_the_same(
    core: ScriptedCore, client: aiohttp.ClientSession, fault: Fault, told: tuple[str, bytes, int]
) -> None:
    """Success by its status, nothing to be read from it."""
    core.control.set(fault)
    body = {"id": "p1", "account": "100", "amount": "5.00", "currency": "RUB"}
    async with client.post(f"{core.url}/payments", json=body, headers={"Idempotency-Key": "p1"}) as answer:
        text = await answer.read()
    assert answer.ok
    assert (answer.content_type, text[:8], len(text)) == told
    assert references(core) == ["p1"]


async def test_the_health_page_lies_when_told(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """Ok while payments fail; down while they pass."""
    core.control.outage(FaultKind.ERROR_BEFORE)
    core.control.outage(FaultKind.HEALTH_SAYS_OK)
    assert (await get(client, f"{core.url}/health"))[0] == 200
    assert (await pay(client, core))[0] == 500
    core.control.clear()
    core.control.outage(FaultKind.HEALTH_SAYS_DOWN)
    assert (await get(client, f"{core.url}/health"))[0] == 503
    assert (await pay(client, core))[0] == 201


async def test_over_its_cliff_the_core_fails_what_it_is_sent(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """Two in hand are well, the third is too much, and then everything is."""
    core.control.set(Fault(kind=FaultKind.CLIFF, limit=2, delay_s=0.01, fails=1.0, calm_s=FOR_EVER))
    core.control.set(Fault(kind=FaultKind.LATE, count=2, delay_s=FOR_EVER))
    in_hand = [asyncio.create_task(pay(client, core, f"p{number}")) for number in range(2)]
    await core.recorded(2)
    assert (await pay(client, core, "p3"))[0] == 500
    assert (await get(client, f"{core.url}/health"))[0] == 500
    assert sorted(references(core)) == ["p0", "p1"]
    await gone(in_hand[0])
    await gone(in_hand[1])


async def test_two_attempts_on_one_account_are_seen(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """How a judge knows whether the lane was kept: whose sender waited, and whose had hung up."""
    core.control.set(Fault(kind=FaultKind.LATE, count=1, delay_s=FOR_EVER))
    first = asyncio.create_task(pay(client, core, "p1"))
    await core.recorded(1)
    await pay(client, core, "p2")
    await gone(first)
    await pay(client, core, "p3")
    await pay(client, core, "p4", account="200")
    beside = [(each.reference, each.in_flight, each.abandoned) for each in core.ledger.attempts()]
    assert beside == [("p1", 0, 0), ("p2", 1, 0), ("p3", 0, 1), ("p4", 0, 0)]


async def test_a_mistyped_fault_is_refused(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """With words for whoever typed it."""
    async with client.post(f"{core.control_url}/faults", json={"kind": "flood"}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, "malformed")
    async with client.delete(f"{core.control_url}/faults/9") as answer:
        assert answer.status == 404


async def test_an_oversized_request_is_turned_away(core: ScriptedCore, client: aiohttp.ClientSession) -> None:
    """Before it is read whole."""
    async with client.post(f"{core.url}/payments", data=b"x" * 100_000) as answer:
        assert answer.status == 413
    assert references(core) == []


async def test_faults_may_be_set_from_the_start(settings: Settings, client: aiohttp.ClientSession) -> None:
    """The core of a rehearsal begins as it is told."""
    faulty = msgspec.structs.replace(settings, faults=(Fault(kind=FaultKind.THROTTLE),))
    async with ScriptedCore.start(faulty) as core:
        assert (await pay(client, core))[0] == 429


async def test_a_ledger_has_one_writer(core: ScriptedCore, settings: Settings) -> None:
    """Two cores on one ledger would book under each other's numbers."""
    with pytest.raises(LedgerHeld):
        async with ScriptedCore.start(settings):
            pytest.fail("it started")
    assert references(core) == []


async def test_a_core_that_cannot_write_its_ledger_says_nothing_more(
    core: ScriptedCore, client: aiohttp.ClientSession
) -> None:
    """500 from then on: a positive answer without a row would make the judge lie."""
    core._journal._db.execute("DROP TABLE attempt")
    assert [(await pay(client, core, "p1"))[0], (await pay(client, core, "p2"))[0]] == [500, 500]
    assert references(core) == []


async def test_a_restarted_core_knows_its_ledger(settings: Settings, client: aiohttp.ClientSession) -> None:
    """A repeat is a repeat across restarts."""
    async with ScriptedCore.start(settings) as core:
        first = await pay(client, core)
    async with ScriptedCore.start(settings) as core:
        again = await pay(client, core)
        assert references(core) == ["p1"]
    assert (again[0], again[1]["core_id"]) == (200, first[1]["core_id"])


async def test_the_ledger_is_dumped_for_judges(
    core: ScriptedCore, client: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line of JSON per booking or attempt, or the summary; while the core runs."""
    await pay(client, core)
    path = str(core.ledger.path)
    assert (ledger.main([path, "--json"]), ledger.main([path, "--attempts"]), ledger.main([path])) == (0, 0, 0)
    booking, attempt, summary = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (booking["reference"], booking["amount"], booking["kind"]) == ("p1", 500, "payment")
    assert (attempt["operation"], attempt["done"], attempt["booking"]) == ("pay", "booked", 1)
    assert (summary["totals"][0]["count"], summary["doubled"]) == (1, 0)


def test_a_missing_ledger_is_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And is not made by looking at it."""
    assert ledger.main([str(tmp_path / "none.db")]) == 2
    assert "no ledger" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.process
async def test_every_answered_booking_survives_the_kill(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    """SIGKILL under load: what was answered is in the ledger, once, and the next run knows it."""
    path = tmp_path / "ledger.db"
    answered: list[str] = []
    enough = asyncio.Event()

    async def keep_paying(url: str, who: int) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            for number in range(100_000):
                key = f"{who}-{number}"
                body = {"id": key, "account": str(who), "amount": "1.00", "currency": "RUB"}
                async with client.post(f"{url}/payments", json=body, headers={"Idempotency-Key": key}) as answer:
                    assert answer.status == 201
                answered.append(key)
                if len(answered) == 300:
                    enough.set()

    async with command("--ledger", str(path)) as (process, url):
        payers = [asyncio.create_task(keep_paying(url, who)) for who in range(8)]
        await enough.wait()
        process.send_signal(signal.SIGKILL)
        await asyncio.gather(*payers)
    booked = [booking.reference for booking in ledger.read_bookings(path)]
    assert set(answered) <= set(booked)
    assert len(booked) == len(set(booked))
    assert ledger.summarise(path).in_flight_max == 0
    async with command("--ledger", str(path)) as (_, url):
        _, found, _ = await get(client, f"{url}/payments?reference={answered[-1]}")
    assert len(found["payments"]) == 1


@pytest.mark.process
async def test_the_command_refuses_resets_and_stops_when_told(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    """On the loop it really runs on: RST after the booking, a closed port, exit 0 on SIGTERM."""
    path = tmp_path / "ledger.db"
    async with command("--ledger", str(path), "--fault", "reset_after,count=1") as (process, url):
        reader, writer = await raw(url, pay_bytes("p1"))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        # The refusal resets every connection, the one it was asked for on too.
        with contextlib.suppress(aiohttp.ClientError):
            await client.post(f"{url}/faults", json={"kind": "refuse", "for_s": 0.1})
        _, health, _ = await eventually(lambda: get(client, f"{url}/health"))
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert health == {"status": "ok"}
    assert [booking.reference for booking in ledger.read_bookings(path)] == ["p1"]


@contextlib.asynccontextmanager
async def command(*arguments: str) -> AsyncGenerator[tuple[asyncio.subprocess.Process, str]]:
    """The core as a process of its own, and where it listens; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "adapters.cores.scripted", *arguments, stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        assert line.startswith("listening on "), line
        yield process, "http://" + line.removeprefix("listening on ").strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def pay_bytes(key: str) -> bytes:
    """A payment as it goes over the wire."""
    body = json.dumps({"id": key, "account": "100", "amount": "5.00", "currency": "RUB"}).encode()
    return b"POST /payments HTTP/1.1\r\nHost: x\r\nIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        key.encode(),
        len(body),
        body,
    )


async def raw(url: str, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of our own on which these bytes were sent."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    await writer.drain()
    return reader, writer


async def gone(request: "asyncio.Task[Told]") -> None:
    """Hang up on a request."""
    request.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await request


async def eventually(ask: "Callable[[], Any]") -> Told:
    """The answer, as soon as somebody is there to give it."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                told: Told = await ask()
                return told
