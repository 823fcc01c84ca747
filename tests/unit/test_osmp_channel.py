"""OSMP as served: what is read, what is refused with which code, and answers to the byte."""

import base64
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pydantic import ValidationError

from adapters.card_data import CardData
from adapters.channel import Inbound, Rejected, Reply
from adapters.channels.gate import Gate
from adapters.channels.osmp import OsmpChannel
from adapters.channels.osmp_settings import BasicSettings, OsmpChannelSettings
from adapters.payment import Answer, AnswerKind, Check, Inquiry, Payment, Refusal, Reversal
from adapters.secret import SecretRef

ALL = ("getInfo", "check", "pay", "status", "cancel")
PAY = "command=pay&txn_id=1234567&txn_date=20090815120133&account=4957835959&sum=10.45"
CHECK = "command=check&txn_id=1234567&account=4957835959&sum=10.45"


def channel(**settings: Any) -> OsmpChannel:
    """A channel with every command, open to this machine."""
    agreed = {"protocol": "osmp", "currency": "RUB", "allow": ["127.0.0.0/8"], "commands": ALL, **settings}
    return OsmpChannel("qiwi", OsmpChannelSettings.model_validate(agreed))


def get(query: str, *, peer: str = "127.0.0.1", headers: dict[str, str] | None = None) -> Inbound:
    """A GET request."""
    sent = headers or {}
    return Inbound(method="GET", path="/osmp/qiwi", query=query, headers=sent, body=b"", peer=peer)


def post(body: bytes, *, media: str = "application/x-www-form-urlencoded", query: str = "") -> Inbound:
    """A POST request with a form."""
    headers = {"Content-Type": media}
    return Inbound(method="POST", path="/osmp/qiwi", query=query, headers=headers, body=body, peer="127.0.0.1")


def rejection(inbound: Inbound, **settings: Any) -> Rejected:
    """How a request is turned away."""
    with pytest.raises(Rejected) as caught:
        channel(**settings).read(inbound)
    return caught.value


def tags(reply: Reply) -> list[tuple[str, str]]:
    """Tags of an answer with their texts, in order."""
    root = ET.fromstring(reply.body)  # noqa: S314 - our own answer
    return [(child.tag, child.text or "") for child in root]


def result(reply: Reply) -> str:
    """The result code."""
    return dict(tags(reply))["result"]


# What is read


def test_the_protocols_own_pay_example_becomes_a_payment() -> None:
    """The example of the OSMP document; extras go to the attributes, the service is the operator's."""
    request = channel().read(get(PAY + "&prv_id=MTEL&trm_id=T1001045&pay_type=1&data1=%D0%90%D0%B1%D0%B2&ccy=RUB"))
    assert request == Payment(
        channel="qiwi",
        key="1234567",
        account="4957835959",
        amount=1045,
        currency="RUB",
        service="MTEL",
        channel_time="20090815120133",
        attributes={"trm_id": "T1001045", "pay_type": "1", "data1": "Абв"},
    )


def test_a_check_moves_no_money_and_carries_the_channels_id() -> None:
    """The same `txn_id` comes again with `pay`; a check may not use it up."""
    asked = Check(channel="qiwi", account="4957835959", amount=1045, currency="RUB", key="1234567")
    assert channel().read(get(CHECK)) == asked


@pytest.mark.parametrize(("extra", "amount"), [("", 0), ("&sum=10.45", 1045), ("&sum=0.00", 0)])
def test_get_info_needs_no_sum_and_no_id(extra: str, amount: int) -> None:
    """`getInfo` registers nothing (QIWI provider protocol, sequence)."""
    request = channel().read(get("command=getInfo&account=77" + extra))
    assert request == Check(channel="qiwi", account="77", amount=amount, currency="RUB")


def test_a_form_in_the_body_is_read_like_a_query() -> None:
    """The protocol allows both; half of the parameters in each is still one request."""
    assert channel().read(post(PAY.encode())) == channel().read(get(PAY))
    assert channel().read(post(PAY[12:].encode(), query=PAY[:11])) == channel().read(get(PAY))


