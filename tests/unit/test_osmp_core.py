"""The OSMP core's words: what is sent, and what an answer means for the money."""

import string
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import msgspec
import pytest
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped] # the library ships no types
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.core import Delivery, Level
from adapters.cores.osmp import OsmpCore, OsmpCoreSettings
from adapters.cores.osmp_answer import (
    CODES,
    REPEAT_CODES,
    CodeMeaning,
    Meaning,
    doubt_of,
    flat_tags,
    meaning_of,
    outcome_of,
    read_answer,
)
from adapters.outcome import Cause, Conflict, Misconfigured, NotSent, Pending, Posted, Refused, Unknown
from adapters.payment import Payment, Refusal

TAGS = ("osmp_txn_id", "txn_id")
ID = "019bc379-0ae0-7000-8000-0000000000a1"
DELIVERY = Delivery(number=1234567, id=ID, attempt=1, wire=b"", account="1", amount=1045, currency="RUB")
XML = """<?xml version="1.0" encoding="UTF-8"?>
<response>
<osmp_txn_id>1234567</osmp_txn_id>
<prv_txn>2016</prv_txn>
<sum>10.45</sum>
<result>0</result>
<comment>OK</comment>
</response>
"""


def settings(**more: Any) -> OsmpCoreSettings:
    """A core's settings; `more` are its table's keys."""
    return OsmpCoreSettings.model_validate({"protocol": "osmp", "url": "http://billing.test/osmp", "level": "A"} | more)


def sent(payment: Payment, **more: Any) -> dict[str, str]:
    """What `pay` says, by parameter."""
    wire = OsmpCore("billing", settings(**more)).prepare(payment, 1234567, ID)
    return {name: values[0] for name, values in parse_qs(wire.decode("ascii")).items()}


def payment(**more: Any) -> Payment:
    """A payment of 10.45 roubles."""
    plain = Payment(channel="kiosk", key="k", account="79001", amount=1045, currency="RUB")
    return msgspec.structs.replace(plain, **more)


class TestPay:
    """The bytes that are stored at acceptance and sent on every attempt."""

    def test_the_wire_is_the_document_s_example(self) -> None:
        """As in the OSMP document: command, txn_id, txn_date, account, sum."""
        core = OsmpCore("billing", settings())
        wire = core.prepare(payment(account="4957835959", channel_time="20090815120133"), 1234567, ID)
        assert wire == b"command=pay&txn_id=1234567&txn_date=20090815120133&account=4957835959&sum=10.45"

    @pytest.mark.parametrize(
        ("amount", "currency", "text"),
        [
            (1, "RUB", "0.01"),
            (20000, "RUB", "200.00"),
            (200, "JPY", "200.00"),
            (1234, "KWD", "1.234"),
            (10**15, "RUB", "10000000000000.00"),
        ],
    )
    def test_a_sum_has_two_decimals_and_a_dot(self, amount: int, currency: str, text: str) -> None:
        """More only where the currency has more; never an exponent, never a comma."""
        assert sent(payment(amount=amount, currency=currency))["sum"] == text

    @pytest.mark.parametrize(
        ("channel_time", "zone", "txn_date"),
        [
            ("20261231235959", "UTC", "20261231235959"),
            ("20261231235959", "Asia/Almaty", "20261231235959"),
            ("2026-12-31T23:59:59+05:00", "UTC", "20261231185959"),
            ("2026-12-31T18:59:59Z", "Asia/Almaty", "20261231235959"),
            ("2026-12-31 23:59:59.5", "UTC", "20261231235959"),
            ("", "UTC", "20260115210408"),
            ("yesterday", "UTC", "20260115210408"),
            ("20261332000000", "UTC", "20260115210408"),
            ("2026-12-31", "UTC", "20260115210408"),
        ],
    )
    def test_the_date_is_the_channels_else_that_of_acceptance(
        self, channel_time: str, zone: str, txn_date: str
    ) -> None:
        """A payment of 23:59 that is delivered at 02:00 stays on its day."""
        assert sent(payment(channel_time=channel_time), time_zone=zone)["txn_date"] == txn_date

    def test_further_parameters_are_filled_in_and_empty_ones_left_out(self) -> None:
        """Hydra posts in another system's name by bank_code."""
        more = {"bank_code": "77", "prv_id": "{service}", "trm_id": "{attributes.terminal}", "ccy": "{currency_number}"}
        asked = sent(payment(attributes={"terminal": "T 1"}), parameters=more)
        assert (asked["bank_code"], asked["trm_id"], asked["ccy"]) == ("77", "T 1", "643")
        assert "prv_id" not in asked

    @given(account=st.text(min_size=1, max_size=200), number=st.integers(1, 2**63 - 1))
    def test_any_account_and_number_arrive_as_they_are(self, account: str, number: int) -> None:
        """Nothing of an account may become a parameter of its own."""
        core = OsmpCore("billing", settings())
        asked = parse_qs(core.prepare(payment(account=account), number, ID).decode("ascii"), strict_parsing=True)
        assert asked["account"] == [account]
        assert asked["txn_id"] == [str(number)]
        assert len(asked["txn_id"][0]) <= 20
        assert len(asked) == 5


