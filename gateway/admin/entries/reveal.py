"""The admin side's part for what is masked: shown to whom the role allows it, for a stated reason, written down first."""

from typing import Final

import msgspec

from gateway import content
from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.meter import AdminMeter
from gateway.log import log
from spool.entry import Act, Entry
from spool.errors import RecordDamaged

SEEN_CHARS: Final = 4
MASKED_FROM_CHARS: Final = 8
"""Of an account so long or longer the last four characters are shown; of a shorter one none."""


class RevealedShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed in one entry. Personal data: never shown by its repr."""

    number: str
    account: str
    service: str
    #: The time as the channel gave it.
    channel_time: str
    attributes: dict[str, str]
    #: A reversal's reason, as its channel stated it.
    note: str

    def __repr__(self) -> str:
        return f"RevealedShown({self.number})"


def masked(account: str) -> str:
    """An account as everybody may see it."""
    if len(account) < MASKED_FROM_CHARS:
        return "*" * len(account)
    return "*" * (len(account) - SEEN_CHARS) + account[-SEEN_CHARS:]


def masked_of(desk: Desk, entry: Entry) -> str:
    """The account of an entry, masked; empty where the record does not open."""
    try:
        return masked(content.read(desk.spool.content(entry)).account)
    except (RecordDamaged, ValueError):
        return ""


class Revealing:
    """Shows what is masked."""

    def __init__(self, desk: Desk, meter: AdminMeter) -> None:
        """Open what is on the desk."""
        self._desk = desk
        self._meter = meter

    async def reveal(self, call: Call, entry: Entry) -> RevealedShown:
        """What is sealed in an entry; who saw it and why is on disk before it is shown."""
        reason = asks.plain(asks.body_of(call.body, asks.OneBody).reason)
        try:
            found = content.read(self._desk.spool.content(entry))
        except (RecordDamaged, ValueError) as error:
            raise Trouble(Code.CONTENT_GONE) from error
        now_us, name, number = self._desk.clock.now_us(), call.person.name, str(entry.number)
        await self._desk.spool.store.act(Act(at_us=now_us, name="reveal", subject=number, actor=name, note=reason))
        self._meter.acted("reveal")
        log.warning("admin_reveal", number=entry.number, actor=name, role=call.person.role)
        return RevealedShown(
            number=number,
            account=found.account,
            service=found.service,
            channel_time=found.channel_time,
            attributes=found.attributes,
            note=found.note,
        )
