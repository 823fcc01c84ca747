"""The page over loopback, without a browser: who gets in, what a form may do, and what no text from outside can."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from gateway.admin.entries.acts import Act
from gateway.page.live import STREAMS_MAX
from gateway.page.side import POLICY
from tests.integration.house import ROLES, House, open_house
from tests.integration.reader import Faults, Reader

PAGES: Final = (
    "/page/",
    "/page/queue",
    "/page/queue?state=held",
    "/page/jobs",
    "/page/shape",
    "/page/shape?by=state",
    "/page/routes",
    "/page/duties",
    "/page/windows",
    "/page/outages",
    "/page/policy",
    "/page/policy/main",
    "/page/audit",
)

FORMS: Final = (
    "/page/payments/1/hold",
    "/page/payments/1/release",
    "/page/payments/1/inquire",
    "/page/payments/1/retry",
    "/page/payments/1/close",
    "/page/payments/1/reveal",
    "/page/queue/hold",
    "/page/routes/main/open",
    "/page/routes/main/close",
    "/page/routes/main/auto",
    "/page/routes/main/pace",
    "/page/routes/main/pace/auto",
    "/page/proposals/1/withdraw",
    "/page/windows",
    "/page/windows/1/cancel",
    "/page/policy/main/propose",
    "/page/gap",
)
"""What only those may send who act."""

WHOLE: Final = {
    "as": "posted",
    "sure": "yes",
    "minutes": "5",
    "begins": "2030-01-01T02:00",
    "time_zone": "UTC",
    "standin": "{}",
}
"""Fields that make each form whole."""

HOSTILE: Final = "\"><script>alert(1)</script><img src=x onerror=alert(1)>{{'a'*7}}'"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house."""
    async with open_house(tmp_path) as made:
        yield made


@pytest.fixture
async def reader(house: House) -> Reader:
    """An operator who is signed in."""
    made = Reader(house)
    await made.sign_in("operator")
    return made


