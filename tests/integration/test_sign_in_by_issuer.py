"""Signing in to the page at an issuer's own: what it may tell us, and what nobody else can make of the way there and back."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from aiohttp import web

from gateway.admin.access.issuers import ANSWER_BYTES_MAX
from gateway.clock import SystemClock
from gateway.page.errands import LASTS_S
from tests.integration.house import House, open_house
from tests.integration.reader import Answer, Reader
from tests.unit.issuer import OwnIssuer, own_issuer

CONFIGURED: Final = """
[admin.issuers.staff]
issuer = "{address}"
audience = "nightsafe"
roles = {{ shift = "operator" }}
timeout_s = 1.0

[admin.issuers.staff.sign_in]
client_id = "the page"
client_secret = {{ env = "NIGHTSAFE_TEST_CLIENT" }}
page = "http://127.0.0.1:8081"
scopes = ["groups"]

[admin.issuers.other]
issuer = "{address}/other"
audience = "nightsafe"
roles = {{ shift = "operator" }}

[admin.issuers.other.sign_in]
client_id = "the page"
page = "http://127.0.0.1:8081"

[admin.issuers.tokens]
issuer = "{address}/tokens"
audience = "nightsafe"
roles = {{ shift = "operator" }}
"""

COOKIE: Final = "nightsafe-errand"
BACK: Final = "/page/signed-in/staff"


class Browser(Reader):
    """Somebody who signs in at the issuer's."""

    async def goes(self, to: str = "", name: str = "staff") -> dict[str, str]:
        """On the way there: what the issuer is asked."""
        answer = await self.get(f"/page/sign-in/{name}{to}")
        assert answer.status == 303, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))

    async def comes_back(self, path: str = BACK, **told: str) -> Answer:
        """With what the issuer's page sent along."""
        return await self.get(f"{path}?{urlencode(told)}")

    async def is_in(self) -> bool:
        """Does the first screen open?"""
        return (await self.get("/page/")).status == 200


@pytest.fixture
async def issuer() -> AsyncIterator[OwnIssuer]:
    """One that has people sign in."""
    async with own_issuer() as made:
        made.described = made.doors()
        yield made


@pytest.fixture
async def house(issuer: OwnIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A house that knows it."""
    monkeypatch.setenv("NIGHTSAFE_TEST_CLIENT", "a secret:1")
    async with open_house(tmp_path, CONFIGURED.format(address=issuer.address)) as made:
        yield made


@pytest.fixture
def browser(house: House) -> Browser:
    """A new one."""
    return Browser(house)


def tells(issuer: OwnIssuer, **claims: Any) -> None:
    """What the issuer says of who signed in."""
    now_s = SystemClock().now_us() // 1_000_000
    header: dict[str, Any] | None = claims.pop("header", None)
    said: dict[str, Any] = {"aud": "the page", "iat": now_s, "exp": now_s + 60, **claims}
    issuer.id_token = issuer.token(header=header, **said)


# There and back


async def test_the_door_leads_to_the_issuer(browser: Browser) -> None:
    """Beside the token, to where one wanted to go; an issuer without a client of ours leads nowhere."""
    door = (await browser.get("/page/sign-in?to=/page/queue?state=held")).text
    assert "/page/sign-in/staff?to=/page/queue%3Fstate%3Dheld" in door
    assert "Your token" in door
    assert "/page/sign-in/tokens" not in door
    assert (await browser.get("/page/sign-in/tokens")).status == 401
    assert (await browser.get("/page/sign-in/nobody")).status == 401


async def test_the_issuer_is_asked_as_the_standard_says(browser: Browser, issuer: OwnIssuer) -> None:
    """For a code, with PKCE; state and nonce are drawn anew each time."""
    answer = await browser.get("/page/sign-in/staff")
    asked = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    drawn = {name: asked.pop(name) for name in ("state", "nonce", "code_challenge")}
    assert answer.headers["Location"].startswith(f"{issuer.address}/ask?p=staff&")
    assert asked == {
        "p": "staff",
        "response_type": "code",
        "client_id": "the page",
        "redirect_uri": f"http://127.0.0.1:8081{BACK}",
        "scope": "openid groups",
        "code_challenge_method": "S256",
    }
    again = await browser.goes()
    assert all(len(value) == 43 and again[name] != value for name, value in drawn.items())
    cookie = answer.headers["Set-Cookie"]
    assert all(each in cookie for each in (f"{COOKIE}=", "HttpOnly", "SameSite=Lax", f"Max-Age={LASTS_S}"))


async def test_who_signed_in_there_is_in_here(browser: Browser, issuer: OwnIssuer) -> None:
    """Under the issuer's name for him, with the role of his group, at the page he wanted; the cookie of the way is gone."""
    asked = await browser.goes("?to=/page/queue")
    tells(issuer, nonce=asked["nonce"])
    answer = await browser.comes_back(code="abc", state=asked["state"], iss=issuer.address)
    assert (answer.status, 'content="0; url=/page/queue"' in answer.text) == (200, True)
    assert browser.cookies[COOKIE] == ""
    page = (await browser.get("/page/")).text
    assert "staff:amina" in page
    assert (await browser.post("/page/routes/main/auto")).headers["Location"] == "/page/routes"
    assert any("SameSite=Strict" in each for each in answer.headers.getall("Set-Cookie") if "-errand" not in each)
    (redeemed,) = issuer.redeemed
    basic = base64.b64encode(b"the+page:a+secret%3A1").decode()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(redeemed.pop("code_verifier").encode()).digest())
    assert challenge.decode().rstrip("=") == asked["code_challenge"]
    assert redeemed == {
        "authorization": f"Basic {basic}",
        "grant_type": "authorization_code",
        "code": "abc",
        "redirect_uri": asked["redirect_uri"],
    }