def test_an_encoded_account_is_decoded_once() -> None:
    """BGBilling's example: the account holds a `#`."""
    request = channel().read(get("command=pay&txn_id=1&txn_date=20130905112330&account=2%230034586&sum=10.45"))
    assert isinstance(request, Payment)
    assert request.account == "2#0034586"


@pytest.mark.parametrize(
    ("query", "request_read"),
    [
        ("txn_id=55", Reversal(channel="qiwi", key="cancel:55", payment_key="55")),
        ("prv_txn=2016", Reversal(channel="qiwi", key="cancel:prv_txn:2016", number=2016)),
        ("prv_txn=2016&txn_id=77", Reversal(channel="qiwi", key="cancel:77", number=2016)),
        ("cancel_txn_id=55&txn_id=77", Reversal(channel="qiwi", key="cancel:77", payment_key="55")),
    ],
)
def test_cancel_names_its_payment_by_either_id(query: str, request_read: Reversal) -> None:
    """The dialects differ; a repeated cancel has the same key each time."""
    assert channel().read(get("command=cancel&" + query)) == request_read


@pytest.mark.parametrize(
    ("query", "request_read"),
    [("txn_id=55", Inquiry(channel="qiwi", key="55")), ("prv_txn=2016", Inquiry(channel="qiwi", number=2016))],
)
def test_status_asks_by_either_id(query: str, request_read: Inquiry) -> None:
    """ABillS's `status`."""
    assert channel().read(get("command=status&" + query)) == request_read


# What is refused


