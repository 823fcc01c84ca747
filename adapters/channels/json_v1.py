"""The JSON API for banks and wallets at `/v1`, as a channel.

`POST /v1/payments`, `POST /v1/payments/{id}/reversal`, `GET /v1/payments/{id}`, `GET /v1/payments?key=...`,
`POST /v1/checks`; bearer tokens, `Idempotency-Key`, problem details. All channels of this protocol share the mount, so
`JsonDoor` finds the channel by its token. As served: docs/reference/channels.md; as data: `adapters.channels.openapi`.

The path from bytes to a `Payment` is as short as strictness allows: msgspec types check while they parse, patterns are
compiled once, and only when something is wrong a second look names every wrong field.
"""

import hmac
import re
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import UNSET

from adapters.amount import BadAmount, Scale, UnknownCurrency, scale
from adapters.channel import Inbound, Rejected, Reply
from adapters.channels.form import BadForm, read_form
from adapters.channels.json_answer import JsonAnswer
from adapters.channels.json_bodies import Fault, NewCheck, NewPayment, NewReversal
from adapters.channels.json_headers import bearer_digest, idempotency_key, key_text, preferred_wait_s, require_json
from adapters.channels.json_receipt import Receipts
from adapters.channels.json_settings import JsonChannelSettings
from adapters.channels.json_strict import read_body
from adapters.channels.json_values import attribute_pointer, fits, free_text, value_faults
from adapters.channels.problem import Code, problem
from adapters.channels.terms import RULE_REASONS, Screen
from adapters.channels.unfit import Unfit
from adapters.payment import Answer, AnswerKind, Check, Inquiry, Payment, Refusal, Request, Reversal

PAYMENTS: Final = "/v1/payments"
CHECKS: Final = "/v1/checks"

_HEADERS_KNOWN_MAX: Final = 256
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="payments"'}
_WHO_ARE_YOU: Final = problem(Code.UNAUTHORISED, headers=_CHALLENGE)
_NO_CARDS: Final = "card numbers, tracks and codes are never taken"

_payment_body: Final = msgspec.json.Decoder(NewPayment)
_reversal_body: Final = msgspec.json.Decoder(NewReversal)
_check_body: Final = msgspec.json.Decoder(NewCheck)
_one_payment: Final = re.compile(rf"{PAYMENTS}/([1-9][0-9]{{0,18}})(/reversal)?", re.ASCII).fullmatch


