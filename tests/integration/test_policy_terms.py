"""Each term of a stand-in policy, over loopback: who is taken, up to how much, for how long, and what the others are told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.bank import Bank
from tests.integration.engine import both_engines
from tests.integration.house import WAIT_S, open_house

TAKEN: Final = (202, "provisional")
LATER: Final = (503, "try_later")
NO: Final = (402, "refused")
RULES: Final = """
[[routes.main.standin.rules]]
channels = ["bank"]
services = ["tv"]
answer = "try_later"
[[routes.main.standin.rules]]
accounts = ["9*"]
answer = "refuse"
[[routes.main.standin.rules]]
accounts = ["3??"]
payment_max = "5"
"""


@asynccontextmanager
async def away(folder: Path, terms: str) -> AsyncGenerator[Bank]:
    """A bank before a house that stands in by these terms, from now on."""

    def change(text: str) -> str:
        head = "[routes.main.standin]\n"
        return text.partition(head)[0] + head + terms

    async with open_house(folder, change=change) as house:
        await house.post("/admin/v1/routes/main/open", **{"for": 600})
        yield Bank(house, folder)


async def paid(bank: Bank, key: str, account: str, amount: str, service: str) -> tuple[int, str]:
    """What a payment is told: the status, and the word for it."""
    more = {"service": service} if service else {}
    status, told = await bank.pay(key, account, amount, **more)
    return status, told.get("code") or told["status"]


@both_engines
@pytest.mark.parametrize(
    ("terms", "payments", "told"),
    [
        ('payment_max = "10"', [("1", "10.00", ""), ("2", "10.01", "")], [TAKEN, LATER]),
        ('exposure_sum_max = "25"', [("1", "20.00", ""), ("2", "5.01", ""), ("3", "5.00", "")], [TAKEN, LATER, TAKEN]),
        ("exposure_count_max = 1", [("1", "1.00", ""), ("2", "1.00", "")], [TAKEN, LATER]),
        (
            '[routes.main.standin.channels.bank]\nexposure_sum_max = "25"',
            [("1", "20.00", ""), ("2", "5.01", "")],
            [TAKEN, LATER],
        ),
        ("[routes.main.standin.channels.bank]\nexposure_count_max = 0", [("1", "1.00", "")], [LATER]),
        ("[routes.main.standin.channels.bank]\nenabled = false", [("1", "1.00", "")], [LATER]),
        (
            'account_day_sum_max = "25"',
            [("1", "20.00", ""), ("1", "5.01", ""), ("2", "20.00", "")],
            [TAKEN, LATER, TAKEN],
        ),
        ("account_day_count_max = 1", [("1", "1.00", ""), ("1", "1.00", "")], [TAKEN, LATER]),
        ("known_accounts_only = true", [("1", "1.00", "")], [LATER]),
        ("outage_max_s = 0", [("1", "1.00", "")], [LATER]),
        (RULES, [("1", "1.00", "tv"), ("1", "1.00", "net")], [LATER, TAKEN]),
        (RULES, [("9", "1.00", ""), ("19", "1.00", "")], [NO, TAKEN]),
        (RULES, [("300", "5.01", ""), ("300", "5.00", ""), ("3000", "5.01", "")], [LATER, TAKEN, TAKEN]),
    ],
)
async def test_each_term_is_kept_to_the_minor_unit(
    tmp_path: Path, terms: str, payments: list[tuple[str, str, str]], told: list[tuple[int, str]]
) -> None:
    """Per payment, route, channel, account and day, in sum and in count; by channel, service and account."""
    async with away(tmp_path, terms) as bank:
        answers = [await paid(bank, str(number), *each) for number, each in enumerate(payments)]
    assert answers == told


@both_engines
async def test_no_race_overshoots_a_limit(tmp_path: Path) -> None:
    """Sixty at once for twenty places: twenty are taken, the others come later, and nothing is dropped."""
    async with away(tmp_path, "exposure_count_max = 20") as bank:
        told = await asyncio.gather(*(bank.pay(str(key), f"1{key}", "1.00") for key in range(60)))
        statuses = sorted(status for status, _ in told)
        assert statuses == [202] * 20 + [503] * 40
        (route,) = (await bank.house.get("/admin/v1/status"))["routes"]
        assert route["exposure"][0]["now"]["entries"] == 20
        await bank.house.post("/admin/v1/routes/main/close", **{"for": 600})
        for _, each in (each for each in told if each[0] == 202):
            await bank.house.until_state(each["id"], "posted")
        assert len(bank.house.core.ledger.bookings()) == 20


@both_engines
async def test_what_is_left_is_shown_and_how_long_it_lasts_and_by_which_policy_each_was_taken(tmp_path: Path) -> None:
    """For the route and for each channel; the version stands with the entry."""
    async with away(
        tmp_path, 'exposure_count_max = 1000\n[routes.main.standin.channels.bank]\nexposure_sum_max = "99"'
    ) as bank:
        _, first = await bank.pay("1", "1", "30.00")

        async def shown() -> Any:
            (route,) = (await bank.house.get("/admin/v1/status"))["routes"]
            return route

        async with asyncio.timeout(WAIT_S):
            # The rate is known from the second sample on.
            number = 1
            while (route := await shown())["exposure"][0]["full_in_s"] is None:
                number += 1
                await bank.pay(str(number), str(number), "0.01")
        whole = route["exposure"][0]
        own = next(each for each in route["exposure"] if each["channel"] == "bank")
        assert (whole["channel"], whole["entries_max"], own["amount_max"]) == ("", 1000, "99.00")
        assert own["now"]["entries"] == number
        assert whole["full_in_s"] > 0
        entry = (await bank.house.get(f"/admin/v1/entries/{first['id']}"))["entry"]
        assert entry["policy"] == route["policy"] != ""


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ('checks = "accept_by_format"', (200, True)),
        ('checks = "known_accounts"', (503, None)),
        ('checks = "try_later"', (503, None)),
    ],
)
async def test_a_check_of_a_stranger_gets_what_the_policy_says(
    tmp_path: Path, terms: str, told: tuple[int, bool | None]
) -> None:
    """Yes by its form, or not now; of an account that is known: test_known_accounts.py."""
    async with away(tmp_path, terms) as bank:
        status, body = await bank.check("79160000001")
    assert (status, body.get("payable")) == told


@both_engines
@pytest.mark.parametrize(("terms", "status"), [("reversals = true", 202), ("reversals = false", 503)])
async def test_reversals_that_billing_has_to_do_are_taken_where_the_policy_says_so(
    tmp_path: Path, terms: str, status: int
) -> None:
    """One that can be done here is done here in any case."""
    async with away(tmp_path, terms) as bank:
        await bank.house.post("/admin/v1/routes/main/close", **{"for": 600})
        _, booked = await bank.pay("1")
        await bank.house.until_state(booked["id"], "posted")
        await bank.house.post("/admin/v1/routes/main/open", **{"for": 600})
        _, waits = await bank.pay("2", account="201")
        told = [(await bank.undo(each["id"], f"back-{each['id']}"))[0] for each in (booked, waits)]
    assert told == [status, 201]
