"""The JSON core's words: bodies by template, answers by rules, and what of them is believed."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.core import Delivery, Level
from adapters.cores.http_answer import HttpAnswer
from adapters.cores.json_answer import JsonReader
from adapters.cores.json_http import JsonCore
from adapters.cores.json_mapping import JsonCoreSettings, JsonLookup
from adapters.cores.json_rules import UNREADABLE, at, parsed
from adapters.cores.sums import same_sum
from adapters.cores.template import Body, Text
from adapters.outcome import Cause, Conflict, Misconfigured, NotFound, NotSent, Pending, Posted, Refused, Unknown
from adapters.payment import Payment, Refusal

ID = "019bc379-0ae0-7000-8000-0000000000a1"
DELIVERY = Delivery(number=77, id=ID, attempt=1, wire=b"{}", account="79001", amount=1045, currency="RUB")
ROW = {"core_id": "9", "id": ID, "account": "79001", "amount": "10.45", "status": "booked", "booked_at_us": 5}


def settings(**more: Any) -> JsonCoreSettings:
    """A core's settings; `more` are its table's keys."""
    return JsonCoreSettings.model_validate({"protocol": "json", "url": "http://billing.test", "level": "A"} | more)


def answer(status: int, content: object = None, retry_after_s: float = 0.0) -> HttpAnswer:
    """An answer with a JSON body, or none."""
    body = b"" if content is None else json.dumps(content).encode()
    return HttpAnswer(status=status, body=body, retry_after_s=retry_after_s)


def told(said: HttpAnswer, **more: Any) -> object:
    """What an answer to a payment means."""
    known = settings(**more)
    return JsonReader(known).delivered(said, known.post.rules, DELIVERY)


def found(said: HttpAnswer, *, undone: bool = False, **more: Any) -> object:
    """What an answer to a lookup means."""
    known = settings(**more)
    assert isinstance(known.lookup, JsonLookup)
    return JsonReader(known).looked_up(said, known.lookup, ID, DELIVERY, undone=undone)


def body_of(payment: Payment, **more: Any) -> Any:
    """The body of a payment, read back."""
    return json.loads(JsonCore("billing", settings(**more)).prepare(payment, 77, ID))


PAYMENT = Payment(channel="kiosk", key="k", account="79001", amount=1045, currency="RUB", channel_time="20261231235959")


class TestBody:
    """The bytes that are stored at acceptance and sent on every attempt."""

    def test_the_default_body_is_that_of_a_plain_api(self) -> None:
        """The amount is decimal text, and what is empty is left out."""
        assert body_of(PAYMENT, time_zone="Asia/Almaty") == {
            "id": ID,
            "account": "79001",
            "amount": "10.45",
            "currency": "RUB",
            "paid_at": "2026-12-31T23:59:59+05:00",
        }

    def test_minor_units_are_an_integer(self) -> None:
        """Never a float."""
        sent = body_of(PAYMENT, amount_form="minor")["amount"]
        assert (type(sent), sent) == (int, 1045)

    def test_a_nested_body_keeps_its_shape(self) -> None:
        """Texts around placeholders, constants, lists and tables."""
        tree = {"data": {"ref": "NS-{number}", "test": False, "n": 1, "items": [{"of": "{account}"}, "{service}"]}}
        sent = body_of(PAYMENT, post={"body": tree})
        assert sent == {"data": {"ref": "NS-77", "test": False, "n": 1, "items": [{"of": "79001"}]}}

    def test_attributes_are_within_reach(self) -> None:
        """What a channel sends beside, where the core wants it."""
        payment = msgspec.structs.replace(PAYMENT, attributes={"terminal": "T1"})
        assert body_of(payment, post={"body": {"t": "{attributes.terminal}", "u": "{attributes.none}"}}) == {"t": "T1"}

    @given(account=st.text(min_size=1, max_size=200), amount=st.integers(1, 10**15))
    def test_any_account_and_amount_arrive_as_they_are(self, account: str, amount: int) -> None:
        """A quote or brace in an account is not the template's."""
        sent = body_of(msgspec.structs.replace(PAYMENT, account=account, amount=amount))
        assert sent["account"] == account
        assert sent["amount"].replace(".", "").lstrip("0") == str(amount)

    @pytest.mark.parametrize("text", ["{", "}", "{}", "{a b}", "{{id}}", "{A}", "x{id"])
    def test_a_stray_brace_is_refused(self, text: str) -> None:
        """Better than a payment posted with a placeholder in it."""
        with pytest.raises(ValueError, match="brace"):
            Text(text)

    @pytest.mark.parametrize("leaf", [1.5, None])
    def test_a_leaf_that_could_be_a_float_is_refused(self, leaf: Any) -> None:
        """Money would pass through one unseen."""
        with pytest.raises(ValueError, match="texts, integers"):
            Body({"amount": leaf})


