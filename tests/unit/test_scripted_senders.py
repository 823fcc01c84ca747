"""Scripted senders say what the protocols say, and take an answer for what it means."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from adapters.channels.scripted.crowd import Crowd, Habits
from adapters.channels.scripted.diary import Diary, Heard, Order
from adapters.channels.scripted.speech import JsonSpeech, OsmpSpeech, Speech
from adapters.cores.scripted.faults import Dice
from adapters.judge.testimony import read_diary

ORDER = Order(channel="kiosk", key="7", account="100", amount=1045, currency="RUB")
OSMP = OsmpSpeech("kiosk", first_id=7)
JSON = JsonSpeech("bank", "token", prefix="order")


def xml(result: int, prv_txn: str = "") -> bytes:
    """An OSMP answer."""
    booking = f"<prv_txn>{prv_txn}</prv_txn>" if prv_txn else ""
    return f'<?xml version="1.0"?><response>{booking}<result>{result}</result></response>'.encode()


def problem(code: str, *, final: bool) -> bytes:
    """A problem of the JSON API."""
    return json.dumps({"type": f"urn:nightsafe:problem:{code}", "final": final}).encode()


RECEIPT = b'{"id": "42", "status": "provisional"}'

HEARD: list[tuple[Speech, int, bytes, Heard]] = [
    (OSMP, 200, xml(0, "42"), Heard(kind="yes", code="0", number="42")),
    (OSMP, 200, xml(1), Heard(kind="unknown", code="1")),
    (OSMP, 200, xml(90, "42"), Heard(kind="unknown", code="90")),
    (OSMP, 200, xml(5), Heard(kind="no", code="5")),
    (OSMP, 200, xml(0), Heard(kind="no", code="0")),
    (OSMP, 503, xml(0, "42"), Heard(kind="unknown", code="http 503")),
    (OSMP, 200, b"<html>", Heard(kind="unknown", code="http 200")),
    (JSON, 201, RECEIPT, Heard(kind="yes", code="201", number="42", status="provisional")),
    (JSON, 202, RECEIPT, Heard(kind="yes", code="202", number="42", status="provisional")),
    (JSON, 201, b"{", Heard(kind="unknown", code="http 201")),
    (JSON, 503, problem("try_later", final=False), Heard(kind="unknown", code="503 try_later")),
    (JSON, 409, problem("in_progress", final=False), Heard(kind="unknown", code="409 in_progress")),
    (JSON, 402, problem("refused", final=True), Heard(kind="no", code="402 refused")),
    (JSON, 422, problem("conflict", final=True), Heard(kind="no", code="422 conflict")),
    (JSON, 502, b"<html>", Heard(kind="unknown", code="http 502")),
]


@pytest.mark.parametrize(("speech", "status", "body", "heard"), HEARD)
def test_an_answer_is_taken_for_what_it_means(speech: Speech, status: int, body: bytes, heard: Heard) -> None:
    """Yes and no are final; whatever can't be read is asked again."""
    assert speech.hear(status, body) == heard


def test_osmp_asks_by_get() -> None:
    """With everything `pay` needs, decimal text for the sum."""
    asking = OSMP.ask(ORDER)
    assert asking.method == "GET"
    assert asking.path == "/osmp/kiosk?command=pay&txn_id=7&txn_date=20260115120133&account=100&sum=10.45"


def test_json_asks_by_post() -> None:
    """With its key, its token, and decimal text for the sum."""
    asking = JSON.ask(ORDER)
    assert (asking.method, asking.path) == ("POST", "/v1/payments")
    assert asking.headers["Idempotency-Key"] == "7"
    assert asking.headers["Authorization"] == "Bearer token"
    assert json.loads(asking.body) == {"account": "100", "amount": "10.45", "currency": "RUB"}


def test_osmp_cancels_by_the_payment_s_own_id() -> None:
    """Under a `txn_id` of the cancel's own; the gateway keeps it under `cancel:` and that."""
    key = OSMP.undo_key(2)
    asking = OSMP.ask(msgspec.structs.replace(ORDER, key=key, reverses="7", receipt="42"))
    assert key == "cancel:8"
    assert asking.path == "/osmp/kiosk?command=cancel&txn_id=8&cancel_txn_id=7"


def test_json_reverses_by_the_receipt() -> None:
    """With a key of the reversal's own, and nothing about account or sum."""
    asking = JSON.ask(msgspec.structs.replace(ORDER, key=JSON.undo_key(2), reverses="order-1", receipt="42"))
    assert (asking.method, asking.path, asking.body) == ("POST", "/v1/payments/42/reversal", b"{}")
    assert asking.headers["Idempotency-Key"] == "order-2"


def test_each_payment_has_a_key_of_its_own() -> None:
    """Digits for OSMP."""
    assert [OSMP.key(1), OSMP.key(2)] == ["7", "8"]
    assert [JSON.key(1), JSON.key(2)] == ["order-1", "order-2"]


def test_the_diary_is_what_the_judge_reads(tmp_path: Path) -> None:
    """Asked twice, heard once: one story."""
    with Diary(tmp_path / "diary") as diary:
        diary.asks(ORDER, 1.0)
        diary.hears(ORDER, Heard(kind="unknown", code="TimeoutError"), 2.0)
        diary.asks(ORDER, 3.0)
        diary.hears(ORDER, Heard(kind="yes", code="0", number="42"), 4.0)
    (story,) = read_diary((tmp_path / "diary").read_text(encoding="utf-8").splitlines()).values()
    assert (story.mark, story.account, story.amount, story.currency) == ("kiosk.7", "100", 1045, "RUB")
    assert (story.attempts, story.answers, story.numbers) == (2, ["yes"], {"42"})


async def test_a_sender_asks_until_it_has_a_final_answer(tmp_path: Path) -> None:
    """The same request after each answer that isn't, and never again after the yes."""
    asked: list[str] = []
    answers = [web.Response(status=502), web.Response(body=xml(1)), web.Response(body=xml(0, "42"))]

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query_string)
        return answers[len(asked) - 1]

    application = web.Application()
    application.router.add_get("/osmp/kiosk", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    habits = Habits(twins=0.0, echoes=0.0, pause_min_s=0.0, pause_max_s=0.0)
    with Diary(tmp_path / "diary") as diary:
        async with Crowd.gather(lambda: url, [OSMP], diary=diary, chance=Dice(1), habits=habits) as crowd:
            crowd.begin()
            await crowd.settled()
    await runner.cleanup()
    assert len(asked) == 3
    assert len(set(asked)) == 1
    assert (crowd.yes, crowd.no, crowd.unanswered) == (1, 0, 0)
    assert diary.heard == {"unknown": 2, "yes": 1}


async def test_a_crowd_that_disperses_leaves_nobody_asking(tmp_path: Path) -> None:
    """Nobody listens; whoever asks is sent home, and the diary has what they asked."""
    over = asyncio.Event()
    with Diary(tmp_path / "diary") as diary:
        async with Crowd.gather(lambda: "http://127.0.0.1:1", [OSMP, JSON], diary=diary, chance=Dice(1)) as crowd:
            sending = asyncio.create_task(crowd.send(over))
            crowd.begin()
            over.set()
            await sending
        assert crowd.unanswered == 0
    assert crowd.yes == 0
