"""What every channel promises, whatever its protocol."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from adapters.channel import Channel, Inbound, Rejected, Reply
from adapters.channels.json_headers import token_digest
from adapters.channels.json_settings import JsonChannelSettings
from adapters.channels.osmp_codes import COME_AGAIN
from adapters.channels.osmp_settings import OsmpChannelSettings
from adapters.channels.registry import ChannelSettings, open_channel
from adapters.payment import (
    AMOUNT_MINOR_MAX,
    Answer,
    AnswerKind,
    Check,
    Inquiry,
    Payment,
    Refusal,
    Request,
    Reversal,
)

OSMP: dict[str, Any] = {
    "protocol": "osmp",
    "currency": "KZT",
    "allow": ["127.0.0.1"],
    "commands": ["getInfo", "check", "pay", "status", "cancel"],
}
JSON: dict[str, Any] = {"protocol": "json", "currency": "KZT", "tokens_sha256": [token_digest("token")]}
CHANNELS: dict[str, Channel] = {
    settings["protocol"]: open_channel(
        settings["protocol"], TypeAdapter[Any](ChannelSettings).validate_python(settings)
    )
    for settings in (OSMP, JSON)
}

PAYMENT = Payment(channel="c", key="5", account="77", amount=100, currency="KZT")
REQUESTS: dict[str, Request] = {
    "payment": PAYMENT,
    "reversal": Reversal(channel="c", key="cancel:5", number=9),
    "check": Check(channel="c", account="77", currency="KZT", amount=100, key="5"),
    "bare check": Check(channel="c", account="77", currency="KZT"),
    "inquiry by key": Inquiry(channel="c", key="5"),
    "inquiry by number": Inquiry(channel="c", number=9),
}
ANSWERS: dict[str, Answer] = {
    **{kind.value: Answer(kind=kind) for kind in AnswerKind},
    **{f"stored {kind.value}": Answer(kind=kind, number=9, amount=100, currency="KZT", key="5") for kind in AnswerKind},
    **{f"refused {refusal.value}": Answer(kind=AnswerKind.REFUSED, refusal=refusal) for refusal in Refusal},
}


def meaning(protocol: str, reply: Reply) -> str:
    """What a channel's own software makes of a reply to a payment: yes, no, come again, or who are you."""
    return _osmp_meaning(reply) if protocol == "osmp" else _json_meaning(reply)


def _osmp_meaning(reply: Reply) -> str:
    if reply.status != 200:
        return "who are you"
    code = int(ET.fromstring(reply.body).findtext("result", "-1"))  # noqa: S314 - our own answer
    return "yes" if code == 0 else "come again" if code in COME_AGAIN else "no"


def _json_meaning(reply: Reply) -> str:
    if reply.status < 300:
        return "yes"
    problem = json.loads(reply.body)
    assert problem["status"] == reply.status
    if reply.status in (401, 403):
        return "who are you"
    return "no" if problem["final"] else "come again"


MEANINGS = {
    AnswerKind.POSTED: "yes",
    AnswerKind.PROVISIONAL: "yes",
    AnswerKind.REFUSED: "no",
    AnswerKind.TRY_LATER: "come again",
    AnswerKind.IN_PROGRESS: "come again",
    AnswerKind.CONFLICT: "no",
    AnswerKind.INVALID: "no",
    AnswerKind.UNAUTHORISED: "who are you",
}


@pytest.fixture(params=CHANNELS, scope="module")
def protocol(request: pytest.FixtureRequest) -> str:
    """Each protocol in turn."""
    return str(request.param)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
def test_every_answer_to_every_request_has_a_reply(protocol: str, asked: Request, answer: Answer) -> None:
    """`write` is total: an answer without a reply would be a lost connection to the channel, that is, a doubt."""
    reply = CHANNELS[protocol].write(asked, answer)
    assert 200 <= reply.status < 600
    assert reply.content_type


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("asked", [REQUESTS["payment"], REQUESTS["reversal"]], ids=["payment", "reversal"])
def test_yes_no_and_come_again_are_never_mixed(protocol: str, asked: Request, answer: Answer) -> None:
    """A come-again said as a no fails a payment that is booked later; a no said as a yes is lost money."""
    assert meaning(protocol, CHANNELS[protocol].write(asked, answer)) == MEANINGS[answer.kind]


def test_the_same_answer_has_the_same_bytes(protocol: str) -> None:
    """A repeat after an outage is answered as the first request was."""
    first = Answer(kind=AnswerKind.PROVISIONAL, number=9, amount=100, currency="KZT", key="5", state="ready")
    later = Answer(
        kind=AnswerKind.PROVISIONAL, number=9, amount=100, currency="KZT", key="5", state="posted", core_id="8"
    )
    channel = CHANNELS[protocol]
    assert channel.write(PAYMENT, first).body == channel.write(PAYMENT, later).body