async def held(house: House, key: str = "1") -> str:
    """A payment told provisional and stopped by a person."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    number = await house.pay(key)
    await house.post(f"/admin/v1/entries/{number}/hold")
    return number


# Who gets in


async def test_the_address_alone_leads_to_the_page(house: House) -> None:
    """Nobody has to know its path."""
    answer = await Reader(house).get("/")
    assert (answer.status, answer.headers["Location"]) == (303, "/page/")


@pytest.mark.parametrize("cookie", ["", "nightsafe=made-up"])
async def test_without_a_session_there_is_only_the_door(house: House, cookie: str) -> None:
    """Pages lead to it, and come back to where one wanted to go; forms do nothing; what is live stays silent."""
    stranger = Reader(house, headers={"Cookie": cookie})
    led = [await stranger.get(path) for path in PAGES]
    assert {answer.status for answer in led} == {303}
    assert led[1].headers["Location"] == "/page/sign-in?to=/page/queue"
    sent = [await stranger.post(path, **WHOLE) for path in FORMS]
    assert {(answer.status, answer.headers["Location"]) for answer in sent} == {(303, "/page/sign-in")}
    assert (await stranger.get("/page/live")).status == 204


@pytest.mark.parametrize("token", ["", "nobody", "former", "operator x"])
async def test_a_token_that_does_not_count_opens_nothing(house: House, token: str) -> None:
    """None, unknown, past its end: the same words. Each is counted as at the API."""
    stranger = Reader(house)
    answer = await stranger.sign_in(token)
    assert (answer.status, stranger.cookies) == (401, {})
    assert "Nobody has this token, or its time is over." in answer.text
    assert "nightsafe_admin_denied_total{" in await house.get("/metrics")


async def test_who_guesses_is_slowed_at_the_door_too(house: House) -> None:
    """As at the API, and with it: its tries count together."""
    stranger = Reader(house)
    statuses = [(await stranger.sign_in(f"guess-{number}")).status for number in range(12)]
    assert statuses == [401] * 11 + [429]
    slowed = await stranger.sign_in("another")
    assert slowed.headers["Retry-After"].isdigit()
    assert (await stranger.sign_in("operator")).status == 429


async def test_a_cores_own_team_has_no_page(house: House) -> None:
    """Their token says drain and maintenance, and shows nothing else."""
    stranger = Reader(house)
    assert (await stranger.sign_in("release")).status == 403
    assert stranger.cookies == {}


@pytest.mark.parametrize("role", ROLES)
async def test_every_other_role_sees_every_page(house: House, role: str) -> None:
    """What they may do there is another matter."""
    reader = Reader(house)
    assert (await reader.sign_in(role)).status == 303
    statuses = [(await reader.get(path)).status for path in PAGES]
    assert statuses == [200] * len(PAGES)


async def test_the_cookie_is_for_nobody_else(house: House) -> None:
    """No script reads it, no other site sends it along, and it ends with the browser."""
    answer = await Reader(house).ask("POST", "/page/sign-in", {"token": "operator"})
    (cookie,) = answer.headers.getall("Set-Cookie")
    assert re.fullmatch(r"nightsafe=[\w-]{43}; HttpOnly; Path=/; SameSite=Strict", cookie)


async def test_signing_in_takes_no_session_that_was_brought_along(house: House) -> None:
    """Session fixation: what the browser held before is not what it holds then, and opens nothing any more."""
    planted = Reader(house)
    await planted.sign_in("viewer")
    before = planted.cookies["nightsafe"]
    victim = Reader(house, cookies={"nightsafe": before})
    await victim.sign_in("operator")
    assert victim.cookies["nightsafe"] != before
    assert (await Reader(house, cookies={"nightsafe": before}).get("/page/queue")).status == 303
    assert (await victim.get("/page/queue")).status == 200


async def test_signing_out_ends_the_session_for_whoever_has_its_cookie(reader: Reader, house: House) -> None:
    """Not only in this browser."""
    kept = dict(reader.cookies)
    assert (await reader.get("/page/sign-out")).status == 405
    assert (await reader.post("/page/sign-out")).headers["Location"] == "/page/sign-in"
    assert (await Reader(house, cookies=kept).get("/page/")).status == 303


@pytest.mark.parametrize(
    ("to", "led"),
    [
        ("/page/payments/17", "/page/payments/17"),
        ("/page/queue?state=held", "/page/queue?state=held"),
        ("//evil.example/", "/page/"),
        ("https://evil.example/page/", "/page/"),
        ("/page/\r\nSet-Cookie: a=b", "/page/"),
        ("/page//evil.example", "/page//evil.example"),
        ("/admin/v1/status", "/page/"),
    ],
)
async def test_the_door_leads_nowhere_else(house: House, to: str, led: str) -> None:
    """A link that somebody sends ends at our pages, whatever it says."""
    answer = await Reader(house).ask("POST", "/page/sign-in", {"token": "viewer", "to": to})
    assert answer.headers["Location"] == led


# What a form may do


async def test_a_form_without_this_sessions_secret_does_nothing(reader: Reader, house: House) -> None:
    """None, a made up one, and one of another session of the same person."""
    other = Reader(house)
    await other.sign_in("operator")
    for secret in ("", "made-up", other.csrf):
        refused = [(await reader.ask("POST", path, {**WHOLE, "why": "x", "csrf": secret})).status for path in FORMS]
        assert set(refused) == {403}
    assert (await house.get("/admin/v1/status"))["routes"][0]["forced"] is None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_a_form_of_another_site_does_nothing(reader: Reader, site: str) -> None:
    """Even with the right secret: browsers say where a form comes from."""
    form = {"csrf": reader.csrf, "why": "x", "minutes": "5"}
    answer = await reader.ask("POST", "/page/routes/main/open", form, **{"Sec-Fetch-Site": site})
    assert answer.status == 403
    assert (await reader.ask("POST", "/page/sign-in", {"token": "viewer"}, **{"Sec-Fetch-Site": site})).status == 403


@pytest.mark.parametrize("role", ["viewer", "auditor", "custodian"])
async def test_who_may_only_look_is_shown_no_forms_and_may_send_none(house: House, role: str) -> None:
    """The API says no, and the page does not offer it."""
    number = await held(house)
    reader = Reader(house)
    await reader.sign_in(role)
    shown = [(await reader.get(path)).text for path in (*PAGES, f"/page/payments/{number}")]
    forms = [re.findall(r'action="([^"]+)"', text) for text in shown if 'name="why"' in text]
    assert {path.rpartition("/")[2] for paths in forms for path in paths} <= {"reveal", "sign-out"}
    sent = [
        (await reader.post(path.replace("/1/", f"/{number}/"), **WHOLE)).status
        for path in FORMS
        if role != "auditor" or not path.endswith("/reveal")
    ]
    assert set(sent) == {403}
    assert (await house.get(f"/admin/v1/entries/{number}"))["entry"]["state"] == "held"


async def test_a_payment_is_held_released_and_its_story_told(reader: Reader, house: House) -> None:
    """Each act with its reason, by whom, and said once on the next page."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    number = await house.pay("1")
    path = f"/page/payments/{number}"
    assert (await reader.get(path)).text.count("<summary>Hold</summary>") == 1
    answer = await reader.post(f"{path}/hold", why="the bank asked")
    assert answer.headers["Location"] == path
    shown = (await reader.get(path)).text
    assert "Held." in shown
    assert "by operator: <q>the bank asked</q>" in shown
    assert "Held." not in (await reader.get(path)).text.split("</p>", 3)[0]
    await reader.post(f"{path}/release")
    assert "<b>Released</b>" in (await reader.get(path)).text
    assert (await house.get(f"/admin/v1/entries/{number}"))["entry"]["state"] == "ready"


