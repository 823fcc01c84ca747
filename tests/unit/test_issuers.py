"""Tokens that an issuer signed: which count, what is said of those that don't, and what a stranger can make us ask."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, RSAKey
from pydantic import ValidationError

from gateway.admin.access.entrance import Entrance
from gateway.admin.access.issuers import ANSWER_BYTES_MAX, Issuers
from gateway.admin.access.settings import IssuerSettings
from gateway.admin.access.signed import read_keys, said
from gateway.admin.access.tokens import Denial, Person, Refusal
from gateway.clock import ManualClock
from gateway.config.model import AdminSettings
from tests.unit.issuer import EC, ED, NOW_S, RSA, OwnIssuer, own_issuer

NEW: Final = ECKey.generate_key("P-256", {"kid": "new"})
STRANGER: Final = ECKey.generate_key("P-256", {"kid": "ec"})


class Desk:
    """One issuer, and who looks at its tokens."""

    def __init__(self, issuer: OwnIssuer, **settings: Any) -> None:
        self.issuer = issuer
        self.clock = ManualClock(NOW_S * 1_000_000)
        self.fetches: list[bool] = []
        self.issuers = Issuers({"staff": issuer.settings(**settings)}, self.clock, self._note)

    def _note(self, issuer: str, *, ok: bool) -> None:
        assert issuer == "staff"
        self.fetches.append(ok)

    async def denies(self, token: str) -> Denial | None:
        """Why a token isn't let in; None where it is."""
        who = await self.issuers.who(token)
        return who.why if isinstance(who, Refusal) else None


@pytest.fixture
async def issuer() -> AsyncIterator[OwnIssuer]:
    """An issuer on this machine."""
    async with own_issuer() as made:
        yield made


@pytest.fixture
async def desk(issuer: OwnIssuer) -> AsyncIterator[Desk]:
    """Who looks at its tokens."""
    made = Desk(issuer)
    yield made
    await made.issuers.close()


# Which count


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "Ed25519")],
    ids=lambda each: str(each)[:7],
)
async def test_a_token_that_its_issuer_signed_is_a_person(desk: Desk, key: Any, algorithm: str) -> None:
    """With the issuer's name before theirs, the role of the first group that has one, until the token ends."""
    who = await desk.issuers.who(desk.issuer.token(key, algorithm))
    assert isinstance(who, Person)
    assert (who.name, who.role, who.until_us) == ("staff:amina", "operator", (NOW_S + 600) * 1_000_000)


async def test_groups_may_be_inside_other_claims_and_the_name_is_where_one_says(issuer: OwnIssuer) -> None:
    """As Keycloak has them; a group by itself is as good as a list of one."""
    desk = Desk(issuer, roles_claim=["realm_access", "roles"], name_claim="preferred_username")
    token = issuer.token(realm_access={"roles": "leads"}, preferred_username="Ждан", groups=None)
    who = await desk.issuers.who(token)
    assert isinstance(who, Person)
    assert (who.name, who.role) == ("staff:Ждан", "approver")


async def test_of_several_groups_the_one_that_stands_first_counts(desk: Desk) -> None:
    """In the configuration, not in the token."""
    who = await desk.issuers.who(desk.issuer.token(groups=["leads", "shift"]))
    assert isinstance(who, Person)
    assert who.role == "operator"


async def test_the_clocks_may_differ_a_little(desk: Desk) -> None:
    """By half a minute unless it is said otherwise."""
    assert await desk.denies(desk.issuer.token(exp=NOW_S - 29, nbf=NOW_S + 29, iat=NOW_S + 29)) is None


@pytest.mark.parametrize("header", [{"typ": "at+jwt"}, {"typ": "JWT"}, {"nonce": "x"}, {"kid": None}])
async def test_what_a_header_may_say(issuer: OwnIssuer, header: dict[str, Any]) -> None:
    """An unknown word in it is ignored; without the key's id the one key that fits is taken."""
    assert await Desk(issuer).denies(issuer.token(header=header)) is None


# Which don't


