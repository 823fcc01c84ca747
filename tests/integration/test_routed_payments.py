"""Payments of one bank to several cores by service and account, over loopback; and whose go first when one is back."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import pytest

from adapters.cores.scripted.faults import FaultKind
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from tests.integration.bank import Bank
from tests.integration.engine import both_engines
from tests.integration.house import open_house
from tests.integration.test_coming_back import route, until_booked

WAYS: Final = """
[cores.tv]
protocol = "json"
url = "{tv}"
level = "A"
[cores.north]
protocol = "json"
url = "{north}"
level = "A"
[routes.tv]
core = "tv"
currency = "RUB"
channels = ["bank"]
services = ["tv"]
[routes.north]
core = "north"
currency = "RUB"
channels = ["bank"]
accounts = ["78*"]
"""


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[tuple[Bank, ScriptedCore, ScriptedCore]]:
    """A bank before a house of three routes, and the cores of two of them: for television, and for numbers with 78."""
    async with (
        ScriptedCore.start(Settings(ledger=folder / "tv.db")) as tv,
        ScriptedCore.start(Settings(ledger=folder / "north.db")) as north,
        open_house(folder, WAYS.format(tv=tv.url, north=north.url)) as house,
    ):
        yield Bank(house, folder), tv, north


@both_engines
async def test_each_payment_is_booked_by_the_core_of_its_service_or_account_and_an_outage_is_one_cores_alone(
    tmp_path: Path,
) -> None:
    """By three ledgers: a route for some accounts is stronger than one for a service; one that is down is stood in for."""
    async with opened(tmp_path) as (bank, tv, north):
        plain, for_tv = await bank.pay("1", "7912"), await bank.pay("2", "7912", service="tv")
        of_north = await bank.pay("3", "7812", service="tv")
        assert {status for status, _ in (plain, for_tv, of_north)} == {201}
        cores = (bank.house.core, tv, north)
        assert [[each.account for each in core.ledger.bookings()] for core in cores] == [["7912"], ["7912"], ["7812"]]
        tv.control.outage(FaultKind.REFUSE)
        told = [
            (await bank.pay("4", "7913", service="tv"))[1]["status"],
            (await bank.pay("5", "7914"))[1]["status"],
            (await bank.pay("6", "7814"))[1]["status"],
        ]
        assert told == ["provisional", "posted", "posted"]
        tv.control.clear()
        await until_booked(tv, 2, bank.house.service)
        assert [len(core.ledger.bookings()) for core in cores] == [2, 2, 2]


RULE: Final = '[[routes.main.order.rules]]\ngoes = "first"\n'


@both_engines
@pytest.mark.parametrize(
    "asks",
    [
        'channels = ["bank"]',
        'services = ["net"]',
        'accounts = ["9*"]',
        'amount_min = "100"',
        "urgent_accounts = true",
    ],
)
async def test_whom_a_rule_puts_first_is_booked_first_when_the_core_is_back(tmp_path: Path, asks: str) -> None:
    """By channel, service, account, sum, or as an account that is about to be cut off; though all of them came last."""
    tables = route(1, breaker="trials_needed = 1", forward=f"slow_start_s = 0.0\n{RULE}{asks}")
    async with open_house(tmp_path, tables) as house:
        bank = Bank(house, tmp_path)
        urgent = [f"9{key}" for key in range(3)]
        await house.post("/admin/v1/accounts/note", route="main", accounts=urgent, **{"as": "urgent"})
        house.core.control.outage(FaultKind.REFUSE)
        # The first of these find out, and wait a moment for their next attempt.
        for key in range(12):
            await house.pay(str(key), account=f"1{key}")
        for account in urgent:
            assert (await bank.pay(account, account, "500.00", service="net"))[1]["status"] == "provisional"
        house.core.control.clear()
        await until_booked(house.core, 15, house.service)
        usual = [f"1{key}" for key in range(8, 12)]
        # The first is the trial, by whoever was there for it.
        trial, *booked = [each.account for each in house.core.ledger.bookings()]
        in_turn = [each for each in booked if each in {*urgent, *usual}]
        assert in_turn == [each for each in (*urgent, *usual) if each in booked]
        assert {*urgent} <= {trial, *booked}