async def test_an_act_that_came_too_late_says_so(reader: Reader, house: House) -> None:
    """It changed since the page was loaded; nothing is done."""
    number = await held(house)
    answer = await reader.post(f"/page/payments/{number}/hold")
    assert answer.status == 409
    assert "It is not in a state this can be done from" in answer.text


async def counted(reader: Reader, job: str) -> str:
    """The page of an act on many, once it counts or works no more."""
    async with asyncio.timeout(20):
        while 'data-again="1000"' in (shown := (await reader.get(job)).text):
            pass
    return shown


async def test_many_are_held_only_after_it_was_seen_how_many(reader: Reader, house: House) -> None:
    """First the count and the sum, then the reason, then the act."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    numbers = [await house.pay(key) for key in ("1", "2", "3")]
    would = await counted(
        reader, (await reader.post("/page/queue/hold", route="main", state="ready")).headers["Location"]
    )
    assert "3 payments would change" in would
    assert "30.00\N{NO-BREAK SPACE}RUB" in would
    assert (await house.get(f"/admin/v1/entries/{numbers[0]}"))["entry"]["state"] == "ready"
    ordered = await reader.post("/page/queue/hold", route="main", state="ready", sure="yes", per_s="0")
    done = await counted(reader, ordered.headers["Location"])
    assert "3 changed" in done
    states = [(await house.get(f"/admin/v1/entries/{number}"))["entry"]["state"] for number in numbers]
    assert states == ["held"] * 3
    assert (await reader.get("/page/jobs?after=1")).text.count("/page/jobs/") == 2


async def test_an_act_on_many_is_slowed_paused_and_stopped(reader: Reader, house: House) -> None:
    """As the API does it; what it did stays done."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    await house.pay("1")
    job = (await reader.post("/page/queue/hold", sure="yes", per_s="1")).headers["Location"]
    await counted(reader, job)
    said = [(await reader.post(f"{job}/{word}", per_s="5")).status for word in ("pause", "speed", "stop")]
    assert set(said) == {409}
    assert (await reader.get("/page/jobs/17")).status == 404


async def test_ending_by_hand_takes_two_persons(reader: Reader, house: House) -> None:
    """The operator proposes, and may take back; the approver sees what is ordered, and confirms."""
    number = await held(house)
    form = {"as": "returned", "why": "transfer 4711"}
    assert (await reader.post(f"/page/payments/{number}/close", **form)).status == 303
    mine = (await reader.get("/page/duties")).text
    assert "1 proposal to confirm" in (await reader.get("/page/")).text
    assert "<summary>Take back</summary>" in mine
    assert "<summary>Confirm</summary>" not in mine
    approver = Reader(house)
    await approver.sign_in("approver")
    theirs = (await approver.get("/page/duties")).text
    (confirm,) = re.findall(r'action="(/page/proposals/\d+/confirm)"', theirs)
    assert "transfer 4711" in theirs
    assert f"End payment {number} by hand: The money went back to the payer" in theirs
    assert (await reader.post(confirm)).status == 403
    assert (await approver.post(confirm, why="I saw the transfer")).status == 303
    assert (await house.get(f"/admin/v1/entries/{number}"))["entry"]["state"] == "returned"
    past = (await reader.get("/page/audit")).text
    assert "I saw the transfer" in past


