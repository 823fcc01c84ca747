"""The stories of the page by the command line: what somebody has to get done at night who has only a shell.

Each is gone through with the installed command, and `docs/how-to/use-the-command-line.md` shows what it printed.
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.cores.scripted.faults import Fault, FaultKind
from gateway.cli.exits import Exit
from spool.sqlite.connection import driver
from tests.acceptance.scenes import QUICK, are_refused, pays, reported, talks_nonsense
from tests.acceptance.terminal import Terminal, untrue
from tests.integration.house import WAIT_S, House, open_house

pytestmark = pytest.mark.process


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house in which outages last seconds."""
    async with open_house(tmp_path, QUICK) as made:
        yield made


@pytest.fixture
def lead(house: House) -> Terminal:
    """The shift lead, an operator."""
    return Terminal(house, "operator")


async def test_billing_dies_at_night(lead: Terminal, house: House) -> None:
    """Noticed, understood, watched, recovered and accounted for."""
    await pays(house, 3)
    assert (await lead.types("nightsafe status")).startswith("Billing is up. Payments pass through.\n")
    house.core.control.set(Fault(kind=FaultKind.REFUSE))
    numbers = await pays(house, 12, start=3)
    said = await lead.types("nightsafe status")
    assert said.startswith("Billing is down. Payments are taken in its place.\n")
    assert "12 (120.00 RUB)" in said
    assert "the core's machine refuses connections" in await lead.types("nightsafe stuck --explain")
    assert "120.00 RUB" in await lead.types("nightsafe shape --money")
    watch = await lead.watches("nightsafe status --watch")
    await watch.until("Billing is down.")
    house.core.control.clear()
    await watch.until("waiting 0 (0.00 RUB)")
    await watch.until("in 0.0/s, out ")
    await watch.ends()
    await house.until_state(numbers[-1], "posted")
    (route,) = (await lead.reads("nightsafe status"))["routes"]
    assert (route["zone"], route["waiting"]) == ("closed", [])
    assert len(house.core.ledger.bookings()) == 15
    await reported(house)
    assert "refused_connection" in await lead.types("nightsafe outages")
    assert "carried + taken = posted + refused" in await lead.types("nightsafe outage 1")
    assert (await lead.types("nightsafe report day --as-of now")).endswith("it adds up\n")
    assert (await lead.types("nightsafe verify")).startswith("sound: 15 entries counted, 15 seals opened\n")
    assert untrue("Billing dies at night", lead.typed) == []


