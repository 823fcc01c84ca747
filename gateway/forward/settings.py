"""What an operator may set about sending: how much at once, how long to wait, when to give a payment to a person."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ForwardSettings(BaseModel):
    """How a route's entries are sent to its core: `[routes.<name>.forward]`.

    While a route is open (its core is down) none of these times run: an outage parks nothing and ages nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    in_flight_max: Annotated[
        int,
        Field(
            ge=1,
            le=4096,
            description=(
                "Attempts under way at the core at once, of all nodes together (each has an equal part, at least one);"
                " never more than one per account."
            ),
        ),
    ] = 32
    live_max: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description=(
                "Live payments, checks and reversals at the core at once, each of which keeps its sender's connection; what"
                " comes above it is stood in for. 0 = the channel listener's connections_max divided by one more"
                " than there are routes, so that no core that hangs takes the connections of another's payers."
            ),
        ),
    ] = 0
    rate_max_per_s: Annotated[
        float,
        Field(
            ge=0,
            le=100_000,
            description=(
                "Calls to the core a second, live and waiting ones of all nodes together; 0 = as it bears. What a live payment finds"
                " used up is stood in for."
            ),
        ),
    ] = 0.0
    live_weight: Annotated[
        int,
        Field(ge=1, le=100, description="Live payments' part of the core while it comes back and others wait..."),
    ] = 1
    backlog_weight: Annotated[
        int, Field(ge=1, le=100, description="... beside that of waiting ones. What one leaves, the other may have.")
    ] = 1
    slow_start_s: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description=(
                "Seconds after an outage in which the limit on attempts at once rises from 2 to in_flight_max, as far as"
                " the core's answers let it; live payments count against it until all that waited is posted."
            ),
        ),
    ] = 10.0
    explore_after_s: Annotated[
        int,
        Field(
            ge=0,
            le=31 * 86_400,
            description=(
                "Seconds a drain may take at as many attempts at once as the core was seen to bear while it was well (at"
                " least 8); where it would take longer, more are tried, up to in_flight_max, at the risk that it falls"
                " over once. 0 = at once, where in_flight_max is what it surely bears."
            ),
        ),
    ] = 1800
    fall_kept_s: Annotated[
        float,
        Field(
            ge=1,
            le=31 * 86_400,
            description="Seconds for which it is remembered how many at once the core bore, and above how many it fell over.",
        ),
    ] = 86_400.0
    attempt_timeout_s: Annotated[
        float,
        Field(ge=0.1, le=600, description="Seconds one attempt may take; past it the payment is in doubt, not failed."),
    ] = 30.0
    attempts_max: Annotated[
        int,
        Field(
            ge=0,
            le=10_000,
            description=(
                "Attempts of one payment that fail while the core books others, after which it is parked for a person;"
                " 0 = never. Attempts that an outage ends are not counted."
            ),
        ),
    ] = 20
    backoff_first_s: Annotated[
        float,
        Field(ge=0.01, le=3600, description="Seconds an account waits at most after its first failed attempt."),
    ] = 1.0
    backoff_max_s: Annotated[
        float,
        Field(
            ge=0.01, le=86_400, description="Seconds an account waits at most after any; doubles up to here, jittered."
        ),
    ] = 300.0
    window_entries_max: Annotated[
        int,
        Field(ge=16, le=1_000_000, description="Waiting entries of the route held in memory, whatever the backlog is."),
    ] = 4096
    lane_entries_max: Annotated[
        int,
        Field(ge=1, le=4096, description="Of those, entries of one account: a busy account does not fill the window."),
    ] = 16