class JsonChannel:
    """One bank or wallet. Made by `adapters.channels.registry.open_channel`."""

    def __init__(self, name: str, settings: JsonChannelSettings) -> None:
        """Ready to be asked.

        Raises:
            SecretMissing: the key of receipts isn't there, or is none.
        """
        self.name = name
        self.currency = settings.currency
        self.deadline_s = settings.deadline_s
        #: SHA-256 of each token it may present.
        self.digests: Final = tuple(bytes.fromhex(text) for text in settings.tokens_sha256)
        self._door = JsonDoor((self,))
        #: Of each currency that a payment may name: how its amounts are written, and the rules about sums.
        self._moneys = {each: (scale(each), Screen(settings, each)) for each in settings.moneys()}
        self._own = self._moneys[settings.currency]
        self._screen = self._own[1]
        signing = settings.receipt_key
        receipts = None if signing is None else Receipts(name, signing.read().get_secret_value())
        self._answer = JsonAnswer(settings.currency, receipts, tuple(settings.currencies))
        self._body_max = settings.body_max_bytes

    def read(self, inbound: Inbound) -> Request:
        """Authenticate and understand one request.

        Raises:
            Rejected: with problem details (RFC 9457).
        """
        return self._door.read(inbound)[1]

    def understand(self, inbound: Inbound) -> Request:
        """Understand one request of a sender the door has let in.

        Raises:
            Rejected: with problem details.
        """
        try:
            if inbound.path == PAYMENTS and inbound.method == "POST":
                return self._payment(inbound)
            return self._other(inbound)
        except Unfit as unfit:
            reply = problem(unfit.code, unfit.detail, errors=unfit.errors, headers=unfit.headers)
            raise Rejected(unfit.reason, reply, channel=self.name, request=unfit.request) from None

    def write(self, request: Request, answer: Answer) -> Reply:
        """Say the answer in JSON; a no is a problem, but for a check, which is answered either way."""
        return self._answer.write(request, answer)

    def wait_s(self, inbound: Inbound) -> float:
        """Seconds the client would rather wait for its twin's answer than get a 409, at most the deadline; mostly 0."""
        if "Prefer" not in inbound.headers:
            return 0.0
        return min(float(preferred_wait_s(inbound.headers)), self.deadline_s)

    def _payment(self, inbound: Inbound) -> Payment:
        key = idempotency_key(inbound.headers)
        body = read_body(_payment_body, self._json(inbound))
        money, screen = self._moneys.get(body.currency, self._own)
        try:
            amount = money.read(body.amount)
        except BadAmount:
            amount = 0
        service, time, attributes = body.service, body.time, body.attributes
        if not (amount and fits(body, money)):
            self._look_closely(body, money, self._of_former_terms(key, body))
        payment = Payment(
            channel=self.name,
            key=key,
            account=body.account,
            amount=amount,
            currency=money.currency,
            service="" if service is UNSET else service,
            channel_time="" if time is UNSET else time,
            attributes={} if attributes is UNSET else screen.cleaned(attributes),
        )
        if (refusal := screen.refusal(payment.account, amount)) is not None:
            raise self._refused(refusal, payment, payment)
        if attributes is not UNSET and (names := screen.card_names(attributes)):
            faults = [Fault(attribute_pointer(name), _NO_CARDS) for name in names]
            bare = msgspec.structs.replace(payment, attributes={})
            raise Unfit("card_data", Code.CARD_DATA, errors=faults, request=bare)
        return payment

    def _other(self, inbound: Inbound) -> Request:
        path, method = inbound.path, inbound.method
        if path == PAYMENTS:
            _require_method(method, "GET", "POST")
            return Inquiry(channel=self.name, key=_key_asked(inbound.query))
        if path == CHECKS:
            _require_method(method, "POST")
            return self._check(inbound)
        one = _one_payment(path)
        if one is None or (number := int(one.group(1))) >= 2**63:
            raise Unfit("path", Code.NO_SUCH_PATH)
        if one.group(2):
            _require_method(method, "POST")
            return self._reversal(inbound, number)
        _require_method(method, "GET")
        _require_no_query(inbound)
        return Inquiry(channel=self.name, number=number)

    def _reversal(self, inbound: Inbound, number: int) -> Reversal:
        key = idempotency_key(inbound.headers)
        _require_no_query(inbound)
        reason = ""
        if inbound.body:
            body = read_body(_reversal_body, self._json(inbound))
            reason = "" if body.reason is UNSET else body.reason
        if not free_text(reason):
            raise Unfit("reason", Code.INVALID, errors=[Fault("#/reason", "control characters are not taken")])
        if self._screen.card_note(reason):
            bare = Reversal(channel=self.name, key=key, number=number)
            raise Unfit("card_data", Code.CARD_DATA, errors=[Fault("#/reason", _NO_CARDS)], request=bare)
        return Reversal(channel=self.name, key=key, number=number, note=self._screen.cleaned_note(reason))

    def _check(self, inbound: Inbound) -> Check:
        body = read_body(_check_body, self._json(inbound))
        money, screen = self._moneys.get(body.currency, self._own)
        self._look_closely(body, money)
        check = Check(
            channel=self.name,
            account=body.account,
            amount=0 if body.amount is UNSET else money.read(body.amount),
            currency=money.currency,
            service="" if body.service is UNSET else body.service,
        )
        if (refusal := screen.refusal(check.account, check.amount)) is not None:
            raise self._refused(refusal, check, None)
        return check

    def _json(self, inbound: Inbound) -> bytes:
        """The body, when it is said to be JSON and is not too long."""
        if len(inbound.body) > self._body_max:
            raise Unfit("too_large", Code.TOO_LARGE)
        require_json(inbound.headers)
        if inbound.query:
            _require_no_query(inbound)
        return inbound.body

    def _look_closely(self, body: NewPayment | NewCheck, money: Scale, former: Payment | None = None) -> None:
        faults = value_faults(body, money, tuple(self._moneys))
        if faults:
            raise Unfit(faults[0].pointer.split("/")[1], Code.INVALID, errors=faults, request=former)

    def _of_former_terms(self, key: str, body: NewPayment) -> Payment | None:
        """A payment in a currency that isn't agreed: if it was once, its repeats get the answer it got."""
        try:
            money = scale(body.currency)
            amount = money.read(body.amount)
        except (UnknownCurrency, BadAmount):
            return None
        if body.currency in self._moneys or not (amount and fits(body, money)):
            return None
        return Payment(
            channel=self.name,
            key=key,
            account=body.account,
            amount=amount,
            currency=money.currency,
            service="" if body.service is UNSET else body.service,
        )

    def _refused(self, refusal: Refusal, asked: Request, request: Request | None) -> Rejected:
        """A no of the channel's own rules is said as the gateway would say it."""
        reply = self._answer.write(asked, Answer(kind=AnswerKind.REFUSED, refusal=refusal))
        return Rejected(RULE_REASONS[refusal], reply, channel=self.name, request=request)