async def test_a_route_is_steered_with_a_reason_and_an_end(reader: Reader, house: House) -> None:
    """What a person said stands on the first screen."""
    assert (await reader.post("/page/routes/main/open", minutes="30", why="their release")).status == 303
    now = (await reader.get("/page/")).text
    assert "Billing is kept out by a person" in now
    assert "their release" in now
    await reader.post("/page/routes/main/auto")
    assert (await house.get("/admin/v1/status"))["routes"][0]["forced"] is None


async def test_a_window_is_planned_and_cancelled(reader: Reader, house: House) -> None:
    """With the browser's own field for a time."""
    plan = {"begins": "2030-01-01T02:00", "minutes": "90", "time_zone": "Europe/Moscow", "route": "main", "lead": "5"}
    assert (await reader.post("/page/windows", **plan)).status == 303
    shown = (await reader.get("/page/windows")).text
    assert "2029-12-31 23:00:00 \N{EN DASH} 2030-01-01 00:30:00" in shown
    assert (await house.get("/admin/v1/windows"))["windows"][0]["lead_s"] == 300
    (cancel,) = re.findall(r'action="(/page/windows/\d+/cancel)"', shown)
    assert (await reader.post(cancel)).status == 303
    assert (await house.get("/admin/v1/windows"))["windows"] == []


async def test_a_policy_is_tried_then_proposed(reader: Reader, house: House) -> None:
    """What it would have done to past payments comes before anybody confirms it."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    await house.pay("1")
    tried = await reader.post("/page/policy/main/try", standin='{"payment_max": "5"}')
    assert "What would have become of 1 payment" in tried.text
    assert (await reader.post("/page/policy/main/propose", standin='{"payment_max": "5"}')).status == 303
    assert len((await house.get("/admin/v1/proposals"))["proposals"]) == 1
    assert "Other rules for main" in (await reader.get("/page/duties")).text
    assert (await reader.post("/page/policy/main/propose", standin="{")).status == 400


async def test_what_is_sealed_is_shown_once_for_a_reason_that_is_written_down(reader: Reader, house: House) -> None:
    """Masked before and after; an auditor reads who saw it and why."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    number = await house.pay("1", account="79161234567")
    path = f"/page/payments/{number}"
    assert "*******4567" in (await reader.get(path)).text
    shown = await reader.post(f"{path}/reveal", why="the bank's letter 12")
    assert "79161234567" in shown.text
    assert "79161234567" not in (await reader.get(path)).text
    auditor = Reader(house)
    await auditor.sign_in("auditor")
    deeds = (await auditor.get("/page/audit")).text
    assert "Looked at what is sealed" in deeds
    assert "the bank&#39;s letter 12" in deeds
    assert "What persons did" not in (await reader.get("/page/audit")).text


async def test_everything_is_verified_on_demand(reader: Reader, house: House) -> None:
    """By an auditor too: looking is for every role."""
    await held(house)
    answer = await reader.post("/page/audit/verify", seals="yes")
    assert "Sound: nothing was altered" in answer.text
    assert re.search(r"<dt>Seals opened</dt><dd>1</dd>", answer.text)


async def test_a_payment_is_found_by_whatever_is_known_of_it(reader: Reader, house: House) -> None:
    """Our number, its id, the channel's key, its account; none of them in an address. What is none of them finds nothing."""
    number = await held(house, "4711")
    entry = (await house.get(f"/admin/v1/entries/{number}"))["entry"]
    found = [
        (await reader.post("/page/find", q=name)).headers["Location"] for name in (number, entry["id"], "4711", "100")
    ]
    assert found == [f"/page/payments/{number}"] * 4
    assert (await reader.post("/page/find", q="4712")).status == 404
    assert (await reader.post("/page/find", q="")).headers["Location"] == "/page/queue"


