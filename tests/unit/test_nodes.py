"""A process that has its spool to itself, as it stands among nodes."""

import math

from spool.memory import MemoryStore
from spool.nodes import Alone


def test_whoever_is_alone_holds_what_he_claimed_and_has_the_only_seat() -> None:
    """There is nobody to take it, and nobody to tell."""
    nodes = Alone()
    nodes.forwards("billing", does=False)
    nodes.on_news()
    nodes.on_time(0)

    assert nodes.holds()
    assert nodes.lasts_s == math.inf
    assert nodes.seat == (0, 1)


async def test_whoever_is_alone_sits_while_he_runs_and_nobody_else_does() -> None:
    """What was begun under another sitting was begun by a run before this one."""
    nodes = Alone()

    assert await nodes.sittings() == {nodes.sitting}


def test_an_engine_in_one_hand_is_not_shared() -> None:
    """So what memory knows of lanes and limits is all there is to know."""
    assert not MemoryStore().nodes.shared


def test_whoever_is_alone_may_use_the_whole_of_a_core() -> None:
    """There is nobody to share its limits with."""
    assert Alone().share.part(7) == 7
