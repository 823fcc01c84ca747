"""The seam to a core: one billing system behind one route.

A core adapter turns a delivery into foreign bytes and foreign answers into an `Outcome`; it never decides what follows.
Foreign types and exceptions end here: an adapter raises nothing but its own bugs and `asyncio.CancelledError`.
"""

import enum
from typing import Protocol

import msgspec

from adapters.outcome import CheckOutcome, InquiryOutcome, Outcome
from adapters.payment import Check, Payment


class Level(enum.StrEnum):
    """How a core protects from a second booking of the same payment (design: levels of cores)."""

    A = "A"
    """Refuses or replays a repeat of the same key: resend the same bytes."""
    B = "B"
    """Stores our reference and can be asked for it: wait the settle delay, inquire, then perhaps resend."""
    C = "C"
    """Neither: search where possible, else a person. Never resend blindly."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a core declares of itself; decisions read these, never the adapter's name."""

    level: Level
    #: `inquire` can be asked by our own reference.
    lookup: bool
    #: An inquiry's "not found" may be believed after the settle delay (the contract says so).
    not_found_is_final: bool
    #: `reverse` exists.
    reversal: bool
    #: Seconds to wait after an unclear attempt before an inquiry; longer than the core's longest request.
    settle_delay_s: float
    #: Seconds for which the core remembers a key; 0 = for ever. Past it a level A core is treated as level B.
    key_lifetime_s: float = 0.0
    #: `probe` exists and has no side effects.
    safe_probe: bool = False
    #: The payment's own date is sent with a delivery.
    effective_date: bool = False
    #: `check` exists.
    check: bool = True


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt's order to a core; the same for every attempt but for `attempt`."""

    #: Digits-only id for the core, at most 19 digits, made once at acceptance.
    number: int
    #: UUIDv7 of the entry in canonical text.
    id: str
    #: 1 for the first attempt; above 1 the adapter marks a repeat where the protocol can.
    attempt: int
    #: Exactly what `prepare` or `prepare_reversal` made at acceptance.
    wire: bytes
    #: For comparing what the core holds with what we sent.
    account: str
    amount: int
    currency: str

    def __repr__(self) -> str:
        return f"Delivery(number={self.number}, attempt={self.attempt}, amount={self.amount} {self.currency})"


class Core(Protocol):
    """One billing system.

    Right before the first byte of `post` and `reverse` an adapter asks `adapters.cores.leave.may_leave`, with no await
    between; without leave it sends nothing and says `WITHHELD`. Our HTTP client does that (decision 0076).
    """

    name: str
    capabilities: Capabilities

    def prepare(self, payment: Payment, number: int, id: str) -> bytes:  # noqa: A002 - the field's word
        """The exact bytes to send for this payment, stored at acceptance and sent unchanged on every attempt."""
        ...

    def prepare_reversal(self, number: int, id: str, original: Delivery, core_id: str) -> bytes:  # noqa: A002 - the field's word
        """The exact bytes that undo `original`, which the core booked as `core_id` (empty when it told none)."""
        ...

    async def post(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Book it. Never takes longer than `timeout_s`; a timeout after the first byte left is `Unknown`."""
        ...

    async def reverse(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Undo a booking; `Posted` means the core undid it."""
        ...

    async def inquire(self, delivery: Delivery, timeout_s: float) -> InquiryOutcome:
        """Ask by our own reference what became of a delivery. No side effects."""
        ...

    async def check(self, check: Check, timeout_s: float) -> CheckOutcome:
        """May this account be paid? No side effects (a core whose check has some declares `check=False`)."""
        ...

    async def probe(self, timeout_s: float) -> Outcome:
        """Is anybody there? `Posted()` when it looks well; free of side effects, and never the last word."""
        ...

    async def close(self) -> None:
        """Let connections go."""
        ...
