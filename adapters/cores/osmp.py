"""A core reached by the OSMP (QIWI) provider protocol, with Nightsafe in the place of the terminal network.

Hydra, NetUP UTM5, BGBilling, ABillS, Ubilling and Carbon Billing all take payments this way: `command=pay` by GET or
POST, answered in XML. A repeated `txn_id` gets the first answer and no second booking, so most are level A. `txn_id` is
the delivery's number (Carbon Billing: "digits only, at most 20 characters"). Pages: dev.qiwi.com, qd-qiwi-provider-
protocol; dialects in `docs/reference/outcomes.md`.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self
from urllib.parse import quote, urlsplit

import msgspec
from pydantic import AfterValidator, Field, model_validator

from adapters.amount import scale
from adapters.core import Delivery
from adapters.cores.http import HttpClient
from adapters.cores.http_answer import HttpAnswer
from adapters.cores.moment import paid_at, zone_of
from adapters.cores.osmp_answer import (
    CHECK_CODES,
    CODES,
    REPEAT_CODES,
    STATUS_CODES,
    CodeMeaning,
    Meaning,
    OsmpAnswer,
    doubt_of,
    meaning_of,
    outcome_of,
    read_answer,
)
from adapters.cores.settings import ContractSettings
from adapters.cores.status import status_failure
from adapters.cores.template import Text
from adapters.outcome import (
    Allowed,
    Cause,
    CheckOutcome,
    InquiryOutcome,
    Misconfigured,
    NotFound,
    NotSent,
    Outcome,
    Posted,
    Refused,
    Unknown,
)
from adapters.payment import Check, Payment

Command = Annotated[str, Field(pattern=r"^[A-Za-z_]{1,32}$")]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
Code = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,4})$")]

_PLACEHOLDERS: Final = frozenset({"service", "currency", "currency_number", "channel", "key"})
_OWN_PARAMETERS: Final = frozenset({"command", "txn_id", "txn_date", "account", "sum"})


def _parameters(table: dict[str, str]) -> dict[str, str]:
    for name, text in table.items():
        if name in _OWN_PARAMETERS:
            raise ValueError(f"{name} is written by the adapter itself")
        unknown = [
            each for each in Text(text).names if each not in _PLACEHOLDERS and not each.startswith("attributes.")
        ]
        if unknown:
            raise ValueError(f"no such placeholder: {{{unknown[0]}}}")
    return table


class OsmpCoreSettings(ContractSettings):
    """A core that speaks OSMP: `[cores.<name>]` with `protocol = "osmp"`."""

    protocol: Annotated[Literal["osmp"], Field(description="The OSMP (QIWI) provider protocol.")]
    method: Annotated[
        Literal["GET", "POST"], Field(description="Parameters in the address, or in an urlencoded body.")
    ] = "GET"
    parameters: Annotated[
        dict[Tag, str],
        AfterValidator(_parameters),
        Field(
            default_factory=dict,
            description=(
                "Further parameters of pay and check; {service}, {currency}, {currency_number}, {channel}, {key} and"
                " {attributes.<name>} are filled in, empty ones left out."
            ),
            examples=[{"bank_code": "77", "prv_id": "{service}"}],
        ),
    ]
    number_tags: Annotated[
        tuple[Tag, ...],
        Field(min_length=1, description="Tags in which the answer may repeat our number (Hydra: txn_id)."),
    ] = ("osmp_txn_id", "txn_id")
    echo_required: Annotated[
        bool, Field(description="Believe no answer that doesn't repeat our number; false only if the core never does.")
    ] = True
    codes: Annotated[
        dict[Code, CodeMeaning],
        Field(default_factory=dict, description="What result codes mean where they differ from the published table."),
    ]
    repeat_codes: Annotated[
        dict[Code, CodeMeaning],
        Field(
            default_factory=dict,
            description="What they mean at a second or later attempt, where that differs; 300 is a conflict there.",
        ),
    ]
    status_command: Annotated[
        Command | None, Field(description="Command that tells of a payment by txn_id, in dialects that have one.")
    ] = None
    status_codes: Annotated[
        dict[Code, CodeMeaning],
        Field(
            default_factory=dict,
            description="What codes mean at the status command, beside 0 and 90; others tell nothing of the payment.",
            examples=[{"79": {"means": "not_found"}}],
        ),
    ]
    cancel_command: Annotated[
        Command | None, Field(description="Command that undoes a payment, in dialects that have one.")
    ] = None
    cancel_parameter: Annotated[
        Tag, Field(description="Parameter that names the payment to undo.", examples=["prv_txn", "cancel_txn_id"])
    ] = "prv_txn"
    cancel_by: Annotated[
        Literal["core_id", "number"], Field(description="What it is named by: the core's id, or our number.")
    ] = "core_id"
    check_enabled: Annotated[
        bool, Field(description="Ask the core by check. Set to false for a core whose check books money.")
    ] = True
    check_is_safe_probe: Annotated[
        bool, Field(description="Probe by a check of probe_account; without it a probe only opens a connection.")
    ] = False
    probe_account: Annotated[
        str, Field(max_length=200, description="Account for probes; any answer about it will do.")
    ] = ""
    shown_tags: Annotated[
        tuple[Tag, ...],
        Field(
            max_length=16, description="Tags of a check's answer to show the payer, beside <fields> (Hydra: balance)."
        ),
    ] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        zone_of(self.time_zone)
        self.contradictions(lookup=self.status_command is not None)
        if self.check_is_safe_probe and not self.check_enabled:
            raise ValueError("a core whose check is never asked can't be probed by it")
        if self.check_is_safe_probe != bool(self.probe_account):
            raise ValueError("check_is_safe_probe and probe_account go together")
        return self


class OsmpCore:
    """One core that speaks OSMP."""

    def __init__(self, name: str, settings: OsmpCoreSettings) -> None:
        """Make ready; nothing is opened before the first request.

        Raises:
            SecretMissing, TlsFileUnusable: as `HttpClient`.
        """
        self.name = name
        self.capabilities = settings.declared(
            lookup=settings.status_command is not None,
            reversal=settings.cancel_command is not None,
            check=settings.check_enabled,
            effective_date=True,
        )
        self._settings = settings
        self._zone = zone_of(settings.time_zone)
        self._parameters = {name: Text(text) for name, text in settings.parameters.items()}
        self._codes = {**CODES, **settings.codes}
        self._repeat_codes = {**self._codes, **REPEAT_CODES, **settings.repeat_codes}
        self._check_codes = {**CODES, **CHECK_CODES, **settings.codes}
        self._status_codes = {**STATUS_CODES, **settings.status_codes}
        self._root = "" if urlsplit(settings.url).path else "/"
        self._http = HttpClient(settings, {"Accept": "application/xml, text/xml"})

    def prepare(self, payment: Payment, number: int, id: str) -> bytes:  # noqa: A002 - the field's word
        """The query of `pay`; `txn_date` is the channel's own time where it can be read."""
        moment = paid_at(payment.channel_time, id, self._zone)
        return _query(
            {
                "command": "pay",
                "txn_id": str(number),
                "txn_date": f"{moment:%Y%m%d%H%M%S}",
                "account": payment.account,
                "sum": _sum(payment.amount, payment.currency),
            }
            | self._further(payment)
        )

    def prepare_reversal(self, number: int, id: str, original: Delivery, core_id: str) -> bytes:  # noqa: A002, ARG002 - the seam's words
        """The query of `cancel`. With an empty `core_id` the name stays empty, and `reverse` asks for it by status."""
        settings = self._settings
        named = str(original.number) if settings.cancel_by == "number" else core_id
        parameters = {"command": settings.cancel_command or "", "txn_id": str(number), settings.cancel_parameter: named}
        # Last and known by its place: `reverse` fills in an empty name, after asking about this number.
        return _query(parameters) if named else _query(parameters) + b"#%d" % original.number

    async def post(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """`pay`. A repeat is the same bytes: the protocol knows no mark for one."""
        answer = await self._ask(delivery.wire, timeout_s)
        return answer if not isinstance(answer, HttpAnswer) else self._told(answer, delivery)

    async def reverse(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """`cancel`, in dialects that have it."""
        if self._settings.cancel_command is None:
            return NotSent(cause=Cause.CONTRACT, detail="this core has no cancel")
        wire, _, original = delivery.wire.partition(b"#")
        if not original:
            return await self.post(delivery, timeout_s)
        return await self._reverse_unnamed(delivery, wire, int(original), timeout_s)

    async def _reverse_unnamed(self, delivery: Delivery, wire: bytes, original: int, timeout_s: float) -> Outcome:
        until = asyncio.get_running_loop().time() + timeout_s
        found = await self._status(original, delivery, timeout_s)
        if isinstance(found, Posted) and found.core_id:
            named = msgspec.structs.replace(delivery, wire=wire + quote(found.core_id, safe="").encode())
            return await self.post(named, until - asyncio.get_running_loop().time())
        if isinstance(found, Misconfigured | NotSent):
            return found
        return NotSent(cause=Cause.CONTRACT, detail="the core's id of the payment to undo isn't known")

    async def inquire(self, delivery: Delivery, timeout_s: float) -> InquiryOutcome:
        """The dialect's status command; an inquiry about a cancel tells nothing."""
        if not delivery.wire.startswith(b"command=pay&"):
            return Unknown(cause=Cause.CONTRACT, detail="a cancel can't be asked about")
        return await self._status(delivery.number, delivery, timeout_s)

    async def check(self, check: Check, timeout_s: float) -> CheckOutcome:
        """`check`, under a number made from the channel's key, so that a repeat is the same question."""
        if not self._settings.check_enabled:
            return NotSent(cause=Cause.CONTRACT, detail="this core's check is not to be asked")
        number = _check_number(check)
        answer = await self._asked_check(number, check.account, _sum(check.amount, check.currency), check, timeout_s)
        if not isinstance(answer, OsmpAnswer):
            return answer
        if answer.number and answer.number.lstrip("0") != number.lstrip("0"):
            return Unknown(cause=Cause.UNREADABLE, detail="the answer is about another number")
        return self._allowed(answer)

    async def probe(self, timeout_s: float) -> Outcome:
        """A check of the probe's account, where that is safe; else a connection only."""
        if not self._settings.check_is_safe_probe:
            return await self._http.touch(timeout_s)
        answer = await self._asked_check("0", self._settings.probe_account, "0.00", None, timeout_s)
        if not isinstance(answer, OsmpAnswer):
            return answer
        meaning = meaning_of(answer.code, self._check_codes)
        # What it says of the account doesn't matter: whoever refuses is there.
        is_well = meaning.means in (Meaning.POSTED, Meaning.REFUSED)
        return Posted() if is_well else outcome_of(answer, meaning, 0.0)

    async def close(self) -> None:
        """Let connections go."""
        await self._http.close()

    async def _ask(self, query: bytes, timeout_s: float) -> HttpAnswer | NotSent | Unknown | Misconfigured:
        if self._settings.method == "GET":
            answer = await self._http.ask("GET", f"{self._root}?{query.decode('ascii')}", timeout_s)
        else:
            answer = await self._http.ask("POST", self._root, timeout_s, body=query, headers=_FORM)
        if not isinstance(answer, HttpAnswer):
            return answer
        failure = status_failure(answer, unavailable_is_not_sent=self._settings.unavailable_is_not_sent)
        return answer if failure is None else failure

    def _read(self, answer: HttpAnswer) -> OsmpAnswer | Unknown:
        if answer.too_long:
            return Unknown(cause=Cause.UNREADABLE, detail="the answer is too long")
        read = read_answer(answer.body, self._settings.number_tags, self._settings.shown_tags)
        return Unknown(cause=Cause.UNREADABLE, detail="the answer isn't OSMP") if read is None else read

    def _told(self, answer: HttpAnswer, delivery: Delivery) -> Outcome:
        read = self._read(answer)
        if isinstance(read, Unknown):
            return read
        meaning = meaning_of(read.code, self._codes if delivery.attempt == 1 else self._repeat_codes)
        doubt = doubt_of(read, meaning, delivery, echo_required=self._settings.echo_required)
        return outcome_of(read, meaning, answer.retry_after_s) if doubt is None else doubt

    async def _status(self, number: int, delivery: Delivery, timeout_s: float) -> InquiryOutcome:
        command = self._settings.status_command
        if command is None:
            return Unknown(cause=Cause.CONTRACT, detail="this core can't be asked")
        answer = await self._ask(_query({"command": command, "txn_id": str(number)}), timeout_s)
        read = self._read(answer) if isinstance(answer, HttpAnswer) else answer
        if not isinstance(read, OsmpAnswer):
            return read
        meaning = meaning_of(read.code, self._status_codes)
        asked = msgspec.structs.replace(delivery, number=number)
        doubt = doubt_of(read, meaning, asked, echo_required=self._settings.echo_required)
        if doubt is not None:
            return doubt
        return NotFound() if meaning.means is Meaning.NOT_FOUND else outcome_of(read, meaning, 0.0)

    async def _asked_check(
        self, number: str, account: str, text: str, check: Check | None, timeout_s: float
    ) -> OsmpAnswer | NotSent | Unknown | Misconfigured:
        parameters = {"command": "check", "txn_id": number, "account": account, "sum": text}
        answer = await self._ask(_query(parameters | self._further(check)), timeout_s)
        return self._read(answer) if isinstance(answer, HttpAnswer) else answer

    def _allowed(self, answer: OsmpAnswer) -> CheckOutcome:
        meaning = meaning_of(answer.code, self._check_codes)
        if meaning.means is Meaning.POSTED:
            return Allowed(fields_shown=answer.fields)
        outcome = outcome_of(answer, meaning, 0.0)
        if isinstance(outcome, Refused | NotSent | Misconfigured):
            return outcome
        return Unknown(cause=Cause.CONTRACT, detail=f"result {answer.code}")

    def _further(self, request: Payment | Check | None) -> dict[str, str]:
        if not self._parameters:
            return {}
        values = {} if request is None else _values(request)
        filled = {name: text.fill(values) for name, text in self._parameters.items()}
        return {name: text for name, text in filled.items() if text}


_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def _query(parameters: Mapping[str, str]) -> bytes:
    return "&".join(f"{name}={quote(text, safe='')}" for name, text in parameters.items()).encode("ascii")


def _sum(amount: int, currency: str) -> str:
    """Two decimals with a dot (`200.00`), as the protocol wants; more only where the currency has more."""
    known = scale(currency)
    text = known.write(amount)
    return text if known.exponent >= 2 else f"{text}{'' if known.exponent else '.'}{'00'[known.exponent :]}"  # noqa: PLR2004 - the protocol's two decimals


def _values(request: Payment | Check) -> dict[str, str]:
    values = {
        "service": request.service,
        "currency": request.currency,
        "currency_number": scale(request.currency).number,
        "channel": request.channel,
        "key": request.key,
    }
    attributes = request.attributes if isinstance(request, Payment) else {}
    return values | {f"attributes.{name}": text for name, text in attributes.items()}


def _check_number(check: Check) -> str:
    """A number for a check: never one of a delivery, as those are 63 bits and these below 56."""
    digest = hashlib.blake2b(f"{check.channel}\0{check.key}\0{check.account}".encode(), digest_size=7).digest()
    return str(int.from_bytes(digest, "big"))