@pytest.mark.parametrize(
    "text",
    [
        "NaN", "1e5", "-1", "10.001", "10,45", "9" * 40, "%D9%A1%D9%A2", "+10.45", "10.45+", "", "1_0", "0x1", ".5", "5.",
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["pay", "check"])
def test_a_sum_that_is_none_is_refused_for_good(command: str, text: str) -> None:
    """Each of these is a number to some reader; guessing which is not a gateway's business."""
    query = f"command={command}&txn_id=1&txn_date=20260101000000&account=77&sum={text}"
    rejected = rejection(get(query))
    assert (rejected.reason, rejected.request, result(rejected.reply)) == ("amount", None, "300")


@pytest.mark.parametrize("text", ["0", "0.00"])
def test_nothing_is_too_small_a_sum(text: str) -> None:
    """Code 241 tells the channel what is wrong."""
    assert result(rejection(get(PAY.replace("10.45", text))).reply) == "241"


@pytest.mark.parametrize(
    ("query", "reason", "code"),
    [
        ("", "command", "300"),
        ("command=steal", "command", "300"),
        ("command=PAY&txn_id=1", "command", "300"),
        (PAY.replace("txn_id=1234567&", ""), "key", "300"),
        (PAY.replace("1234567", "12a"), "key", "300"),
        (PAY.replace("1234567", "1" * 21), "key", "300"),
        (PAY.replace("1234567", "%D9%A1"), "key", "300"),
        (PAY.replace("txn_date=20090815120133&", ""), "txn_date", "300"),
        (PAY.replace("20090815120133", "20090231120133"), "txn_date", "300"),
        (PAY.replace("20090815120133", "20090815240133"), "txn_date", "300"),
        (PAY.replace("&account=4957835959", ""), "account", "4"),
        (PAY.replace("4957835959", "a" * 201), "account", "4"),
        (PAY.replace("4957835959", "+7701"), "account", "4"),
        (PAY.replace("&sum=10.45", ""), "amount", "300"),
        (PAY + "&sum=10.45", "repeated", "300"),
        (PAY + "&s%75m=10.45", "repeated", "300"),
        (PAY + "&data1=%", "charset", "300"),
        (PAY + "&data1=%zz", "charset", "300"),
        (PAY + "&data1=%CF%F0%E8%E2%E5%F2", "charset", "300"),
        (PAY + "&data1=Привет", "charset", "300"),
        (PAY + "&data1=%00", "charset", "300"),
        (PAY + "&data1=%0D%0A", "charset", "300"),
        (PAY + "&=1", "parameter", "300"),
        (PAY + "&data1=" + "a" * 1025, "too_long", "300"),
        (PAY + "&" + "x" * 8200 + "=1", "too_long", "300"),
        (PAY + "".join(f"&d{n}=1" for n in range(64)), "too_many", "300"),
        (PAY + "&data1=" + "a" * 257, "attributes", "31"),
        (PAY + "".join(f"&d{n}=1" for n in range(17)), "attributes", "31"),
        (PAY + "&da%20ta=1", "attributes", "31"),
        (PAY + "&prv_id=a%20b", "service", "31"),
        (PAY + "&ccy=USD", "currency", "31"),
        ("command=cancel", "key", "300"),
        ("command=cancel&prv_txn=0", "number", "79"),
        ("command=cancel&prv_txn=99999999999999999999", "number", "79"),
        ("command=cancel&prv_txn=9223372036854775808", "number", "79"),
        ("command=cancel&prv_txn=1&cancel_txn_id=1", "parameter", "300"),
        ("command=cancel&prv_txn=1&sum=1.00", "amount", "251"),
        ("command=status", "key", "300"),
    ],
)
def test_bad_parameters_get_the_protocols_own_error(query: str, reason: str, code: str) -> None:
    """The answer is XML under HTTP 200, the reason one of a few words to count by."""
    rejected = rejection(get(query))
    assert (rejected.reason, rejected.reply.status, result(rejected.reply)) == (reason, 200, code)
    assert rejected.channel == "qiwi"


def test_a_refusal_repeats_the_channels_id_and_nothing_else() -> None:
    """The channel matches answers by it; what else it sent may be anything."""
    rejected = rejection(get(PAY.replace("4957835959", "<x>&data1=y")), account_pattern="[0-9]+")
    assert tags(rejected.reply) == [
        ("osmp_txn_id", "1234567"),
        ("result", "4"),
        ("comment", "Wrong format of the account"),
    ]


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"account_pattern": "[0-9]{5}"}, "4"), ({"amount_min": "10.46"}, "241"), ({"amount_max": "10.44"}, "242"),
     ({"account_pattern": "(?s).*", "amount_max": "1"}, "242")],
)  # fmt: skip
def test_the_channels_own_rules_carry_the_request_along(settings: dict[str, str], code: str) -> None:
    """A rule made after a payment was taken must not turn its repeat into a no; the gateway looks the key up first."""
    rejected = rejection(get(PAY), **settings)
    assert result(rejected.reply) == code
    assert rejected.request == channel().read(get(PAY))


def test_a_command_that_is_not_agreed_is_unknown() -> None:
    """QIWI's own protocol has neither `status` nor `cancel`."""
    assert result(rejection(get("command=cancel&txn_id=1"), commands=["pay"]).reply) == "300"


@pytest.mark.parametrize("ccy", ["RUB", "643"])
def test_the_currency_may_be_given_by_letters_or_digits(ccy: str) -> None:
    """ISO 4217 has both, and channels send both."""
    assert channel().read(get(f"{PAY}&ccy={ccy}")) == channel().read(get(PAY))


def test_a_long_id_is_taken_where_it_is_agreed() -> None:
    """QIWI's credit organisations send up to 24 digits."""
    request = channel(txn_id_digits_max=24).read(get(PAY.replace("1234567", "1" * 24)))
    assert isinstance(request, Payment)
    assert request.key == "1" * 24


@pytest.mark.parametrize("extra", ["", "&sum=0.00"])
def test_a_check_without_a_sum_is_taken_where_it_is_agreed(extra: str) -> None:
    """Hydra's kiosks check with 0.00."""
    request = channel(check_sum="optional").read(get("command=check&txn_id=0&account=77" + extra))
    assert request == Check(channel="qiwi", account="77", currency="RUB", key="0")