class TestAnswers:
    """What a core's answer to a payment means."""

    @pytest.mark.parametrize(
        ("said", "outcome"),
        [
            (answer(201, ROW), Posted(core_id="9", core_time="5")),
            (answer(200, ROW), Posted(core_id="9", core_time="5", duplicate=True)),
            (answer(202, ROW), Pending()),
            (answer(202, None, 7.0), Pending(poll_after_s=7.0)),
            (answer(201, ROW | {"status": "processing"}), Pending()),
            (answer(201, ROW | {"amount": "10.46"}), Conflict(found="the core holds another amount")),
            (answer(200, ROW | {"account": "79002"}), Conflict(found="the core holds another account")),
            (
                answer(201, ROW | {"amount": "ten"}),
                Unknown(cause=Cause.UNREADABLE, detail="an amount that can't be read"),
            ),
            (answer(201, {"id": ID}), Unknown(cause=Cause.UNREADABLE, detail="a booking without the core's id")),
            (answer(200, {}), None),
            (
                answer(422, {"code": "unknown_account", "detail": "no"}),
                Refused(refusal=Refusal.UNKNOWN_ACCOUNT, code="unknown_account", text="no"),
            ),
            (answer(422, {"code": "what"}), Conflict(found="the core says so (status 422)")),
            (answer(409, {"code": "reversed"}), Conflict(found="the core says so (status 409)")),
            (answer(409, {}), Conflict(found="the core says so (status 409)")),
            (answer(404, {"code": "nothing_here"}), Misconfigured(cause=Cause.CONTRACT, detail="status 404")),
            (answer(400, {"code": "malformed"}), Unknown(cause=Cause.CONTRACT, detail="status 400")),
            (answer(401), Misconfigured(cause=Cause.CREDENTIALS, detail="status 401")),
            (answer(429, None, 3.0), NotSent(cause=Cause.THROTTLED, retry_after_s=3.0, detail="status 429")),
            (answer(503, None, 3.0), Unknown(cause=Cause.MAINTENANCE, retry_after_s=3.0, detail="status 503")),
            (answer(504), Unknown(cause=Cause.SERVER_ERROR, detail="status 504")),
            (answer(204), Unknown(cause=Cause.CONTRACT, detail="no rule for this answer of status 204")),
        ],
    )
    def test_the_default_rules_suit_a_plain_api(self, said: HttpAnswer, outcome: object) -> None:
        """A refusal needs a reason we know; a wrong path's 404 never turns a payment away."""
        assert told(said) == outcome

    def test_a_contract_can_make_503_safe(self) -> None:
        """And only with a Retry-After, as proxies write bare ones."""
        assert isinstance(told(answer(503, None, 3.0), unavailable_is_not_sent=True), NotSent)
        assert isinstance(told(answer(503), unavailable_is_not_sent=True), Unknown)

    @pytest.mark.parametrize(
        ("rule", "said", "kind"),
        [
            (
                {"status": [200], "field": "error.code", "equals": [7030], "means": "already"},
                {"error": {"code": 7030}},
                None,
            ),
            ({"field": "ok", "equals": [False], "means": "refused", "refusal": "other"}, {"ok": False}, Refused),
            ({"field": "ok", "equals": [False], "means": "refused", "refusal": "other"}, {"ok": 0}, Unknown),
            ({"field": "errors.0.code", "equals": ["E1"], "means": "not_sent"}, {"errors": [{"code": "E1"}]}, NotSent),
            ({"field": "error", "means": "misconfigured"}, {"error": "x"}, Misconfigured),
            ({"field": "error", "means": "misconfigured"}, {"error": None}, Unknown),
        ],
    )
    def test_rules_look_at_fields(self, rule: dict[str, Any], said: dict[str, Any], kind: type | None) -> None:
        """Cores that answer 200 to everything; true and 1 are two things."""
        outcome = told(answer(200, said), post={"rules": [rule]})
        assert (None if outcome is None else type(outcome)) is kind

    def test_a_refusal_can_be_named_by_the_core_s_own_code(self) -> None:
        """`answer.refusals` translates."""
        mapped = {"refusal": "error", "refusals": {"E17": "account_inactive"}}
        outcome = told(answer(422, {"error": "E17"}), answer=mapped)
        assert outcome == Refused(refusal=Refusal.ACCOUNT_INACTIVE, code="E17")

    @given(body=st.binary(max_size=300), status=st.sampled_from([200, 201, 202, 400, 404, 409, 422, 500]))
    def test_no_bytes_make_it_raise_or_post(self, body: bytes, status: int) -> None:
        """Noise is never a booking."""
        assert not isinstance(told(HttpAnswer(status=status, body=body)), Posted | Refused)

    def test_deep_nesting_is_unreadable(self) -> None:
        """The decoder gives up; we don't."""
        assert parsed(b"[" * 60_000) is UNREADABLE


