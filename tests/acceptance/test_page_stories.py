"""Stories of the page, in a real browser before a real service: each is what somebody at night has to get done."""

import math
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from adapters.cores.scripted.faults import Fault, FaultKind
from gateway.admin.state.trend import Sample
from tests.acceptance.browser import Person, open_browser, person
from tests.acceptance.scenes import QUICK, are_refused, pays, reported, talks_nonsense
from tests.integration.house import House, open_house

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all stories; each person has a context of his own."""
    async with open_browser() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house in which outages last seconds."""
    async with open_house(tmp_path, QUICK) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def lead(browser: Browser, house: House) -> AsyncIterator[Person]:
    """The shift lead, who is an operator and signed in; in the end the browser has complained of nothing."""
    made = await person(browser, house)
    await made.sign_in("operator")
    yield made
    assert made.complaints == []
    await made.page.context.close()


def remember_an_evening(house: House) -> None:
    """Two hours of payments that passed through, for the charts: a service that was just started has no past to show."""
    now_us = house.service.clock.now_us()
    house.service.trend._samples.clear()
    for index in range(480):
        passed = -sum(90 + round(40 * math.sin(each / 60)) + each % 4 for each in range(index, 480))
        sample = Sample(
            at_us=now_us - (480 - index) * 15_000_000,
            zone="closed",
            waiting=0,
            taken=passed,
            finished=passed,
            attempts=passed,
            attempts_s=0.05 * passed + 0.4 * (index % 3),
        )
        house.service.trend.note("main", sample)


async def test_billing_dies_at_night(lead: Person, house: House) -> None:
    """Noticed, understood, watched, recovered and accounted for, on a screen that nobody touches."""
    remember_an_evening(house)
    await pays(house, 3)
    await lead.headline("Billing is up")
    await lead.picture("page-up")
    house.core.control.set(Fault(kind=FaultKind.REFUSE))
    numbers = await pays(house, 12, start=3)
    await lead.headline("Billing is down")
    await lead.sees("Payments are taken in its place.")
    await lead.sees("Its machine refuses connections: the service is not running, or on another port.")
    figures = lead.page.get_by_label("In figures")
    await expect(figures).to_contain_text("Once billing is back")
    await expect(figures).to_contain_text("120.00\N{NO-BREAK SPACE}RUB")
    await expect(lead.page).to_have_title("Billing is down · nightsafe")
    assert await lead.faults() == []
    await lead.picture("page-down")
    house.core.control.clear()
    await house.until_state(numbers[-1], "posted")
    await lead.headline("Billing is up")
    await expect(figures).to_contain_text("nothing waits")
    await expect(lead.page.get_by_label("The books")).to_contain_text("posted 15")
    assert len(house.core.ledger.bookings()) == 15
    await reported(house)
    await lead.click("Outages")
    await lead.page.get_by_role("table").get_by_role("link").first.click()
    await lead.sees("Lost or booked twice: nothing.")
    assert await lead.faults() == []
    await lead.picture("page-outage")


async def test_a_bank_asks_with_only_an_amount_and_a_time(lead: Person, house: House) -> None:
    """By channel and minute, then by eye; and from there to its whole story."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    numbers = await pays(house, 5)
    around = datetime.now(UTC)
    await lead.click("Payments")
    await lead.page.locator("select[name=channel]").select_option("kiosk")
    await lead.page.locator("[name=amount]").fill("10.00")
    await lead.page.locator("[name=accepted_from]").fill((around - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S"))
    await lead.page.locator("[name=accepted_before]").fill(
        (around + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S")
    )
    await lead.page.get_by_role("button", name="Filter").click()
    await expect(lead.page.get_by_role("row")).to_have_count(6)
    assert await lead.faults() == []
    await lead.picture("page-queue")
    await lead.click(numbers[2])
    await lead.sees("Taken and kept on disk")
    await lead.sees("accepted, will be booked")
    assert await lead.faults() == []
    await lead.picture("page-payment")


async def test_a_channel_sends_nonsense(lead: Person, house: House) -> None:
    """Seen on the first screen, by whom and what; the others go on."""
    await talks_nonsense(house)
    await lead.sees("3 requests could not be taken since the start:")
    await lead.sees("unknown command 1")
    await pays(house, 1)
    await lead.headline("Billing is up")
    await expect(lead.page.get_by_label("The books")).to_contain_text("posted 1")


async def test_the_money_of_a_refused_payment_goes_back(lead: Person, house: House, browser: Browser) -> None:
    """Owed, given back, ended with evidence by one person and confirmed by another."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    (number,) = await pays(house, 1)
    await house.post(f"/admin/v1/entries/{number}/hold")
    await lead.go(f"payments/{number}")
    await lead.act("End by hand", "transfer 4711 of today", The_money_went_back_to_the_payer="yes")
    await lead.sees("Proposed: a second person has to confirm it.")
    second = await person(browser, house)
    await second.sign_in("approver")
    await second.click("1 proposal to confirm")
    await second.sees("transfer 4711 of today")
    assert await second.faults() == []
    await second.picture("page-duties")
    await second.act("Confirm", "I saw the transfer")
    await second.sees("Confirmed.")
    await lead.page.reload()
    await lead.sees("Money given back")
    await lead.sees("operator+approver")