def test_card_data_in_extras_is_not_stored_and_the_payment_is_taken() -> None:
    """The payer's money is with the channel already; the card number is what must not come in."""
    request = channel().read(get(PAY + "&data1=4111111111111111&trm_id=5"))
    assert isinstance(request, Payment)
    assert request.attributes == {"data1": "***", "trm_id": "5"}


def test_card_data_is_refused_where_that_is_agreed() -> None:
    """A wrong extra parameter, in the protocol's words."""
    rejected = rejection(get(PAY + "&data1=4111111111111111"), card_data=CardData.REFUSE)
    assert (rejected.reason, result(rejected.reply)) == ("card_data", "31")


@pytest.mark.parametrize(
    ("inbound", "reason", "code"),
    [
        (post(PAY.encode(), media="text/xml"), "media_type", "300"),
        (post(PAY.encode(), media="application/x-www-form-urlencoded; charset=windows-1251"), "charset", "300"),
        (post(PAY.encode() + b"&data1=\xcf\xf0"), "charset", "300"),
        (post(PAY.encode(), query="sum=1"), "repeated", "300"),
    ],
)
def test_a_body_that_is_no_utf8_form_is_refused(inbound: Inbound, reason: str, code: str) -> None:
    """Windows-1251 read as UTF-8 would be another account."""
    rejected = rejection(inbound)
    assert (rejected.reason, result(rejected.reply)) == (reason, code)


def test_other_methods_and_huge_bodies_are_no_osmp() -> None:
    """They get HTTP's own answers."""
    put = Inbound(method="PUT", path="/", query=PAY, headers={}, body=b"", peer="127.0.0.1")
    assert rejection(put).reply.status == 405
    assert rejection(post(b"a" * 9000)).reply.status == 413


# Who may ask


@pytest.mark.parametrize("peer", ["10.0.0.1", "::1", "", "nonsense", "128.0.0.1"])
def test_other_addresses_get_a_bare_403(peer: str) -> None:
    """Nothing is read of what they send, and nothing told."""
    rejected = rejection(get(PAY, peer=peer))
    assert (rejected.reason, rejected.reply.status, rejected.reply.body) == ("address", 403, b"")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.255.0.9", "::ffff:127.0.0.1"])
def test_agreed_addresses_are_known_in_both_families(peer: str) -> None:
    """A socket for both families tells IPv4 peers as mapped addresses."""
    both = channel()
    assert both.read(get(PAY, peer=peer)) == both.read(get(PAY, peer=peer))


def test_remembered_addresses_are_bounded() -> None:
    """A flood from many addresses must not fill the memory."""
    gate = Gate("qiwi", [IPv4Network("0.0.0.0/0")], None)
    for n in range(3000):
        gate.admit(get(PAY, peer=f"192.0.{n // 250}.{n % 250}"))
    assert len(gate._known) <= 1024


def basic(user_and_password: bytes) -> dict[str, str]:
    """An Authorization header."""
    return {"Authorization": "Basic " + base64.b64encode(user_and_password).decode()}


@pytest.mark.parametrize(
    "headers",
    [{}, basic(b"qiwi:wrong"), basic(b"other:geheim"), basic(b"qiwi"), {"Authorization": "Basic %%%"},
     {"Authorization": "Basic \u0416"}, {"Authorization": "Bearer geheim"}, {"Authorization": "Basic"}],
)  # fmt: skip
def test_wrong_credentials_get_a_bare_401(tmp_path: Path, headers: dict[str, str]) -> None:
    """The same for missing, unreadable and wrong ones."""
    (tmp_path / "password").write_text("geheim\n")
    agreed = BasicSettings(user="qiwi", password=SecretRef(file=tmp_path / "password"))
    rejected = rejection(get(PAY, headers=headers), basic=agreed)
    assert (rejected.reason, rejected.reply.status, rejected.reply.body) == ("unauthorised", 401, b"")


