"""The JSON API's requests: what is read, and which problem is whose."""

from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from adapters.channel import Inbound, Rejected
from adapters.channels.json_bodies import CheckView, Problem
from adapters.channels.json_headers import token_digest
from adapters.channels.json_v1 import JsonDoor
from adapters.payment import Answer, AnswerKind, Check, Inquiry, Payment, Reversal
from tests.unit.json_examples import BODY, KEY, PAYMENT, TOKEN, ask, channel, pay


def rejection(inbound: Inbound, **settings: Any) -> tuple[Rejected, Problem]:
    """How a request is turned away, with its problem read back."""
    with pytest.raises(Rejected) as caught:
        channel(**settings).read(inbound)
    assert caught.value.reply.content_type == "application/problem+json"
    return caught.value, msgspec.json.decode(caught.value.reply.body, type=Problem)


# What is read


def test_a_plain_payment_is_read() -> None:
    """Decimal text becomes minor units, the header becomes the key."""
    assert channel().read(pay()) == PAYMENT


def test_a_payment_with_everything_is_read() -> None:
    """Time and attributes are kept as sent."""
    more = {"service": "internet", "time": "2026-01-15T12:00:00+05:00", "attributes": {"terminal": "T:1"}}
    assert channel().read(pay(BODY | more)) == msgspec.structs.replace(
        PAYMENT, service="internet", channel_time="2026-01-15T12:00:00+05:00", attributes={"terminal": "T:1"}
    )


@pytest.mark.parametrize(
    ("inbound", "request_read"),
    [
        (ask("POST", "/v1/payments/42/reversal"), Reversal(channel="bank", key=KEY, number=42)),
        (
            ask("POST", "/v1/payments/42/reversal", {"reason": "paid: twice"}),
            Reversal(channel="bank", key=KEY, number=42, note="paid: twice"),
        ),
        (ask("GET", "/v1/payments/42", Idempotency_Key=""), Inquiry(channel="bank", number=42)),
        (ask("GET", "/v1/payments", query="key=a%2Fb"), Inquiry(channel="bank", key="a/b")),
        (
            ask("POST", "/v1/checks", {"account": "77", "currency": "KZT"}, Idempotency_Key=""),
            Check(channel="bank", account="77", currency="KZT"),
        ),
        (
            ask("POST", "/v1/checks", {"account": "77", "currency": "KZT", "amount": "5", "service": "tv"}),
            Check(channel="bank", account="77", currency="KZT", amount=500, service="tv"),
        ),
    ],
)
def test_each_endpoint_asks_its_own_thing(inbound: Inbound, request_read: object) -> None:
    """Five endpoints, four kinds of request."""
    assert channel().read(inbound) == request_read


@pytest.mark.parametrize(
    ("sent", "key"), [("abc", "abc"), ('"abc"', "abc"), (r'"a\"b\\c"', r'a"b\c'), ("a" * 255, "a" * 255), ("!~", "!~")]
)
def test_a_key_is_the_same_quoted_or_bare(sent: str, key: str) -> None:
    """The draft says a structured field's string, most clients send it bare."""
    request = channel().read(pay(Idempotency_Key=sent))
    assert isinstance(request, Payment)
    assert request.key == key


@pytest.mark.parametrize(
    "media", ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']
)
def test_json_may_name_its_charset(media: str) -> None:
    """Common clients do."""
    assert channel().read(pay(Content_Type=media)) == PAYMENT


def test_colons_and_escapes_in_strings_are_no_repeated_fields() -> None:
    """The quick look for repeated fields counts colons; none of these may be taken for one."""
    body = rb'{"account":"a:b","amount":"200.00","currency":"KZT","attributes":{"a":"\u003a\":\"","b":":"}}'
    request = channel().read(pay(body))
    assert isinstance(request, Payment)
    assert (request.account, request.attributes) == ("a:b", {"a": ':":"', "b": ":"})


# What is refused

REQUIRED = b'"account":"77","amount":"200.00","currency":"KZT"'


