"""A core reached by JSON over HTTP, spoken as `json_mapping` says and understood as `json_answer` does."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from adapters.amount import scale
from adapters.core import Delivery
from adapters.cores.http import HttpClient
from adapters.cores.http_answer import HttpAnswer
from adapters.cores.json_answer import UNSHOWN, JsonReader
from adapters.cores.json_mapping import Headers, JsonCoreSettings, JsonReverse, SecretHeader
from adapters.cores.moment import paid_at_rfc3339, zone_of
from adapters.cores.template import Body, Text, Value
from adapters.outcome import (
    Cause,
    CheckOutcome,
    InquiryOutcome,
    Misconfigured,
    NotFound,
    NotSent,
    Outcome,
    Posted,
    Unknown,
)
from adapters.payment import Check, Payment

_JSON: Final = {"Content-Type": "application/json"}
_NOTHING: Final[Mapping[str, str]] = {}


class ReversalWire(msgspec.Struct, frozen=True, array_like=True):
    """A reversal's wire, a JSON array where a payment's is an object: the request, and which payment it undoes."""

    #: Path after the core's address, filled in; empty while the core's id of the payment isn't known.
    path: str
    body: str
    original_id: str
    original_number: int


_ATTRIBUTE: Final = "attributes."

_read_reversal: Final = msgspec.json.Decoder(ReversalWire).decode


class JsonCore:
    """One core that speaks JSON over HTTP."""

    def __init__(self, name: str, settings: JsonCoreSettings) -> None:
        """Make ready; nothing is opened before the first request.

        Raises:
            SecretMissing, TlsFileUnusable: as `HttpClient`.
        """
        self.name = name
        self._body = Body(settings.post.body)
        #: Attributes the body has a place for, each with the name of that place.
        self._attributes = tuple(
            (name.removeprefix(_ATTRIBUTE), name) for name in self._body.names if name.startswith(_ATTRIBUTE)
        )
        self.capabilities = settings.declared(
            lookup=settings.lookup is not False,
            reversal=settings.reverse is not False,
            check=settings.check is not False,
            effective_date="paid_at" in self._body.names,
        )
        self._settings = settings
        self._in_minor_units = settings.amount_form == "minor"
        self._zone = zone_of(settings.time_zone)
        self._reader = JsonReader(settings)
        everywhere = settings.headers
        self._post = _Call(settings.post.path, everywhere | settings.post.headers, _JSON)
        self._lookup = _Call(settings.lookup.path, everywhere | settings.lookup.headers) if settings.lookup else None
        self._reverse = (
            _Call(settings.reverse.path, everywhere | settings.reverse.headers, _JSON) if settings.reverse else None
        )
        self._check = _Call(settings.check.path, everywhere | settings.check.headers, _JSON) if settings.check else None
        self._probe = _Call(settings.probe.path, everywhere | settings.probe.headers) if settings.probe else None
        self._http = HttpClient(settings, {"Accept": "application/json, application/problem+json"})

    def prepare(self, payment: Payment, number: int, id: str) -> bytes:  # noqa: A002 - the field's word
        """The body of `post`."""
        values: dict[str, Value] = {
            "id": id,
            "number": str(number),
            "account": payment.account,
            "amount": self._amount(payment.amount, payment.currency),
            "currency": payment.currency,
            "service": payment.service,
            "channel": payment.channel,
            "key": payment.key,
            "paid_at": paid_at_rfc3339(payment.channel_time, id, self._zone),
        }
        for name, place in self._attributes:
            values[place] = payment.attributes.get(name, "")
        return self._body.fill(values)

    def prepare_reversal(self, number: int, id: str, original: Delivery, core_id: str) -> bytes:  # noqa: A002 - the field's word
        """Path and body of `reverse`; where they need a `core_id` that isn't known, `reverse` asks for it first."""
        reverse = self._settings.reverse
        wire = ReversalWire("", "", original.id, original.number)
        if reverse and (core_id or not reverse.needs_core_id):
            wire = self._undoing(reverse, number, id, original, core_id)
        return msgspec.json.encode(wire)

    async def post(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Book it. Where a repeat is answered without its content, the core is asked for it in what time is left."""
        settings = self._settings.post
        until = asyncio.get_running_loop().time() + timeout_s
        answer = await self._http.ask(
            settings.method,
            self._target(self._post, delivery),
            timeout_s,
            body=delivery.wire,
            headers=self._post.headers(delivery),
        )
        if not isinstance(answer, HttpAnswer):
            return answer
        outcome = self._reader.delivered(answer, settings.rules, delivery)
        return await self._compared(delivery, _left_s(until)) if outcome is None else outcome

    async def reverse(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Undo a booking."""
        settings = self._settings.reverse
        if not settings or self._reverse is None:
            return NotSent(cause=Cause.CONTRACT, detail="this core has no reversal")
        until = asyncio.get_running_loop().time() + timeout_s
        wire = _read_reversal(delivery.wire)
        if not wire.path:
            original = _original(wire, delivery)
            found = await self._look_up(original, timeout_s)
            if not isinstance(found, Posted) or not found.core_id:
                return _unsent(found)
            wire = self._undoing(settings, delivery.number, delivery.id, original, found.core_id)
        body = wire.body.encode() if settings.body else None
        headers = self._reverse.headers(delivery)
        answer = await self._http.ask(settings.method, wire.path, _left_s(until), body=body, headers=headers)
        return (
            self._reader.reversed(answer, settings.rules, delivery.attempt)
            if isinstance(answer, HttpAnswer)
            else answer
        )

    async def inquire(self, delivery: Delivery, timeout_s: float) -> InquiryOutcome:
        """Look our reference up. A reversal is there by its own reference, or by its payment being reversed."""
        if delivery.wire.startswith(b"{"):
            return await self._look_up(delivery, timeout_s)
        until = asyncio.get_running_loop().time() + timeout_s
        found = await self._look_up(delivery, timeout_s)
        if not isinstance(found, NotFound):
            return found
        return await self._look_up(_original(_read_reversal(delivery.wire), delivery), _left_s(until), undone=True)

    async def check(self, check: Check, timeout_s: float) -> CheckOutcome:
        """May this account be paid?"""
        settings = self._settings.check
        if not settings or self._check is None:
            return NotSent(cause=Cause.CONTRACT, detail="this core's check is not to be asked")
        values: dict[str, Value] = {
            "account": check.account,
            "amount": self._amount(check.amount, check.currency) if check.amount else "",
            "currency": check.currency,
            "service": check.service,
            "channel": check.channel,
            "key": check.key,
        }
        body = Body(settings.body).fill(values) if settings.body else None
        path = self._check.path.fill(values, _quoted)
        answer = await self._http.ask(settings.method, path, timeout_s, body=body, headers=self._check.headers(None))
        return self._reader.allowed(answer, settings) if isinstance(answer, HttpAnswer) else answer

    async def probe(self, timeout_s: float) -> Outcome:
        """The configured path by GET; else a connection only."""
        if self._probe is None:
            return await self._http.touch(timeout_s)
        path, headers = self._probe.path.fill({}), self._probe.headers(None)
        answer = await self._http.ask("GET", path, timeout_s, headers=headers)
        return self._reader.probed(answer) if isinstance(answer, HttpAnswer) else answer

    async def close(self) -> None:
        """Let connections go."""
        await self._http.close()

    async def _compared(self, delivery: Delivery, left_s: float) -> Outcome:
        """What the core holds where it only said that it knows the key."""
        if self._lookup is None:
            return UNSHOWN
        if left_s <= 0:
            return Unknown(cause=Cause.CONTRACT, detail="the core knows the key and doesn't show its content")
        found = await self._look_up(delivery, left_s)
        match found:
            case Posted():
                return msgspec.structs.replace(found, duplicate=True)
            case NotFound():
                return Unknown(cause=Cause.CONTRACT, detail="the core knows the key and doesn't find it")
            case NotSent() | Misconfigured():
                # Said of the question; the payment was sent.
                return Unknown(cause=found.cause, detail=found.detail)
            case _:
                return found

    async def _look_up(self, delivery: Delivery, timeout_s: float, *, undone: bool = False) -> InquiryOutcome:
        settings = self._settings.lookup
        if not settings or self._lookup is None:
            return Unknown(cause=Cause.CONTRACT, detail="this core can't be asked")
        values = self._of_delivery(delivery)
        path, headers = self._lookup.path.fill(values, _quoted), self._lookup.headers(delivery)
        answer = await self._http.ask("GET", path, timeout_s, headers=headers)
        if not isinstance(answer, HttpAnswer):
            return answer
        reference = Text(settings.reference).fill(values)
        return self._reader.looked_up(answer, settings, reference, delivery, undone=undone)

    def _undoing(
        self,
        reverse: JsonReverse,
        number: int,
        id: str,  # noqa: A002 - the field's word
        original: Delivery,
        core_id: str,
    ) -> ReversalWire:
        values: dict[str, Value] = self._of_delivery(original) | {
            "id": id,
            "number": str(number),
            "original_id": original.id,
            "original_number": str(original.number),
            "core_id": core_id,
        }
        body = Body(reverse.body).fill(values).decode()
        return ReversalWire(Text(reverse.path).fill(values, _quoted), body, original.id, original.number)

    def _target(self, call: "_Call", delivery: Delivery) -> str:
        """A call's path, filled in; that of most posts has nothing to fill."""
        return call.path.fill(self._of_delivery(delivery), _quoted) if call.path.names else call.path.fill(_NOTHING)

    def _of_delivery(self, delivery: Delivery) -> dict[str, Value]:
        return {
            "id": delivery.id,
            "number": str(delivery.number),
            "account": delivery.account,
            "currency": delivery.currency,
            "amount": self._amount(delivery.amount, delivery.currency),
        }

    def _amount(self, amount: int, currency: str) -> Value:
        return amount if self._in_minor_units else scale(currency).write(amount)


class _Call:
    """Path and headers of one call, cut and read once."""

    def __init__(self, path: str, headers: Headers, always: Mapping[str, str] = _NOTHING) -> None:
        self.path = Text(path)
        texts = {name: Text(value) for name, value in headers.items() if isinstance(value, str)}
        secrets = {name: _told(value) for name, value in headers.items() if isinstance(value, SecretHeader)}
        self._fixed = {**always, **secrets} | {name: text.fill({}) for name, text in texts.items() if not text.names}
        self._filled = [(name, text) for name, text in texts.items() if text.names]

    def headers(self, delivery: Delivery | None) -> Mapping[str, str]:
        """The headers of one request; those that name a delivery are left out where there is none."""
        if delivery is None or not self._filled:
            return self._fixed
        values = {"id": delivery.id, "number": str(delivery.number), "attempt": str(delivery.attempt)}
        return self._fixed | {name: text.fill(values) for name, text in self._filled}


def _told(header: SecretHeader) -> str:
    return header.prefix + header.secret.read().get_secret_value()


def _original(wire: ReversalWire, reversal: Delivery) -> Delivery:
    """The payment that a reversal undoes, as far as a lookup needs it; account and sum are the same."""
    return msgspec.structs.replace(reversal, number=wire.original_number, id=wire.original_id, attempt=1, wire=b"{}")


def _unsent(found: InquiryOutcome) -> Outcome:
    """Why a reversal wasn't sent after its payment wasn't found by asking; a question books and undoes nothing."""
    if isinstance(found, Misconfigured | NotSent):
        return found
    if isinstance(found, Unknown):
        return NotSent(cause=found.cause, detail=found.detail, retry_after_s=found.retry_after_s)
    return NotSent(cause=Cause.CONTRACT, detail="the core's id of the payment to undo isn't known")


def _left_s(until: float) -> float:
    return until - asyncio.get_running_loop().time()


def _quoted(text: str) -> str:
    return quote(text, safe="")