async def test_a_window_is_planned_and_seen(lead: Person) -> None:
    """Billing is away as planned, and nobody is alarmed."""
    await lead.click("Windows")
    begins = datetime.now(UTC) - timedelta(minutes=1)
    await lead.page.get_by_label("Begins").fill(begins.strftime("%Y-%m-%dT%H:%M"))
    await lead.page.get_by_label("Why").fill("their release")
    assert await lead.faults() == []
    await lead.picture("page-windows")
    await lead.page.get_by_role("button", name="Plan a window").click()
    await lead.sees("Planned.")
    await lead.click("Now")
    await lead.headline("Billing is down as planned")
    await lead.click("Windows")
    await lead.act("Take out of the plan", "it is put off")
    await lead.click("Now")
    await expect(lead.page.get_by_role("heading", level=1)).not_to_have_text("Billing is down as planned")


async def test_a_batch_is_stopped_and_let_go_under_supervision(lead: Person, house: House) -> None:
    """First how many and how much, then why, then the act; one of them is tried before the rest."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    numbers = await pays(house, 4)
    await lead.go("queue?state=ready&route=main")
    await lead.page.get_by_role("button", name="Hold all").click()
    await lead.sees("4 payments would change")
    assert await lead.faults() == []
    await lead.picture("page-sure")
    await lead.page.get_by_label("Why").fill("wrongly refused: billing ticket 991")
    await lead.page.get_by_role("button", name="Do it to 4").click()
    await lead.sees("4 changed")
    await lead.go("duties")
    await lead.sees("Stopped payments")
    await house.post("/admin/v1/routes/main/auto")
    await lead.click(numbers[0])
    await lead.act("Release", "try this one first")
    await house.until_state(numbers[0], "posted")
    await lead.go("queue?state=held&route=main")
    await lead.page.get_by_role("button", name="Release all").click()
    await lead.sees("3 payments would change")
    await lead.page.get_by_label("Why").fill("the first was booked")
    await lead.page.get_by_role("button", name="Do it to 3").click()
    await house.until_state(numbers[-1], "posted")
    assert len(house.core.ledger.bookings()) == 4


async def test_a_wrongly_refused_batch_is_sent_again_by_two_persons(
    lead: Person, house: House, browser: Browser
) -> None:
    """Counted, ordered with evidence, confirmed by an approver, and booked; the screen says what needed whom."""
    numbers = await are_refused(house, 4)
    await lead.click("4 payments to give back")
    await lead.sees("Money to give back")
    await lead.go("queue?state=refused&route=main")
    await lead.page.get_by_role("button", name="Send again what was refused wrongly").click()
    await lead.sees("4 payments would change")
    assert await lead.faults() == []
    await lead.picture("page-reopen")
    await lead.page.get_by_label("Payments a second").fill("0")
    await lead.page.get_by_label("What shows that billing was wrong").fill("billing ticket 991: table mended")
    await lead.page.get_by_role("button", name="Do it to 4").click()
    await lead.sees("Taking refusals back needs a second person.")
    second = await person(browser, house)
    await second.sign_in("approver")
    await second.click("1 proposal to confirm")
    await second.sees("billing ticket 991: table mended")
    await second.act("Confirm", "saw the ticket")
    for number in numbers:
        await house.until_state(number, "posted")
    await lead.go(f"payments/{numbers[0]}")
    await lead.sees("Refusal taken back: to be sent again")
    await lead.sees("operator+approver")
    assert len(house.core.ledger.bookings()) == 4


async def test_the_report_of_a_day_and_what_else_is_there(lead: Person, house: House) -> None:
    """It adds up, is taken along as a spreadsheet, and every other screen is sound by WCAG, at a phone's width too."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    numbers = await pays(house, 3)
    await house.post(f"/admin/v1/entries/{numbers[0]}/hold")
    await lead.click("More")
    assert await lead.faults() == []
    await lead.click("Report of a day")
    await lead.page.get_by_label("In the states").select_option("now")
    await lead.page.get_by_role("button", name="Show").click()
    await lead.sees("It adds up: each payment of the day is in exactly one state.")
    assert await lead.faults() == []
    await lead.picture("page-report")
    async with lead.page.expect_download() as coming:
        await lead.click("XLSX")
    assert (await (await coming.value).path()).read_bytes().startswith(b"PK")
    await lead.go("stuck")
    await lead.sees("Billing is kept out by a person")
    await lead.sees("It stays until it is released or ended")
    assert await lead.faults() == []
    await lead.picture("page-stuck")
    await lead.go("accounts")
    await lead.page.get_by_label("Account", exact=True).fill("79160000000")
    await lead.page.get_by_role("button", name="Look up").click()
    await lead.sees("Nothing is known of it: what it gets in billing's place is the policy's to say.")
    assert await lead.faults() == []
    await lead.go("sinks")
    await lead.sees("No way to people is configured.")
    assert await lead.faults() == []
    await lead.go("keys")
    await lead.sees("seals now")
    assert await lead.faults() == []
    await lead.go("jobs")
    await lead.sees("None is under way.")
    await lead.page.set_viewport_size({"width": 360, "height": 740})
    wide = [
        path for path in ("more", "stuck", "report", "accounts", "sinks", "keys", "jobs") if await is_wide(lead, path)
    ]
    assert wide == []