@pytest.mark.parametrize(
    ("body", "reason", "pointer"),
    [
        (b"", "syntax", None),
        (b"{", "syntax", None),
        (b"[]", "field", "#"),
        (b"null", "field", "#"),
        (b"{" + REQUIRED + b"} x", "syntax", None),
        (b"\xef\xbb\xbf{" + REQUIRED + b"}", "syntax", None),
        (b"{" + REQUIRED.replace(b"77", b"\xcf\xf0") + b"}", "charset", None),
        (b"{" + REQUIRED.replace(b"77", b"\\ud800") + b"}", "syntax", None),
        (b"{" + REQUIRED + b',"amount":"1.00"}', "repeated", None),
        (b"{" + REQUIRED + b',"\\u0061mount":"1.00"}', "repeated", None),
        (b"{" + REQUIRED + b',"attributes":{"a":"1","a":"2"}}', "repeated", None),
        (b"{" + REQUIRED + b',"time":"\\u003a","time":"1"}', "repeated", None),
        (b'{"account":"77","amount":"200.00"}', "field", "#/currency"),
        (b"{" + REQUIRED + b',"amuont":"1"}', "field", "#/amuont"),
        (b"{" + REQUIRED + b',"4111 1111":"1"}', "field", "#"),
        (b"{" + REQUIRED + b',"deep":' + b"[" * 10000, "field", "#/deep"),
        (b"{" + REQUIRED + b',"attributes":' + b'{"a":' * 5000, "field", "#/attributes"),
        (b"{" + REQUIRED.replace(b'"200.00"', b"200.00") + b"}", "field", "#/amount"),
        (b"{" + REQUIRED.replace(b'"200.00"', b"200") + b"}", "field", "#/amount"),
        (b"{" + REQUIRED.replace(b'"200.00"', b"NaN") + b"}", "syntax", None),
        (b"{" + REQUIRED.replace(b'"200.00"', b"1e999") + b"}", "field", "#/amount"),
        (b"{" + REQUIRED.replace(b'"200.00"', b"null") + b"}", "field", "#/amount"),
        (b"{" + REQUIRED.replace(b'"77"', b'""') + b"}", "field", "#/account"),
        (b"{" + REQUIRED.replace(b"77", b"7" * 201) + b"}", "field", "#/account"),
        (b"{" + REQUIRED + b',"service":null}', "field", "#/service"),
        (b"{" + REQUIRED + b',"attributes":{"a":1}}', "field", "#/attributes"),
        (b"{" + REQUIRED + b',"attributes":{"a":"' + b"x" * 257 + b'"}}', "field", "#/attributes"),
    ],
)
def test_a_body_that_is_not_the_json_asked_for_is_a_400(body: bytes, reason: str, pointer: str | None) -> None:
    """A pointer leads to the field, as far as there is one."""
    rejected, problem = rejection(pay(body))
    assert (rejected.reason, problem.code, problem.status) == (reason, "malformed", 400)
    assert [fault.pointer for fault in problem.errors] == [pointer][: pointer is not None]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        *(
            ({"amount": text}, "#/amount")
            for text in ("NaN", "1e5", "-1", "0", "0.00", "1.005", "1,00", "9" * 20, "\u0661", " 1")
        ),
        ({"service": "a b"}, "#/service"),
        ({"time": "2026-01-15 12:00"}, "#/time"),
        ({"time": "2026-02-31T12:00:00Z"}, "#/time"),
        ({"attributes": {"a b": "1"}}, "#/attributes"),
        ({"attributes": {"a": "x\r\ny"}}, "#/attributes/a"),
    ],
)
def test_a_value_not_as_agreed_is_a_400_that_points_to_it(change: dict[str, Any], pointer: str) -> None:
    """Nothing is stored, and the same key may be used with the right value."""
    rejected, problem = rejection(pay(BODY | change))
    assert (problem.code, [fault.pointer for fault in problem.errors]) == ("invalid", [pointer])
    assert rejected.reason == pointer.split("/")[1]
    assert rejected.request is None


def test_a_currency_not_agreed_is_rejected_with_the_payment_it_may_repeat() -> None:
    """It was agreed once perhaps: what was taken in it then gets its first answer again."""
    rejected, problem = rejection(pay(BODY | {"currency": "USD"}))
    assert (problem.code, [fault.pointer for fault in problem.errors]) == ("invalid", ["#/currency"])
    assert isinstance(rejected.request, Payment)
    assert (rejected.reason, rejected.request.currency) == ("currency", "USD")


def test_every_wrong_value_is_named_at_once() -> None:
    """A developer mends a request once, not four times."""
    _, problem = rejection(pay(BODY | {"amount": "x", "currency": "USD", "service": " ", "time": "now"}))
    assert [fault.pointer for fault in problem.errors] == ["#/amount", "#/currency", "#/service", "#/time"]