class TestReading:
    """XML into tags."""

    def test_the_document_s_answer_is_read(self) -> None:
        """Every tag of the protocol's page."""
        read = read_answer(XML.encode(), TAGS)
        assert read is not None
        assert (read.code, read.number, read.core_id, read.sum, read.comment) == ("0", "1234567", "2016", "10.45", "OK")

    @pytest.mark.parametrize(
        "text",
        [
            XML.replace("osmp_txn_id", "txn_id"),
            XML.replace("<comment>OK</comment>", "<comment/>"),
            XML.replace("<comment>OK</comment>", "<comment><![CDATA[OK & <fine>]]></comment>"),
            XML.replace("<response>", "<!-- hello --><response version='1'>"),
            XML.replace("\n", "\r\n"),
            XML.replace("<result>0<", "<result>\n 00 <"),
            XML.replace("<result>", "<RESULT>").replace("</result>", "</RESULT>"),
        ],
    )
    def test_dialects_are_read_as_well(self, text: str) -> None:
        """Hydra names the number txn_id; front ends format as they like."""
        read = read_answer(text.encode(), TAGS)
        assert read is not None
        assert (read.code, read.number, read.core_id) == ("0", "1234567", "2016")

    def test_another_charset_is_read_where_it_is_declared(self) -> None:
        """Old front ends answer in windows-1251."""
        text = XML.replace("UTF-8", "windows-1251").replace("OK", "Принято")
        read = read_answer(text.encode("windows-1251"), TAGS)
        assert read is not None
        assert read.comment == "Принято"

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"OK",
            b"<response><result>0</result>",
            b"<response></response>",
            b"<response><result></result></response>",
            b"<response><result>zero</result></response>",
            b"<response><result>-1</result></response>",
            b"<response><result>0</result><result>5</result></response>",
            "<response><result>\u0660</result></response>".encode(),
            b"<!DOCTYPE html><html><body>It works!</body></html>",
            b"<!DOCTYPE r [<!ENTITY a 'b'>]><response><result>0</result></response>",
            b"<!DOCTYPE r SYSTEM 'file:///etc/passwd'><response><result>0</result></response>",
            b'<?xml version="1.0" encoding="klingon"?><response><result>0</result></response>',
            b"<a>" * 10_000,
            b"<response><comment>\xff\xfe</comment><result>0</result></response>",
        ],
    )
    def test_what_is_no_answer_is_none(self, body: bytes) -> None:
        """It is unknown then, never posted: also a code that comes twice, and anything with a DTD."""
        assert read_answer(body, TAGS) is None

    def test_fields_for_the_payer_are_kept(self) -> None:
        """`fields` by their display name, and tags the settings name."""
        extra = (
            "<fields><field1 name='disp1'>Anna</field1><field2>7</field2></fields><balance>5.00</balance></response>"
        )
        read = read_answer(XML.replace("</response>", extra).encode(), TAGS, ("balance",))
        assert read is not None
        assert read.fields == (("disp1", "Anna"), ("field2", "7"), ("balance", "5.00"))

    @given(
        tags=st.lists(
            st.tuples(
                st.text(string.ascii_letters + "_", min_size=1, max_size=8),
                st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20),
            ),
            max_size=6,
        ),
        gap=st.sampled_from(["", " ", "\n", "\r\n\t"]),
    )
    def test_the_short_way_reads_what_the_parser_reads(self, tags: list[tuple[str, str]], gap: str) -> None:
        """What the short way doesn't understand exactly it leaves to the parser."""
        inner = gap.join(f"<{name}>{escape(text)}</{name}>" for name, text in tags)
        body = f"<response>{gap}{inner}{gap}</response>".encode()
        short = flat_tags(body)
        expected = short if short is None else [(each.tag, each.text or "") for each in fromstring(body)]
        assert short == expected

    @given(body=st.binary(max_size=200))
    def test_no_bytes_make_it_raise(self, body: bytes) -> None:
        """A core's answer that can't be read is in doubt, never a crash."""
        assert read_answer(body, TAGS) is None

    @given(body=st.text("<>/ar 0&;!-?\"'=result", max_size=80))
    def test_nor_does_near_xml(self, body: str) -> None:
        """Half a tag is the likely accident."""
        read_answer(f"<response>{body}<result>0</result></response>".encode(), TAGS)