class JsonDoor:
    """The mount all JSON channels share: who presents which token is which channel."""

    def __init__(self, channels: Iterable[JsonChannel]) -> None:
        """Over these channels.

        Raises:
            ValueError: two channels have a token in common; the message names them.
        """
        self._holders: list[tuple[bytes, JsonChannel]] = []
        for channel in channels:
            for digest in channel.digests:
                self._add(digest, channel)
        # Headers that were good once. Only good ones get in, so nobody can fill it or time his way into it; what is
        # saved is a hash and its comparisons for each request.
        self._known: dict[str, JsonChannel] = {}

    def channel(self, inbound: Inbound) -> JsonChannel:
        """The channel whose token the request presents.

        Raises:
            Rejected: 401, the same for a missing, an unreadable and an unknown token.
        """
        header = inbound.headers.get("Authorization", "")
        return self._known.get(header) or self._compare(header)

    def read(self, inbound: Inbound) -> tuple[JsonChannel, Request]:
        """Authenticate and understand one request.

        Raises:
            Rejected: with problem details.
        """
        channel = self.channel(inbound)
        return channel, channel.understand(inbound)

    def _add(self, digest: bytes, channel: JsonChannel) -> None:
        for known, holder in self._holders:
            if known == digest:
                raise ValueError(f"channels {holder.name} and {channel.name} have a token in common")
        self._holders.append((digest, channel))

    def _compare(self, header: str) -> JsonChannel:
        """Compare with every token there is, in constant time, found or not."""
        digest = bearer_digest(header)
        found = None
        for known, holder in self._holders:
            if hmac.compare_digest(known, digest):
                found = holder
        if found is None:
            raise Rejected("unauthorised", _WHO_ARE_YOU)
        if len(self._known) >= _HEADERS_KNOWN_MAX:
            self._known.clear()
        self._known[header] = found
        return found


def _require_method(method: str, *allowed: str) -> None:
    """`allowed[0]` is what is asked for; the others are told to whoever uses a method there isn't."""
    if method != allowed[0]:
        raise Unfit("method", Code.METHOD, headers={"Allow": ", ".join(allowed)})


def _require_no_query(inbound: Inbound) -> None:
    if inbound.query:
        raise Unfit("parameter", Code.INVALID, "there are no query parameters here")


def _key_asked(query: str) -> str:
    """The key of `?key=...`."""
    try:
        parameters = read_form(query)
    except BadForm as bad:
        raise Unfit(bad.reason, Code.INVALID, str(bad)) from None
    key = key_text(parameters.get("key", ""))
    if not key or len(parameters) != 1:
        raise Unfit("parameter", Code.INVALID, "ask with ?key= and the key the payment was sent with")
    return key