def test_no_value_is_ever_echoed() -> None:
    """Problems are logged by clients; what they sent may be a payer's."""
    bad = {"account": "Canary1", "amount": "Canary2", "currency": "Can", "attributes": {"Canary 3": "Canary4\n"}}
    rejected, _ = rejection(pay(bad, Idempotency_Key="Canary5"))
    assert b"Can" not in rejected.reply.body


@pytest.mark.parametrize(
    ("key", "code"),
    [("", "key_missing"), ('""', "key_invalid"), ('"a', "key_invalid"), ("a b", "key_invalid"), ("a" * 256, "key_invalid"),
     ('"' + "a" * 256 + '"', "key_invalid"), ('"a";q=1', "key_invalid"), ("\u0416", "key_invalid")],
)  # fmt: skip
def test_a_missing_or_odd_key_is_a_400_with_a_link_to_the_rules(key: str, code: str) -> None:
    """Idempotency-Key draft, 2.7: 400, with a link to the documentation."""
    rejected, problem = rejection(pay(Idempotency_Key=key))
    assert (rejected.reason, problem.code) == ("key", code)
    assert rejected.reply.headers["Link"] == '</v1/openapi.json>; rel="describedby"'


def test_two_keys_are_none() -> None:
    """A gateway before us may have taken the other one; a listener joins what comes twice."""
    assert rejection(pay(Idempotency_Key=f"{KEY}, another"))[1].code == "key_invalid"


def test_a_token_that_comes_twice_is_none() -> None:
    """Nobody knows which of them a gateway before us looked at."""
    assert rejection(pay(Authorization=f"Bearer {TOKEN}, Bearer {TOKEN}"))[0].reply.status == 401


@pytest.mark.parametrize(
    ("inbound", "status", "reason"),
    [
        (pay(Content_Type="text/plain"), 415, "media_type"),
        (pay(Content_Type=""), 415, "media_type"),
        (pay(Content_Type="application/json; charset=windows-1251"), 415, "media_type"),
        (pay(Content_Encoding="gzip"), 415, "media_type"),
        (pay(b" " * 32769), 413, "too_large"),
        (ask("GET", "/v1/other"), 404, "path"),
        (ask("GET", "/v1/payments/042"), 404, "path"),
        (ask("GET", "/v1/payments/42/"), 404, "path"),
        (ask("GET", "/v1/payments/9223372036854775808"), 404, "path"),
        (ask("GET", "/v1/payments/%34%32"), 404, "path"),
        (ask("PUT", "/v1/payments"), 405, "method"),
        (ask("DELETE", "/v1/payments/42"), 405, "method"),
        (ask("GET", "/v1/payments/42/reversal"), 405, "method"),
        (ask("GET", "/v1/checks"), 405, "method"),
        (ask("GET", "/v1/payments"), 400, "parameter"),
        (ask("GET", "/v1/payments", query="key="), 400, "parameter"),
        (ask("GET", "/v1/payments", query="key=a&all=1"), 400, "parameter"),
        (ask("GET", "/v1/payments", query="key=a&key=b"), 400, "repeated"),
        (ask("GET", "/v1/payments", query="key=%zz"), 400, "charset"),
        (ask("GET", "/v1/payments/42", query="a=1"), 400, "parameter"),
        (ask("POST", "/v1/payments", BODY, query="a=1"), 400, "parameter"),
        (ask("POST", "/v1/payments/42/reversal", query="a=1"), 400, "parameter"),
        (ask("POST", "/v1/payments/42/reversal", {"reason": "a\nb"}), 400, "reason"),
        (ask("POST", "/v1/payments/42/reversal", {"amount": "1.00"}), 400, "field"),
    ],
)
def test_what_is_no_request_of_this_api_gets_https_own_status(inbound: Inbound, status: int, reason: str) -> None:
    """Each as a problem too, and counted by its reason."""
    rejected, problem = rejection(inbound)
    assert (rejected.reply.status, problem.status, rejected.reason) == (status, status, reason)


def test_a_405_tells_the_methods_there_are() -> None:
    """RFC 9110, 15.5.6."""
    assert rejection(ask("PUT", "/v1/payments"))[0].reply.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        ({"account_pattern": "[0-9]{5}"}, "account_format"),
        ({"amount_min": "200.01"}, "amount_too_small"),
        ({"amount_max": "199.99"}, "amount_too_large"),
    ],
)
def test_the_channels_own_rules_refuse_and_carry_the_request_along(settings: dict[str, str], refusal: str) -> None:
    """A rule made after a payment was taken must not turn its repeat into a no; the gateway looks the key up first."""
    rejected, problem = rejection(pay(), **settings)
    assert (problem.code, problem.status, problem.refusal, problem.final) == ("refused", 402, refusal, True)
    assert rejected.request == PAYMENT