class TestLookup:
    """Asking by our own reference."""

    @pytest.mark.parametrize(
        ("content", "outcome"),
        [
            ({"payments": []}, NotFound()),
            ({"payments": [ROW]}, Posted(core_id="9", core_time="5")),
            ({"payments": [ROW | {"id": "other"}, ROW]}, Posted(core_id="9", core_time="5")),
            ({"payments": [ROW, ROW]}, Conflict(found="2 bookings under one reference")),
            ({"payments": [ROW | {"status": "pending"}]}, Pending()),
            ({"payments": [ROW | {"status": "reversed"}]}, Posted(core_id="9", core_time="5")),
            ({"payments": [ROW | {"amount": "1.00"}]}, Conflict(found="the core holds another amount")),
        ],
    )
    def test_only_a_row_with_our_reference_counts(self, content: object, outcome: object) -> None:
        """And its sum and account are compared; two of them are a doubled payment."""
        assert found(answer(200, content)) == outcome

    @pytest.mark.parametrize(
        "content",
        [
            {"payments": [ROW | {"id": "other"}]},
            {"payments": [{"core_id": "9"}]},
            {"payments": None},
            {},
            [],
            "none",
            {"payments": [{"core_id": "9", "id": ID}]},
        ],
    )
    def test_what_shows_nothing_of_ours_is_unknown(self, content: object) -> None:
        """A server that doesn't filter may have cut the list before our row: no "not found" can be read from it."""
        assert isinstance(found(answer(200, content)), Unknown)

    def test_a_whole_list_without_ours_is_not_found(self) -> None:
        """Where the settings vouch for it."""
        rows = {"payments": [ROW | {"id": "other"}]}
        assert found(answer(200, rows), lookup={"is_complete": True}) == NotFound()

    def test_a_404_is_not_found_only_by_rule(self) -> None:
        """Without one it is a wrong path."""
        rules = [{"status": [404], "means": "not_found"}]
        assert found(answer(404), lookup={"rules": rules}) == NotFound()
        assert isinstance(found(answer(404)), Misconfigured)

    def test_a_single_object_is_a_row(self) -> None:
        """For cores that answer `GET /payments/{id}`."""
        assert isinstance(found(answer(200, ROW), lookup={"rows": ""}), Posted)

    def test_of_a_reversal_only_an_undone_payment_is_proof(self) -> None:
        """A payment that stands is no reversal."""
        assert isinstance(found(answer(200, {"payments": [ROW | {"status": "reversed"}]}), undone=True), Posted)
        assert found(answer(200, {"payments": [ROW]}), undone=True) == NotFound()


