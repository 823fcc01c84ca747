"""Who may be at the core: live calls and the backlog, counted together, in their shares, under all caps. No I/O.

While a route comes back (and as long as it is known where its core falls) what is at the core counts against one limit
(`gateway.route.ramp`), whoever sent it. Live payments and the backlog have shares of it, by weight; what one doesn't
want, the other may have. A live payment that finds no room is stood in for, one of the backlog waits. The odd place
between two shares goes to whoever is further behind. At other times nothing limits live payments, and the forwarder alone keeps to the pace.

A person may say that it be less for a while (`say`): then both count against that number, whatever the route's state, and
the ramp grows no further (docs/decisions/0079).

Where several nodes send to a core, each has its share of the limit and of the calls a second (`spool.nodes.Nodes.share`), and
hears from the others how many of theirs are at the core, where it fell, and that it asked for rest (`gateway.route.gossip`).
"""

import enum
import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.forward.settings import ForwardSettings
from gateway.route.ramp import Ramp
from gateway.route.record import PaceKept, PaceTold, Slowed
from gateway.route.word import Standing
from spool.nodes import ALL, Share

LIVE_MAX: Final = 1_000_000
"""No limit."""

WANTED_S: Final = 1.0
"""A live payment came so lately that the next is to find a place."""

TRICKLE: Final = 2
"""So much of the backlog goes at once to a core in trouble (the soft zone)."""

PILED_UP: Final = 4
"""More live calls than that, with no answer between, pile up at a core that hangs: their number isn't why it does."""

BURST_S: Final = 0.1
"""So far ahead of its rate may a sender be."""

KEEP_S: Final = 2.0
"""While a route comes back, what was learned is kept for a restart so often."""

RESUMED_S: Final = 60.0
"""A recovery that was left alone for longer begins slowly again: the core's caches are cold by then."""

EXPLORES_AFTER_S: Final = 30.0
"""So long all places have to be used that the core was seen to bear before the estimate is one of that pace."""

TOLD_FOR_US: Final = 2_000_000
"""What another node told longer ago than that is over."""

RATE_MIN: Final = 0.01
"""Fewer calls a second than that are none: one in a hundred seconds."""

US: Final = 1_000_000


class Who(enum.IntEnum):
    """Whose call it is."""

    LIVE = 0
    BACKLOG = 1


class Slot(msgspec.Struct, eq=False, gc=False, kw_only=True):
    """A place at the core; given back once."""

    #: The how many-th at once it was; 0 while there is none, or none any more.
    level: int = 0
    #: Failures of the route by then.
    failures: int = 0
    live: bool = False