async def signed_in(browser: Browser, issuer: OwnIssuer) -> None:
    """By the issuer."""
    asked = await browser.goes()
    tells(issuer, nonce=asked["nonce"])
    assert (await browser.comes_back(code="abc", state=asked["state"])).status == 200
    assert await browser.is_in()


async def test_who_signs_out_here_is_led_to_the_issuers_way_out(browser: Browser, issuer: OwnIssuer) -> None:
    """Whoever sits there next would be in without a password. Nothing but our client's name goes along."""
    issuer.described["end_session_endpoint"] = f"{issuer.address}/out?p=staff"
    await signed_in(browser, issuer)
    answer = await browser.post("/page/sign-out")
    assert (answer.headers["Location"], await browser.is_in()) == ("/page/sign-in?left=staff", False)
    door = await browser.get(answer.headers["Location"])
    assert 'href="/page/sign-out/staff"' in door.text
    gone = await browser.get("/page/sign-out/staff")
    assert (gone.status, gone.headers["Location"]) == (303, f"{issuer.address}/out?p=staff&client_id=the+page")


@pytest.mark.parametrize("address", [None, "http://login.example/out", "javascript:alert(1)"])
async def test_an_issuer_without_a_safe_way_out_is_said_to_have_none(
    browser: Browser, issuer: OwnIssuer, address: str | None
) -> None:
    """One has to know that one is still in there."""
    issuer.described["end_session_endpoint"] = address
    await signed_in(browser, issuer)
    answer = await browser.get("/page/sign-out/staff")
    assert (answer.status, "staff tells no address to sign out at" in answer.text) == (200, True)


async def test_a_way_out_is_of_an_issuer_and_begins_here(browser: Browser, house: House) -> None:
    """Not of any name, nor from another site; who came with a token is still signed in nowhere."""
    sent = Browser(house, headers={"Sec-Fetch-Site": "cross-site"})
    assert (await sent.get("/page/sign-out/staff")).status == 403
    assert (await browser.get("/page/sign-out/nobody")).status == 401
    assert (await browser.get("/page/sign-out/other")).status == 503
    assert "/page/sign-out/" not in (await browser.get("/page/sign-in?left=nobody")).text
    await browser.sign_in("operator")
    assert (await browser.post("/page/sign-out")).headers["Location"] == "/page/sign-in"