class TestSums:
    """Amounts that are only compared."""

    @pytest.mark.parametrize(
        ("value", "minor", "same"),
        [
            ("10.45", False, True),
            ("10.450", False, True),
            ("10,45", False, True),
            (" 10.45 ", False, True),
            ("10.46", False, False),
            ("1045", False, False),
            ("-10.45", False, False),
            ("1e1", False, None),
            ("NaN", False, None),
            ("", False, None),
            (True, False, None),
            (None, False, None),
            ([], False, None),
            (1045, True, True),
            ("1045", True, True),
            (1046, True, False),
        ],
    )
    def test_a_sum_is_compared_in_minor_units(self, value: object, minor: bool, same: bool | None) -> None:  # noqa: FBT001 - columns of the table
        """Text exactly; what can't be read is neither same nor different."""
        assert same_sum(value, 1045, "RUB", minor=minor) is same

    @pytest.mark.parametrize(
        ("text", "same"),
        [
            (b"10.45", True),
            (b"10.450000000000001", True),
            (b"10.449999999999999", True),
            (b"10.46", False),
            (b"1e400", None),
        ],
    )
    def test_a_float_of_the_core_is_rounded_to_the_minor_unit(self, text: bytes, same: bool | None) -> None:  # noqa: FBT001 - a column of the table
        """Cores keep money in binary floats (TMF, LANBilling, UTM5); ours never passes through one."""
        assert same_sum(parsed(text), 1045, "RUB") is same

    @given(amount=st.integers(1, 10**15), other=st.integers(1, 10**15))
    def test_no_two_amounts_are_ever_the_same(self, amount: int, other: int) -> None:
        """However large."""
        text = f"{other // 100}.{other % 100:02d}"
        assert same_sum(text, amount, "RUB") is (amount == other)
        assert same_sum(parsed(text.encode()), amount, "RUB") is (amount == other)

    @given(
        tree=st.recursive(st.none() | st.integers() | st.text(max_size=3), st.lists), path=st.text("ab.01", max_size=6)
    )
    def test_a_path_leads_somewhere_or_nowhere(self, tree: object, path: str) -> None:
        """Never to an exception."""
        at(tree, path)


class TestSettings:
    """What an operator can't say."""

    @pytest.mark.parametrize(
        "more",
        [
            {"level": "B", "lookup": False},
            {"not_found_is_final": True, "lookup": False},
            {"key_lifetime_s": 86400, "lookup": False},
            {"url": "http://billing.test/"},
            {"post": {"path": "payments"}},
            {"post": {"path": "/p/{core_id}"}},
            {"post": {"path": "/p ay"}},
            {"post": {"body": {"a": "{nothing}"}}},
            {"post": {"body": {"a": 1.5}}},
            {"post": {"headers": {"X": "{account}"}}},
            {"post": {"headers": {"Authorization": {"prefix": "Bearer ", "secret": "clear"}}}},
            {"post": {"rules": [{"status": [200], "means": "not_found"}]}},
            {"post": {"rules": [{"means": "posted"}]}},
            {"post": {"rules": [{"status": [200], "means": "posted", "refusal": "other"}]}},
            {"lookup": {"reference": "always"}},
            {"answer": {"amount": "", "account": ""}},
            {"answer": {"core_id": ""}},
        ],
    )
    def test_a_contradiction_is_refused(self, more: dict[str, Any]) -> None:
        """Before anything opens."""
        with pytest.raises(ValidationError):
            settings(**more)

    def test_capabilities_follow_the_settings(self) -> None:
        """What is set to false isn't there."""
        bare = JsonCore("billing", settings(level="C", lookup=False, reverse=False, check=False)).capabilities
        assert (bare.level, bare.lookup, bare.reversal, bare.check) == (Level.C, False, False, False)
        full = JsonCore("billing", settings()).capabilities
        assert (full.lookup, full.reversal, full.check, full.effective_date) == (True, True, True, True)