class TestMeaning:
    """Codes and echoes into outcomes."""

    @pytest.mark.parametrize(
        ("code", "outcome"),
        [
            ("0", Posted(core_id="2016")),
            ("1", NotSent(cause=Cause.MAINTENANCE, detail="result 1")),
            ("4", Refused(refusal=Refusal.ACCOUNT_FORMAT, code="4", text="OK")),
            ("5", Refused(refusal=Refusal.UNKNOWN_ACCOUNT, code="5", text="OK")),
            ("7", Refused(refusal=Refusal.FORBIDDEN, code="7", text="OK")),
            ("8", Refused(refusal=Refusal.OTHER, code="8", text="OK")),
            ("79", Refused(refusal=Refusal.ACCOUNT_INACTIVE, code="79", text="OK")),
            ("90", Pending()),
            ("241", Refused(refusal=Refusal.AMOUNT_TOO_SMALL, code="241", text="OK")),
            ("242", Refused(refusal=Refusal.AMOUNT_TOO_LARGE, code="242", text="OK")),
            ("300", Refused(refusal=Refusal.OTHER, code="300", text="OK")),
            ("500", Misconfigured(cause=Cause.CONTRACT, detail="result 500")),
            ("12345", Unknown(cause=Cause.CONTRACT, detail="result 12345")),
        ],
    )
    def test_each_code_has_its_published_outcome(self, code: str, outcome: object) -> None:
        """The table of docs/reference/outcomes.md; a code nobody published is unknown."""
        read = read_answer(XML.replace("<result>0", f"<result>{code}").encode(), TAGS)
        assert read is not None
        assert outcome_of(read, meaning_of(code, CODES), 0.0) == outcome

    @pytest.mark.parametrize("code", ["251", "300"])
    def test_at_a_repeat_some_codes_ask_for_a_person(self, code: str) -> None:
        """Real front ends answer so to a repeat of what they did (Ubilling's qiwi)."""
        assert REPEAT_CODES[code].means is Meaning.CONFLICT

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            (XML.replace(">1234567<", ">7654321<"), Unknown),
            (XML.replace("<osmp_txn_id>1234567</osmp_txn_id>", ""), Unknown),
            (XML.replace("10.45", "1045"), Conflict),
            (XML.replace("10.45", "10.46"), Conflict),
            (XML.replace("10.45", "10.4500000001"), Unknown),
            (XML.replace("10.45", "NaN"), Unknown),
            (XML.replace("10.45", "10,45"), type(None)),
            (XML.replace("10.45", "10.450"), type(None)),
            (XML.replace("<sum>10.45</sum>", ""), type(None)),
            (XML.replace(">1234567<", ">0001234567<"), type(None)),
        ],
    )
    def test_an_answer_about_something_else_is_not_believed(self, text: str, kind: type) -> None:
        """Another number: nobody knows. Another sum under our number: a person must look."""
        read = read_answer(text.encode(), TAGS)
        assert read is not None
        assert type(doubt_of(read, CodeMeaning(means=Meaning.POSTED), DELIVERY, echo_required=True)) is kind

    def test_a_refusal_of_another_number_is_not_believed_either(self) -> None:
        """It would send this payer's money back."""
        read = read_answer(XML.replace(">1234567<", ">7654321<").encode(), TAGS)
        assert read is not None
        assert isinstance(doubt_of(read, CODES["5"], DELIVERY, echo_required=True), Unknown)


