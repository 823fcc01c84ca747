"""Looking for payments and at what waits, over loopback: find, list by sums and times, shape, stuck."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house whose route stands in, so that what comes waits."""
    async with open_house(tmp_path) as made:
        await made.post("/admin/v1/routes/main/open")
        yield made


async def found(house: House, **body: Any) -> list[str]:
    """Numbers of what is found."""
    status, told = await house.ask("POST", "/admin/v1/find", "viewer", body)
    assert status == 200, told
    return [entry["number"] for entry in told["entries"]]


async def test_a_payment_is_found_by_whatever_is_known_of_it(house: House) -> None:
    """Its number, its id, its channel's key; the core's id once it is posted; its account, which is shown nowhere."""
    number, other = await house.pay("4711", "79160000001"), await house.pay("4712", "79160000002")
    shown = (await house.get(f"/admin/v1/entries/{number}"))["entry"]
    assert (
        await found(house, id=number) == await found(house, id=shown["id"]) == await found(house, id="4711") == [number]
    )
    assert await found(house, account="79160000002") == [other]
    assert await found(house, account="79160000003") == await found(house, id="4713") == []
    await house.post("/admin/v1/routes/main/auto")
    await house.until_state(number, "posted")
    core_id = (await house.get(f"/admin/v1/entries/{number}"))["entry"]["core_id"]
    assert core_id
    assert number in await found(house, id=core_id)


async def test_an_account_is_narrowed_and_goes_on_from_page_to_page(house: House) -> None:
    """Newest first, as one asks about what happened of late."""
    numbers = [await house.pay(str(key), "100") for key in range(1, 4)]
    await house.pay("4", "200")
    _, first = await house.ask("POST", "/admin/v1/find", "viewer", {"account": "100", "limit": 2})
    assert [entry["number"] for entry in first["entries"]] == numbers[:0:-1]
    assert await found(house, account="100", before=first["next"]) == numbers[:1]
    assert await found(house, account="100", filter={"state": ["posted"]}) == []


@pytest.mark.parametrize("body", [{}, {"id": "1", "account": "2"}, {"colour": "red"}, {"id": "1", "limit": 0}])
async def test_what_is_looked_for_is_one_thing(house: House, body: dict[str, Any]) -> None:
    """Never a guess."""
    assert (await house.ask("POST", "/admin/v1/find", "viewer", body))[0] == 400


async def test_a_payment_is_found_by_amount_and_time(house: House) -> None:
    """All that a bank's clerk has on his slip."""
    number = await house.pay("1")
    around = "accepted_from=2026-01-01T00:00:00Z&accepted_before=2126-01-01T00:00:00Z"
    for amount in ("amount=10.00", "amount=10", "amount_from=9&amount_to=11", "amount=10&currency=RUB"):
        listed = await house.get(f"/admin/v1/entries?{amount}&{around}")
        assert [entry["number"] for entry in listed["entries"]] == [number], amount
    for amount in ("amount=10.01", "amount_from=10.01", "amount_to=9.99", "amount=10&currency=USD"):
        assert (await house.get(f"/admin/v1/entries?{amount}&{around}"))["entries"] == [], amount


@pytest.mark.parametrize(
    "query", ["amount=-1", "amount=1.001", "amount=1&amount_to=2", "amount=1&currency=XXX", "amount=1e3"]
)
async def test_an_amount_that_is_none_is_said_to_be_so(house: House, query: str) -> None:
    """As every other parameter."""
    status, problem = await house.ask("GET", f"/admin/v1/entries?{query}")
    assert (status, problem["code"]) == (400, "invalid")


async def test_the_shape_counts_what_waits(house: House) -> None:
    """The whole first, then each row; the youngest column first."""
    for key in range(3):
        await house.pay(str(key))
    shown = await house.get("/admin/v1/shape?by=channel")
    assert [row["name"] for row in shown["rows"]] == ["", "kiosk"]
    three = [{"currency": "RUB", "entries": 3, "amount": "30.00"}]
    assert [row["total"] for row in shown["rows"]] == [three, three]
    assert shown["rows"][0]["cells"] == [three, *([[]] * 10)]
    assert len(shown["ages_s"]) == 10
    assert (await house.get("/admin/v1/shape?by=state"))["rows"][1]["name"] == "ready"
    assert (await house.get("/admin/v1/shape?route=nowhere"))["rows"][0]["total"] == []


@pytest.mark.parametrize("query", ["by=colour", "by=route&by=route", "rows=route"])
async def test_a_shape_of_nothing_there_is_is_a_question_not_understood(house: House, query: str) -> None:
    """As every other."""
    assert (await house.ask("GET", f"/admin/v1/shape?{query}"))[0] == 400


async def test_what_is_stuck_says_why_and_what_comes_next(house: House) -> None:
    """An open route goes on by itself; what was held waits for a person, and comes first."""
    number = await house.pay("1")
    await house.pay("2")
    await house.post(f"/admin/v1/entries/{number}/hold")
    held, route = (await house.get("/admin/v1/stuck"))["stuck"]
    assert (held["what"], held["waiting"][0]["entries"], held["next"]) == ("held", 1, "")
    assert held["verbs"] == ["release", "close"]
    assert held["since"]
    assert (route["what"], route["route"]) == ("route", "main")
    assert route["why"] == "operator (a drill) keeps it open"
    assert route["next_at"]
    assert "route auto" in route["verbs"]


async def test_when_all_is_well_nothing_is_stuck(tmp_path: Path) -> None:
    """An empty list, so that a program need not know words."""
    async with open_house(tmp_path) as house:
        assert (await house.get("/admin/v1/stuck"))["stuck"] == []


async def test_the_older_machines_answers_stay_with_their_shape(house: House) -> None:
    """By channel and key, as before there was find."""
    number = await house.pay("1")
    assert (await house.get("/admin/v1/entries/find?channel=kiosk&key=1"))["entry"]["number"] == number


async def test_of_several_who_ask_for_a_shape_at_once_one_has_it_counted(house: House) -> None:
    """Among millions it takes long, and whoever else looks for something needs the same few connections."""
    await house.pay("7")
    shape = house.service.admin._parts.shape
    first, second = await asyncio.gather(shape.count(), shape.count())
    assert first is second
