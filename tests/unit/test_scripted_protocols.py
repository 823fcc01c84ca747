"""How the scripted core reads and speaks its two protocols, and its settings."""

import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from adapters.channel import Inbound, Reply
from adapters.core import Level
from adapters.cores.scripted import jsonapi, osmp
from adapters.cores.scripted.__main__ import settings_from
from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import (
    Booked,
    Booking,
    Check,
    Found,
    Kind,
    Lookup,
    Operation,
    Pay,
    Probe,
    Protocol,
    Reason,
    Refused,
    Undo,
)
from adapters.cores.scripted.settings import Settings, fault_from, faults_in

PAID = Booking(
    sequence=2016, reference="1234567", key="1234567", account="4957835959", amount=1045, currency="RUB",
    kind=Kind.PAYMENT, protocol=Protocol.OSMP,
)  # fmt: skip
PAY = Pay(protocol=Protocol.OSMP, reference="1234567", key="1234567", account="4957835959", amount=1045, currency="RUB")


def osmp_get(query: str) -> Inbound:
    """A request as a channel sends it."""
    return Inbound(method="GET", path="/osmp", query=query, headers={}, body=b"", peer="")


def json_request(method: str, target: str, body: bytes = b"", key: str = "") -> Inbound:
    """A request as a JSON client sends it."""
    path, _, query = target.partition("?")
    headers = {"Idempotency-Key": key} if key else {}
    return Inbound(method=method, path=path, query=query, headers=headers, body=body, peer="")


def result_of(reply: object) -> str:
    """The OSMP result code of an answer."""
    assert isinstance(reply, Reply)
    return ET.fromstring(reply.body).findtext("result", "")  # noqa: S314 - our own answer


def test_the_documents_own_pay_request_is_understood() -> None:
    """The example of the OSMP document."""
    query = "command=pay&txn_id=1234567&txn_date=20090815120133&account=4957835959&sum=10.45"
    read = osmp.read(osmp_get(query), "RUB")
    assert read == msgspec.structs.replace(PAY, paid_at="20090815120133")


def test_the_documents_own_pay_answer_is_given() -> None:
    """Tags and their order as in the OSMP document."""
    reply = osmp.write(PAY, Booked(booking=PAID))
    told = [(tag.tag, tag.text) for tag in ET.fromstring(reply.body)]  # noqa: S314 - our own answer
    assert told == [
        ("osmp_txn_id", "1234567"),
        ("prv_txn", "2016"),
        ("sum", "10.45"),
        ("result", "0"),
        ("comment", "OK"),
    ]


def test_a_form_is_read_as_a_query() -> None:
    """OSMP may come by POST."""
    body = b"command=pay&txn_id=1234567&account=4957835959&sum=10.45"
    read = osmp.read(Inbound(method="POST", path="/osmp", query="", headers={}, body=body, peer=""), "RUB")
    assert read == PAY


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("command=check&account=1%232&sum=0.00", Check(protocol=Protocol.OSMP, account="1#2")),
        ("command=getInfo&account=12", Check(protocol=Protocol.OSMP, account="12")),
        ("command=status&txn_id=7", Lookup(protocol=Protocol.OSMP, reference="7")),
        ("command=cancel&prv_txn=2016", Undo(protocol=Protocol.OSMP, sequence=2016)),
        (
            "command=cancel&txn_id=8&cancel_txn_id=7",
            Undo(protocol=Protocol.OSMP, reference="8", key="8", original="7"),
        ),
    ],
)
def test_each_command_is_understood(query: str, order: object) -> None:
    """Those of the protocol and those of its dialects."""
    assert osmp.read(osmp_get(query), "RUB") == order


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("command=buy", "300"),
        ("", "300"),
        ("command=pay&txn_id=x1&account=1&sum=1.00", "300"),
        ("command=pay&txn_id=123456789012345678901&account=1&sum=1.00", "300"),
        ("command=pay&txn_id=1&account=1&sum=1,00", "300"),
        ("command=pay&txn_id=1&account=1&sum=1.00&ccy=ZZZ", "300"),
        ("command=pay&txn_id=1&sum=1.00", "4"),
        ("command=pay&txn_id=1&account=1&sum=0.00", "241"),
        ("command=cancel&prv_txn=none", "251"),
    ],
)
def test_a_malformed_osmp_request_gets_a_result_code(query: str, result: str) -> None:
    """The protocol's own error, nothing done."""
    assert result_of(osmp.read(osmp_get(query), "RUB")) == result


@pytest.mark.parametrize(
    ("reason", "result"),
    [
        (Reason.ACCOUNT_FORMAT, "4"),
        (Reason.ACCOUNT_UNKNOWN, "5"),
        (Reason.ACCOUNT_INACTIVE, "79"),
        (Reason.AMOUNT_TOO_SMALL, "241"),
        (Reason.AMOUNT_TOO_LARGE, "242"),
        (Reason.CONFLICT, "300"),
        (Reason.PAYMENT_UNKNOWN, "251"),
        (Reason.NO_LOOKUP, "300"),
    ],
)
def test_each_no_has_its_osmp_code(reason: Reason, result: str) -> None:
    """As the family's table has them."""
    assert result_of(osmp.write(PAY, Refused(reason=reason))) == result


