"""No request makes a row in the spool without its sender's credentials: the service as a process, and everything we know.

Each hostile shape is sent right behind a payment that is in order, in the same breath over the same connection: what
opened the door to the one must not hold it open for the other. Afterwards the spool's export and the core's ledger hold
the payments in order and not one more; nobody was told of a failure of ours, and nothing was complained of.
"""

import asyncio
import base64
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import pytest

from gateway.demo.scene import CorePart
from tests.acceptance.stage import WAIT_S, Stage, staged
from tests.hostile.shapes import (
    BODY,
    Keys,
    bearer,
    hidden,
    json_pay,
    misshapen,
    osmp_form,
    osmp_pay,
    truncated,
    unvouched,
)

pytestmark = pytest.mark.process

CORE: Final = "billing"
KIOSK: Final = f"{CORE}-kiosk"
BANK: Final = f"{CORE}-bank"
FAR: Final = "far-kiosk"
GUARDED: Final = "guarded-kiosk"
PASSWORD: Final = "correct horse"
AT_ONCE: Final = 16
STATUS: Final = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")

MORE: Final = """
[channels.{far}]
protocol = "osmp"
currency = "RUB"
allow = ["10.9.8.0/24"]

[channels.{guarded}]
protocol = "osmp"
currency = "RUB"
basic = {{ user = "kiosk", password = {{ file = "{password}" }} }}

[routes.more]
core = "{core}"
currency = "RUB"
channels = ["{far}", "{guarded}"]

[routes.more.standin]
exposure_count_max = 1000
"""
"""Channels for others than this machine: of another network, and of those who know a password."""

MOODS: Final = {"passing through": [], "standing in": [{"outage": "refuse"}]}


@pytest.fixture(params=MOODS)
async def mood(request: pytest.FixtureRequest) -> str:
    """The core is there, and is not."""
    name: str = request.param
    return name


def furnished(stage: Stage) -> Keys:
    """Add the other channels, before the start."""
    secret = stage.scene.folder / "password"
    secret.write_text(PASSWORD, encoding="utf-8")
    secret.chmod(0o600)
    with stage.scene.config.open("a", encoding="utf-8") as config:
        config.write(MORE.format(far=FAR, guarded=GUARDED, core=CORE, password=secret))
    return Keys(
        token=stage.scene.bank_token(CORE),
        admin_token=stage.scene.admin_token,
        kiosk=KIOSK,
        far=FAR,
        basic=GUARDED,
        password=base64.b64encode(f"kiosk:{PASSWORD}".encode()).decode(),
    )


