"""How urgent a return is: a pure decision over its age."""

import enum
from typing import Final

from gateway.returns.settings import ReturnSettings

US: Final = 1_000_000


class Stage(enum.StrEnum):
    """How long money has been owed back: a bounded vocabulary, in the order of urgency."""

    DUE = "due"
    LATE = "late"
    OVERDUE = "overdue"


def stage_of(refused_at_us: int, now_us: int, settings: ReturnSettings) -> Stage:
    """The stage of a return owed since `refused_at_us`. A clock set back makes nothing less urgent than due."""
    owed_s = (now_us - refused_at_us) / US
    if owed_s >= settings.overdue_after_s:
        return Stage.OVERDUE
    return Stage.LATE if owed_s >= settings.late_after_s else Stage.DUE