@given(body=st.binary(max_size=300), query=st.text(max_size=200), method=st.sampled_from(["GET", "POST", "PUT", ""]))
def test_osmp_makes_a_request_or_a_rejection_of_anything(body: bytes, query: str, method: str) -> None:
    """Nothing a sender can write may become a crash, which would be an answer nobody chose."""
    form = "application/x-www-form-urlencoded"
    expect_request_or_rejection("osmp", sent(method, "/osmp/c", query, body, Content_Type=form))


osmp_values = st.one_of(
    st.text(max_size=12), st.sampled_from(["pay", "check", "1", "1.00", "20260101000000", "%00", "+"])
)
osmp_names = st.sampled_from(
    ["command", "txn_id", "account", "sum", "txn_date", "ccy", "prv_txn", "cancel_txn_id", "prv_id", "data1", "a%20b"]
)
commands = st.sampled_from(["pay", "check", "getInfo", "status", "cancel"])


@given(command=commands, parameters=st.dictionaries(osmp_names, osmp_values, max_size=8))
def test_osmp_makes_a_request_or_a_rejection_of_near_misses(command: str, parameters: dict[str, str]) -> None:
    """Closer to home: right names, odd values."""
    query = "&".join([f"command={command}", *(f"{name}={value}" for name, value in parameters.items())])
    expect_request_or_rejection("osmp", sent("GET", "/osmp/c", query))


json_paths = st.sampled_from(
    ["/v1/payments", "/v1/payments/42", "/v1/payments/42/reversal", "/v1/checks", "/v1/payments/", "/v1/", "", "/%00"]
)
header_texts = st.text(max_size=20)


TOKEN = "Bearer token"


@given(path=json_paths, query=st.text(max_size=40), method=st.sampled_from(["GET", "POST", "DELETE"]), key=header_texts)
def test_json_makes_a_request_or_a_rejection_of_any_address(path: str, query: str, method: str, key: str) -> None:
    """As for OSMP, with a token, so that more than the door is tried."""
    expect_request_or_rejection("json", sent(method, path, query, Authorization=TOKEN, Idempotency_Key=key))


@given(body=st.binary(max_size=300), path=json_paths, media=st.one_of(st.just("application/json"), header_texts))
def test_json_makes_a_request_or_a_rejection_of_any_body(body: bytes, path: str, media: str) -> None:
    """Whatever bytes come, whatever they are said to be."""
    inbound = sent("POST", path, body=body, Authorization=TOKEN, Idempotency_Key="k", Content_Type=media)
    expect_request_or_rejection("json", inbound)


near_fields: dict[str, st.SearchStrategy[Any]] = {
    "account": st.text(max_size=8),
    "amount": st.one_of(st.text(max_size=8), st.floats(), st.sampled_from(["1.00", "0", "999999999999999.99"])),
    "currency": st.sampled_from(["KZT", "USD", "", None]),
}
extra_fields: dict[str, st.SearchStrategy[Any]] = {
    "service": st.text(max_size=8),
    "time": st.text(max_size=30),
    "attributes": st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=3),
    "x": st.none(),
}


@given(body=st.fixed_dictionaries(near_fields, optional=extra_fields), path=json_paths, ascii_only=st.booleans())
def test_json_makes_a_request_or_a_rejection_of_near_misses(
    body: dict[str, Any], path: str, *, ascii_only: bool
) -> None:
    """Right fields, odd values; surrogates and NaN among them."""
    raw = json.dumps(body, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    media = "application/json"
    inbound = sent("POST", path, body=raw, Authorization=TOKEN, Idempotency_Key="k", Content_Type=media)
    expect_request_or_rejection("json", inbound)


@given(header=st.text(max_size=40))
def test_any_authorization_is_let_in_or_rejected(protocol: str, header: str) -> None:
    """Credentials are the first thing read, and the first thing an attacker writes."""
    expect_request_or_rejection(protocol, sent("POST", "/v1/payments", Authorization=header))


def expect_request_or_rejection(protocol: str, inbound: Inbound) -> None:
    """Read; a request is sound, a rejection has a reply and a short reason."""
    match heard(protocol, inbound):
        case Rejected() as rejected:
            assert rejected.reason.replace("_", "").isalpha()
            assert rejected.reply.status in (200, 400, 401, 402, 403, 404, 405, 413, 415)
        case request:
            assert request.channel == protocol
            assert 0 <= getattr(request, "amount", 0) <= AMOUNT_MINOR_MAX


def heard(protocol: str, inbound: Inbound) -> Request | Rejected:
    """What a channel makes of a request."""
    try:
        return CHANNELS[protocol].read(inbound)
    except Rejected as rejected:
        return rejected


def sent(method: str, path: str, query: str = "", body: bytes = b"", **headers: str) -> Inbound:
    """A request from this machine; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Inbound(method=method, path=path, query=query, headers=named, body=body, peer="127.0.0.1")


def test_the_registry_knows_both_protocols() -> None:
    """Told apart by `protocol` in the configuration."""
    read = [TypeAdapter[Any](ChannelSettings).validate_python(settings) for settings in (OSMP, JSON)]
    assert [type(settings) for settings in read] == [OsmpChannelSettings, JsonChannelSettings]
    assert [channel.deadline_s for channel in CHANNELS.values()] == [55.0, 10.0]
