"""What a stranger shows at the door of the admin side: signed tokens, their claims, key sets and cookies (`targets.py`)."""

import contextlib
from base64 import urlsafe_b64encode
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from gateway.admin.access.settings import IssuerSettings
from gateway.admin.access.signed import NAME_CHARS_MAX, fitting, read_keys, said, unfit, whose
from gateway.admin.access.tokens import Person, Refusal
from gateway.page.sessions import Sessions, cookies_in
from gateway.page.settings import PageSettings
from gateway.page.words import LANGUAGES, chosen

NOW_US: Final = 1_800_000_000_000_000
ROLES: Final = {"shift": "operator", "leads": "approver"}
_SIGNS: Final = Ed25519PrivateKey.generate()
_KEY: Final = OKPKey.import_key(_SIGNS.public_key(), {"kid": "ed", "alg": "Ed25519"})
_OTHERS: Final = OKPKey.generate_key("Ed25519", {"kid": "ed", "alg": "Ed25519"})
_SETTINGS: Final = IssuerSettings.model_validate(
    {"issuer": "https://staff", "audience": "nightsafe", "roles": ROLES, "algorithms": ["Ed25519"]}
)
_SESSIONS: Final = Sessions(PageSettings())
_SESSIONS.begin(Person(name="amina", role="operator"), 0.0)


def signed_token(data: bytes) -> None:
    """A bearer token as it comes, proven by a key that never signed anything."""
    token = data.decode("latin-1")
    told = said(token)
    if told is not None and unfit(_SETTINGS, told) is None:
        fitting([_KEY], told)
    assert isinstance(whose(token, _OTHERS, "staff", _SETTINGS, NOW_US), Refusal), "nobody signed it"


def signed_claims(data: bytes) -> None:
    """A header and a payload, each a line, that the issuer has signed: whatever it says, a person is a whole one."""
    head, _, payload = data.partition(b"\n")
    signed = b".".join(urlsafe_b64encode(each).rstrip(b"=") for each in (head, payload))
    signature = urlsafe_b64encode(_SIGNS.sign(signed)).rstrip(b"=")
    token = b".".join((signed, signature)).decode("ascii")
    said(token)
    who = whose(token, _KEY, "staff", _SETTINGS, NOW_US)
    if isinstance(who, Person):
        assert who.role in ROLES.values(), "a role of the configuration's"
        assert who.name.startswith("staff:"), "named for the issuer"
        assert len(who.name) <= len("staff:") + NAME_CHARS_MAX, "of bounded length"
        assert who.name.isprintable(), "and no more than a name"
        assert who.until_us is not None, "it has an end"
        assert who.until_us > NOW_US - 1_000_000 * _SETTINGS.leeway_s, "that is not over"


def key_set(data: bytes) -> None:
    """What an issuer publishes."""
    with contextlib.suppress(ValueError):
        assert not any(key.is_private for key in read_keys(data)), "a key that everybody knows proves nothing"


def page_cookie(data: bytes) -> None:
    """What a browser holds, and the languages it asks for, each a line."""
    cookie, _, accepts = data.decode("latin-1").partition("\n")
    held = cookies_in([cookie])
    assert all(_SESSIONS.find(value, 1.0) is None for value in held.values()), "nobody guesses a session"
    assert chosen(held.get("nightsafe-language", ""), accepts, "en") in LANGUAGES, "it is one that there is"


EXAMPLES: Final = {
    "signed_token": b"eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoiZWQiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL3N0YWZmIiwiZXhwIjoxOTAwMDAwMDAwfQ.c2ln",
    "signed_claims": b'{"alg":"Ed25519","kid":"ed","typ":"at+jwt"}\n{"iss":"https://staff","aud":["nightsafe"],"exp":1800000600,"nbf":1,"iat":1.5,'
    b'"sub":"amina","groups":["shift","x"]}',
    "key_set": b'{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"ed","use":"sig","alg":"Ed25519",'
    b'"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},'
    b'{"kty":"RSA","n":"AQAB","e":"AQAB","key_ops":["verify"]},{"kty":"oct","k":"AA"}]}',
    "page_cookie": b"nightsafe=abc; nightsafe-language=ru; nightsafe=def\nru-RU,ru;q=0.9,en;q=0.1",
}
