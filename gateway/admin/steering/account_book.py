"""The admin side's part for known accounts: imported by the batch, looked up one by one. No account is ever shown back."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.meter import AdminMeter
from gateway.admin.views import moment
from gateway.log import log
from gateway.standin.accounts import Accounts
from spool.account import AccountNote
from spool.entry import Act

IMPORT_MAX: Final = 10_000
"""Accounts of one request; its body is bounded besides."""

COMMIT_MAX: Final = 512
"""Accounts of one commit: each is on a page of its own, and payments that come meanwhile wait for no more of them."""

NOTED: Final[dict[str, tuple[bool | None, bool | None, bool | None]]] = {
    "known": (True, None, None),
    "unknown": (False, None, None),
    "denied": (None, True, None),
    "allowed": (None, False, None),
    "urgent": (True, None, True),
    "calm": (None, None, False),
}
"""What an import may say of its accounts: (known, denied, urgent)."""


class ImportBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"noted": "as"}):
    """A batch of accounts of one route. Personal data: never shown by its repr."""

    route: asks.Name
    noted: str
    reason: asks.Reason
    accounts: Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=IMPORT_MAX)]

    def __repr__(self) -> str:
        return f"ImportBody({len(self.accounts)} accounts)"


class LookBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account of one route, in a body, as addresses are logged."""

    route: asks.Name
    account: Annotated[str, Meta(min_length=1, max_length=200)]

    def __repr__(self) -> str:
        return "LookBody()"


class ImportedShown(msgspec.Struct, frozen=True, kw_only=True):
    """How many accounts were noted."""

    accounts: int


class AccountShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an account; what the core said of it is not shown."""

    lane: str
    #: `known`, `denied` or `unknown`.
    standing: str
    #: Its service is cut off, or about to be.
    urgent: bool
    #: When it was heard of last; empty when never.
    seen_at: str
    #: The core's last answer to a check is kept.
    has_answer: bool


class AccountsCounted(msgspec.Struct, frozen=True, kw_only=True):
    """How many accounts there are."""

    known: int
    denied: int
    #: The index key was changed: whoever was noted before and after it counts twice, as nobody can tell that it is one.
    at_most: bool = False


class AccountBook:
    """Answers about known accounts."""

    def __init__(self, desk: Desk, meter: AdminMeter, accounts: Accounts) -> None:
        """Note and look up accounts of the desk's routes."""
        self._desk = desk
        self._meter = meter
        self._accounts = accounts

    async def note(self, call: Call) -> Any:
        """Note a batch of accounts."""
        told = asks.body_of(call.body, ImportBody)
        reason = asks.plain(told.reason)
        says = NOTED.get(told.noted)
        if says is None:
            raise Trouble(Code.INVALID, f'"as" is one of: {", ".join(NOTED)}')
        self._route(told.route)
        lane_of, now_us = self._desk.spool.lane_of, self._desk.clock.now_us()
        lanes = sorted({lane_of(told.route, account) for account in told.accounts})
        known, denied, urgent = says
        notes = [AccountNote(lane=lane, known=known, denied=denied, urgent=urgent, seen_at_us=now_us) for lane in lanes]
        for begin in range(0, len(notes), COMMIT_MAX):
            await self._desk.spool.store.note_accounts(notes[begin : begin + COMMIT_MAX])
        await self._accounts.refresh()
        detail = f"{len(notes)} accounts"
        act = Act(
            at_us=now_us, name=f"accounts_{told.noted}", subject=told.route, detail=detail, actor=call.person.name
        )
        await self._desk.spool.store.act(msgspec.structs.replace(act, note=reason))
        self._meter.acted("accounts", len(notes))
        log.warning("admin_accounts", noted=told.noted, route=told.route, accounts=len(notes), actor=call.person.name)
        return ImportedShown(accounts=len(notes))

    async def look(self, call: Call) -> Any:
        """What is known of one account."""
        told = asks.body_of(call.body, LookBody)
        self._route(told.route)
        lanes = self._desk.spool.lanes_of(told.route, told.account)
        note = await self._accounts.known(lanes)
        standing, heard = await self._accounts.heard(lanes)
        return AccountShown(
            lane=str(lanes[0]),
            standing=standing.value,
            urgent=note is not None and bool(note.urgent),
            seen_at="" if note is None else moment(note.seen_at_us),
            has_answer=heard is not None,
        )

    async def count(self, _call: Call) -> Any:
        """How many there are; reads all of them, beside the payments."""
        known, denied = await self._desk.shelf.accounts_counted()
        return AccountsCounted(known=known, denied=denied, at_most=bool(self._desk.spool.keys.former_index_ids))

    def _route(self, name: str) -> None:
        if self._desk.route(name) is None:
            raise Trouble(Code.NO_SUCH_ROUTE)
