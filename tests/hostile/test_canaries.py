"""What is personal leaves no trace where it doesn't belong: neither on the disk, nor in the log, nor on the admin side.

A running service is told the same few strange names everywhere a stranger or a payer may put them: accounts, extras, a
token, a path, a broken request; while its core is there and while it is taken for gone. Then every byte it wrote is searched.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.integration.house import House, open_house

CANARY: Final = "9007199254"
"""Stands for a subscriber's number: so many digits in a row are nowhere by chance."""

ACCOUNT: Final = f"{CANARY}01"
ODD_ACCOUNT: Final = f"{CANARY}02"
NOTE: Final = f"note-{CANARY}-03"

ASKED: Final = (
    f"command=pay&txn_id=1&txn_date=20260115120000&account={ACCOUNT}&sum=10.00&comment={NOTE}",
    f"command=pay&txn_id=1&txn_date=20260115120000&account={ODD_ACCOUNT}&sum=10.00",
    f"command=check&txn_id=2&account={ACCOUNT}&sum=10.00",
    f"command=pay&txn_id=3&txn_date=20260115120000&account={ACCOUNT}&sum=1e{CANARY}",
    f"command={NOTE}&txn_id=4&account={ACCOUNT}",
    f"command=pay&txn_id={NOTE}&account={ACCOUNT}&sum=10.00",
)


async def say_it_everywhere(house: House) -> None:
    """In payments in order, in a conflict, and in what can't be taken; by whom is known and by whom isn't."""
    url = f"http://127.0.0.1:{house.service.channel_listener.port}"
    for query in ASKED:
        async with house.client.get(f"{url}/osmp/kiosk?{query}") as answer:
            await answer.read()
    for token, path in ((NOTE, "/v1/payments"), ("", f"/{NOTE}")):
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": NOTE}
        async with house.client.post(
            f"{url}{path}", headers=headers, json={"account": ACCOUNT, "amount": NOTE}
        ) as answer:
            await answer.read()


def found_in(folder: Path) -> list[str]:
    """Names of the files under a folder that hold it."""
    return [path.name for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


@pytest.mark.parametrize("zone", ["auto", "open"])
async def test_what_is_personal_is_neither_on_the_disk_nor_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], zone: str
) -> None:
    """T7 and T20, while it runs and afterwards. The core's ledger holds it once it is booked: the search would find it."""
    async with open_house(tmp_path) as house:
        await house.post(f"/admin/v1/routes/main/{zone}")
        await say_it_everywhere(house)
        shown = await house.get("/metrics") + str(await house.get("/admin/v1/entries"))
        running = found_in(tmp_path / "var")
        await house.post("/admin/v1/routes/main/auto")
        number = (await house.get("/admin/v1/entries/find?channel=kiosk&key=1"))["entry"]["number"]
        await house.until_state(number, "posted")
    out, err = capfd.readouterr()
    assert (running, found_in(tmp_path / "var"), found_in(tmp_path)) == ([], [], ["ledger.db"])
    assert [text for text in (out, err, shown) if CANARY in text] == []
    assert "stopped" in err