def forged(issuer: OwnIssuer, header: dict[str, Any], signature: bytes = b"x") -> str:
    """A token with this header, and a signature of nobody's."""
    parts = [json.dumps(header).encode(), json.dumps(issuer.claims()).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def signed_by_what_is_public(issuer: OwnIssuer) -> str:
    """HMAC with the published key in the place of a secret: what a verifier falls for that lets the token say how."""
    unsigned = forged(issuer, {"alg": "HS256", "kid": "rsa"}).rpartition(".")[0]
    digest = hmac.digest(RSA.as_pem(private=False), unsigned.encode(), "sha256")
    return f"{unsigned}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def altered(token: str) -> str:
    """The same token with another group in it."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = base64.urlsafe_b64encode(json.dumps({**claims, "groups": ["leads"]}).encode()).rstrip(b"=").decode()
    return f"{header}.{changed}.{signature}"


Made = Callable[[OwnIssuer], str]

BAD: Final[dict[str, tuple[Made, Denial]]] = {
    "no signature": (lambda issuer: forged(issuer, {"alg": "none"}), Denial.UNPROVEN),
    "a secret that everybody has": (signed_by_what_is_public, Denial.UNPROVEN),
    "an algorithm that is not taken": (lambda issuer: issuer.token(RSA, "RS512"), Denial.UNPROVEN),
    "another's key under this id": (lambda issuer: issuer.token(STRANGER), Denial.UNPROVEN),
    "another's key, sent along": (
        lambda issuer: issuer.token(STRANGER, header={"jwk": STRANGER.as_dict(private=False)}),
        Denial.UNPROVEN,
    ),
    "a key nobody published": (lambda issuer: issuer.token(header={"kid": "new"}), Denial.UNPROVEN),
    "a key of another kind": (lambda issuer: issuer.token(RSA, "RS256", {"kid": "ec"}), Denial.UNPROVEN),
    "altered": (lambda issuer: altered(issuer.token()), Denial.UNPROVEN),
    "critical and unknown": (
        lambda issuer: forged(issuer, {"alg": "ES256", "kid": "ec", "crit": ["x"]}),
        Denial.UNPROVEN,
    ),
    "word of a sign-out": (lambda issuer: issuer.token(header={"typ": "logout+jwt"}), Denial.UNPROVEN),
    "another issuer": (lambda issuer: issuer.token(iss="https://other.example"), Denial.UNPROVEN),
    "for another service": (lambda issuer: issuer.token(aud="shop"), Denial.AUDIENCE),
    "for other services": (lambda issuer: issuer.token(aud=["shop", "till"]), Denial.AUDIENCE),
    "for nobody": (lambda issuer: issuer.token(aud=None), Denial.UNPROVEN),
    "over": (lambda issuer: issuer.token(exp=NOW_S - 31), Denial.EXPIRED),
    "without end": (lambda issuer: issuer.token(exp=None), Denial.UNPROVEN),
    "with an end in words": (lambda issuer: issuer.token(exp="2099-01-01"), Denial.UNPROVEN),
    "not begun": (lambda issuer: issuer.token(nbf=NOW_S + 31), Denial.EARLY),
    "made in the future": (lambda issuer: issuer.token(iat=NOW_S + 31), Denial.EARLY),
    "in no group of ours": (lambda issuer: issuer.token(groups=["staff"]), Denial.NO_ROLE),
    "in no group": (lambda issuer: issuer.token(groups=None), Denial.NO_ROLE),
    "groups of another shape": (lambda issuer: issuer.token(groups={"shift": True}), Denial.NO_ROLE),
    "nobody's": (lambda issuer: issuer.token(sub=None), Denial.NAMELESS),
    "of two lines": (lambda issuer: issuer.token(sub="amina\nvera"), Denial.NAMELESS),
    "a long name": (lambda issuer: issuer.token(sub="a" * 121), Denial.NAMELESS),
    "a number for a name": (lambda issuer: issuer.token(RSA, "RS256", sub=None, name=7), Denial.NAMELESS),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_token_that_does_not_count_is_refused_by_its_fault(desk: Desk, name: str) -> None:
    """In words for who sent it, and as a guess: who comes with many is slowed."""
    make, why = BAD[name]
    who = await desk.issuers.who(make(desk.issuer))
    assert isinstance(who, Refusal)
    assert (who.why, who.is_guess, bool(who.detail)) == (why, True, True)


@pytest.mark.parametrize("token", ["plain", "a.b", "a.b.", "..", "e30.e30.x", "e30.W10.x", "é.é.é", "a.b.c.d", "!.!.!"])
async def test_what_is_no_signed_token_is_left_to_others(desk: Desk, token: str) -> None:
    """It may be one whose hash the configuration has."""
    assert await desk.issuers.who(token) is None
    assert desk.fetches == []


def test_a_token_of_endless_depth_can_not_be_read() -> None:
    """Whoever reads it first says so."""
    deep = base64.urlsafe_b64encode(b'{"iss":"x","a":' + b"[" * 5_000).rstrip(b"=").decode()
    assert said(f"eyJhbGciOiJFUzI1NiJ9.{deep}.x") is None


async def test_a_signed_token_of_endless_depth_is_refused(desk: Desk) -> None:
    """Its reader's own limit is no fault of ours: nobody gets a 500 for it."""
    head = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": "ec"}).encode()).rstrip(b"=").decode()
    inner = f'{{"iss":"{desk.issuer.address}","a":{"[" * 900}{"]" * 900}}}'
    token = f"{head}.{base64.urlsafe_b64encode(inner.encode()).rstrip(b'=').decode()}.eHg"
    assert await desk.denies(token) in {None, Denial.UNPROVEN}


async def test_who_brings_many_that_do_not_count_is_slowed(issuer: OwnIssuer) -> None:
    """Old ones from a stolen list, say; a token that was let in from there before is let in on."""
    clock = ManualClock(NOW_S * 1_000_000)
    settings = AdminSettings(issuers={"staff": issuer.settings()})
    entrance = Entrance(settings, clock, lambda issuer, *, ok: None)  # noqa: ARG005 - nobody counts here
    good = f"Bearer {issuer.token()}"
    assert isinstance(await entrance.by_token(good, "10.0.0.1"), Person)
    over = [
        await entrance.by_token(f"Bearer {issuer.token(exp=NOW_S - 100 - number)}", "10.0.0.1") for number in range(12)
    ]
    assert [each.why for each in over if isinstance(each, Refusal)] == [Denial.EXPIRED] * 11 + [Denial.SLOWED]
    assert isinstance(await entrance.by_token(good, "10.0.0.1"), Person)
    assert isinstance(await entrance.by_token(f"Bearer {issuer.token(sub='vera')}", "10.0.0.2"), Person)


async def test_who_signed_in_once_counts_until_the_token_ends(issuer: OwnIssuer) -> None:
    """A session of the page lasts no longer than what began it."""
    clock = ManualClock(NOW_S * 1_000_000)
    entrance = Entrance(
        AdminSettings(issuers={"staff": issuer.settings()}),
        clock,
        lambda issuer, *, ok: None,  # noqa: ARG005 - nobody counts here
    )
    who = await entrance.by_token(f"Bearer {issuer.token()}", None)
    assert isinstance(who, Person)
    assert entrance.still_known(who)
    await clock.advance(600)
    assert not entrance.still_known(who)


# Its keys


async def test_a_token_with_an_end_that_is_no_number_is_no_token(desk: Desk) -> None:
    """Every comparison with NaN is false, so one that ends then would never end; it isn't JSON, either."""
    assert await desk.issuers.who(desk.issuer.token(exp=float("nan"))) is None


async def test_keys_are_fetched_once_for_all_who_wait(desk: Desk) -> None:
    """And not at all while nobody has come."""
    assert desk.issuer.asked == 0
    await asyncio.gather(*(desk.issuers.who(desk.issuer.token()) for _ in range(20)))
    assert (desk.issuer.asked, desk.fetches) == (1, [True])


async def test_a_key_that_is_new_is_fetched_when_a_token_names_it(desk: Desk) -> None:
    """Issuers change their keys, and nobody restarts anything for that."""
    assert await desk.denies(desk.issuer.token()) is None
    new = ECKey.generate_key("P-256", {"kid": "next"})
    desk.issuer.keys = [new.as_dict(private=False)]
    await desk.clock.advance(61)
    assert await desk.denies(desk.issuer.token(new)) is None
    assert await desk.denies(desk.issuer.token()) is Denial.UNPROVEN


async def test_a_stranger_can_not_have_the_issuer_asked_without_end(desk: Desk) -> None:
    """However many keys he names: once in `keys_refresh_min_s`."""
    assert await desk.denies(desk.issuer.token()) is None
    for number in range(50):
        assert await desk.denies(desk.issuer.token(header={"kid": f"k{number}"})) is Denial.UNPROVEN
    assert desk.issuer.asked == 1
    await desk.clock.advance(61)
    for number in range(50):
        await desk.denies(desk.issuer.token(header={"kid": f"k{number}"}))
    assert desk.issuer.asked == 2


async def test_who_is_unfit_by_his_own_words_has_nobody_asked(desk: Desk) -> None:
    """An algorithm that isn't taken, another issuer: nothing leaves the house."""
    for make in (BAD["no signature"][0], BAD["a secret that everybody has"][0], BAD["another issuer"][0]):
        assert await desk.denies(make(desk.issuer)) is Denial.UNPROVEN
    assert desk.fetches == []


STRANGE: Final[dict[str, Callable[[], web.Response]]] = {
    "a fault": lambda: web.Response(status=500),
    "elsewhere": lambda: web.Response(status=302, headers={"Location": "/staff/moved"}),
    "no JSON": lambda: web.Response(text="<html>"),
    "no set": lambda: web.Response(text="[]"),
    "nothing to use": lambda: web.Response(text=json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "ec"}]})),
    "endless": lambda: web.Response(text=json.dumps({"keys": [NEW.as_dict(private=False)]}) + " " * ANSWER_BYTES_MAX),
}


