"""The JSON API's answers: ready-made byte templates for what is said a thousand times a second, types for the rest."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from adapters.amount import scale, write_amount
from adapters.channel import Reply
from adapters.channels.json_bodies import CheckView, Fault, PaymentView, ShownField, Status
from adapters.channels.json_receipt import HEADER as RECEIPT_HEADER
from adapters.channels.json_receipt import Receipts
from adapters.channels.problem import Code, problem
from adapters.instant import instant
from adapters.payment import Answer, AnswerKind, Check, Inquiry, Payment, Refusal, Request

JSON: Final = "application/json"

_encode: Final = msgspec.json.Encoder().encode
_YES: Final = (AnswerKind.POSTED, AnswerKind.PROVISIONAL)
_PROBLEMS: Final[Mapping[AnswerKind, Code]] = {
    AnswerKind.TRY_LATER: Code.TRY_LATER,
    AnswerKind.IN_PROGRESS: Code.IN_PROGRESS,
    AnswerKind.CONFLICT: Code.CONFLICT,
    AnswerKind.INVALID: Code.INVALID,
    AnswerKind.UNAUTHORISED: Code.FORBIDDEN,
}
_STATUS: Final[Mapping[AnswerKind, Status]] = {
    AnswerKind.POSTED: "posted",
    AnswerKind.PROVISIONAL: "provisional",
    AnswerKind.IN_PROGRESS: "in_progress",
    AnswerKind.REFUSED: "refused",
}
_POINTERS: Final[Mapping[str, str]] = {"number": "", "payment_key": "", "kind": ""}
"""Covered fields of a request that are no fields of a body: the reversal's payment is in the path."""

_OPEN: Final = {
    AnswerKind.POSTED: b'{"id":"%d","status":"posted"',
    AnswerKind.PROVISIONAL: b'{"id":"%d","status":"provisional"',
}
_STATUS_CODE: Final = {AnswerKind.POSTED: 201, AnswerKind.PROVISIONAL: 202}


_TAIL: Final = b',"key":%b,"accepted_at":"%b"'


def _money_in(currency: str) -> tuple[Callable[[int], str], dict[AnswerKind, bytes]]:
    """How sums of a currency are written, and the answers that name one."""
    money = _TAIL + b',"amount":"%b","currency":"' + currency.encode("ascii") + b'"}'
    return scale(currency).write, {kind: opened + money for kind, opened in _OPEN.items()}


