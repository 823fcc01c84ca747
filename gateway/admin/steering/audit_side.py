"""The admin side's part for auditors: what persons did, in the order of the evidence log."""

from typing import Final

import msgspec

from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.views import moment
from spool.entry import Act

PAGE: Final = 100


class DeedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a person did."""

    #: Its place in the evidence log.
    event: str
    at: str
    #: A transition's name where an entry was moved, else what was done: `reveal`, `route_open`.
    name: str
    #: To what: an entry's number, a route, a job.
    subject: str
    detail: str
    actor: str
    #: The stated reason.
    note: str


class DeedsPage(msgspec.Struct, frozen=True, kw_only=True):
    """What persons did, oldest first."""

    deeds: tuple[DeedRow, ...]
    #: Put this as `from` to get the next page; empty on the last.
    next: str = ""


class AuditSide:
    """Answers auditors."""

    def __init__(self, desk: Desk) -> None:
        """Read what is on the desk."""
        self._desk = desk

    async def deeds(self, call: Call) -> DeedsPage:
        """A page of what persons did."""
        found = await self._desk.shelf.deeds(asks.from_alone(call.query), PAGE)
        following = str(found[-1].leaf + 1) if len(found) == PAGE else ""
        return DeedsPage(deeds=tuple(map(deed_row, found)), next=following)


def deed_row(act: Act) -> DeedRow:
    """A deed as it is shown."""
    return DeedRow(
        event=str(act.leaf),
        at=moment(act.at_us),
        name=act.name,
        subject=act.subject,
        detail=act.detail,
        actor=act.actor,
        note=act.note,
    )
