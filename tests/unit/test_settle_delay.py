"""The settle delay: how long a core is left alone before its "not there" is believed."""

from adapters.core import Level
from adapters.outcome import NotFound, Pending
from spool.lifecycle import State
from tests.unit.fake_core import SETTLE_S
from tests.unit.heart import OpenHeart


async def test_not_there_is_not_believed_before_the_settle_delay_however_soon_it_is_said(open_heart: OpenHeart) -> None:
    """A core that said "later" is asked sooner than it has settled: what it has not yet, it may have in a moment."""
    heart = await open_heart(Level.B)
    await heart.clock.advance(10 * SETTLE_S)
    heart.core.will(Pending(poll_after_s=0.5))
    heart.core.will_tell(NotFound())
    await heart.pay()
    await heart.later(1.0, rounds=4)
    assert [call.operation for call in heart.core.calls] == ["post", "inquire"]
    assert (await heart.entry()).state is State.IN_DOUBT