def test_right_credentials_are_let_in(tmp_path: Path) -> None:
    """HTTP Basic (RFC 7617), with a colon in the password."""
    (tmp_path / "password").write_text("ge:heim\n")
    agreed = BasicSettings(user="qiwi", password=SecretRef(file=tmp_path / "password"))
    secured = channel(allow=[], basic=agreed)
    assert secured.read(get(PAY, peer="10.0.0.1", headers=basic(b"qiwi:ge:heim"))) == channel().read(get(PAY))


# What is answered

PAYMENT = Payment(channel="qiwi", key="1234567", account="4957835959", amount=1045, currency="RUB")
ASKED = Check(channel="qiwi", account="4957835959", amount=1045, currency="RUB", key="1234567")
STORED: dict[str, Any] = {"number": 2016, "amount": 1045, "currency": "RUB"}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(
            kind=AnswerKind.POSTED, number=2016, amount=1045, currency="RUB", state="posted", core_id="77", text="x"
        ),
        Answer(kind=AnswerKind.PROVISIONAL, number=2016, amount=1045, currency="RUB", state="ready"),
        Answer(kind=AnswerKind.PROVISIONAL, number=2016, amount=1045, currency="RUB", state="posted", replayed=True),
        Answer(kind=AnswerKind.POSTED, number=2016, amount=1045, currency="RUB", accepted_at_us=5, retry_after_s=9),
    ],
)
def test_a_pay_gets_the_same_bytes_before_and_after_an_outage(answer: Answer) -> None:
    """The document's own example; a repeat must be answered as the first was, whatever became of it since."""
    assert channel().write(PAYMENT, answer).body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<response>\n<osmp_txn_id>1234567</osmp_txn_id>\n'
        b"<prv_txn>2016</prv_txn>\n<sum>10.45</sum>\n<result>0</result>\n<comment>OK</comment>\n</response>\n"
    )


def test_a_check_shows_the_payer_what_billing_says() -> None:
    """Names of a subscriber hold quotes and ampersands; control characters would make the XML unreadable."""
    shown = (("Имя & Co", 'Сад "Ромашка" <1>\x00\x1b\ufffe'), ("", "5"))
    body = channel().write(ASKED, Answer(kind=AnswerKind.POSTED, fields_shown=shown)).body.decode()
    assert body.endswith(
        "<result>0</result>\n<comment>OK</comment>\n<fields>\n"
        '<field1 name="Имя &amp; Co">Сад &quot;Ромашка&quot; &lt;1&gt;</field1>\n<field2 name="disp2">5</field2>\n'
        "</fields>\n</response>\n"
    )


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(kind=AnswerKind.TRY_LATER), "1"),
        (Answer(kind=AnswerKind.IN_PROGRESS, number=5), "1"),
        (Answer(kind=AnswerKind.CONFLICT, fields=("amount",)), "300"),
        (Answer(kind=AnswerKind.INVALID), "300"),
        (Answer(kind=AnswerKind.REFUSED, refusal=Refusal.UNKNOWN_ACCOUNT), "5"),
        (Answer(kind=AnswerKind.REFUSED, refusal=Refusal.ACCOUNT_INACTIVE), "79"),
        (Answer(kind=AnswerKind.REFUSED, refusal=Refusal.ALREADY_PAID), "10"),
        (Answer(kind=AnswerKind.REFUSED, refusal=Refusal.REVERSED), "300"),
        (Answer(kind=AnswerKind.REFUSED), "300"),
    ],
)
def test_a_no_shows_neither_number_nor_sum(answer: Answer, code: str) -> None:
    """A channel that sees a `prv_txn` may take it for a booking."""
    reply = channel().write(PAYMENT, answer)
    assert [tag for tag, _ in tags(reply)] == ["osmp_txn_id", "result", "comment"]
    assert (reply.status, result(reply)) == (200, code)


