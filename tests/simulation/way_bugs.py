"""A planted bug of the way to a core: the guard right before the bytes taken out."""

from adapters.core import Delivery
from adapters.cores.leave import WITHHELD, may_leave
from adapters.outcome import InquiryOutcome
from tests.simulation.billing import Billing


class AsksForLeaveTooSoon(Billing):
    """Leave is asked for before there is a connection, and then no more."""

    async def _order(self, operation: str, delivery: Delivery, timeout_s: float) -> InquiryOutcome:
        if not may_leave.get()():
            return WITHHELD
        before = may_leave.set(_always)
        try:
            return await super()._order(operation, delivery, timeout_s)
        finally:
            may_leave.reset(before)


def _always() -> bool:
    return True
