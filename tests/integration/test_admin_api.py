"""The admin side over loopback: a real service on SQLite before a scripted core."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.engine import both_engines
from tests.integration.house import House, open_house
from tests.integration.reader import Reader


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house."""
    async with open_house(tmp_path) as made:
        yield made


@both_engines
async def test_a_forced_route_stands_in_and_says_who_and_why(house: House) -> None:
    """`open` in an electrician's words: nothing passes."""
    shown = await house.post("/admin/v1/routes/main/open", **{"for": 600})
    assert (shown["zone"], shown["forced"]["actor"], shown["forced"]["reason"]) == ("open", "operator", "a drill")
    await house.pay("1")
    (route,) = (await house.get("/admin/v1/status"))["routes"]
    assert route["waiting"] == [{"currency": "RUB", "entries": 1, "amount": "10.00"}]
    assert route["exposure"][0]["now"]["amount"] == "10.00"
    assert route["diagnosis"]["cause"] == "forced"
    assert route["oldest"]


@both_engines
async def test_a_route_left_to_itself_again_drains(house: House) -> None:
    """`auto`: the core is probed and tried at once."""
    await house.post("/admin/v1/routes/main/open")
    number = await house.pay("1")
    await house.post("/admin/v1/routes/main/auto")
    await house.until_state(number, "posted")
    assert len(house.core.ledger.bookings()) == 1


async def test_a_route_can_be_kept_closed(house: House) -> None:
    """`close`: payments pass through whatever the evidence."""
    shown = await house.post("/admin/v1/routes/main/close", **{"for": 60})
    assert (shown["zone"], shown["forced"]["zone"]) == ("closed", "closed")


async def test_a_route_is_not_forced_for_ever(house: House) -> None:
    """Forced and forgotten must end: the breaker's own limit."""
    status, problem = await house.ask("POST", "/admin/v1/routes/main/open", body={"reason": "x", "for": 30 * 86_400})
    assert (status, problem["code"]) == (400, "invalid")


@both_engines
async def test_held_is_not_sent_and_released_is(house: House) -> None:
    """A person stops one payment while all others drain; then lets it go on."""
    await house.post("/admin/v1/routes/main/open")
    held, other = await house.pay("1", "100"), await house.pay("2", "200")
    shown = await house.post(f"/admin/v1/entries/{held}/hold")
    assert (shown["entry"]["state"], shown["may"]) == ("held", ["release", "close"])
    await house.post("/admin/v1/routes/main/auto")
    await house.until_state(other, "posted")
    assert (await house.get(f"/admin/v1/entries/{held}"))["entry"]["state"] == "held"
    await house.post(f"/admin/v1/entries/{held}/release")
    await house.until_state(held, "posted")
    history = (await house.get(f"/admin/v1/entries/{held}"))["history"]
    assert [each["name"] for each in history] == ["record", "hold", "release", "claim", "post"]
    assert [(each["actor"], each["note"]) for each in history[1:3]] == [("operator", "a drill")] * 2


async def test_an_act_from_the_wrong_state_is_refused(house: House) -> None:
    """What is booked can't be held."""
    number = await house.pay("1")
    await house.until_state(number, "posted")
    status, problem = await house.ask("POST", f"/admin/v1/entries/{number}/hold", body={"reason": "x"})
    assert (status, problem["code"], problem["detail"]) == (409, "wrong_state", "it is posted; hold starts from ready")


@pytest.mark.parametrize("reason", ["", " ", "two\nlines", "\x1b[2J", "x" * 501])
async def test_a_reason_is_a_line_of_text(house: House, reason: str) -> None:
    """Others read the history line by line, some of them on a terminal."""
    status, _ = await house.ask("POST", "/admin/v1/entries/1/hold", body={"reason": reason})
    assert status == 400


async def test_an_entry_is_found_by_number_id_and_key(house: House) -> None:
    """Whatever a caller has in hand; and the account is in none of it."""
    number = await house.pay("77", "4951234567")
    by_number = await house.get(f"/admin/v1/entries/{number}")
    by_id = await house.get(f"/admin/v1/entries/{by_number['entry']['id']}")
    assert by_number["entry"]["key"] == by_id["entry"]["key"] == "77"
    assert "4951234567" not in str(by_number)


async def test_a_list_goes_on_from_page_to_page(house: House) -> None:
    """By number, newest first; the last page says it is the last."""
    numbers = [await house.pay(str(key)) for key in range(1, 4)]
    first = await house.get("/admin/v1/entries?limit=2")
    rest = await house.get(f"/admin/v1/entries?limit=2&before={first['next']}")
    seen = [entry["number"] for entry in (*first["entries"], *rest["entries"])]
    assert (seen, rest["next"]) == (numbers[::-1], "")


@pytest.mark.parametrize(
    "query",
    [
        "state=asleep",
        "limit=0x10",
        "limit=501",
        "after=-1",
        "colour=red",
        "route=a&route=b",
        "order=random",
        "accepted_from=yesterday",
        "accepted_from=2026-01-01T00:00:00",
        "kind=gift",
        "lane=99999999999999999999",
        "key=%FF",
    ],
)
async def test_a_question_that_cannot_be_understood_is_said_to_be_so(house: House, query: str) -> None:
    """Never a guess, never a crash."""
    status, problem = await house.ask("GET", f"/admin/v1/entries?{query}")
    assert (status, problem["code"]) == (400, "invalid")


async def test_times_narrow_a_list(house: House) -> None:
    """From inclusive, before exclusive."""
    await house.pay("1")
    assert len((await house.get("/admin/v1/entries?accepted_from=2026-01-01T00:00:00Z"))["entries"]) == 1
    assert (await house.get("/admin/v1/entries?accepted_before=2026-01-01T00:00:00%2B03:00"))["entries"] == []


