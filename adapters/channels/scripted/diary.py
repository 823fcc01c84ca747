"""What a sender keeps of each payment and reversal: written before it asks, and again when it hears.

One JSON object a line. `asks` has the whole payment (a reversal the account and sum of its payment, whose key it names
under `reverses`), `hears` what an answer meant: `yes` and `no` are final, `unknown`
means that the same request must be sent again (a non-final code, a lost connection, no answer in time).
"""

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from adapters.cores.scripted.traffic import Mark

Meaning = Literal["yes", "no", "unknown"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One payment or reversal, from its first request to its last the same."""

    channel: str
    #: The sender's own id of it.
    key: str
    account: str
    #: Minor units.
    amount: int
    currency: str
    #: Key and receipt of the payment that is to be undone; empty for a payment.
    reverses: str = ""
    receipt: str = ""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer meant to its sender."""

    kind: Meaning
    #: Result code, HTTP status, or the name of what went wrong on the wire.
    code: str
    #: The receipt's number; empty without a yes.
    number: str = ""
    #: Posted or provisional, where the protocol tells them apart.
    status: str = ""


class _Asks(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="asks"):
    at: float
    channel: str
    key: str
    account: str
    amount: int
    currency: str
    reverses: str


class _Hears(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="hears"):
    at: float
    channel: str
    key: str
    kind: Meaning
    code: str
    number: str
    status: str


_encode = msgspec.json.Encoder().encode


class Diary:
    """A file of lines, each handed to the system before anything is sent. `with Diary(path) as diary:`."""

    def __init__(self, path: Path) -> None:
        """Append to `path`."""
        self.path = path
        self._file = path.open("ab", buffering=0)
        #: Final answers so far; can be waited for.
        self.answers = Mark()
        #: Answers by meaning.
        self.heard: Counter[str] = Counter()

    def asks(self, order: Order, at: float) -> None:
        """About to be sent; `at` is in seconds of any clock that goes forward."""
        line = _Asks(
            at=at,
            channel=order.channel,
            key=order.key,
            account=order.account,
            amount=order.amount,
            currency=order.currency,
            reverses=order.reverses,
        )
        self._file.write(_encode(line) + b"\n")

    def hears(self, order: Order, heard: Heard, at: float) -> None:
        """An answer, or that there is none."""
        self.heard[heard.kind] += 1
        line = _Hears(
            at=at,
            channel=order.channel,
            key=order.key,
            kind=heard.kind,
            code=heard.code,
            number=heard.number,
            status=heard.status,
        )
        self._file.write(_encode(line) + b"\n")
        if heard.kind != "unknown":
            self.answers.add()

    def close(self) -> None:
        """No more lines."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
