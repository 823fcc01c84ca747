"""Entries written out over loopback: whole, masked, harmless to a spreadsheet, and with a trace of who took them."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.admin.entries.exporting import STEP, harmless, written
from gateway.admin.views import EntryRow
from spool.memory import MemoryStore
from spool.store import Filter
from tests.contracts.spool_examples import NOW_US, draft
from tests.integration.house import House, open_house

PATH = "/admin/v1/export"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house whose route stands in, with three payments."""
    async with open_house(tmp_path) as made:
        await made.post("/admin/v1/routes/main/open")
        for key in ("1", "2", "3"):
            await made.pay(key, "79161234567")
        yield made


async def text_of(house: House, query: str, who: str = "auditor") -> str:
    """What is written out."""
    url = f"http://127.0.0.1:{house.service.admin_listener.port}{PATH}?{query}"
    async with house.client.get(url, headers={"Authorization": f"Bearer {who}"}) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_lines_of_json_are_what_a_list_shows(house: House) -> None:
    """Oldest first, all of it, and no account in it."""
    text = await text_of(house, "format=jsonl&channel=kiosk")
    listed = await house.get("/admin/v1/entries?order=oldest")
    assert [json.loads(line) for line in text.splitlines()] == listed["entries"]
    assert "79161234567" not in text


async def test_csv_has_a_head_and_a_line_for_each(house: House) -> None:
    """As RFC 4180 has it."""
    rows = list(csv.DictReader(io.StringIO(await text_of(house, "format=csv"))))
    assert [row["key"] for row in rows] == ["1", "2", "3"]
    assert tuple(rows[0]) == EntryRow.__struct_fields__


async def test_who_took_them_is_in_the_audit(house: House) -> None:
    """Also when nothing passed."""
    await text_of(house, "format=csv&state=parked")
    _, page = await house.ask("GET", "/admin/v1/audit", "auditor")
    assert [(deed["name"], deed["detail"], deed["actor"]) for deed in page["deeds"]][-1] == ("export", "csv", "auditor")


@pytest.mark.parametrize("query", ["format=xml", "format=csv&format=csv", "limit=5", "order=newest", "colour=red"])
async def test_what_cannot_be_exported_is_said(house: House, query: str) -> None:
    """Before anything is written."""
    assert (await house.ask("GET", f"{PATH}?{query}", "auditor"))[0] == 400


@pytest.mark.parametrize(("who", "status"), [("", 401), ("release", 403), ("viewer", 200)])
async def test_it_is_for_who_may_read(house: House, who: str, status: int) -> None:
    """As a list is."""
    assert (await house.ask("GET", f"{PATH}?format=csv", who))[0] == status


@pytest.mark.parametrize("cell", ["=1+1", "+7", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_begins_a_formula(cell: str) -> None:
    """A channel's key is a stranger's text, and a clerk opens the file in a spreadsheet."""
    assert harmless(cell) == f"'{cell}"
    assert harmless("kiosk=1") == "kiosk=1"


async def test_more_than_a_step_is_written_whole() -> None:
    """Nothing twice, nothing left out."""
    store = MemoryStore()
    await store.open(NOW_US)
    for number in range(1, 2 * STEP + 8):
        await store.insert(draft(number), 1, b"sealed")
    text = b"".join([piece async for piece in written(store, Filter(newest_first=True), "csv")]).decode()
    numbers = [int(row["number"]) for row in csv.DictReader(io.StringIO(text))]
    assert numbers == list(range(1, 2 * STEP + 8))
