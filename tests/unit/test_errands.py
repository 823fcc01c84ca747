"""Browsers on their way to an issuer and back: what binds each, how long, and what came of it counts."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from gateway.admin.access.entrance import Entrance
from gateway.admin.access.errand import Errand
from gateway.admin.access.settings import SignInSettings
from gateway.admin.access.tokens import Denial, Person, Refusal
from gateway.clock import ManualClock
from gateway.config.model import AdminSettings
from gateway.page.errands import LASTS_S, US, Errands
from tests.unit.issuer import NOW_S, OwnIssuer, own_issuer

PAGE: Final = "http://127.0.0.1:8081"
NOW_US: Final = NOW_S * US


@pytest.fixture
async def issuer() -> AsyncIterator[OwnIssuer]:
    """One that has people sign in, and tells of amina."""
    async with own_issuer() as made:
        made.described = made.doors()
        made.id_token = made.token(aud="page", nonce="n")
        yield made


class Desk:
    """An entrance that knows it."""

    def __init__(self, issuer: OwnIssuer, **sign_in: Any) -> None:
        settings = issuer.settings(sign_in={"client_id": "page", "page": PAGE, **sign_in})
        self.clock = ManualClock(NOW_US)
        self.entrance = Entrance(
            AdminSettings(issuers={"staff": settings}),
            self.clock,
            lambda issuer, *, ok: None,  # noqa: ARG005 - nobody counts here
        )

    async def brings(self, code: str = "abc") -> Person | Refusal:
        """Somebody who came back."""
        return await self.entrance.by_errand("staff", replace(ERRAND, code=code), "10.0.0.1")


ERRAND: Final = Errand(state="s", nonce="n", verifier="v")


def back(errand: Errand, code: str = "abc") -> dict[str, list[str]]:
    """What a browser comes back with."""
    return {"state": [errand.state], "code": [code]}


def test_a_browser_comes_back_on_the_errand_it_was_sent_on() -> None:
    """With all that was drawn for it."""
    errands = Errands()
    cookie, sent = errands.begin("staff", "/page/queue", NOW_US)
    assert errands.end("staff", cookie, back(sent), NOW_US) == replace(sent, code="abc")


@pytest.mark.parametrize("late_us", [0, US])
def test_an_errand_has_an_end(late_us: int) -> None:
    """What somebody left open over lunch signs nobody in."""
    errands = Errands()
    cookie, sent = errands.begin("staff", "/page/", NOW_US)
    assert errands.end("staff", cookie, back(sent), NOW_US + LASTS_S * US - 1) is not None
    assert errands.end("staff", cookie, back(sent), NOW_US + LASTS_S * US + late_us) is None


def test_an_errand_is_of_one_issuer_one_cookie_and_one_process() -> None:
    """Whatever of them differs, it is none."""
    errands = Errands()
    cookie, sent = errands.begin("staff", "/page/", NOW_US)
    other, _ = errands.begin("staff", "/page/", NOW_US)
    assert errands.end("others", cookie, back(sent), NOW_US) is None
    assert errands.end("staff", other, back(sent), NOW_US) is None
    assert errands.end("staff", f"{cookie}A", back(sent), NOW_US) is None
    assert errands.end("staff", cookie, {}, NOW_US) is None
    assert Errands().end("staff", cookie, back(sent), NOW_US) is None


def test_an_errand_shows_no_secret() -> None:
    """Neither in a log nor in a trace of a fault."""
    assert repr(ERRAND) == "Errand()"


async def test_who_signed_in_counts_for_as_long_as_is_said(issuer: OwnIssuer) -> None:
    """An ID token's own minutes are how long it may take to bring it, not how long somebody works."""
    desk = Desk(issuer, session_s=7_200)
    who = await desk.brings()
    assert isinstance(who, Person)
    assert (who.name, who.role) == ("staff:amina", "operator")
    await desk.clock.advance(7_199)
    assert desk.entrance.still_known(who)
    await desk.clock.advance(1)
    assert not desk.entrance.still_known(who)


async def test_whoever_has_no_secret_says_who_he_is(issuer: OwnIssuer) -> None:
    """A public client: PKCE alone proves that it is the same who asked."""
    await Desk(issuer).brings()
    assert issuer.redeemed == [
        {
            "authorization": "",
            "grant_type": "authorization_code",
            "code": "abc",
            "redirect_uri": f"{PAGE}/page/signed-in/staff",
            "code_verifier": "v",
            "client_id": "page",
        }
    ]


async def test_codes_that_are_good_for_nothing_are_slowed(issuer: OwnIssuer) -> None:
    """As tokens are: each is one more request to the issuer."""
    desk = Desk(issuer)
    issuer.redeems = 400
    came = [await desk.brings(str(number)) for number in range(12)]
    assert [each.why for each in came if isinstance(each, Refusal)] == [Denial.UNPROVEN] * 11 + [Denial.SLOWED]
    assert len(issuer.redeemed) == 11


async def test_a_secret_that_is_gone_is_no_answer(issuer: OwnIssuer) -> None:
    """The other ways in are open."""
    who = await Desk(issuer, client_secret={"env": "NIGHTSAFE_TEST_NO_SUCH"}).brings()
    assert isinstance(who, Refusal)
    assert (who.why, issuer.redeemed) == (Denial.ISSUER_AWAY, [])


@pytest.mark.parametrize("page", ["http://night.example", f"{PAGE}/", f"{PAGE}/page", "night.example", "https://a@b"])
def test_the_page_has_a_safe_address_without_a_path(page: str) -> None:
    """A code comes there."""
    with pytest.raises(ValidationError):
        SignInSettings(client_id="page", page=page)
