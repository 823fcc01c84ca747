"""How a route, and each of its operations, stands."""

import enum
from typing import Final


class Zone(enum.StrEnum):
    """What new payments and the backlog of one route may do; closed and open are an electrician's words."""

    CLOSED = "closed"
    """The core is well: payments pass through, the backlog drains."""
    SOFT = "soft"
    """The core is in trouble, but alive: a share of new payments passes, the rest stands in; the backlog trickles.

    To the state machine this is closed: no epoch ends, and what is under way counts on.
    """
    TRIAL = "trial"
    """The core looks alive again: one real payment at a time goes, all others stand in. Also called half-open."""
    OPEN = "open"
    """The core is down, or a person said so: payments stand in, the backlog waits, only probes go."""


PASSING: Final = frozenset({Zone.CLOSED, Zone.SOFT})
"""Zones in which calls go out as they come, all of them or a share."""


class Operation(enum.StrEnum):
    """What a core is asked to do; each has evidence and a zone of its own."""

    POST = "post"
    CHECK = "check"
    REVERSAL = "reversal"


class Trip(enum.StrEnum):
    """Which rule opened a route; a bounded vocabulary (a metric's label)."""

    UNREACHED = "unreached"
    """Several calls in a row could not reach the core, with no answer between: it is surely dead."""
    HUNG = "hung"
    """Several calls wait and no answer at all has come meanwhile: it takes calls and says nothing."""
    FAILING = "failing"
    """Many calls in a row failed in whatever way, with no proper answer between."""
    FAILURE_RATE = "failure_rate"
    """Too large a share of the window's calls failed."""
    SLOW_RATE = "slow_rate"
    """Too large a share of the window's calls was, or still is, too slow."""
    AWAY = "away"
    """It said that it will be away for so long that nothing else can tell of it meanwhile."""
    PROBES = "probes"
    """Several probes in a row failed while no payment was answered."""
    MISCONFIGURED = "misconfigured"
    """The core refuses us as a whole: credentials, contract or version."""
    TRIAL_FAILED = "trial_failed"
    """It looked alive, and a real payment proved otherwise."""
    TRIAL_LOST = "trial_lost"
    """A trial told nothing before its deadline."""
    FORCED = "forced"
    """A person opened it."""
    DRAIN = "drain"
    """The core's own team asked for nothing new."""
    MAINTENANCE = "maintenance"
    """The core's own team takes it down."""
    ELSEWHERE = "elsewhere"
    """Another node on the same spool opened it, by what it saw."""
    RESTARTED = "restarted"
    """It was not closed when the former run ended."""


class Use(enum.StrEnum):
    """What an endpoint is there for now: a bounded vocabulary."""

    IN_USE = "in_use"
    """It is asked first: it is well, and none before it is."""
    STANDS_BY = "stands_by"
    """It is well, and one before it is too."""
    ON_TRIAL = "on_trial"
    """It is asked now and then, to find out whether it is back."""
    LEFT_OUT = "left_out"
    """It is down; its diagnosis says why."""
