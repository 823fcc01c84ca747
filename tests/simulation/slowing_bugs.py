"""Planted bugs of a person's word on the pace: each is one guard taken out."""

from typing import Any

from msgspec.structs import replace

from gateway.clock import Clock
from gateway.forward.settings import ForwardSettings
from gateway.route.health import RouteHealth
from gateway.route.pace import Pace
from gateway.route.record import BreakerRecord, KeptInMemory, Slowed
from gateway.route.word import Standing


class _Hurrying(Pace):
    def _go_by_word(self) -> None:
        if self.word.is_over:
            self.word.lapse()


class HurriesOn(RouteHealth):
    """It says that it goes slower, and doesn't."""

    def __init__(
        self, name: str, settings: Any, clock: Clock, *more: Any, sending: ForwardSettings, **named: Any
    ) -> None:
        """As any other."""
        super().__init__(name, settings, clock, *more, sending=sending, **named)
        self.pace = _Hurrying(sending, clock, self._breaker.pace_found)


class _Unending(Standing[Slowed]):
    @property
    def is_over(self) -> bool:
        return False


class NeverEndsAWord(RouteHealth):
    """A word holds until somebody takes it back."""

    def __init__(self, name: str, settings: Any, clock: Clock, *more: Any, **named: Any) -> None:
        """As any other."""
        super().__init__(name, settings, clock, *more, **named)
        self.pace.word = _Unending(clock, self.pace.slowed)


class _Forgetful(KeptInMemory):
    def load(self) -> BreakerRecord | None:
        found = super().load()
        if found is None or found.pace is None:
            return found
        return replace(found, pace=replace(found.pace, slowed=None))


class ForgetsWordsAtARestart(RouteHealth):
    """A restart goes as fast as it is configured to."""

    def __init__(self, *parts: Any, keeper: KeptInMemory, **named: Any) -> None:
        """As any other."""
        forgetful = _Forgetful(keeper.load())
        forgetful.keep = keeper.keep  # type: ignore[method-assign]  # what it keeps the next one finds
        super().__init__(*parts, keeper=forgetful, **named)


class _News(Standing[Slowed]):
    def lapse(self) -> None:
        self.say(None)


class TellsThatWordsEnded(RouteHealth):
    """That a word ended is told to other nodes as something that was said."""

    def __init__(self, name: str, settings: Any, clock: Clock, *more: Any, **named: Any) -> None:
        """As any other."""
        super().__init__(name, settings, clock, *more, **named)
        self.pace.word = _News(clock, self.pace.slowed, self.pace.word.said_at_us)


class KeepsWordsToItself(RouteHealth):
    """What is said at one node no other hears of."""

    def __init__(self, name: str, settings: Any, clock: Clock, *more: Any, **named: Any) -> None:
        """As any other."""
        super().__init__(name, settings, clock, *more, **named)
        self.pace.word = _Silent(clock, self.pace.slowed)


class _Silent(Standing[Slowed]):
    def say(self, word: Slowed | None) -> None:
        self.now = word