def test_in_progress_is_90_where_the_contract_knows_it() -> None:
    """QIWI's list has no 90; Optima's does."""
    reply = channel(in_progress_code=90).write(PAYMENT, Answer(kind=AnswerKind.IN_PROGRESS))
    assert result(reply) == "90"


def test_codes_can_be_another_dialects() -> None:
    """PegasPay answers a cancel of an unknown payment with 251."""
    request = Reversal(channel="qiwi", key="cancel:5", payment_key="5")
    reply = channel(codes={"not_found": 251}).write(request, Answer(kind=AnswerKind.REFUSED, refusal=Refusal.NOT_FOUND))
    assert tags(reply)[:2] == [("osmp_txn_id", "5"), ("result", "251")]


def test_the_ids_tag_can_be_another_dialects() -> None:
    """Rapida's `rapida_txn_id`."""
    reply = channel(id_tag="rapida_txn_id").write(PAYMENT, Answer(kind=AnswerKind.POSTED, **STORED))
    assert tags(reply)[0] == ("rapida_txn_id", "1234567")


def test_who_may_not_do_this_gets_a_bare_403() -> None:
    """The gateway's own no to a sender, said without a word of XML."""
    reply = channel().write(PAYMENT, Answer(kind=AnswerKind.UNAUTHORISED))
    assert (reply.status, reply.body) == (403, b"")


def test_a_status_by_our_number_tells_the_channels_id() -> None:
    """The channel asked by `prv_txn` and wants to find the payment in its own books."""
    answer = Answer(kind=AnswerKind.POSTED, key="1234567", **STORED)
    reply = channel().write(Inquiry(channel="qiwi", number=2016), answer)
    assert tags(reply)[:3] == [("osmp_txn_id", "1234567"), ("prv_txn", "2016"), ("sum", "10.45")]


def test_a_cancel_tells_its_own_number() -> None:
    """A reversal is an entry of its own; a cancel without a `txn_id` has none to echo."""
    request = Reversal(channel="qiwi", key="cancel:prv_txn:2016", number=2016)
    reply = channel().write(request, Answer(kind=AnswerKind.POSTED, number=2017))
    assert tags(reply)[:2] == [("prv_txn", "2017"), ("result", "0")]


def test_an_amount_stored_in_another_currency_keeps_its_decimals() -> None:
    """The channel's currency may have changed since; what was booked has not."""
    answer = Answer(kind=AnswerKind.POSTED, number=1, amount=200, currency="JPY")
    assert ("sum", "200") in tags(channel().write(PAYMENT, answer))


# What may be agreed


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"allow": []}, "networks"),
        ({"codes": {"nonsense": 1}}, "no such answer"),
        ({"codes": {"try_later": 300}}, "may still be booked"),
        ({"codes": {"in_progress": 8}}, "may still be booked"),
        ({"codes": {"unknown_account": 1}}, "not final"),
        ({"codes": {"conflict": 0}}, "not final"),
        ({"codes": {"posted": 1}}, "0 in every dialect"),
        ({"codes": {"provisional": 5}}, "asks again"),
        ({"currency": "XXY"}, "ISO 4217"),
        ({"account_pattern": "("}, "regular expression"),
        ({"amount_min": "5", "amount_max": "4"}, "above"),
        ({"amount_min": "1e5"}, "digits"),
        ({"basic": {"user": "a:b", "password": {"env": "X"}}}, "pattern"),
        ({"surprise": 1}, "Extra"),
    ],
)
def test_settings_that_would_lie_to_the_channel_are_refused(settings: dict[str, Any], words: str) -> None:
    """Found when the configuration is read, not when the first payer stands at the terminal."""
    with pytest.raises(ValidationError, match=words):
        channel(**settings)


def test_a_provisional_yes_may_be_said_as_not_completed() -> None:
    """Where the contract knows 90, an operator may prefer it, with its 24 hours."""
    reply = channel(codes={"provisional": 90}).write(PAYMENT, Answer(kind=AnswerKind.PROVISIONAL, **STORED))
    assert result(reply) == "90"