# What nobody else can make of it


async def test_another_browsers_way_back_is_nobodys(browser: Browser, house: House, issuer: OwnIssuer) -> None:
    """Who sends a link with a code of his own signs nobody in as himself; no code is redeemed."""
    asked = await browser.goes()
    tells(issuer, nonce=asked["nonce"])
    victim = Browser(house)
    assert (await victim.comes_back(code="abc", state=asked["state"])).status == 400
    await victim.goes()
    answer = await victim.comes_back(code="abc", state=asked["state"])
    assert (answer.status, "not begun in this browser" in answer.text) == (400, True)
    assert (await victim.is_in(), issuer.redeemed) == (False, [])


async def test_a_way_back_is_of_the_issuer_it_went_to(browser: Browser, issuer: OwnIssuer) -> None:
    """Each has its own address to come back to, and says who it is where it knows how to: none takes another's code."""
    asked = await browser.goes()
    tells(issuer, nonce=asked["nonce"])
    answer = await browser.comes_back("/page/signed-in/other", code="abc", state=asked["state"])
    assert (answer.status, issuer.redeemed) == (400, [])
    answer = await browser.comes_back(code="abc", state=asked["state"], iss="https://evil.example")
    assert (answer.status, "another issuer" in answer.text, issuer.redeemed) == (401, True, [])


async def test_an_issuer_that_names_itself_always_does(browser: Browser, issuer: OwnIssuer) -> None:
    """An answer without its name is another's."""
    issuer.described["authorization_response_iss_parameter_supported"] = True
    asked = await browser.goes()
    tells(issuer, nonce=asked["nonce"])
    assert (await browser.comes_back(code="abc", state=asked["state"])).status == 401
    assert issuer.redeemed == []


@pytest.mark.parametrize("cookie", ["", "x", "e30", "é", "W10"])
async def test_a_cookie_of_nobodys_making_is_none(browser: Browser, cookie: str) -> None:
    """Whatever it holds."""
    asked = await browser.goes()
    browser.cookies[COOKIE] = cookie
    assert (await browser.comes_back(code="abc", state=asked["state"])).status == 400


async def test_a_way_back_counts_once_in_a_browser(browser: Browser, issuer: OwnIssuer) -> None:
    """Who goes back in his history is asked to begin again."""
    asked = await browser.goes()
    tells(issuer, nonce=asked["nonce"])
    assert (await browser.comes_back(code="abc", state=asked["state"])).status == 200
    assert (await browser.comes_back(code="abc", state=asked["state"])).status == 400
    assert len(issuer.redeemed) == 1


async def test_a_parameter_that_is_there_twice_is_none(browser: Browser, issuer: OwnIssuer) -> None:
    """Whoever adds one of his own to a link changes nothing."""
    asked = await browser.goes()
    twice = await browser.get(f"{BACK}?code=abc&code=def&state={asked['state']}")
    assert (twice.status, issuer.redeemed) == (401, [])


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/page/%0d%0aX:y", "/evil", "/page/\\evil"])
async def test_it_leads_back_to_our_own_pages_alone(browser: Browser, issuer: OwnIssuer, to: str) -> None:
    """Whatever a link says."""
    asked = await browser.goes(f"?{urlencode({'to': to})}")
    tells(issuer, nonce=asked["nonce"])
    answer = await browser.comes_back(code="abc", state=asked["state"])
    assert 'content="0; url=/page/"' in answer.text


async def test_nobody_elses_page_sends_people_there(browser: Browser, house: House) -> None:
    """A browser says from whose page one comes."""
    sent = Browser(house, headers={"Sec-Fetch-Site": "cross-site"})
    assert (await sent.get("/page/sign-in/staff")).status == 403
    assert (await browser.ask("HEAD", "/page/sign-in/staff")).status == 405
    assert (await browser.ask("POST", BACK, {})).status == 405