async def test_of_several_payments_of_an_account_all_are_shown(reader: Reader, house: House) -> None:
    """Newest first."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    numbers = [await house.pay(key, account="79161234567") for key in ("1", "2")]
    shown = await reader.post("/page/find", q="79161234567")
    assert re.findall(r"/page/payments/(\d+)", shown.text) == numbers[::-1]
    assert "79161234567" not in shown.text


async def test_a_list_is_narrowed_by_whatever_the_api_narrows_by(reader: Reader, house: House) -> None:
    """An amount that nobody paid finds nothing; what was asked for stands in the form again, and in those that act."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    number = await house.pay("1")
    found = (await reader.get("/page/queue?amount=10.00&accepted_from=2020-01-01T00:00")).text
    assert f"/page/payments/{number}" in found
    assert 'name="accepted_from" type="datetime-local" step="1" value="2020-01-01T00:00:00"' in found
    assert found.count('name="amount" value="10.00"') == 1 + len(Act)
    assert f"/page/payments/{number}" not in (await reader.get("/page/queue?amount=10.01")).text
    assert (await reader.get("/page/queue?accepted_from=yesterday")).status == 400


async def test_what_waits_is_shown_by_age(reader: Reader, house: House) -> None:
    """A row for the whole and one for each; what is by is the API's."""
    await held(house)
    shown = (await reader.get("/page/shape?by=state")).text
    assert re.search(
        r'<th scope="row">held</th><td class="right"><b>1</b><br><span class="muted">10.00.RUB</span>', shown
    )
    assert (await reader.get("/page/shape?by=colour")).status == 400


async def test_pages_of_the_queue_go_by_number(reader: Reader, house: House) -> None:
    """The second page has the rest, and says how to come back."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    for key in range(52):
        await house.pay(str(key))
    first = (await reader.get("/page/queue?state=ready&route=main")).text
    (older,) = re.findall(r'href="(/page/queue\?[^"]*before=\d+)"', first)
    second = (await reader.get(older.replace("&amp;", "&"))).text
    assert (first.count("/page/payments/"), second.count("/page/payments/")) == (50, 2)
    assert "Newest" in second


async def test_nothing_secret_or_personal_is_logged(
    reader: Reader, house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither tokens, right or wrong, nor what a session holds, nor accounts, nor why somebody did something."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    number = await house.pay("1", account="79161234567")
    await Reader(house).sign_in("guess-4711")
    await reader.post("/page/find", q="79161234567")
    await reader.post(f"/page/payments/{number}/hold", why="for Anna K.")
    await reader.post(f"/page/payments/{number}/reveal", why="for Anna K.")
    await reader.sign_in("operator")
    said = "".join(capfd.readouterr())
    secrets = ("guess-4711", "79161234567", "Anna K.", reader.csrf, reader.cookies["nightsafe"])
    assert [secret for secret in secrets if secret in said] == []
    assert "page_signed_in" in said
    assert "admin_reveal" in said


# What no text from outside can


async def test_no_page_runs_what_comes_from_outside(reader: Reader, house: House) -> None:
    """Keys of channels, reasons, evidence, what is searched for and a core's own words: shown as text, everywhere."""
    await house.post("/admin/v1/routes/main/open", reason=HOSTILE, **{"for": 600})
    number = await house.pay("1")
    await house.post(f"/admin/v1/entries/{number}/hold", reason=HOSTILE)
    await house.ask("POST", f"/admin/v1/entries/{number}/close", body={"as": "posted", "evidence": HOSTILE})
    await house.post("/admin/v1/windows", reason=HOSTILE, begins="2030-01-01T02:00:00", duration_s=600)
    query = "q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&key=%22%3E%3Cscript%3E"
    paths = (
        *PAGES,
        f"/page/payments/{number}",
        f"/page/find?{query}",
        f"/page/queue?{query}",
        "/page/<script>",
        "/page/x'\"",
    )
    shown = [(await reader.get(path)).text for path in paths]
    assert [text for text in shown if re.search(r"<script>|<img|aaaaaaa|onerror=alert\(1\)>[^&]*</", text)] == []
    assert sum("&lt;script&gt;alert(1)" in text for text in shown) >= 4