class TestSettings:
    """What an operator can't say."""

    @pytest.mark.parametrize(
        "more",
        [
            {"level": "B"},
            {"level": "B", "status_command": "status", "settle_delay_s": 0},
            {"not_found_is_final": True},
            {"key_lifetime_s": 86400},
            {"level": "C", "key_lifetime_s": 86400, "status_command": "status"},
            {"check_is_safe_probe": True},
            {"probe_account": "1"},
            {"check_is_safe_probe": True, "probe_account": "1", "check_enabled": False},
            {"parameters": {"sum": "1"}},
            {"parameters": {"x": "{account}"}},
            {"parameters": {"x": "{"}},
            {"codes": {"x": {"means": "posted"}}},
            {"codes": {"5": {"means": "refused"}}},
            {"codes": {"5": {"means": "posted", "refusal": "other"}}},
            {"basic_user": "x"},
            {"basic_user": "x", "basic_password": "clear"},
            {"url": "ftp://billing.test"},
            {"url": "http://user:secret@billing.test"},
            {"url": "http://billing.test/?a=1"},
            {"tls_ca_file": "ca.pem"},
            {"url": "https://billing.test", "tls_key_file": "key.pem"},
            {"url": "http://10.0.0.1/", "addresses": ["10.0.0.2"]},
            {"time_zone": "Mars/Olympus"},
            {"unheard_of": 1},
        ],
    )
    def test_a_contradiction_is_refused(self, more: dict[str, Any]) -> None:
        """Before anything opens."""
        with pytest.raises(ValidationError):
            settings(**more)

    def test_capabilities_follow_the_settings(self) -> None:
        """A dialect without status or cancel declares that it has none."""
        plain = OsmpCore("billing", settings()).capabilities
        full = OsmpCore("billing", settings(level="B", status_command="status", cancel_command="cancel")).capabilities
        assert (plain.level, plain.lookup, plain.reversal, plain.check) == (Level.A, False, False, True)
        assert (full.level, full.lookup, full.reversal, full.settle_delay_s) == (Level.B, True, True, 60.0)

    def test_a_core_whose_check_books_money_is_never_asked(self) -> None:
        """Ubilling's Comepay front end does."""
        assert not OsmpCore("billing", settings(check_enabled=False)).capabilities.check

    async def test_a_cancel_whose_payment_can_t_be_asked_about_names_what_is_wrong(self) -> None:
        """A core that isn't there, or a node that may not send, is no contract that is broken."""
        core = OsmpCore(
            "billing", settings(level="B", status_command="status", cancel_command="cancel", cancel_by="core_id")
        )
        original = Delivery(number=7, id=ID, attempt=1, wire=b"command=pay&", account="1", amount=1, currency="RUB")
        wire = core.prepare_reversal(8, ID, original, "")
        await core.close()
        outcome = await core.reverse(msgspec.structs.replace(original, number=8, wire=wire), 5.0)
        assert isinstance(outcome, NotSent)
        assert outcome.cause is Cause.UNREACHABLE