@pytest.mark.parametrize("name", STRANGE)
async def test_the_last_keys_hold_while_the_issuer_is_strange(desk: Desk, name: str) -> None:
    """Who was let in before is let in; a key that comes by a way that is not to be trusted proves nothing."""
    desk.issuer.moved = [NEW.as_dict(private=False)]
    assert await desk.denies(desk.issuer.token()) is None
    desk.issuer.strange = STRANGE[name]()
    await desk.clock.advance(3601)
    later: dict[str, Any] = {"exp": NOW_S + 9_999}
    assert await desk.denies(desk.issuer.token(**later)) is None
    assert await desk.denies(desk.issuer.token(NEW, **later)) is Denial.UNPROVEN
    assert desk.fetches == [True, False]


@pytest.mark.parametrize(
    "described",
    [{"issuer": "https://other.example"}, {"jwks_uri": "http://0.0.0.0:{port}/staff/keys"}, {"jwks_uri": 1}],
    ids=["another issuer", "keys in the open", "no address"],
)
async def test_a_description_of_another_issuer_or_with_keys_in_the_open_is_not_taken(
    desk: Desk, described: dict[str, Any]
) -> None:
    """Source: OpenID Connect Discovery 1.0, 4.3. Nobody's guess: it says that the issuer can't be asked."""
    here = str(desk.issuer.port)
    desk.issuer.described = {
        name: str(told).replace("{port}", here) if told != 1 else 1 for name, told in described.items()
    }
    who = await desk.issuers.who(desk.issuer.token())
    assert isinstance(who, Refusal)
    assert (who.why, who.is_guess) == (Denial.ISSUER_AWAY, False)