class Sender:
    """Sends payments in order, each with something behind it, and counts what should be there afterwards."""

    def __init__(self, stage: Stage, keys: Keys) -> None:
        self._port = stage.scene.port
        self._keys = keys
        self._places = asyncio.Semaphore(AT_ONCE)
        #: Channel and key of each payment in order.
        self.sent: list[tuple[str, str]] = []

    async def send(self, shapes: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
        """Send each shape behind a payment; each with all that was answered."""
        return await asyncio.gather(*(self._one(shape) for shape in shapes))

    async def _one(self, shape: bytes) -> tuple[bytes, bytes]:
        payment = self.payment(len(self.sent))
        async with self._places:
            return shape, await said(self._port, payment + shape)

    def payment(self, serial: int) -> bytes:
        """The next payment in order, by each channel in turn."""
        keys, number = self._keys, str(5_000 + serial)
        body = BODY.replace(b"4567", b"%04d" % (serial % 10_000))
        basic = f"Authorization: Basic {keys.password}"
        channel, sent = (
            (BANK, json_pay(number, bearer(keys.token), body=body)),
            (KIOSK, osmp_pay(keys.kiosk, number)),
            (KIOSK, osmp_form(keys.kiosk, number)),
            (GUARDED, osmp_pay(keys.basic, number, basic)),
        )[serial % 4]
        self.sent.append((channel, number))
        return sent


async def said(port: int, data: bytes) -> bytes:
    """Everything a connection answers to this, until it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(WAIT_S):
            return await _all(reader)
    finally:
        writer.close()


async def _all(reader: asyncio.StreamReader) -> bytes:
    """What was read, also where the other side then broke off: it didn't read all that was sent to it."""
    heard = b""
    try:
        while piece := await reader.read(65_536):
            heard += piece
    except ConnectionError:
        pass
    return heard


def statuses(heard: bytes) -> list[int]:
    """The status of each answer."""
    return [int(status) for status in STATUS.findall(heard)]


async def rows(stage: Stage) -> list[tuple[str, str]]:
    """Channel and key of every entry in the spool, by the real command."""
    code, told = await stage.command("export")
    assert code == 0, told
    entries = [msgspec.json.decode(line)["entry"] for line in told.splitlines() if line.startswith("{")]
    return sorted((entry["channel"], entry["key"]) for entry in entries)


def families(keys: Keys) -> Mapping[str, Mapping[str, bytes]]:
    """All shapes."""
    return {
        "unvouched": unvouched(keys),
        "hidden": hidden(keys),
        "truncated": truncated(keys),
        "misshapen": misshapen(),
    }


async def test_only_what_is_vouched_for_is_stored(tmp_path: Path, mood: str) -> None:
    """Hundreds of shapes, with the core there and with the core gone."""
    async with staged(tmp_path, [CorePart(name=CORE)]) as stage:
        await stage.gateway.stop()
        keys = furnished(stage)
        await stage.gateway.start()
        for fault in MOODS[mood]:
            await stage.fault(CORE, **fault)
        sender = Sender(stage, keys)
        told = [
            (family, *each) for family, shapes in families(keys).items() for each in await sender.send(shapes.values())
        ]
        stored = await rows(stage)
        await stage.heal(CORE)
        await stage.drained()
        booked = stage.booked(CORE)
        log = stage.gateway.log.read_text(encoding="utf-8")
    assert len(told) > 500
    assert [each for each in told if statuses(each[2])[:1] not in ([200], [201], [202])] == [], "in order"
    failures = [each for each in told if any(status >= 500 and status != 505 for status in statuses(each[2]))]
    assert failures == []
    unvouched_answers = [(shape, statuses(heard)) for family, shape, heard in told if family == "unvouched"]
    assert [each for each in unvouched_answers if len(each[1]) != 2 or not 400 <= each[1][1] < 500] == []
    assert stored == sorted(sender.sent)
    assert sorted(booked) == sorted(f"{channel}.{key}" for channel, key in sender.sent)
    assert "Traceback" not in log
    assert stage.blunders() == []


async def test_a_recorded_day_sent_again_changes_nothing(tmp_path: Path) -> None:
    """Replay: a payment's key is all that is ever used up. Byte for byte, three times, over a kill: one row, one booking.

    And the same number in every answer.
    """
    async with staged(tmp_path, [CorePart(name=CORE)]) as stage:
        await stage.gateway.stop()
        sender = Sender(stage, furnished(stage))
        await stage.gateway.start()
        day = [sender.payment(serial) for serial in range(40)]
        first = [numbers(await said(stage.scene.port, payment)) for payment in day]
        again = [numbers(await said(stage.scene.port, payment)) for payment in day]
        await stage.restart()
        late = [numbers(await said(stage.scene.port, payment * 2)) for payment in day]
        stored, booked = await rows(stage), stage.booked(CORE)
    assert [len(each) for each in first] == [1] * len(day)
    assert again == first
    assert late == [each * 2 for each in first]
    assert stored == sorted(sender.sent)
    assert sorted(booked) == sorted(f"{channel}.{key}" for channel, key in sender.sent)


NUMBER: Final = re.compile(rb'"id":"([0-9]+)"|<prv_txn>([0-9]+)</prv_txn>')


def numbers(heard: bytes) -> list[bytes]:
    """The gateway's number in each answer."""
    return [by_json or by_osmp for by_json, by_osmp in NUMBER.findall(heard)]