class Pace:
    """The places at one route's core."""

    def __init__(self, settings: ForwardSettings, clock: Clock, found: PaceKept | None = None) -> None:
        """Begin with nobody there, and with what a former run learned."""
        self._settings = settings
        self._clock = clock
        now = clock.monotonic()
        self.ramp = Ramp(
            settings.in_flight_max, slow_start_s=settings.slow_start_s, kept_s=settings.fall_kept_s, now=now
        )
        self._weights = settings.live_weight, settings.backlog_weight
        #: Calls at the core now, by who.
        self.at_core = [0, 0]
        self._live_max = settings.live_max or LIVE_MAX
        #: Live calls begun since the core last answered anything.
        self._unanswered = 0
        #: Nothing stands between a live payment and the core but the breaker.
        self.free = settings.rate_max_per_s == 0
        #: A person's word that it be less.
        self.word: Standing[Slowed] = Standing(clock)
        #: Calls at once by it, live ones and the backlog; 0 while it says nothing of that.
        self._at_once = 0
        #: Calls a second; 0 = as many as it bears.
        self._rate_per_s = settings.rate_max_per_s
        #: The route came back, and not all of it is as before.
        self.recovering = False
        #: The core is in trouble: the backlog trickles.
        self.soft = False
        self._restarted_at = -math.inf
        self._held_until = -math.inf
        self._rest_until_us = self._fell_at_us = 0
        #: This node's share of the core, and of how many it was when last seen.
        self.share: Callable[[], Share] = _all_of_it
        self._of = 1
        #: Other nodes' calls at the core, as told last; and the core comes back for one of them.
        self._elsewhere = 0
        self._recovers_elsewhere = False
        self._live_wanted_at = self._aside_at = -math.inf
        #: The most places live calls had, or would have had, at once: in this second, and in the one before.
        self._live_peaks = [0, 0]
        self._peaks_at = now
        #: What each has had, by its weight, while both wanted: who has had less takes the odd place.
        self._had = [0.0, 0.0]
        #: When each may send its next by rate (a virtual clock for each, as in GCRA).
        self._next_at: list[float] = [-math.inf, -math.inf]
        #: Says whether entries wait for a place; set by the forwarder.
        self.backlog_waits: Callable[[], bool] = _nothing_waits
        #: Seconds until nothing waits, at the present pace; infinite where that isn't known. Set by the forwarder.
        self.drained_in_s: Callable[[], float] = _nobody_knows
        #: Since when the limit is as high as it may be without exploring, while entries wait.
        self._full_at = now
        self.ramp.explores = settings.explore_after_s == 0
        #: What was kept last, and when.
        self._kept, self._kept_at = self._memorable, now
        if found is not None:
            self._recall(found)

    @property
    def limit(self) -> int:
        """Calls of this node that may be at the core at once while it is limited."""
        return self.share().part(self.ramp.limit)

    @property
    def slowed(self) -> Slowed | None:
        """A person's word that it be less, while it stands."""
        return self.word.now

    @property
    def places(self) -> int:
        """Calls of this node that may be at the core at once now."""
        if self._bound:
            return self.limit
        return self.share().part(self._at_once) if self._at_once else self._live_max

    @property
    def backlog_limit(self) -> int:
        """Of those, how many of the backlog now; at least one."""
        if self._is_counted and self._live_wants(self._clock.monotonic()):
            return max(1, min(self._backlog_max, self._left_by_live()))
        return self._backlog_max

    @property
    def _backlog_max(self) -> int:
        return min(self.limit, TRICKLE) if self.soft else self.limit

    @property
    def _bound(self) -> bool:
        return self.recovering or self._recovers_elsewhere or self.ramp.learned is not None

    @property
    def _is_counted(self) -> bool:
        """What is at the core is counted together, live calls and the backlog."""
        return self._bound or self._at_once > 0

    @property
    def full(self) -> bool:
        """As many live calls are at the core as may ever be."""
        return self.at_core[0] >= self._live_max

    def lets_live(self) -> bool:
        """May a live call go now? Only to be asked while the pace isn't `free`."""
        now = self._clock.monotonic()
        self._live_wanted_at = now
        if self._has_place(Who.LIVE, now, others_want=self.backlog_waits()):
            return True
        self._aside_at = now
        self._needs(self.at_core[Who.LIVE] + 1)
        return False

    def _needs(self, places: int) -> None:
        self._live_peaks[0] = max(self._live_peaks[0], places)

    def lets_backlog(self) -> bool:
        """May one that waits go now?"""
        now = self._clock.monotonic()
        if self.at_core[Who.BACKLOG] >= self._backlog_max:
            return False
        return self.free or self._has_place(Who.BACKLOG, now, others_want=self._live_wants(now))

    def wait_s(self) -> float:
        """Seconds for which nothing of the backlog may go, whatever becomes free."""
        now = self._clock.monotonic()
        rate_s = self._turn(Who.BACKLOG, now) - BURST_S - now if self._rate_per_s else 0.0
        return max(0.0, self._held_until - now, rate_s)

    def begin(self, slot: Slot, who: Who) -> None:
        """A call goes to the core; leave was asked for, or isn't needed (a trial)."""
        self.at_core[who] += 1
        level = slot.level = self.at_core[0] + self.at_core[1] + self._elsewhere
        slot.failures, slot.live = self.ramp.failures, who is Who.LIVE
        if who is Who.LIVE:
            self._unanswered += 1
        if who is Who.BACKLOG or self._unanswered <= PILED_UP:
            self.ramp.begun(level)
        if self.free:
            return
        self._had[who] += 1.0 / self._weights[who]
        self._needs(self.at_core[Who.LIVE])
        if self._rate_per_s:
            self._take_turn(who)

    def answered(self) -> None:
        """The core does its work."""
        self._unanswered = 0

    def end(self, slot: Slot) -> int:
        """A call is over; the level it was begun at, 0 when it was given back before."""
        level, slot.level = slot.level, 0
        if level:
            self.at_core[Who.LIVE if slot.live else Who.BACKLOG] -= 1
        return level

    def hold(self, seconds: float) -> None:
        """The core asks to be left alone for so long."""
        self._held_until = max(self._held_until, self._clock.monotonic() + seconds)
        self._rest_until_us = max(self._rest_until_us, self._clock.now_us() + round(seconds * US))
        self.free = False

    def say(self, word: Slowed | None) -> None:
        """A person has it go slower than the settings allow (never faster), or takes that back."""
        self.word.say(word)
        self._go_by_word()

    def _go_by_word(self) -> None:
        if self.word.is_over:
            self.word.lapse()
        word = self.slowed
        at_once, rate = (word.in_flight_max, word.rate_max_per_s) if word else (0, 0.0)
        self._at_once = max(0, min(at_once, self._settings.in_flight_max))
        self.ramp.bound_to(self._at_once)
        self._go_at(_lower(self._settings.rate_max_per_s, max(RATE_MIN, rate) if rate > 0 else 0.0))
        self._see_who_is_free(self._clock.monotonic())

    def _go_at(self, rate: float) -> None:
        """So many calls a second from now on; what was to be waited for at the former rate is another time at this one."""
        now, before = self._clock.monotonic(), self._rate_per_s
        self._next_at = [now + (at - now) * before / rate if rate and at > now else -math.inf for at in self._next_at]
        self._rate_per_s = rate

    def restart(self) -> None:
        """The route closed after an outage."""
        self._restarted_at = self._full_at = self._clock.monotonic()
        self.ramp.explores = self._settings.explore_after_s == 0
        self.ramp.of = self.share().of
        self.ramp.restart(self._restarted_at)
        self.recovering = True
        self.free = False

    @property
    def told(self) -> PaceTold | None:
        """For the other nodes; nothing while nothing holds this one back. The same as before, as long as all is quiet."""
        now_us, learned = self._clock.now_us(), self.ramp.learned
        rests = self._rest_until_us > now_us
        if not (self.recovering or rests or learned is not None):
            return None
        at_core = sum(self.at_core)
        return PaceTold(
            at_us=now_us if at_core or self.recovering else 0,
            at_core=at_core,
            recovering=self.recovering,
            falls_above=learned or 0,
            fell_at_us=self._moment_of_fall() if learned else 0,
            rest_until_us=self._rest_until_us if rests else 0,
        )

    def _moment_of_fall(self) -> int:
        """By the clock on the wall; it doesn't move with what that clock is off from the other."""
        at_us = self._clock.now_us() - round((self._clock.monotonic() - self.ramp.learned_at) * US)
        if abs(at_us - self._fell_at_us) > US:
            self._fell_at_us = at_us
        return self._fell_at_us

    def hear(self, others: Sequence[PaceTold]) -> None:
        """What each of the other nodes told last of how it uses the core."""
        now, now_us = self._clock.monotonic(), self._clock.now_us()
        fresh = [each for each in others if abs(now_us - each.at_us) <= TOLD_FOR_US]
        self._elsewhere = sum(each.at_core for each in fresh)
        self.ramp.nodes = 1 + sum(each.at_core > 0 for each in fresh)
        self._recovers_elsewhere = any(each.recovering for each in fresh)
        for each in others:
            if each.falls_above:
                self.ramp.hear(each.falls_above, now - max(0, now_us - each.fell_at_us) / US, now)
            if each.rest_until_us > now_us:
                self._held_until = max(self._held_until, now + (each.rest_until_us - now_us) / US)
        self._see_who_is_free(now)

    @property
    def kept(self) -> PaceKept:
        """For the next run."""
        now, now_us, learned = self._clock.monotonic(), self._clock.now_us(), self.ramp.learned
        borne = self.ramp.borne(now)
        return PaceKept(
            at_us=now_us,
            limit=self.ramp.limit,
            recovering=self.recovering,
            falls_above=learned or 0,
            fell_at_us=0 if learned is None else now_us - round((now - self.ramp.learned_at) * US),
            borne=borne.level,
            borne_at_us=now_us - round((now - borne.at) * US),
            slowed=self.slowed,
            slowed_at_us=self.word.said_at_us,
        )

    def _recall(self, found: PaceKept) -> None:
        """Begin as the former run ended: below where the core fell, and in the middle of a recovery that isn't over."""
        now, now_us = self._clock.monotonic(), self._clock.now_us()
        if found.falls_above:
            self.ramp.recall(found.falls_above, now - max(0, now_us - found.fell_at_us) / US, now)
        self.ramp.recall_borne(found.borne, now - max(0, now_us - found.borne_at_us) / US)
        if found.recovering:
            self.restart()
            if 0 <= now_us - found.at_us < RESUMED_S * US:
                self._restarted_at -= self.ramp.resume(found.limit, now)
        self.word = Standing(self._clock, found.slowed, found.slowed_at_us)
        self._go_by_word()
        self._see_who_is_free(now)
        self._kept = self._memorable

    @property
    def _memorable(self) -> tuple[int | None, bool, Slowed | None]:
        """What is kept at once when it changes."""
        return self.ramp.learned, self.recovering, self.slowed

    def is_to_be_kept(self) -> bool:
        """What was learned has changed, or grew for a while; asked again and again, and told of once."""
        now, memorable = self._clock.monotonic(), self._memorable
        if memorable == self._kept and not (self.recovering and now - self._kept_at >= KEEP_S):
            return False
        self._kept, self._kept_at = memorable, now
        return True

    def look(self, habit_s: float) -> None:
        """Is the recovery over, and who is limited by what from now on? `habit_s` is the core's usual time."""
        now = self._clock.monotonic()
        if self.word.is_over:
            self._go_by_word()
        self.ramp.habit_s = habit_s
        if now - self._peaks_at >= WANTED_S:
            self._peaks_at = now
            self._live_peaks = [self.at_core[Who.LIVE], self._live_peaks[0]]
        if self.recovering and self._is_over(now):
            self.recovering = False
        if not self.recovering:
            self.ramp.forget_old(now)
        self.ramp.of = self.share().of
        self._look_further(now)
        self._see_who_is_free(now)

    def _look_further(self, now: float) -> None:
        """Where what the core was seen to bear drains too slowly, more is tried, until the end of the next outage."""
        if self.slowed is not None or not (self.ramp.is_full and self.backlog_waits()):
            self._full_at = now
        elif now - self._full_at >= EXPLORES_AFTER_S and self.drained_in_s() > self._settings.explore_after_s:
            self.ramp.explores = True

    def _see_who_is_free(self, now: float) -> None:
        self.free = not (self._is_counted or self._rate_per_s or now < self._held_until)

    def _is_over(self, now: float) -> bool:
        """Nothing waits, nobody was turned aside of late, and the slow start has ended."""
        waits = self.backlog_waits() or self.at_core[Who.BACKLOG] > 0
        slow = now - self._restarted_at < self._settings.slow_start_s
        return not (waits or slow or now - self._aside_at < WANTED_S)

    def _live_wants(self, now: float) -> bool:
        return self.at_core[Who.LIVE] > 0 or now - self._live_wanted_at < WANTED_S

    def _has_place(self, who: Who, now: float, *, others_want: bool) -> bool:
        if now < self._held_until:
            return False
        if self._is_counted and not self._fits(who, others_want=others_want):
            return False
        return not self._rate_per_s or self._turn(who, now) - BURST_S <= now

    def _fits(self, who: Who, *, others_want: bool) -> bool:
        if sum(self.at_core) >= self.places:
            return False
        if not others_want:
            self._had = [0.0, 0.0]
            return True
        is_behind = self._had[who] <= self._had[1 - who]
        odd = is_behind and sum(map(self._share, Who)) < self.places
        places = self._share(who) if who is Who.LIVE else self._left_by_live()
        return self.at_core[who] < places + odd

    def _left_by_live(self) -> int:
        """The backlog's places: its share, and what live calls need not have: they have one more than they used of late."""
        return max(self._share(Who.BACKLOG), self.places - max(self._live_peaks) - 1)

    def _share(self, who: Who) -> int:
        return self.places * self._weights[who] // sum(self._weights)

    def _take_turn(self, who: Who) -> None:
        """The next of this kind comes one interval later: of its share of the rate, or of all that the other leaves."""
        now = self._clock.monotonic()
        wanted = self.backlog_waits() if who is Who.LIVE else self._live_wants(now)
        part = self._weights[who] / sum(self._weights) if wanted else 1.0
        turn = max(self._turn(who, now), now)
        self._next_at[who] = turn + self._of / (self._rate_per_s * part)

    def _turn(self, who: Who, now: float) -> float:
        """When the next of this kind comes by rate; with another share of the core a wait is another by as much."""
        of = self.share().of
        if of != self._of:
            self._next_at = [at if at <= now else now + (at - now) * of / self._of for at in self._next_at]
            self._of = of
        return self._next_at[who]


def _lower(rate: float, other: float) -> float:
    """Of two bounds, where 0 is none."""
    return min(rate, other) if rate and other else rate or other


def _all_of_it() -> Share:
    """One process has the core to itself."""
    return ALL


def _nobody_knows() -> float:
    """Before there is a forwarder."""
    return math.inf


def _nothing_waits() -> bool:
    """Before there is a forwarder."""
    return False
