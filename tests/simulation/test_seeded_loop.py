"""The loop of the simulation: no waiting, an order by seed, and an end for whoever is dead."""

import asyncio
import random
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from tests.simulation.seeded_loop import OWNER, NothingLeft, SeededLoop


class Owner:
    """Something that can die."""

    dead = False
    stopped = False


@pytest.fixture
def loop() -> Iterator[SeededLoop]:
    """A loop that takes callbacks in turn."""
    loop = SeededLoop(random.Random(1), 0.0)  # noqa: S311 - repeatable on purpose
    yield loop
    loop.close()


def order(seed: int, disorder: float) -> list[int]:
    """In which order eight callbacks run."""
    loop, seen = SeededLoop(random.Random(seed), disorder), list[int]()  # noqa: S311 - repeatable on purpose

    async def note(number: int) -> None:
        seen.append(number)

    async def all_of_them() -> None:
        await asyncio.gather(*(note(number) for number in range(8)))

    loop.run_until_complete(all_of_them())
    loop.close()
    return seen


def test_a_year_passes_in_a_moment(loop: SeededLoop) -> None:
    """Time is virtual."""
    year_s = 365 * 86_400.0
    done = loop.create_future()
    loop.call_later(year_s, done.set_result, "done")
    assert (loop.run_until_complete(done), loop.time()) == ("done", year_s)


def test_timers_go_off_in_order(loop: SeededLoop) -> None:
    """Whatever order they were set in; what was called off doesn't."""
    seen, done = list[str](), loop.create_future()
    loop.call_later(3.0, done.set_result, None)
    loop.call_later(2.0, seen.append, "second")
    loop.call_later(1.5, seen.append, "never").cancel()
    loop.call_later(1.0, seen.append, "first")
    loop.run_until_complete(done)
    assert seen == ["first", "second"]


def test_without_disorder_callbacks_run_in_turn() -> None:
    """As in asyncio's own loop."""
    assert order(1, 0.0) == list(range(8))


def test_with_disorder_the_seed_decides() -> None:
    """The same seed the same order, another seed another."""
    assert order(7, 1.0) == order(7, 1.0)
    assert order(7, 1.0) != order(8, 1.0)


def test_nobody_waits_for_ever(loop: SeededLoop) -> None:
    """A deadlock is found at once."""
    waiting: Coroutine[Any, Any, Any] = asyncio.wait_for(loop.create_future(), None)
    with pytest.raises(NothingLeft):
        loop.run_until_complete(waiting)
    loop.set_exception_handler(lambda _loop, _context: None)


def test_the_dead_do_nothing_more(loop: SeededLoop) -> None:
    """No callback of theirs runs, not even to clean up."""
    owner, seen, done = Owner(), list[str](), loop.create_future()
    context = loop.outside.copy()
    context.run(OWNER.set, owner)
    loop.call_later(1.0, seen.append, "alive", context=context)
    loop.call_later(2.0, setattr, owner, "dead", True)
    loop.call_later(3.0, seen.append, "dead", context=context)
    loop.call_later(4.0, done.set_result, None)
    loop.run_until_complete(done)
    assert seen == ["alive"]


def test_the_stopped_do_later_what_they_would_have_done(loop: SeededLoop) -> None:
    """In their order, when they go on; others don't wait for them."""
    owner, seen, done = Owner(), list[str](), loop.create_future()
    context = loop.outside.copy()
    context.run(OWNER.set, owner)
    loop.call_later(1.0, setattr, owner, "stopped", True)
    loop.call_later(2.0, seen.append, "first", context=context)
    loop.call_later(3.0, seen.append, "second", context=context)
    loop.call_later(4.0, seen.append, "somebody else's")
    loop.call_later(5.0, setattr, owner, "stopped", False)
    loop.call_later(5.0, loop.go_on)
    loop.call_later(6.0, done.set_result, None)
    loop.run_until_complete(done)
    assert seen == ["somebody else's", "first", "second"]


def test_whatever_a_callback_raises_the_listener_is_told_and_the_loop_goes_on(loop: SeededLoop) -> None:
    """A result asked of a future that was cancelled is no exception of the ordinary kind."""
    told, cancelled, done = list[BaseException](), loop.create_future(), loop.create_future()
    loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    cancelled.cancel()
    loop.call_later(1.0, cancelled.result)
    loop.call_later(2.0, done.set_result, "done")
    assert loop.run_until_complete(done) == "done"
    assert [type(error) for error in told] == [asyncio.CancelledError]
