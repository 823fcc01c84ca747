"""Reports over loopback: of a day, shown, as CSV and as a spreadsheet; entries as a spreadsheet; and who took them."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.admin.reports.side import HEAD
from gateway.admin.views import EntryRow
from tests.integration.engine import both_engines
from tests.integration.house import House, open_house
from tests.unit.test_sheet import cells_of

DAY = "/admin/v1/reports/day"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house whose route stands in, with three payments of today."""
    async with open_house(tmp_path) as made:
        await made.post("/admin/v1/routes/main/open")
        for key in ("1", "2", "3"):
            await made.pay(key, "79161234567")
        yield made


async def file_of(house: House, path: str, who: str = "auditor") -> tuple[str, bytes]:
    """A file that is written out, and its type."""
    url = f"http://127.0.0.1:{house.service.admin_listener.port}{path}"
    async with house.client.get(url, headers={"Authorization": f"Bearer {who}"}) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Disposition"].startswith("attachment")
        return answer.content_type, await answer.read()


@both_engines
async def test_a_day_is_shown_and_adds_up(house: House) -> None:
    """Today's, as far as it is."""
    found = await house.get(f"{DAY}?as_of=now")
    (row,) = found["rows"]
    assert (row["channel"], row["route"], row["taken"]) == (
        "kiosk", "main", {"currency": "RUB", "entries": 3, "amount": "30.00"},
    )  # fmt: skip
    assert (row["waiting"]["entries"], found["adds_up"], found["is_whole"]) == (3, True, False)
    before = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
    old = await house.get(f"{DAY}?day={before}")
    assert (old["day"], old["rows"], old["is_whole"]) == (before, [], True)


@pytest.mark.parametrize(
    "query", ["day=yesterday", "day=2999-01-01", "as_of=then", "day=2026-01-01&day=2026-01-02", "x=1"]
)
async def test_what_is_no_day_is_refused(house: House, query: str) -> None:
    """In words."""
    assert (await house.ask("GET", f"{DAY}?{query}"))[0] == 400
    assert (await house.ask("GET", f"{DAY}/export?{query}"))[0] == 400


async def test_a_day_is_written_as_csv_and_as_a_spreadsheet(house: House) -> None:
    """The same rows, digit by digit."""
    _, text = await file_of(house, f"{DAY}/export?format=csv&as_of=now")
    head, line = csv.reader(io.StringIO(text.decode()))
    kind, file = await file_of(house, f"{DAY}/export?format=xlsx&as_of=now")
    assert kind == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    sheet_head, row = cells_of(file)
    assert tuple(head) == tuple(text for _, text in sheet_head) == HEAD
    assert line[3:9] == [text for _, text in row][3:9] == ["kiosk", "main", "payment", "RUB", "3", "30.00"]
    _, page = await house.ask("GET", "/admin/v1/audit", "auditor")
    assert [deed["detail"] for deed in page["deeds"] if deed["name"] == "export"] == [
        "day report, csv",
        "day report, xlsx",
    ]


async def test_entries_are_written_as_a_spreadsheet(house: House) -> None:
    """What a list shows, and no account in it."""
    _, file = await file_of(house, "/admin/v1/export?format=xlsx&channel=kiosk")
    head, *rows = cells_of(file)
    listed = (await house.get("/admin/v1/entries?order=oldest"))["entries"]
    assert [text for _, text in head] == list(EntryRow.__struct_fields__)
    assert [[text for _, text in row] for row in rows] == [[str(value) for value in each.values()] for each in listed]
    assert b"79161234567" not in file


@pytest.mark.parametrize("path", [f"{DAY}/export?format=pdf", "/admin/v1/export?format=pdf"])
async def test_a_form_there_is_none_of_is_refused(house: House, path: str) -> None:
    """In words."""
    assert (await house.ask("GET", path))[0] == 400
    assert (await house.ask("GET", path, "release"))[0] == 403