class JsonAnswer:
    """Writes the answers of one channel."""

    def __init__(self, currency: str, receipts: Receipts | None = None, others: Sequence[str] = ()) -> None:
        """Everything but ids, keys, times and sums is made here, once; receipts are signed where they are asked for.

        `others` are currencies that payments may be in beside the channel's own.
        """
        self._receipts = receipts
        self._currency = currency
        self._plain = {kind: opened + _TAIL + b"}" for kind, opened in _OPEN.items()}
        #: By the currency of an answer; one that names none is in the channel's own.
        self._money = {each: _money_in(each or currency) for each in (currency, "", *others)}

    def write(self, request: Request, answer: Answer) -> Reply:
        """Any answer to any request."""
        if isinstance(request, Check):
            return self._checked(answer)
        if isinstance(request, Inquiry):
            return self._viewed(request, answer)
        if answer.kind in _YES:
            return self._receipt(request, answer)
        return _problem(answer)

    def _receipt(self, request: Request, answer: Answer) -> Reply:
        """201 or 202: what was taken, and where to ask about it."""
        number, kind = answer.number, answer.kind
        key, at = _encode(answer.key or request.key), instant(answer.accepted_at_us)
        amount = answer.amount or (request.amount if isinstance(request, Payment) else 0)
        if not amount:
            body = self._plain[kind] % (number, key, at)
        else:
            # A currency that isn't agreed any more was when the payment was taken: its answer stays what it was.
            write, texts = self._money.get(answer.currency) or _money_in(answer.currency)
            body = texts[kind] % (number, key, at, write(amount).encode())
        headers = _headers(answer)
        if self._receipts is not None:
            headers[RECEIPT_HEADER] = self._signed(self._receipts, request, answer, amount)
        return Reply(status=_STATUS_CODE[kind], content_type=JSON, body=body, headers=headers)

    def _signed(self, receipts: Receipts, request: Request, answer: Answer, amount: int) -> str:
        currency = answer.currency or self._currency
        return receipts.sign(
            request,
            id_=str(answer.number),
            key=answer.key or request.key,
            status=_STATUS[answer.kind],
            at=instant(answer.accepted_at_us).decode(),
            money=(write_amount(amount, currency), currency) if amount else ("", ""),
        )

    def _viewed(self, request: Inquiry, answer: Answer) -> Reply:
        """200 with what became of a known payment, whatever that is; problems are for when there is nothing to tell."""
        if answer.number and answer.kind in _STATUS:
            headers = {"Retry-After": str(answer.retry_after_s)} if answer.retry_after_s else {}
            if self._receipts is not None and answer.kind in _YES:
                headers[RECEIPT_HEADER] = self._signed(self._receipts, request, answer, answer.amount)
            body = _encode(self._view(request, answer))
            return Reply(status=200, content_type=JSON, body=body, headers=headers)
        if answer.kind in _YES:
            return problem(Code.TRY_LATER)
        return _problem(answer)

    def _view(self, request: Request, answer: Answer) -> PaymentView:
        refused = answer.kind is AnswerKind.REFUSED
        return PaymentView(
            id=str(answer.number),
            status=_STATUS[answer.kind],
            key=answer.key or request.key,
            accepted_at=instant(answer.accepted_at_us).decode(),
            amount=self._amount(answer),
            currency=answer.currency or self._currency if answer.amount else UNSET,
            state=answer.state,
            refusal=(answer.refusal or Refusal.OTHER).value if refused else "",
            core_id=answer.core_id,
        )

    def _amount(self, answer: Answer) -> str | UnsetType:
        return write_amount(answer.amount, answer.currency or self._currency) if answer.amount else UNSET

    def _checked(self, answer: Answer) -> Reply:
        """200 for yes and for no: the question was answered either way."""
        if answer.kind in _YES:
            shown = tuple(ShownField(_whole(name), _whole(value)) for name, value in answer.fields_shown)
            view = CheckView(payable=True, provisional=answer.kind is AnswerKind.PROVISIONAL, fields=shown)
        elif answer.kind is AnswerKind.REFUSED:
            view = CheckView(payable=False, refusal=(answer.refusal or Refusal.OTHER).value)
        else:
            return _problem(answer)
        return Reply(status=200, content_type=JSON, body=_encode(view))


def refused(refusal: Refusal, detail: str = "", payment_id: str = "", headers: dict[str, str] | None = None) -> Reply:
    """A final business no: 402, or 404 when there is no such payment."""
    code = Code.PAYMENT_NOT_FOUND if refusal is Refusal.NOT_FOUND else Code.REFUSED
    return problem(code, detail, refusal=refusal.value, payment_id=payment_id, headers=headers)


def _whole(text: str) -> str:
    """A core's text without halves of characters, which UTF-8 can't write."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _headers(answer: Answer) -> dict[str, str]:
    headers = {"Location": f"/v1/payments/{answer.number}"}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    if answer.retry_after_s:
        headers["Retry-After"] = str(answer.retry_after_s)
    return headers


def _problem(answer: Answer) -> Reply:
    payment_id = str(answer.number) if answer.number else ""
    headers = {"Idempotency-Replayed": "true"} if answer.replayed else None
    if answer.kind is AnswerKind.REFUSED:
        return refused(answer.refusal or Refusal.OTHER, answer.text, payment_id, headers)
    differing = [Fault(pointer="#/" + name, detail="differs from the first request under this key")
                 if name not in _POINTERS else Fault(pointer="#", detail="the first request under this key was another")
                 for name in answer.fields]  # fmt: skip
    return problem(
        _PROBLEMS[answer.kind],
        answer.text,
        errors=differing,
        retry_after_s=answer.retry_after_s,
        payment_id=payment_id,
        headers=headers,
    )