async def test_who_gives_up_waiting_ends_nobody_else_s_fetch(desk: Desk) -> None:
    """A request that is cancelled is a normal thing."""
    first = asyncio.create_task(desk.issuers.who(desk.issuer.token()))
    second = asyncio.create_task(desk.issuers.who(desk.issuer.token()))
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await second, Person)
    assert first.cancelled() or await asyncio.wait([first])


@pytest.mark.parametrize(
    "key",
    [
        OctKey.generate_key(256),
        ECKey.generate_key("P-256", {"use": "enc"}),
    ],
    ids=["secret", "for something else"],
)
def test_keys_that_can_not_prove_anything_are_left_out(key: Any) -> None:
    """A secret that is published is none."""
    assert read_keys(json.dumps({"keys": [key.as_dict(private=isinstance(key, OctKey)), {}]}).encode()) == []


def test_a_short_key_is_left_out() -> None:
    """RFC 7518, 3.3: RSA has 2048 bits or more."""
    with pytest.warns(SecurityWarning):
        key = RSAKey.generate_key(1024)
    assert read_keys(json.dumps({"keys": [key.as_dict(private=False)]}).encode()) == []


def test_a_key_that_is_published_with_its_secret_half_proves_nothing() -> None:
    """Everybody has it."""
    assert read_keys(json.dumps({"keys": [EC.as_dict(private=True)]}).encode()) == []