def test_a_check_against_the_rules_is_answered_with_no() -> None:
    """A question gets an answer, not a problem."""
    with pytest.raises(Rejected) as caught:
        channel(amount_max="1").read(ask("POST", "/v1/checks", {"account": "7", "currency": "KZT", "amount": "2"}))
    assert caught.value.reply.status == 200
    assert msgspec.json.decode(caught.value.reply.body, type=CheckView) == CheckView(
        payable=False, refusal="amount_too_large"
    )


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"note": "card 4111 1111 1111 1111"}, "#/attributes/note"),
        ({"cvv": "123"}, "#/attributes/cvv"),
        ({"PIN": "1234"}, "#/attributes/PIN"),
        ({"t": ";4111111111111111=29121010000000000000"}, "#/attributes/t"),
        ({"4111111111111111": "x"}, "#/attributes"),
    ],
)
def test_card_data_in_attributes_is_refused(attributes: dict[str, str], pointer: str) -> None:
    """It would make the whole store one of cardholder data (PCI DSS); the request goes along without it."""
    rejected, problem = rejection(pay(BODY | {"attributes": attributes}))
    assert (rejected.reason, problem.code, problem.errors[0].pointer) == ("card_data", "card_data", pointer)
    assert b"4111" not in rejected.reply.body
    assert rejected.request == PAYMENT


def test_card_data_in_a_reversals_reason_is_refused() -> None:
    """A free text is where people write it."""
    rejected, problem = rejection(ask("POST", "/v1/payments/42/reversal", {"reason": "4111111111111111"}))
    assert (problem.code, rejected.request) == ("card_data", Reversal(channel="bank", key=KEY, number=42))


def test_card_data_is_masked_where_that_is_agreed() -> None:
    """The payment goes on, the number doesn't."""
    request = channel(card_data="mask").read(pay(BODY | {"attributes": {"note": "4111111111111111", "t": "1"}}))
    assert isinstance(request, Payment)
    assert request.attributes == {"note": "***", "t": "1"}


# Who may ask


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN} x",
        "Bearer \u0416",
    ],
)
def test_without_a_known_token_nothing_is_read(header: str) -> None:
    """The same answer for missing, unreadable and unknown; even a path that isn't there is not told."""
    rejected, problem = rejection(ask("GET", "/nowhere", Authorization=header))
    assert (rejected.reason, problem.code, problem.final) == ("unauthorised", "unauthorised", False)
    assert rejected.reply.headers["WWW-Authenticate"] == 'Bearer realm="payments"'


def test_the_door_finds_the_channel_by_its_token() -> None:
    """All channels of this protocol share one mount; the second request takes the remembered way."""
    door = JsonDoor([channel("wallet", "wallet-token"), channel()])
    found = [door.read(pay(Authorization=f"Bearer {token}")) for token in ("wallet-token", TOKEN, TOKEN)]
    assert [(one.name, request.channel) for one, request in found] == [("wallet",) * 2, ("bank",) * 2, ("bank",) * 2]


def test_only_good_headers_are_remembered_and_few() -> None:
    """Neither guesses nor spellings of a good header may fill the memory."""
    door = JsonDoor([channel()])
    for spaces in range(1, 600):
        door.channel(pay(Authorization=f"Bearer{' ' * spaces}{TOKEN}"))
    with pytest.raises(Rejected):
        door.channel(pay(Authorization="Bearer guess"))
    assert "Bearer guess" not in door._known
    assert len(door._known) <= 256


def test_a_token_of_two_channels_is_a_fault_of_the_configuration() -> None:
    """Whose payment would it be?"""
    with pytest.raises(ValueError, match="bank and wallet"):
        JsonDoor([channel(), channel("wallet")])


@pytest.mark.parametrize("digest", [TOKEN, "A" * 64, "a" * 63, ""])
def test_tokens_are_configured_by_their_hash_only(digest: str) -> None:
    """A token in clear in a file would be found by whoever reads the file."""
    with pytest.raises(ValidationError):
        channel(tokens_sha256=[digest])