async def is_wide(who: Person, path: str) -> bool:
    """Whether a screen has to be pushed sideways."""
    await who.go(path)
    found: bool = await who.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return found


async def test_an_auditor_sees_who_did_what_and_that_nothing_was_altered(browser: Browser, house: House) -> None:
    """And is offered nothing that would change anything."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    (number,) = await pays(house, 1)
    await house.post(f"/admin/v1/entries/{number}/hold", reason="the bank asked")
    auditor = await person(browser, house)
    await auditor.sign_in("auditor")
    await auditor.click("Audit")
    await auditor.page.get_by_label("open every seal too").check()
    await auditor.page.get_by_role("button", name="Verify now").click()
    await auditor.sees("Sound: nothing was altered")
    assert await auditor.faults() == []
    await auditor.picture("page-audit")
    await auditor.go(f"payments/{number}")
    await auditor.sees("the bank asked")
    await expect(auditor.page.get_by_text("What you may do")).to_have_count(0)
    assert auditor.complaints == []


async def test_the_screen_says_when_what_it_shows_is_old(lead: Person, house: House) -> None:
    """A wall must never look calm because the service is gone."""
    await lead.page.clock.install()
    await lead.page.reload()
    await expect(lead.page.locator(".live.fresh")).to_be_visible()
    await house.service.page.close()
    await house.service.admin_listener.stop()
    await lead.page.clock.fast_forward(13_000)
    stale = lead.page.get_by_role("alert")
    await expect(stale).to_contain_text(re.compile(r"No word from Nightsafe\. What you see is old, from \d\d:"))
    lead.complaints.clear()


async def test_the_screen_can_be_paused_and_goes_on(lead: Person, house: House) -> None:
    """Who reads slowly stops it (WCAG 2.2.2); what changed meanwhile is there afterwards."""
    await lead.page.get_by_role("button", name="Pause").click()
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    await lead.page.get_by_role("button", name="Go on").click()
    await lead.headline("Billing is kept out by a person")
