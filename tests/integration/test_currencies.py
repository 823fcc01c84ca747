"""One channel, two currencies, a core for each, over loopback: exact to the minor unit, and each by a route of its own."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.channels.json_headers import token_digest
from adapters.cores.scripted.faults import FaultKind
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from tests.integration.engine import both_engines
from tests.integration.house import House, open_house

TOKEN = "wallet-" + "0123456789abcdef" * 2
WALLET = """
[channels.wallet]
protocol = "json"
currency = "RUB"
amount_max = "1000"
tokens_sha256 = ["{digest}"]

[channels.wallet.currencies.JPY]
amount_max = "90000"

[cores.tokyo]
protocol = "json"
url = "{url}"
level = "A"

[routes.roubles]
core = "billing"
currency = "RUB"
channels = ["wallet"]

[routes.yen]
core = "tokyo"
currency = "JPY"
channels = ["wallet"]
"""


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[tuple[House, ScriptedCore]]:
    """A house whose wallet pays in roubles and in yen."""
    async with ScriptedCore.start(Settings(ledger=folder / "tokyo.db", currency="JPY")) as tokyo:
        more = WALLET.format(url=tokyo.url, digest=token_digest(TOKEN))
        async with open_house(folder, more) as house:
            yield house, tokyo


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[House, ScriptedCore]]:
    """The house, and the core that books yen."""
    async with opened(tmp_path) as made:
        yield made


async def pay(house: House, key: str, amount: str, currency: str) -> tuple[int, Any]:
    """`POST /v1/payments` by the wallet."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": key}
    body = {"account": "100", "amount": amount, "currency": currency}
    url = f"http://127.0.0.1:{house.service.channel_listener.port}/v1/payments"
    async with house.client.post(url, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_each_payment_is_booked_by_the_core_of_its_currency_in_its_minor_units(
    two: tuple[House, ScriptedCore],
) -> None:
    """Five hundred yen are five hundred of them, five hundred roubles fifty thousand kopecks."""
    house, tokyo = two
    told = [await pay(house, "a", "500.00", "RUB"), await pay(house, "b", "500", "JPY")]
    assert [(status, each["amount"], each["currency"]) for status, each in told] == [
        (201, "500.00", "RUB"),
        (201, "500", "JPY"),
    ]
    assert [(each.amount, each.currency) for each in house.core.ledger.bookings()] == [(50_000, "RUB")]
    assert [(each.amount, each.currency) for each in tokyo.ledger.bookings()] == [(500, "JPY")]


async def test_a_key_that_comes_again_in_another_currency_is_a_conflict(two: tuple[House, ScriptedCore]) -> None:
    """Whatever route it would take: a key is one payment of its channel."""
    house, tokyo = two
    await pay(house, "a", "500.00", "RUB")
    status, told = await pay(house, "a", "500", "JPY")
    assert (status, {each["pointer"] for each in told["errors"]}) == (422, {"#/amount", "#/currency"})
    assert tokyo.ledger.bookings() == []


@both_engines
async def test_an_outage_of_one_currency_is_none_of_the_other(two: tuple[House, ScriptedCore]) -> None:
    """What is stood in for counts against the route of its currency, in that currency."""
    house, tokyo = two
    tokyo.control.outage(FaultKind.REFUSE)
    status, told = await pay(house, "a", "500", "JPY")
    assert (status, told["status"], told["amount"]) == (202, "provisional", "500")
    assert (await pay(house, "b", "500.00", "RUB"))[0] == 201
    routes = {each["name"]: each for each in (await house.get("/admin/v1/status"))["routes"]}
    assert routes["yen"]["exposure"][0]["now"] == {"currency": "JPY", "entries": 1, "amount": "500"}
    assert routes["roubles"]["exposure"][0]["now"]["entries"] == 0
    tokyo.control.clear()
    await house.until_state(told["id"], "posted")
    assert [each.amount for each in tokyo.ledger.bookings()] == [500]