PATHS: Final = (*PAGES, "/page/sign-in", "/page/nowhere", "/page/payments/1")


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_every_page_is_sound_html_under_a_policy_that_runs_nothing(house: House, language: str) -> None:
    """No handler, style or script in it, each field labelled, each reference met; and nobody may keep it or frame it."""
    number = await held(house)
    await house.post("/admin/v1/windows", begins="2030-01-01T02:00:00", duration_s=600, rule="FREQ=DAILY")
    await house.ask("POST", f"/admin/v1/entries/{number}/close", body={"as": "posted", "evidence": "x"})
    reader = Reader(house, headers={"Accept-Language": language})
    await reader.sign_in("approver")
    for path in (*PATHS, f"/page/payments/{number}"):
        answer = await reader.get(path)
        assert (path, Faults(answer.text).found) == (path, [])
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
        assert answer.headers["Content-Language"] == language
    assert "unsafe" not in POLICY


async def test_what_a_page_loads_is_served_here_for_good(reader: Reader) -> None:
    """Each file under an address that changes with it; others are not there."""
    text = (await reader.get("/page/")).text
    files = re.findall(r'(?:src|href)="(/page/static/[^"]+)"', text)
    served = [await reader.ask("GET", path, Cookie="") for path in files]
    assert len(served) == 3
    assert {(each.status, each.headers["Cache-Control"]) for each in served} == {
        (200, "public, max-age=31536000, immutable")
    }
    assert (await reader.get("/page/static/../side.py")).status == 404
    assert (await reader.get("/page/static/page.css")).status == 404


async def test_a_language_is_chosen_once(reader: Reader) -> None:
    """And one that we don't speak changes nothing."""
    assert (await reader.get("/page/language/ru?to=/page/queue")).headers["Location"] == "/page/queue"
    assert '<html lang="ru">' in (await reader.get("/page/")).text
    await reader.get("/page/language/fr")
    assert '<html lang="ru">' in (await reader.get("/page/")).text


# What is live


async def events(reader: Reader, wanted: str) -> dict[str, str]:
    """What the stream said of each part when it first said `wanted`."""
    url = f"http://127.0.0.1:{reader.house.service.admin_listener.port}/page/live"
    cookie = "; ".join(f"{name}={value}" for name, value in reader.cookies.items())
    told, name = dict[str, str](), ""
    async with asyncio.timeout(20), reader.house.client.get(url, headers={"Cookie": cookie}) as answer:
        assert answer.content_type == "text/event-stream"
        async for line in answer.content:
            kind, _, value = line.decode().rstrip("\n").partition(": ")
            if kind == "event":
                name, told[value] = value, ""
            told[name] = told.get(name, "") + (value if kind == "data" else "")
            if not kind and wanted in told.get(name, ""):
                return told
    return told


async def test_who_looks_on_is_told_what_changes(reader: Reader, house: House) -> None:
    """First every part as it is; then, on the same stream, what became different."""
    first = await events(reader, "Nothing was taken yet.")
    assert {"clock", "verdict", "figures", "routes", "foot"} == set(first)
    assert "Billing is up" in first["verdict"]
    later = asyncio.create_task(events(reader, "Billing is kept out by a person"))
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    assert "a drill" in (await later)["verdict"]


async def test_what_is_live_ends_with_the_session(reader: Reader) -> None:
    """And says so, so that nobody takes what stands there for the truth."""
    following = asyncio.create_task(events(reader, "nothing says this"))
    await events(reader, "Billing is up")
    await reader.post("/page/sign-out")
    assert "over" in await following


async def test_a_stop_does_not_wait_for_who_looks_on(reader: Reader, house: House) -> None:
    """The streams end with the service, at once."""
    following = asyncio.create_task(events(reader, "nothing says this"))
    await events(reader, "Billing is up")
    async with asyncio.timeout(house.service.config.node.stop_grace_s / 2):
        await house.service.page.close()
        assert "over" not in await following
        assert (await reader.get("/page/live")).status == 204


async def test_no_more_look_on_than_may(reader: Reader, house: House) -> None:
    """Streams hold connections, and operators need some; a head alone is no stream."""
    followers = [asyncio.create_task(events(reader, "nothing says this")) for _ in range(STREAMS_MAX)]
    async with asyncio.timeout(20):
        while not house.service.page._live.is_full:  # noqa: ASYNC110 - it waits for the listener, which tells nobody
            await asyncio.sleep(0)
    assert (await reader.get("/page/live")).status == 204
    assert (await reader.ask("HEAD", "/page/live")).status == 405
    await house.service.page.close()
    await asyncio.gather(*followers)
