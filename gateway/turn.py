"""What comes in one turn of the event loop, taken up together.

Under load dozens of requests come in one turn, and one commit answers as many. Where each step is made for all of them
before the next, a processor finds its code and its guesses warm: a payment then costs a fifth less than when it goes all its
way alone (decision 0041). Nobody waits for company: a turn ends when all that came has been looked at.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Turn(Generic[T]):
    """Gathers, and hands on at the turn's end what came, in the order in which it came."""

    __slots__ = ("_came", "_take_up")

    def __init__(self, take_up: Callable[[Sequence[T]], None]) -> None:
        """Hand on to `take_up`, which raises nothing."""
        self._take_up = take_up
        self._came: list[T] = []

    def add(self, item: T) -> None:
        """One more."""
        if not self._came:
            asyncio.get_running_loop().call_soon(self._end)
        self._came.append(item)

    def _end(self) -> None:
        came, self._came = self._came, []
        self._take_up(came)