async def test_a_bank_asks_with_only_an_amount_and_a_time(lead: Terminal, house: House) -> None:
    """By both, then by eye; and from there to its whole story. Nothing found is an answer of its own."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    numbers = await pays(house, 5)
    around = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    said = await lead.types(f"nightsafe find --at {around} --within 10m --amount 10.00")
    assert [line.split()[0] for line in said.splitlines()[1:]] == numbers
    assert "no entries" in await lead.types(f"nightsafe find --at {around} --amount 10.01", exits=Exit.NO)
    assert "a person may: hold" in await lead.types(f"nightsafe show {numbers[2]}")
    (found,) = [await lead.reads("nightsafe find 1002")]
    assert (found["number"], found["amount"]) == (numbers[2], "10.00")
    assert untrue("A bank asks for a payment, with an amount and a time", lead.typed) == []


async def test_a_channel_sends_nonsense(lead: Terminal, house: House) -> None:
    """Seen at once, by whom and what; the others go on."""
    await talks_nonsense(house)
    assert "kiosk: 3 requests could not be taken since the start: amount 2, command 1" in await lead.types(
        "nightsafe status"
    )
    (number,) = await pays(house, 1)
    told = {each["name"]: each["rejected"] for each in (await lead.reads("nightsafe status"))["channels"]}
    assert told == {"kiosk": {"amount": 2, "command": 1}, "bank": {}}
    assert number in await lead.types("nightsafe list --channel kiosk --state posted")
    assert untrue("A channel sends nonsense", lead.typed) == []


async def test_the_money_of_a_refused_payment_goes_back(lead: Terminal, house: House) -> None:
    """Owed, given back, ended with evidence by one person and confirmed by another; then nothing is owed."""
    (number,) = await are_refused(house, 1)
    assert number in await lead.types("nightsafe returns")
    assert "it waits for a person" in await lead.types("nightsafe stuck", exits=Exit.NO)
    evidence = "--evidence 'transfer 4711 of today'"
    assert "waits for a second person" in await lead.types(f"nightsafe close {number} --returned {evidence}")
    second = lead.other("approver")
    (proposal,) = (await second.reads("nightsafe proposals list"))["proposals"]
    assert "transfer 4711 of today" in await second.types("nightsafe proposals list")
    confirm = f"nightsafe proposals confirm {proposal['id']} --reason 'I saw the transfer'"
    assert "operator may not do this" in await lead.types(confirm, exits=Exit.NOT_REACHED)
    await second.types(confirm)
    assert "nothing is owed back" in await lead.types("nightsafe returns", exits=Exit.NO)
    assert "operator+approver" in await lead.types(f"nightsafe show {number}")
    assert untrue("A refused payment's money goes back", lead.typed) == []


async def test_a_window_is_planned_and_seen(lead: Terminal) -> None:
    """Billing is away as planned, and nobody is alarmed; taken out of the plan, it is awaited again."""
    begins = f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%dT%H:%M:%S}"
    await lead.types(f"nightsafe window add {begins} --for 2h --route main --reason 'their release'")
    assert "Billing is down as planned." in await lead.types("nightsafe status")
    assert "their release" in await lead.types("nightsafe window list")
    (window,) = (await lead.reads("nightsafe window list"))["windows"]
    await lead.types(f"nightsafe window cancel {window['id']} --reason 'it is put off'")
    assert "no windows are planned" in await lead.types("nightsafe window list")
    assert "Billing is down as planned." not in await lead.types("nightsafe status")
    assert untrue("A planned window", lead.typed) == []


async def test_a_wrongly_refused_batch_is_sent_again_by_two_persons(lead: Terminal, house: House) -> None:
    """Counted, thought better of, ordered with evidence, confirmed by an approver, watched, and booked."""
    numbers = await are_refused(house, 4)
    order = "nightsafe reopen --state refused --route main --reason 'billing ticket 991: table mended'"
    assert "would change 4 (40.00 RUB)" in await lead.types(f"{order} --dry-run")
    assert "nothing was changed" in await lead.types(order, told="n\n", exits=Exit.NO)
    assert "wait for a second person" in await lead.types(f"{order} --speed 2", told="y\n")
    second = lead.other("approver")
    (proposal,) = (await second.reads("nightsafe proposals list"))["proposals"]
    assert "reopen 4 (40.00 RUB)" in await second.types("nightsafe proposals list")
    await second.types(f"nightsafe proposals confirm {proposal['id']} --reason 'saw the ticket'")
    said = await lead.types(f"nightsafe jobs show {proposal['subject']} --watch")
    assert said == "reopen: changed 4 (40.00 RUB)\n"
    for number in numbers:
        await house.until_state(number, "posted")
    assert "operator+approver" in await lead.types(f"nightsafe show {numbers[0]}")
    assert len(house.core.ledger.bookings()) == 4
    assert untrue("A wrongly refused batch is sent again", lead.typed) == []


async def test_an_auditor_sees_who_did_what_and_whether_anything_was_altered(house: House, tmp_path: Path) -> None:
    """He changes nothing himself. What somebody changes behind the service's back does not pass."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    (number,) = await pays(house, 1)
    await house.post(f"/admin/v1/entries/{number}/hold", reason="the bank asked")
    auditor = Terminal(house, "auditor")
    assert "the bank asked" in await auditor.types("nightsafe audit")
    assert (await auditor.types("nightsafe verify")).startswith("sound: 1 entries counted, 1 seals opened\n")
    release = f"nightsafe release {number} --reason 'I wonder'"
    assert "auditor may not do this" in await auditor.types(release, exits=Exit.NOT_REACHED)
    _alter(tmp_path / "var/spool/nightsafe.db")
    assert (await auditor.reads("nightsafe verify", exits=Exit.NO))["ok"] is False
    assert "SOMETHING IS OFF" in await auditor.types("nightsafe verify", exits=Exit.NO)
    assert untrue("An audit", auditor.typed) == []


def _alter(spool: Path) -> None:
    """What somebody with the right to write to the disk may do."""
    with contextlib.closing(driver.connect(str(spool), timeout=WAIT_S)) as database, database:
        assert database.execute("UPDATE entry SET channel = 'mine'").rowcount == 1
