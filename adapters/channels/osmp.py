"""OSMP, the protocol of terminal networks (QIWI's provider protocol and its dialects), as a channel.

Requests are GET, or POST with an urlencoded body: `command` getInfo, check and pay, and the dialects' status and
cancel. Answers are XML in UTF-8 under HTTP 200, with a result code for everything that is said in the protocol; only
who may not speak at all gets a bare 401 or 403. Source: QIWI provider protocol (parameters, answer tags, errors);
ABillS for `cancel` and `status`; as served here: docs/reference/channels.md.

A repeated request gets the same bytes for the same stored payment: nothing of an answer depends on the time, on the
entry's state or on a core's words. The money is with the channel already when `pay` comes, so whatever is final here is
final only because it can't ever be credited as sent.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from adapters.amount import BadAmount, scale
from adapters.channel import Inbound, Rejected, Reply
from adapters.channels.form import BadForm, read_form
from adapters.channels.gate import Gate
from adapters.channels.osmp_answer import OsmpAnswer
from adapters.channels.osmp_codes import WRONG_EXTRA
from adapters.channels.osmp_settings import OsmpChannelSettings
from adapters.channels.terms import (
    ATTRIBUTE_CHARS_MAX,
    ATTRIBUTE_NAME,
    ATTRIBUTES_MAX,
    RULE_REASONS,
    SERVICE_PATTERN,
    Screen,
)
from adapters.payment import Answer, AnswerKind, Check, Inquiry, Payment, Refusal, Request, Reversal

QUERY_CHARS_MAX: Final = 8192
"""Longest query and longest body; sixteen extras of 256 Cyrillic letters would not be an honest payment."""

_INVALID: Final = AnswerKind.INVALID.value
_PROTOCOL: Final = frozenset(("command", "txn_id", "txn_date", "account", "sum", "ccy"))
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}", re.ASCII).fullmatch
_TIME: Final = re.compile(r"[0-9]{8}(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]", re.ASCII).fullmatch
_SERVICE: Final = re.compile(SERVICE_PATTERN, re.ASCII).fullmatch
_ATTRIBUTE: Final = re.compile(ATTRIBUTE_NAME, re.ASCII).fullmatch


class _No(Exception):
    """Why parameters can't be taken: a reason to count under and a name in the table of codes.

    Carries the request too where only the channel's rules are against it.
    """

    def __init__(self, reason: str, name: str, request: Request | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.name = name
        self.request = request


_Reader = Callable[[Mapping[str, str]], Request]


class OsmpChannel:
    """One terminal network. Made by `adapters.channels.registry.open_channel`."""

    def __init__(self, name: str, settings: OsmpChannelSettings) -> None:
        """Ready to be asked.

        Raises:
            SecretMissing: the password's file or variable isn't there.
        """
        self.name = name
        self.currency = settings.currency
        self.deadline_s = settings.deadline_s
        self._gate = Gate(name, settings.allow, settings.basic)
        self._answer = OsmpAnswer(settings)
        self._screen = Screen(settings)
        self._scale = scale(settings.currency)
        self._service = settings.service_parameter
        self._sum_optional = settings.check_sum == "optional"
        self._txn_id = re.compile(rf"[0-9]{{1,{settings.txn_id_digits_max}}}", re.ASCII).fullmatch
        readers: dict[str, _Reader] = {
            "pay": self._pay,
            "check": self._check,
            "getInfo": self._get_info,
            "status": self._status,
            "cancel": self._cancel,
        }
        self._readers: dict[str, _Reader] = {command: readers[command] for command in settings.commands}

    def read(self, inbound: Inbound) -> Request:
        """Authenticate and understand one request.

        Raises:
            Rejected: with 401 or 403 for who may not ask, 405 and 413 for what is no OSMP request, else with OSMP's XML.
        """
        self._gate.admit(inbound)
        parameters: Mapping[str, str] = {}
        try:
            parameters = self._parameters(inbound)
            return self._reader(parameters.get("command", ""))(parameters)
        except _No as no:
            txn_id = parameters.get("txn_id", "")
            reply = self._answer.no(no.name, txn_id if self._txn_id(txn_id) else "")
            raise Rejected(no.reason, reply, channel=self.name, request=no.request) from None

    def write(self, request: Request, answer: Answer) -> Reply:
        """Say the answer in OSMP's XML (UNAUTHORISED: a bare 403)."""
        return self._answer.write(request, answer)

    def _reader(self, command: str) -> _Reader:
        reader = self._readers.get(command)
        if reader is None:
            raise _No("command", _INVALID)
        return reader

    def _parameters(self, inbound: Inbound) -> Mapping[str, str]:
        body = _body(inbound, self.name)
        if len(inbound.query) > QUERY_CHARS_MAX:
            raise _No("too_long", _INVALID)
        try:
            return read_form(inbound.query, body)
        except BadForm as bad:
            raise _No(bad.reason, _INVALID) from None

    def _pay(self, parameters: Mapping[str, str]) -> Payment:
        key, account, amount = self._key(parameters), self._account(parameters), self._sum(parameters)
        self._currency_fits(parameters)
        service, attributes = self._extras(parameters)
        payment = Payment(
            channel=self.name,
            key=key,
            account=account,
            amount=amount,
            currency=self.currency,
            service=service,
            channel_time=_time(parameters),
            attributes=self._screen.cleaned(attributes),
        )
        self._obey_rules(account, amount, payment)
        if attributes and self._screen.card_names(attributes):
            raise _No("card_data", WRONG_EXTRA, payment)
        return payment

    def _check(self, parameters: Mapping[str, str]) -> Check:
        return self._question(parameters, self._key(parameters))

    def _get_info(self, parameters: Mapping[str, str]) -> Check:
        return self._question(parameters, "")

    def _question(self, parameters: Mapping[str, str], key: str) -> Check:
        account = self._account(parameters)
        optional = self._sum_optional or not key
        amount = self._sum(parameters, zero_fits=optional) if "sum" in parameters or not optional else 0
        self._currency_fits(parameters)
        service, _ = self._extras(parameters)
        self._obey_rules(account, amount, None)
        return Check(
            channel=self.name, account=account, amount=amount, currency=self.currency, service=service, key=key
        )

    def _status(self, parameters: Mapping[str, str]) -> Inquiry:
        if "prv_txn" in parameters:
            return Inquiry(channel=self.name, number=_number(parameters["prv_txn"]))
        return Inquiry(channel=self.name, key=self._key(parameters))

    def _cancel(self, parameters: Mapping[str, str]) -> Reversal:
        """Undo a payment named by `prv_txn`, by `cancel_txn_id`, or, where neither is there, by `txn_id`.

        The reversal's own key is made of the `txn_id`, or of what names the payment; a sum is refused, as it could mean
        that only a part shall be undone.
        """
        if "sum" in parameters:
            raise _No("amount", Refusal.NOT_REVERSIBLE.value)
        if "prv_txn" in parameters and "cancel_txn_id" in parameters:
            raise _No("parameter", _INVALID)
        own = f"cancel:{self._key(parameters)}" if "txn_id" in parameters else ""
        if "prv_txn" in parameters:
            number = _number(parameters["prv_txn"])
            return Reversal(channel=self.name, key=own or f"cancel:prv_txn:{number}", number=number)
        payment_key = self._key(parameters, "cancel_txn_id" if "cancel_txn_id" in parameters else "txn_id")
        return Reversal(channel=self.name, key=own or f"cancel:{payment_key}", payment_key=payment_key)

    def _key(self, parameters: Mapping[str, str], name: str = "txn_id") -> str:
        text = parameters.get(name, "")
        if self._txn_id(text) is None:
            raise _No("key", _INVALID)
        return text

    def _account(self, parameters: Mapping[str, str]) -> str:
        account = parameters.get("account", "")
        if not account:
            raise _No("account", Refusal.ACCOUNT_FORMAT.value)
        return account

    def _sum(self, parameters: Mapping[str, str], *, zero_fits: bool = False) -> int:
        try:
            amount = self._scale.read(parameters.get("sum", ""))
        except BadAmount:
            raise _No("amount", _INVALID) from None
        if not amount and not zero_fits:
            raise _No("amount", Refusal.AMOUNT_TOO_SMALL.value)
        return amount

    def _currency_fits(self, parameters: Mapping[str, str]) -> None:
        """`ccy` may be left out; given, it is the channel's own, by letters or by digits."""
        if parameters.get("ccy", self.currency) not in (self.currency, self._scale.number):
            raise _No("currency", Refusal.CURRENCY.value)

    def _obey_rules(self, account: str, amount: int, request: Request | None) -> None:
        refusal = self._screen.refusal(account, amount)
        if refusal is not None:
            raise _No(RULE_REASONS[refusal], refusal.value, request)

    def _extras(self, parameters: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """The service, and whatever else there is beyond the protocol's own parameters."""
        extras = {name: value for name, value in parameters.items() if name not in _PROTOCOL and value}
        if not extras:
            return "", extras
        service = extras.pop(self._service, "")
        if service and _SERVICE(service) is None:
            raise _No("service", WRONG_EXTRA)
        if len(extras) > ATTRIBUTES_MAX:
            raise _No("attributes", WRONG_EXTRA)
        for name, value in extras.items():
            if len(value) > ATTRIBUTE_CHARS_MAX or _ATTRIBUTE(name) is None:
                raise _No("attributes", WRONG_EXTRA)
        return service, extras


def _body(inbound: Inbound, channel: str) -> str:
    """The parameters in the body, still encoded; empty for GET.

    Raises:
        Rejected: neither GET nor POST, or a body too long.
        _No: a body that is no form in ASCII.
    """
    if inbound.method not in ("GET", "POST"):
        reply = Reply(status=405, content_type="text/plain", body=b"", headers={"Allow": "GET, POST"})
        raise Rejected("method", reply, channel=channel)
    if len(inbound.body) > QUERY_CHARS_MAX:
        raise Rejected("too_large", Reply(status=413, content_type="text/plain", body=b""), channel=channel)
    if not inbound.body:
        return ""
    media, _, rest = inbound.headers.get("Content-Type", "").lower().partition(";")
    if inbound.method == "GET" or media.strip() != "application/x-www-form-urlencoded":
        raise _No("media_type", _INVALID)
    if rest.strip().replace('"', "") not in ("", "charset=utf-8"):
        raise _No("charset", _INVALID)
    try:
        return inbound.body.decode("ascii")
    except UnicodeDecodeError:
        raise _No("charset", _INVALID) from None


def _number(text: str) -> int:
    if _NUMBER(text) is None or int(text) >= 2**63:
        raise _No("number", Refusal.NOT_FOUND.value)
    return int(text)


def _time(parameters: Mapping[str, str]) -> str:
    """`txn_date` as the channel wrote it, when it is a time on a day that exists."""
    text = parameters.get("txn_date", "")
    if _TIME(text) is None:
        raise _No("txn_date", _INVALID)
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        raise _No("txn_date", _INVALID) from None
    return text
