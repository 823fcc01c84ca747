"""Known accounts on real sockets: imported from a file, learned from billing, and asked for when billing is away."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.cli import accounts
from gateway.cli.accounts import BATCH_BYTES, BATCH_MAX, batches
from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Reach
from tests.integration.engine import both_engines
from tests.integration.house import House, open_house

STRICT: Final = """
[routes.main.standin]
known_accounts_only = true
checks = "known_accounts"
account_day_sum_max = "25"
"""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house that stands in for known accounts alone, and for 25.00 a day of each."""
    async with open_house(tmp_path, change=lambda text: text.replace("[routes.main.standin]", STRICT.strip())) as made:
        yield made


async def result(house: House, **query: str) -> str:
    """What OSMP says."""
    url = f"http://127.0.0.1:{house.service.channel_listener.port}/osmp/kiosk"
    given = {"txn_date": "20260115120000", "sum": "10.00", **query}
    async with house.client.get(url, params=given) as answer:
        text = await answer.text()
    return text.partition("<result>")[2].partition("<")[0]


async def pay(house: House, key: str, account: str) -> str:
    """A payment of 10.00."""
    return await result(house, command="pay", txn_id=key, account=account)


async def check(house: House, account: str) -> str:
    """A check."""
    return await result(house, command="check", txn_id="9", account=account)


async def run(house: House, folder: Path, verb: Any, *given: Any, role: str = "operator", **named: Any) -> int:
    """A verb's exit code; verbs block, so they run beside the loop that serves them."""
    token = folder / f"{role}.token"
    token.write_text(role)
    reach = Reach(url=f"http://127.0.0.1:{house.service.admin_listener.port}", token_file=token)
    code: int = await asyncio.to_thread(verb, reach, *given, **named)
    return code


@both_engines
async def test_who_is_in_the_file_is_served_in_an_outage_and_nobody_else(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to the day's limit; and after a denial no more."""
    file = tmp_path / "accounts.csv"
    file.write_text("Account,Name\n79160000001,A\n\n79160000002,B\n79160000001,A again\n")
    assert await run(house, tmp_path, accounts.note, file, "main", "known", "from billing") == Exit.DONE
    assert "2 accounts are known on main" in capsys.readouterr().out
    await house.post("/admin/v1/routes/main/open", **{"for": 600})

    assert [await pay(house, str(n), "79160000001") for n in range(1, 4)] == ["0", "0", "1"]
    assert [await pay(house, "4", "79169999999"), await check(house, "79169999999")] == ["1", "243"]
    assert [await check(house, "79160000002"), await pay(house, "5", "79160000002")] == ["0", "0"]
    await run(house, tmp_path, accounts.note, file, "main", "denied", "fraud")
    assert [await check(house, "79160000002"), await pay(house, "6", "79160000002")] == ["243", "1"]
    assert await house.get("/admin/v1/accounts") == {"known": 2, "denied": 2, "at_most": False}
    await run(house, tmp_path, accounts.note, file, "main", "allowed", "a mistake")
    assert await check(house, "79160000002") == "0"
    metrics = await house.get("/metrics")
    assert 'nightsafe_turned_away_payments_total{channel="kiosk",route="main",why="account_limit"} 1.0' in metrics


@both_engines
async def test_whom_billing_booked_for_is_known_in_the_next_outage(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody imported anything."""
    assert await pay(house, "1", "79160000003") == "0"
    await house.post("/admin/v1/routes/main/open", **{"for": 600})

    assert await pay(house, "2", "79160000003") == "0"

    asked = ("main", "79160000003")
    assert await run(house, tmp_path, accounts.look, *asked, role="viewer", json=False) == Exit.DONE
    assert "known (lane " in capsys.readouterr().out
    assert await run(house, tmp_path, accounts.look, "main", "1", role="viewer", json=True) == Exit.NO
    assert '"standing":"unknown"' in capsys.readouterr().out
    assert await run(house, tmp_path, accounts.count, role="viewer", json=False) == Exit.DONE


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"route": "main", "as": "rich", "accounts": ["1"]}, 400),
        ({"route": "main", "as": "known", "accounts": [""]}, 400),
        ({"route": "main", "as": "known", "accounts": ["1"] * 10_001}, 400),
        ({"route": "other", "as": "known", "accounts": ["1"]}, 404),
        ({"route": "main", "as": "known", "accounts": []}, 200),
    ],
)
async def test_a_batch_that_makes_no_sense_is_not_noted(house: House, body: dict[str, Any], status: int) -> None:
    """Whole or not at all."""
    answered, _ = await house.ask("POST", "/admin/v1/accounts/note", body={"reason": "r", **body})
    assert answered == status
    assert await house.get("/admin/v1/accounts") == {"known": 0, "denied": 0, "at_most": False}


async def test_a_file_that_cannot_be_read_says_how_far_it_came(house: House, tmp_path: Path) -> None:
    """So that whoever imports knows what to do again: the same file, once it is mended."""
    file = tmp_path / "accounts.csv"
    file.write_bytes(b"79160000001\n" * 9_000 + b"\xff\n")
    with pytest.raises(Failure, match=r"can't be read to its end .* accounts were noted"):
        await run(house, tmp_path, accounts.note, file, "main", "known", "from billing")
    with pytest.raises(Failure, match="can't be read"):
        await run(house, tmp_path, accounts.note, tmp_path / "none.csv", "main", "known", "from billing")
    empty = tmp_path / "empty.csv"
    empty.write_text("account\n")
    assert await run(house, tmp_path, accounts.note, empty, "main", "known", "from billing") == Exit.NO


def test_batches_are_bounded_in_accounts_and_in_bytes() -> None:
    """Nothing of a file of ten million rows is held but the batch."""
    short = list(batches(f"{n}" for n in range(10_000)))
    long = list(batches("9" * 200 for _ in range(1_000)))
    assert [len(batch) for batch in short] == [BATCH_MAX, BATCH_MAX, 2_000]
    assert max(sum(len(account) + 3 for account in batch) for batch in long) <= BATCH_BYTES
    assert sum(len(batch) for batch in long) == 1_000


@both_engines
async def test_the_learned_outlive_the_service(house: House) -> None:
    """What is in memory when it stops goes to disk."""
    assert await pay(house, "1", "79160000003") == "0"
    await house.service.accounts.flush()
    assert (await house.get("/admin/v1/accounts"))["known"] == 1
