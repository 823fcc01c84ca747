"""Calls under way that can be ended early, once it is known that nobody answers them."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

PATIENCE_S: Final = 1.0
"""What a call under way gets then: its answer may be on the way."""

T = TypeVar("T")


class UnderWay:
    """The calls under way to one place."""

    def __init__(self) -> None:
        """None."""
        self._scopes: set[asyncio.Timeout] = set()

    async def unless_hurried(self, asking: Awaitable[T]) -> T | None:
        """What is answered; None when it was not, soon after they were hurried."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._scopes.add(scope)
                try:
                    return await asking
                finally:
                    self._scopes.discard(scope)
        except TimeoutError:
            if not scope.expired():
                raise
            return None

    @property
    def ends(self) -> list[float | None]:
        """When each is given up, by the loop's clock; None while it isn't to be."""
        return [scope.when() for scope in self._scopes]

    def hurry(self) -> None:
        """Those that aren't answered in a moment, are not waited for."""
        end = asyncio.get_running_loop().time() + PATIENCE_S
        for scope in self._scopes:
            scope.reschedule(end)
