"""The OpenAPI 3.1 document of the JSON API, generated from the types that validate.

Schemas come from `json_bodies` by msgspec, so that the document can't promise what the code doesn't check; paths, answers
and headers are written here once. The gateway serves the ready bytes at `/v1/openapi.json`.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from adapters.channels.json_bodies import (
    PLACE_PATTERN,
    CheckView,
    NewCheck,
    NewPayment,
    NewReversal,
    PaymentView,
    Problem,
    Receipt,
    ReturnsView,
    StatusView,
)
from adapters.channels.json_receipt import HEADER as RECEIPT_HEADER
from adapters.channels.problem import CONTENT_TYPE, Code, problem
from adapters.payment import KEY_CHARS_MAX

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_KEY_PATTERN: Final = r'^([!#-\[\]-~]{1,255}|"([!#-\[\]-~]|\\["\\]){1,255}")$'
_PAYMENT_EXAMPLE: Final = {"account": "77071234567", "amount": "200.00", "currency": "KZT"}
_RECEIPT_EXAMPLE: Final = {
    "id": "4194304000017",
    "status": "posted",
    "key": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    "accepted_at": "2026-01-15T07:00:00.123456Z",
    "amount": "200.00",
    "currency": "KZT",
}
_STATUS_EXAMPLE: Final = {
    "services": [
        {
            "services": [],
            "billing": "maintenance",
            "payments": "provisional",
            "since": "2026-01-15T02:00:00.000000Z",
            "planned": [{"begins": "2026-01-15T02:00:00.000000Z", "ends": "2026-01-15T04:00:00.000000Z"}],
        }
    ]
}
_RETURNS_EXAMPLE: Final = {
    "returns": [
        {
            "id": "4194304000017",
            "key": "8e03978e-40d5-43dd-bc93-6894a57f9324",
            "amount": "200.00",
            "currency": "KZT",
            "accepted_at": "2026-01-15T07:00:00.123456Z",
            "due_since": "2026-01-15T08:12:00.500000Z",
            "stage": "due",
        }
    ]
}
_READING: Final = (Code.UNAUTHORISED, Code.FORBIDDEN, Code.METHOD, Code.TRY_LATER)
_WRITING: Final = (*_READING, Code.MALFORMED, Code.INVALID, Code.TOO_LARGE, Code.MEDIA_TYPE)
_KEYED: Final = (
    *_WRITING,
    Code.KEY_MISSING,
    Code.KEY_INVALID,
    Code.CARD_DATA,
    Code.REFUSED,
    Code.IN_PROGRESS,
    Code.CONFLICT,
)

RULES: Final = """\
One payment per `Idempotency-Key` and channel, for ever: keys do not expire. The same key with the same content gets the
first answer again, with `Idempotency-Replayed: true`; with other content (account, amount, currency, service) it gets
422 and nothing is done. A key whose first request is still being answered gets 409, or waits for that answer where the
client sends `Prefer: wait=N`.

201 and 202 are both a yes: the money is taken for good. After anything else but a problem whose `final` is true (a lost
connection, a timeout, 409, 503) send the same request with the same key again. 400, 401, 403, 413 and 415 are about the
request just sent and say nothing about an earlier one with the same key.