# What does not count


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"nonce": "another"}, "made for another sign-in"),
        ({"nonce": None}, "made for another sign-in"),
        ({"aud": "nightsafe"}, "made out to another service"),
        ({"aud": ["the page", "shop"], "azp": "shop"}, "another asked for it"),
        ({"aud": ["the page", "shop"]}, "another asked for it"),
        ({"azp": "shop"}, "another asked for it"),
        ({"exp": 1}, "its time is over"),
        ({"iss": "https://other.example"}, "no ID token of this issuer"),
        ({"groups": ["staff"]}, "none of the groups"),
        ({"sub": None}, "no name"),
        ({"header": {"typ": "at+jwt"}}, "no ID token"),
        ({"header": {"kid": "new"}}, "no such key"),
    ],
)
async def test_an_id_token_that_does_not_count_opens_nothing(
    browser: Browser, issuer: OwnIssuer, claims: dict[str, Any], why: str
) -> None:
    """Each is said in words, beside the token's field."""
    asked = await browser.goes()
    tells(issuer, **{"nonce": asked["nonce"], **claims})
    answer = await browser.comes_back(code="abc", state=asked["state"])
    assert answer.status in {401, 403}
    assert why in answer.text
    assert "Your token" in answer.text
    assert not await browser.is_in()


async def test_a_token_for_asking_with_signs_nobody_in_and_the_other_way_round(
    browser: Browser, house: House, issuer: OwnIssuer
) -> None:
    """An ID token is for the page's client alone: the API takes none."""
    asked = await browser.goes()
    tells(issuer, nonce=asked["nonce"])
    assert (await house.ask("GET", "/admin/v1/status", issuer.id_token))[0] == 401


@pytest.mark.parametrize(
    ("error", "said"), [("access_denied", "(access_denied)"), ("<b>call 555</b>", "(unknown)"), ("", "(unknown)")]
)
async def test_an_issuers_no_is_said_in_known_words(browser: Browser, error: str, said: str) -> None:
    """Its own may be anybody's; with the field for a token below them."""
    asked = await browser.goes()
    answer = await browser.comes_back(error=error, error_description="call 555 now", state=asked["state"])
    assert (answer.status, said in answer.text, "555" in answer.text) == (401, True, False)
    assert "staff did not let you in" in answer.text


STRANGE: Final = {
    "refuses": (400, "no", 401),
    "fails": (500, "no", 503),
    "leads elsewhere": (302, "", 503),
    "says nothing": (200, "{}", 503),
    "says too much": (200, "x" * (ANSWER_BYTES_MAX + 1), 503),
    "says no token": (200, '{"id_token": "abc"}', 401),
}


@pytest.mark.parametrize("name", STRANGE)
async def test_an_issuer_that_answers_strangely_signs_nobody_in(browser: Browser, issuer: OwnIssuer, name: str) -> None:
    """And a token still does."""
    status, text, shown = STRANGE[name]
    asked = await browser.goes()
    issuer.strange = web.Response(status=status, text=text, headers={"Location": f"{issuer.address}/keys"})
    answer = await browser.comes_back(code="abc", state=asked["state"])
    assert (answer.status, "Your token" in answer.text, await browser.is_in()) == (shown, True, False)
    await browser.sign_in("operator")
    assert await browser.is_in()


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint"])
async def test_an_issuer_without_safe_doors_is_away(browser: Browser, issuer: OwnIssuer, name: str) -> None:
    """What is asked there could be read on its way; its tokens count all the same."""
    issuer.described[name] = "http://login.example/ask"
    answer = await browser.get("/page/sign-in/staff")
    assert (answer.status, "staff does not answer now" in answer.text) == (503, True)


async def test_while_the_issuer_is_away_a_token_signs_in(browser: Browser) -> None:
    """An outage at night may be the issuer's as well."""
    answer = await browser.get("/page/sign-in/other?to=/page/queue")
    assert (answer.status, "other does not answer now" in answer.text) == (503, True)
    assert 'name="to" value="/page/queue"' in answer.text
    await browser.sign_in("operator")
    assert await browser.is_in()
