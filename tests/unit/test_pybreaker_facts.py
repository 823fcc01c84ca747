"""What pybreaker does under asyncio, as it is: why only its state machine is used.

None of this is our behaviour. A test that fails here after an upgrade means that a fact changed: read
`gateway/route/breaker.py` again before you change the test.
"""

import asyncio
import contextlib
from typing import Any, cast

import pybreaker
import pytest


async def fail() -> None:
    """A call that fails."""
    raise ConnectionResetError


def listener_that_raises() -> pybreaker.CircuitBreakerListener:
    """A listener with a bug."""

    class Raising(pybreaker.CircuitBreakerListener):
        def state_change(self, *_: Any) -> None:
            raise RuntimeError("a listener's bug")

    return Raising()


async def test_a_decorated_coroutine_never_opens_it() -> None:
    """Making the coroutine counts as success; its failure is never seen (danielfm/pybreaker #7)."""
    breaker = pybreaker.CircuitBreaker(fail_max=2)
    guarded = cast("Any", breaker(fail))
    ends = await asyncio.gather(*(guarded() for _ in range(10)), return_exceptions=True)
    assert [type(end) for end in ends] == [ConnectionResetError] * 10
    assert (breaker.current_state, breaker.fail_counter) == (pybreaker.STATE_CLOSED, 0)


async def test_its_context_manager_swallows_a_cancellation_at_the_trip() -> None:
    """The task's end is another error, so whoever cancelled it waits for a cancellation that never comes."""
    breaker = pybreaker.CircuitBreaker(fail_max=1)
    started = asyncio.Event()

    async def call() -> None:
        with breaker.calling():
            started.set()
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(call())
    await started.wait()
    task.cancel()
    with pytest.raises(pybreaker.CircuitBreakerError):
        await task
    assert breaker.current_state == pybreaker.STATE_OPEN


async def test_its_half_open_state_lets_every_caller_through() -> None:
    """A core that just came back would meet all callers at once."""
    breaker = pybreaker.CircuitBreaker(fail_max=1)
    breaker.half_open()
    gate, inside = asyncio.Event(), list[int]()

    async def call(number: int) -> None:
        with breaker.calling():
            inside.append(number)
            await gate.wait()

    tasks = [asyncio.create_task(call(number)) for number in range(100)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks)
    assert len(inside) == 100


def test_it_knows_no_rate() -> None:
    """Four failures in five for ever: only failures in a row count."""
    breaker = pybreaker.CircuitBreaker(fail_max=5)

    def flaky(number: int) -> None:
        if number % 5:
            raise ConnectionResetError

    for number in range(100):
        with contextlib.suppress(ConnectionResetError):
            breaker.call(flaky, number)
    assert breaker.current_state == pybreaker.STATE_CLOSED


def test_a_listener_that_raises_costs_it_the_change() -> None:
    """Hence the one listener it is given only takes notes."""
    breaker = pybreaker.CircuitBreaker(listeners=[listener_that_raises()])
    with pytest.raises(RuntimeError):
        breaker.open()
    assert breaker.current_state == pybreaker.STATE_CLOSED


def test_its_three_commands_move_the_state_and_tell_once() -> None:
    """What is relied on: `open`, `half_open`, `close`, and one event each."""
    events = list[str]()

    class Noting(pybreaker.CircuitBreakerListener):
        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:  # noqa: ARG002 - its signature
            events.append(f"{old_state.name} {new_state.name}")

    breaker = pybreaker.CircuitBreaker(listeners=[Noting()])
    breaker.open()
    breaker.half_open()
    breaker.close()
    assert events == ["closed open", "open half-open", "half-open closed"]
    assert breaker.current_state == pybreaker.STATE_CLOSED