KEY: Final = st.dictionaries(
    st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops", "d"]),
    st.one_of(
        st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "sig", "AQAB", "", "AA", EC.as_dict()["x"]]),
        st.integers(),
        st.none(),
        st.lists(st.text("a=-", max_size=3), max_size=2),
        st.text("a=-", max_size=9),
    ),
)


@pytest.mark.parametrize("more", [{}, {"d": "AA"}])
def test_a_key_on_a_curve_that_nobody_knows_is_left_out(more: dict[str, Any]) -> None:
    """Else one that an issuer tries would keep all its persons out."""
    unknown = {**EC.as_dict(private=False), "crv": "P-257", **more}
    assert len(read_keys(json.dumps({"keys": [unknown, EC.as_dict(private=False)]}).encode())) == 1


@given(st.lists(KEY, max_size=3))
def test_no_key_set_breaks_its_reader(keys: list[dict[str, Any]]) -> None:
    """Whatever an issuer publishes, what we can't use is left out."""
    read_keys(json.dumps({"keys": keys}).encode())


# When the configuration is read anew


async def test_an_issuer_that_stays_keeps_its_keys_and_its_persons(desk: Desk) -> None:
    """Whatever else changed."""
    who = await desk.issuers.who(desk.issuer.token())
    assert isinstance(who, Person)
    await desk.issuers.follow({"staff": desk.issuer.settings()})
    assert (await desk.denies(desk.issuer.token()), desk.issuer.asked) == (None, 1)
    assert desk.issuers.counts(who)


async def test_an_issuer_that_changes_has_its_persons_come_in_anew(desk: Desk) -> None:
    """What they may is another by now."""
    who = await desk.issuers.who(desk.issuer.token())
    assert isinstance(who, Person)
    await desk.issuers.follow({"staff": desk.issuer.settings(roles={"shift": "viewer"})})
    assert not desk.issuers.counts(who)
    again = await desk.issuers.who(desk.issuer.token())
    assert isinstance(again, Person)
    assert again.role == "viewer"


async def test_an_issuer_that_is_gone_vouches_for_nobody(desk: Desk) -> None:
    """Not for who is in, either; who waits for its keys is told no."""
    who = await desk.issuers.who(desk.issuer.token())
    assert isinstance(who, Person)
    await desk.clock.advance(61)
    waiting = asyncio.create_task(desk.issuers.who(desk.issuer.token(header={"kid": "new"})))
    await asyncio.sleep(0)
    await desk.issuers.follow({})
    assert not desk.issuers.counts(who)
    assert await desk.issuers.who(desk.issuer.token()) is None
    assert isinstance(await waiting, Refusal)


# How it is configured


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.example",
        "https://login.example/?a=b",
        "https://login.example/#x",
        "https://a:b@login.example",
        "login.example",
        "https://",
        "https://[",
        "ftp://login.example",
    ],
)
def test_an_issuer_is_asked_over_tls(issuer: str) -> None:
    """But for one on this machine."""
    with pytest.raises(ValidationError):
        IssuerSettings.model_validate({"issuer": issuer, "audience": "a", "roles": {"g": "viewer"}})


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS1"])
def test_what_proves_nothing_can_not_be_configured(algorithm: str) -> None:
    """Not even by mistake."""
    with pytest.raises(ValidationError):
        IssuerSettings.model_validate(
            {"issuer": "https://a.example", "audience": "a", "roles": {"g": "viewer"}, "algorithms": [algorithm]}
        )


@pytest.mark.parametrize("role", ["core", "peer", "root"])
def test_an_issuer_vouches_for_persons_alone(role: str) -> None:
    """Teams of cores and other installations come with tokens."""
    with pytest.raises(ValidationError):
        IssuerSettings.model_validate({"issuer": "https://a.example", "audience": "a", "roles": {"g": role}})


def test_a_client_of_the_page_is_not_whom_tokens_for_the_api_are_made_out_to() -> None:
    """Else what signs somebody in to the page, and lies in a browser's or proxy's log, opens the API as well."""
    page = {"page": "https://night.example"}
    assert OwnIssuer(1).settings(sign_in={"client_id": "page", **page}).sign_in is not None
    with pytest.raises(ValidationError, match="must differ from audience"):
        OwnIssuer(1).settings(sign_in={"client_id": "nightsafe", **page})
