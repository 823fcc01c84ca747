"""What a payer is told of his payment, and where he is found. Pure.

His number or address is personal data: it is in the sealed content and nowhere else, is taken out for one message, and no
error here repeats it.
"""

import enum
import re
from typing import Final

from jinja2 import TemplateError

from adapters.amount import write_amount
from gateway.content import Content
from gateway.telling.event import Severity
from gateway.telling.letter import Letter
from gateway.telling.settings import PayerSettings
from gateway.telling.words.speech import sandbox, speech
from spool.entry import Entry
from spool.lifecycle import FINAL, Kind, State, Told

ACCOUNT: Final = "account"
END_CHARS: Final = 4

_NUMBER: Final = re.compile(r"\+?[0-9]{5,15}")
_MAILBOX: Final = re.compile(r"[^@\s<>,;\"]{1,64}@[^@\s<>,;\"]{1,189}")
_BETWEEN: Final = re.compile(r"[\s().-]")
"""What people write between the digits of a number."""


class Stage(enum.StrEnum):
    """What he may be told."""

    ACCEPTED = "accepted"
    CREDITED = "credited"
    REFUSED = "refused"


def concerns_payer(entry: Entry) -> bool:
    """Whether it is a payment that was taken in billing's place."""
    return entry.kind is Kind.PAYMENT and entry.told is Told.PROVISIONAL


def stage_of(entry: Entry) -> Stage | None:
    """What its payer is to know now; None where a person ended it in another way, and tells him."""
    if entry.state not in FINAL:
        return Stage.ACCEPTED
    return {State.POSTED: Stage.CREDITED, State.REFUSED: Stage.REFUSED}.get(entry.state)


def contact_of(content: Content, settings: PayerSettings, *, by_mail: bool) -> str:
    """His number or address; empty where he left none that is one."""
    left = content.account if settings.contact == ACCOUNT else content.attributes.get(settings.contact, "")
    if by_mail:
        return left if _MAILBOX.fullmatch(left) else ""
    number = _BETWEEN.sub("", left)
    if not _NUMBER.fullmatch(number):
        return ""
    return number if number.startswith("+") else settings.number_prefix + number


def letter_to(entry: Entry, content: Content, stage: Stage, to: str, settings: PayerSettings) -> Letter | None:
    """The letter; None where nothing is said at this stage, or his operator's text can't be made."""
    written = {
        Stage.ACCEPTED: settings.accepted_text,
        Stage.CREDITED: settings.credited_text,
        Stage.REFUSED: settings.refused_text,
    }[stage]
    template = speech(settings.language).payer_text(stage.value) if written is None else written
    facts = {
        "amount": write_amount(entry.amount, entry.currency),
        "currency": entry.currency,
        "number": entry.number,
        "account_end": content.account[-END_CHARS:],
    }
    try:
        text = sandbox().from_string(template).render(facts)
    except TemplateError:
        return None
    if not text:
        return None
    return Letter(
        id=f"{entry.number}-{stage.value}",
        at_us=entry.changed_at_us,
        severity=Severity.INFO,
        to=(to,),
        title=text,
        text=text + "\n",
        short=text,
        payload={},
    )