async def test_the_books_are_verified_with_every_seal(house: House) -> None:
    """Counted anew from the entries themselves."""
    await house.pay("1")
    _, found = await house.ask("POST", "/admin/v1/verify", "auditor", {"seals": True})
    assert (found["ok"], found["counted"], found["opened"], found["differences"]) == (True, 1, 1, [])
    assert found["balances"][0]["accepted"] == {"currency": "RUB", "entries": 1, "amount": "10.00"}


async def test_conservation_is_shown(house: House) -> None:
    """Accepted is what the states add up to."""
    number = await house.pay("1")
    await house.until_state(number, "posted")
    (line,) = (await house.get("/admin/v1/status"))["conservation"]
    assert (line["accepted"], line["waiting"]["entries"]) == (line["posted"], 0)


async def test_keys_are_shown_by_what_says_nothing_of_them(house: House) -> None:
    """Id and fingerprint."""
    (key,) = (await house.get("/admin/v1/status"))["keys"]
    assert (key["id"], len(key["fingerprint"]), key["seals"]) == (1, 8, True)


async def test_it_is_ready_while_the_core_is_down(house: House) -> None:
    """Standing in is what the service is for; a balancer must not take it out then."""
    await house.post("/admin/v1/routes/main/open")
    assert await house.ask("GET", "/readyz", "") == (200, {"ready": True, "missing": []})
    assert (await house.ask("GET", "/livez", ""))[0] == 200


async def test_it_says_what_keeps_it_from_being_ready(house: House) -> None:
    """A spool that takes nothing: alive, and not ready."""
    await house.service.spool.close()
    status, body = await house.ask("GET", "/readyz", "")
    assert (status, body["missing"]) == (503, ["spool: takes nothing new; status says why"])
    assert (await house.ask("GET", "/livez", ""))[0] == 200


async def test_while_the_spool_is_closed_an_act_is_not_done(house: House) -> None:
    """It is said that nothing was, and when to ask again."""
    await house.post("/admin/v1/routes/main/open")
    number = await house.pay("1")
    await house.service.spool.close()
    status, problem = await house.ask("POST", f"/admin/v1/entries/{number}/hold", body={"reason": "x"})
    assert (status, problem["code"]) == (503, "closed")


async def test_the_metrics_tell_of_books_routes_and_spool(house: House) -> None:
    """With labels bounded by the configuration: no key, no number, no account."""
    await house.post("/admin/v1/routes/main/open")
    # Long ones: a moment in the metrics may have any four digits.
    key, account = "47110815471108154711", "4951234567"
    number = await house.pay(key, account)
    text = await house.get("/metrics")
    place = 'channel="kiosk",currency="RUB",kind="payment",route="main",state="ready"'
    assert f"nightsafe_entries{{{place}}} 1.0" in text
    assert f"nightsafe_entries_minor_units{{{place}}} 1000.0" in text
    assert 'nightsafe_route_zone{route="main",zone="open"} 1.0' in text
    assert 'nightsafe_route_forced{route="main"} 1.0' in text
    assert "nightsafe_spool_accepting 1.0" in text
    assert not [each for each in (key, account, number) if each in text]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/admin/v1/nothing", 404),
        ("GET", "/nothing", 404),
        ("DELETE", "/admin/v1/entries", 405),
        ("GET", "/admin/v1/verify", 405),
        ("POST", "/admin/v1/routes/nowhere/open", 404),
        ("GET", "/admin/v1/entries/00000000-0000-7000-8000-000000000000", 404),
        ("GET", "/admin/v1/entries/99999999999999999999", 404),
    ],
)
async def test_what_is_not_there_is_said_not_to_be(house: House, method: str, path: str, status: int) -> None:
    """As a problem, like every error."""
    body = {"reason": "x"} if method == "POST" else None
    assert (await house.ask(method, path, body=body))[0] == status


async def test_it_describes_itself(house: House) -> None:
    """In OpenAPI 3.1, to whoever may read."""
    status, told = await house.ask("GET", "/admin/v1/openapi.json", "viewer")
    assert (status, told["openapi"]) == (200, "3.1.0")
    assert (await house.ask("GET", "/admin/v1/openapi.json", ""))[0] == 401
    assert (await house.ask("GET", "/admin/v1/openapi.json", "release"))[0] == 403


async def test_the_admin_side_is_not_on_the_channels_port(house: House) -> None:
    """Two listeners: a bank's address never reaches an operator's verbs."""
    url = f"http://127.0.0.1:{house.service.channel_listener.port}/admin/v1/status"
    async with house.client.get(url, headers={"Authorization": "Bearer operator"}) as answer:
        assert answer.status == 404


async def test_a_waiting_payment_is_shown_with_its_turn_and_why(tmp_path: Path) -> None:
    """A rule sends it first; its reversal would go with it; who is kept behind its account's others says so."""
    order = '[[routes.main.order.rules]]\ngoes = "first"\naccounts = ["777*"]\n'
    async with open_house(tmp_path, order) as house:
        await house.post("/admin/v1/routes/main/open", **{"for": 600})
        usual, first = await house.pay("1", account="100"), await house.pay("2", account="7770001")
        shown = [await house.get(f"/admin/v1/entries/{number}") for number in (usual, first)]
        reader = Reader(house)
        await reader.sign_in("viewer")
        pages = [(await reader.get(f"/page/payments/{number}")).text for number in (usual, first)]
    assert [each["entry"]["goes"] for each in shown] == ["usual", "first"]
    assert [each["turn"] for each in shown] == [
        {"goes": "usual", "why": "no_rule", "rule": 0},
        {"goes": "first", "why": "rule", "rule": 1},
    ]
    assert ["by rule 1 of its route" in page for page in pages] == [False, True]
