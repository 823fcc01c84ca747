"""What is masked, who sees it whole, and what an auditor reads of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house whose route stands in."""
    async with open_house(tmp_path) as made:
        await made.post("/admin/v1/routes/main/open")
        yield made


async def test_an_account_is_shown_masked_and_whole_for_a_reason(house: House) -> None:
    """The last four tell a clerk enough; the rest takes a role and a reason."""
    number = await house.pay("1", "79161234567")
    assert (await house.get(f"/admin/v1/entries/{number}"))["account"] == "*******4567"
    assert "79161234567" not in str(await house.get("/admin/v1/entries"))
    status, shown = await house.ask("POST", f"/admin/v1/entries/{number}/reveal", "auditor", {"reason": "a complaint"})
    assert (status, shown["account"]) == (200, "79161234567")


async def test_a_short_account_shows_nothing(house: House) -> None:
    """Four of five characters would be the account."""
    number = await house.pay("1", "12345")
    assert (await house.get(f"/admin/v1/entries/{number}"))["account"] == "*****"


async def test_who_saw_it_and_why_is_in_the_audit_before_it_is_shown(house: House) -> None:
    """In the evidence log, with every other deed of persons."""
    number = await house.pay("1", "79161234567")
    await house.ask("POST", f"/admin/v1/entries/{number}/reveal", "auditor", {"reason": "a complaint"})
    await house.post(f"/admin/v1/entries/{number}/hold")
    _, page = await house.ask("GET", "/admin/v1/audit", "auditor")
    told = [(deed["name"], deed["subject"], deed["actor"], deed["note"]) for deed in page["deeds"]]
    assert told == [
        ("route_open", "main", "operator", "a drill"),
        ("reveal", number, "auditor", "a complaint"),
        ("hold", number, "operator", "a drill"),
    ]
    _, rest = await house.ask("GET", f"/admin/v1/audit?from={page['deeds'][2]['event']}", "auditor")
    assert rest["deeds"] == page["deeds"][2:]


async def test_without_a_reason_or_a_spool_that_writes_nothing_is_shown(house: House) -> None:
    """What can't be written down isn't shown."""
    number = await house.pay("1", "79161234567")
    path = f"/admin/v1/entries/{number}/reveal"
    assert (await house.ask("POST", path, "operator", {"reason": " "}))[0] == 400
    await house.service.spool.close()
    status, told = await house.ask("POST", path, "operator", {"reason": "a complaint"})
    assert (status, "79161234567" in str(told)) == (503, False)