def test_an_old_and_a_new_token_work_side_by_side() -> None:
    """A token is changed without a minute of refused payments."""
    both = channel(tokens_sha256=[token_digest("old"), token_digest("new")])
    assert both.read(pay(Authorization="Bearer old")) == both.read(pay(Authorization="bearer new"))


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [("", 0), ("wait=4", 4), ("respond-async, wait=4", 4), ("WAIT = 4; x=1", 4), ("wait=99999", 10), ("wait=-1", 0),
     ("await=4", 0), ("wait=4x", 0)],
)  # fmt: skip
def test_a_client_may_wait_for_its_twins_answer(prefer: str, wait_s: float) -> None:
    """RFC 7240; never longer than the channel's deadline."""
    assert channel().wait_s(pay(Prefer=prefer)) == wait_s


# Several currencies

YEN: dict[str, Any] = {"currencies": {"JPY": {"amount_min": "100", "amount_max": "90000"}, "KWD": {}}}


@pytest.mark.parametrize(
    ("currency", "amount", "minor"), [("KZT", "200.00", 20_000), ("JPY", "200", 200), ("KWD", "0.200", 200)]
)
def test_an_amount_is_in_minor_units_of_the_currency_it_names(currency: str, amount: str, minor: int) -> None:
    """ISO 4217 says how many decimals each has."""
    body = BODY | {"currency": currency, "amount": amount}
    read = channel(**YEN).read(pay(body))
    assert read == msgspec.structs.replace(PAYMENT, currency=currency, amount=minor)


@pytest.mark.parametrize(
    ("currency", "amount", "pointer"),
    [("JPY", "200.00", "#/amount"), ("KZT", "0.200", "#/amount"), ("USD", "200.00", "#/currency")],
)
def test_a_currency_is_one_agreed_and_its_amounts_are_written_as_its_own(
    currency: str, amount: str, pointer: str
) -> None:
    """200.00 yen is no sum, and dollars weren't agreed."""
    caught, told = rejection(pay(BODY | {"currency": currency, "amount": amount}), **YEN)
    assert (caught.reply.status, told.errors[0].pointer) == (400, pointer)


def test_which_currencies_are_agreed_is_said() -> None:
    """To whoever names another."""
    _, told = rejection(pay(BODY | {"currency": "USD"}), **YEN)
    assert told.errors[0].detail == "agreed with this channel: KZT, JPY, KWD"


@pytest.mark.parametrize(("amount", "is_refused"), [("99", True), ("100", False), ("90001", True)])
def test_limits_of_a_currency_are_its_own(amount: str, *, is_refused: bool) -> None:
    """Not those of the channel's own currency."""
    inbound = pay(BODY | {"currency": "JPY", "amount": amount})
    try:
        channel(**YEN, amount_max="1.00").read(inbound)
        refused = False
    except Rejected as rejected:
        refused = rejected.reply.status == 402
    assert refused == is_refused


def test_a_check_in_another_currency_is_in_its_units() -> None:
    """And goes the way its payment would."""
    asked = ask("POST", "/v1/checks", {"account": "77", "currency": "JPY", "amount": "500"}, Idempotency_Key="")
    assert channel(**YEN).read(asked) == Check(channel="bank", account="77", currency="JPY", amount=500)


@pytest.mark.parametrize("agreed", [YEN, {}])
def test_an_answer_names_the_currency_of_its_payment(agreed: dict[str, Any]) -> None:
    """In that currency's decimals; also once it isn't agreed any more."""
    payment = msgspec.structs.replace(PAYMENT, currency="JPY", amount=500)
    answer = Answer(kind=AnswerKind.POSTED, number=7, amount=500, currency="JPY", accepted_at_us=0, key=KEY)
    told = msgspec.json.decode(channel(**agreed).write(payment, answer).body)
    assert (told["amount"], told["currency"], "state" in told) == ("500", "JPY", False)


@pytest.mark.parametrize(("currency", "amount", "minor"), [("JPY", "500", 500), ("JPY", "5.00", 0), ("QQQ", "5", 0)])
def test_a_currency_agreed_no_more_leaves_repeats_their_answers(currency: str, amount: str, minor: int) -> None:
    """What is turned away is told whole, so that one that was taken is known again; what never was a payment isn't."""
    caught, _ = rejection(pay(BODY | {"currency": currency, "amount": amount}))
    former = msgspec.structs.replace(PAYMENT, currency=currency, amount=minor) if minor else None
    assert caught.request == former