def test_osmp_calls_a_pending_payment_90_and_an_unknown_one_79() -> None:
    """90 is 'not completed' in the family's table; 79 is how ABillS answers for what it doesn't know."""
    ask = Lookup(protocol=Protocol.OSMP, reference="1234567")
    assert result_of(osmp.write(PAY, Booked(booking=PAID, pending=True))) == "90"
    assert result_of(osmp.write(ask, Found(bookings=(PAID,), pending=frozenset({2016})))) == "90"
    assert result_of(osmp.write(ask, Found(bookings=()))) == "79"


@pytest.mark.parametrize("key", ["k1", '"k1"'])
def test_an_idempotency_key_is_read_with_and_without_its_quotes(key: str) -> None:
    """The IETF's draft wants quotes, the field often leaves them out."""
    body = b'{"id":"p1","account":"100","amount":"5.5","currency":"RUB","paid_at":"2026-01-01T00:00:00Z"}'
    read = jsonapi.read(json_request("POST", "/payments", body, key), Level.A, "RUB")
    assert isinstance(read, Pay)
    assert (read.key, read.reference, read.amount, read.paid_at) == ("k1", "p1", 550, "2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("request_read", "order"),
    [
        (json_request("GET", "/payments?reference=a%2Fb"), Lookup(protocol=Protocol.JSON, reference="a/b")),
        (json_request("GET", "/payments/7"), Lookup(protocol=Protocol.JSON, sequence=7)),
        (
            json_request("POST", "/payments/7/reversal", b'{"id":"r1"}', "k"),
            Undo(protocol=Protocol.JSON, reference="r1", key="k", sequence=7),
        ),
        (json_request("POST", "/checks", b'{"account":"1"}'), Check(protocol=Protocol.JSON, account="1")),
        (json_request("GET", "/health"), Probe()),
    ],
)
def test_each_path_is_understood(request_read: Inbound, order: object) -> None:
    """The JSON API's paths."""
    assert jsonapi.read(request_read, Level.A, "RUB") == order


@pytest.mark.parametrize(
    ("request_read", "status"),
    [
        (json_request("POST", "/payments", b"{", "k"), 400),
        (json_request("POST", "/payments", b'{"id":"p1"}', "k"), 400),
        (json_request("POST", "/payments", b'{"id":"p","account":"1","amount":5,"currency":"RUB"}', "k"), 400),
        (json_request("POST", "/payments", b'{"id":"p","account":"1","amount":"0","currency":"RUB"}', "k"), 400),
        (json_request("POST", "/payments", b'{"id":"p","account":"1","amount":"1","currency":"RUR"}', "k"), 400),
        (json_request("POST", "/payments", b'{"id":"p","account":"1","amount":"1","currency":"RUB"}'), 400),
        (json_request("POST", "/payments/1/reversal"), 400),
        (json_request("GET", "/payments"), 400),
        (json_request("GET", "/payments/x"), 404),
        (json_request("PUT", "/payments/1"), 404),
        (json_request("GET", "/"), 404),
    ],
)
def test_a_malformed_json_request_gets_a_status(request_read: Inbound, status: int) -> None:
    """Nothing done; at level A a missing key is malformed, too."""
    reply = jsonapi.read(request_read, Level.A, "RUB")
    assert isinstance(reply, Reply)
    assert reply.status == status


def test_below_level_a_no_key_is_asked_for() -> None:
    """A core that doesn't dedupe has no use for it."""
    body = b'{"id":"p","account":"1","amount":"1","currency":"RUB"}'
    assert isinstance(jsonapi.read(json_request("POST", "/payments", body), Level.B, "RUB"), Pay)


def test_a_fault_is_written_in_one_line() -> None:
    """As the command takes it."""
    fault = fault_from("late,operation=pay,probability=0.5,count=3,delay_s=2")
    wanted = Fault(kind=FaultKind.LATE, operation=Operation.PAY, probability=0.5, count=3, delay_s=2.0)
    assert fault == wanted


@pytest.mark.parametrize("text", ["", "flood", "hang,count", "hang,colour=red", "hang,count=many"])
def test_a_mistyped_fault_is_refused(text: str) -> None:
    """A rehearsal with a fault that isn't there would prove nothing."""
    with pytest.raises(ValueError, match=r"."):
        fault_from(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.toml", '[[fault]]\nkind = "hang"\ncount = 2\n[[fault]]\nkind = "refuse"\n'),
        ("s.json", '{"fault": [{"kind": "hang", "count": 2}, {"kind": "refuse"}]}'),
    ],
)
def test_a_script_of_faults_is_toml_or_json(tmp_path: Path, name: str, text: str) -> None:
    """By the file's suffix."""
    (tmp_path / name).write_text(text)
    assert faults_in(tmp_path / name) == (Fault(kind=FaultKind.HANG, count=2), Fault(kind=FaultKind.REFUSE))


def test_a_command_line_makes_settings(tmp_path: Path) -> None:
    """What isn't told is as usual."""
    ledger = tmp_path / "ledger.db"
    told = settings_from(
        ["--ledger", str(ledger), "--level", "B", "--answer-delay-ms", "5", "--inactive", "666", "--fault", "hang"]
    )
    assert (told.ledger, told.level, told.answer_delay_s) == (ledger, Level.B, 0.005)
    assert told.accounts.inactive == {"666"}
    assert told.faults == (Fault(kind=FaultKind.HANG),)
    assert told.currency == Settings(ledger=ledger).currency