Amounts are decimal text. Card data is refused wherever it is found."""


def document() -> Json:
    """The whole document, as plain lists and dicts."""
    read: Json = msgspec.json.decode(document_bytes())
    return read


def document_bytes() -> bytes:
    """The document, ready to be served as `application/json`."""
    whole: Json = {
        "openapi": "3.1.0",
        "info": {"title": "Nightsafe payments", "version": "1", "description": RULES, "license": _LICENCE},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": "payments", "description": "Taking money."}, {"name": "checks", "description": "Asking."}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "One token per channel."}
            },
            "parameters": {"IdempotencyKey": _KEY, "Prefer": _PREFER, "Id": _ID},
            "headers": _HEADERS,
        },
    }
    return msgspec.json.encode(whole)


_LICENCE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}

_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": f"1 to {KEY_CHARS_MAX} visible ASCII characters, bare or as a quoted string; both are the same key.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 2 * KEY_CHARS_MAX + 2, "pattern": _KEY_PATTERN},
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}
_PREFER: Final[Json] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=N`: wait up to N seconds for a twin's answer instead of a 409 (RFC 7240).",
    "schema": {"type": "string"},
    "example": "wait=10",
}
_ID: Final[Json] = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The payment's `id`.",
    "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,18}$"},
    "example": "4194304000017",
}
_HEADERS: Final[Json] = {
    "Location": {"description": "Where to ask what became of it.", "schema": {"type": "string"}},
    "RetryAfter": {
        "description": "Seconds after which to send or ask again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Replayed": {
        "description": "The key was known and this is its first answer again.",
        "schema": {"type": "string", "const": "true"},
    },
    "SignedReceipt": {
        "description": "What this answer says, signed (JWS, Ed25519); where the channel has receipts.",
        "schema": {"type": "string"},
    },
    "Link": {"description": "Where the rules for keys are.", "schema": {"type": "string"}},
    "Challenge": {"description": "How to authenticate.", "schema": {"type": "string"}},
    "Allow": {"description": "Methods there are.", "schema": {"type": "string"}},
}


def _paths() -> Json:
    by_key: Json = {
        "name": "key",
        "in": "query",
        "required": True,
        "description": "The Idempotency-Key it was sent with.",
        "schema": {"type": "string", "minLength": 1},
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    }
    after: Json = {
        "name": "after",
        "in": "query",
        "required": False,
        "description": "The `next` of the page before; without it, the first page.",
        "schema": {"type": "string", "pattern": f"^{PLACE_PATTERN}$"},
        "example": "1768460400000000-4194304000017",
    }
    view = _answer("What became of it, as of now.", "PaymentView", {**_RECEIPT_EXAMPLE, "state": "posted"})
    headers = {"Retry-After": _header("RetryAfter"), RECEIPT_HEADER: _header("SignedReceipt")}
    found = {"200": {**view, "headers": headers}}
    asked = (*_READING, Code.INVALID, Code.PAYMENT_NOT_FOUND)
    return {
        "/v1/payments": {
            "post": _operation("takePayment", "Take a payment", _taken(_KEYED), body=_body("NewPayment", _PAYMENT_EXAMPLE), keyed=True),
            "get": _operation("findPayment", "Find a payment by its key", found | _problems(asked), parameters=[by_key]),
        },
        "/v1/payments/{id}": {
            "get": _operation("getPayment", "What became of a payment", found | _problems((*asked, Code.NO_SUCH_PATH)), parameters=[_parameter("Id")]),
        },
        "/v1/payments/{id}/reversal": {
            "post": _operation(
                "reversePayment",
                "Undo a payment, whole",
                _taken((*_KEYED, Code.PAYMENT_NOT_FOUND, Code.NO_SUCH_PATH)),
                body=_body("NewReversal", {"reason": "paid twice by the payer"}, required=False),
                parameters=[_parameter("Id")],
                keyed=True,
            ),
        },
        "/v1/returns": {
            "get": _operation(
                "listReturns",
                "Which payments' money goes back to the payers?",
                {"200": _answer("A page of them, refused first first.", "ReturnsView", _RETURNS_EXAMPLE)} | _problems((Code.UNAUTHORISED, Code.METHOD, Code.TRY_LATER, Code.INVALID)),
                parameters=[after],
            ),
        },
        "/v1/status": {
            "get": _operation(
                "getStatus",
                "Is billing up, and when is it away on purpose?",
                {"200": _answer("How it stands; may be kept for some seconds, and asked for again by its ETag.", "StatusView", _STATUS_EXAMPLE), "304": {"description": "It is still as under the ETag sent as If-None-Match."}} | _problems((Code.UNAUTHORISED, Code.METHOD, Code.TRY_LATER, Code.INVALID)),
                tag="checks",
            ),
        },
        "/v1/checks": {
            "post": _operation(
                "checkAccount",
                "May this account be paid?",
                {"200": _answer("Yes or no.", "CheckView", {"payable": True})} | _problems((*_WRITING, Code.IN_PROGRESS)),
                body=_body("NewCheck", {"account": "77071234567", "currency": "KZT"}),
                tag="checks",
            ),
        },
    }  # fmt: skip


def _operation(
    name: str,
    summary: str,
    responses: Json,
    *,
    body: Json | None = None,
    parameters: Iterable[Json] = (),
    keyed: bool = False,
    tag: str = "payments",
) -> Json:
    told = [*parameters, *([_parameter("IdempotencyKey"), _parameter("Prefer")] if keyed else [])]
    operation: Json = {"operationId": name, "summary": summary, "tags": [tag], "responses": responses}
    if told:
        operation["parameters"] = told
    if body is not None:
        operation["requestBody"] = body
    return operation


def _taken(codes: Iterable[Code]) -> Json:
    """The two yeses, with their headers, and the noes."""
    headers = {
        "Location": _header("Location"),
        "Idempotency-Replayed": _header("Replayed"),
        RECEIPT_HEADER: _header("SignedReceipt"),
    }
    posted = _answer("Booked by the billing system.", "Receipt", _RECEIPT_EXAMPLE)
    held = _answer("Held durably; it will be booked.", "Receipt", {**_RECEIPT_EXAMPLE, "status": "provisional"})
    yes = {
        "201": {**posted, "headers": headers},
        "202": {**held, "headers": {**headers, "Retry-After": _header("RetryAfter")}},
    }
    return yes | _problems(codes)


def _problems(codes: Iterable[Code]) -> Json:
    """Problem responses, one for each status, with an example for each code."""
    responses: Json = {}
    for code in sorted(set(codes), key=lambda code: (code.status, code.name)):
        known = responses.setdefault(str(code.status), _problem_response(code))
        known["content"][CONTENT_TYPE]["examples"][code.word] = {
            "summary": code.title,
            "value": msgspec.json.decode(problem(code).body),
        }
    return responses


def _problem_response(code: Code) -> Json:
    names = {401: ("WWW-Authenticate", "Challenge"), 405: ("Allow", "Allow"), 400: ("Link", "Link")}
    headers: Json = {}
    if code.status in names:
        name, component = names[code.status]
        headers[name] = _header(component)
    if code in (Code.TRY_LATER, Code.IN_PROGRESS):
        headers["Retry-After"] = _header("RetryAfter")
    if code in (Code.REFUSED, Code.PAYMENT_NOT_FOUND):
        headers["Idempotency-Replayed"] = _header("Replayed")
    content = {CONTENT_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}, "examples": {}}}
    return {"description": code.title, "headers": headers, "content": content}


def _answer(description: str, schema: str, example: Json) -> Json:
    content = {"application/json": {"schema": {"$ref": _REF.format(name=schema)}, "example": example}}
    return {"description": description, "content": content}


def _body(schema: str, example: Json, *, required: bool = True) -> Json:
    content = {"application/json": {"schema": {"$ref": _REF.format(name=schema)}, "example": example}}
    return {"required": required, "content": content}


def _parameter(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


def _header(name: str) -> Json:
    return {"$ref": f"#/components/headers/{name}"}


def _schemas() -> Json:
    types = (NewPayment, NewReversal, NewCheck, Receipt, PaymentView, CheckView, StatusView, ReturnsView, Problem)
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    return dict(components)
