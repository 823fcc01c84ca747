"""A person's word about a route at one of several nodes: the newest holds, also where it comes while others' are read."""

import pytest

from gateway.clock import ManualClock
from gateway.route.record import Slowed
from gateway.route.word import Shared, Standing

MINUTE_US = 60_000_000


def slowed(clock: ManualClock, at_once: int) -> Slowed:
    """A word for a minute."""
    return Slowed(
        in_flight_max=at_once, rate_max_per_s=0.0, until_us=clock.now_us() + MINUTE_US, actor="anna", reason="their ask"
    )


@pytest.mark.parametrize("here", [None, 3], ids=["taken back", "another"])
async def test_what_a_person_says_while_an_older_word_is_read_is_not_overruled_by_it(here: int | None) -> None:
    """Between what this node told last and what it hears, he spoke."""
    clock = ManualClock()
    standing = Standing[Slowed](clock)
    shared = Shared(standing, standing.say, frozenset())
    elsewhere, said_at_us = slowed(clock, 1), clock.now_us()
    await clock.advance(0.1)
    shared.note()
    word = slowed(clock, here) if here else None
    standing.say(word)

    changed = shared.hear(elsewhere, said_at_us, clock.now_us())

    assert (changed, standing.now, shared.word) == (False, word, word)
    assert shared.at_us > said_at_us
