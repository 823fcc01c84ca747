"""What may be tuned about noticing. The defaults favour a trip too many over one too few.

A wrong trip costs little: for a second or two payments are answered provisionally and booked right after. A missed one
costs every payer the whole wait for a core that will not answer.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(gt=0, le=1)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Some = Annotated[int, Field(ge=1, le=10_000)]


class BreakerSettings(BaseModel):
    """One route's breaker. Times are seconds, rates are shares of 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_s: Annotated[
        Seconds,
        Field(description="Seconds of the past that count. 10: an operator's idea of 'now'; older calls say nothing."),
    ] = 10.0
    window_calls: Annotated[
        Some,
        Field(
            description="Most calls that count, the latest ones. 100: at 200 payments a second a core that turns bad "
            "is seen after 50 of them, not after half of `window_s`."
        ),
    ] = 100
    minimum_calls: Annotated[
        Some,
        Field(description="Calls in the window below which no rate is believed. 10: one bad call in three is chance."),
    ] = 10
    failure_rate: Annotated[
        Share,
        Field(description="Share of failed calls that opens the route. 0.5: below it most payers still get through."),
    ] = 0.5
    slow_call_s: Annotated[
        Seconds,
        Field(
            description="An answer that took longer counts as slow, a call that waits longer as overdue. 3: three "
            "times what a terminal's user puts up with, yet above the everyday answer of old billing systems, "
            "which must not be stood in for all day long."
        ),
    ] = 3.0
    slow_rate: Annotated[
        Share,
        Field(description="Share of slow and overdue calls that opens the route. 0.5, as for failures."),
    ] = 0.5
    sluggish_factor: Annotated[
        Annotated[float, Field(ge=1, le=1000)],
        Field(
            description="So many times the core's own usual best an answer may take before it counts as sluggish, which "
            "softens the route and never opens it. 5: learned from its answers, and never within its usual worst."
        ),
    ] = 5.0
    sluggish_min_s: Annotated[
        Seconds,
        Field(description="Seconds below which no answer is sluggish, whatever the core's habit. 0.5: nobody minds."),
    ] = 0.5
    habit_half_life_s: Annotated[
        Annotated[float, Field(ge=60, le=31 * 86_400)],
        Field(
            description="Seconds after which an answer counts half in what is learned of the core's times. 3600: longer "
            "than a bad quarter of an hour, shorter than a day; kept across restarts."
        ),
    ] = 3600.0
    soft_success_rate: Annotated[
        Share,
        Field(
            description="Share of calls answered well and in their usual time below which the route is soft: a share of "
            "new payments passes, the rest is stood in for. 0.85: a core with a few errors all day long is none."
        ),
    ] = 0.85
    soft_aggression: Annotated[
        Annotated[float, Field(ge=0.1, le=10)],
        Field(
            description="How fast the share turned aside grows. 1: in line with the trouble; 2: sooner, half as sharp at "
            "the end."
        ),
    ] = 1.0
    soft_aside_max: Annotated[
        Annotated[float, Field(gt=0, lt=1)],
        Field(description="Largest share turned aside. 0.8: the rest is the evidence to come back by."),
    ] = 0.8
    soft_minimum_calls: Annotated[
        Some, Field(description="Calls in the window below which a route isn't soft. 20: few calls prove little.")
    ] = 20
    soft_bad_calls: Annotated[
        Some, Field(description="Of these, calls that must have gone badly. 5: fewer are chance.")
    ] = 5
    soft_for_s: Annotated[
        Seconds, Field(description="Seconds a soft route stays so at least. 2: it doesn't flutter.")
    ] = 2.0
    unreached_in_a_row: Annotated[
        Some,
        Field(
            description="Calls in a row that could not reach the core, with no answer between, that open the route at "
            "once. 3: milliseconds under load; one or two happen when a listener restarts. Raise it for a core "
            "behind a balancer that passes on refusals of single nodes."
        ),
    ] = 3
    failures_in_a_row: Annotated[
        Some,
        Field(
            description="Failed calls of any kind in a row, however far apart, that open the route. 5: so that a "
            "route of few payments, which never fills a window, opens too."
        ),
    ] = 5
    hung_calls: Annotated[
        Some,
        Field(
            description="Waiting calls needed to call a core hung. 5: more than chance can explain. While a route comes back "
            "and fewer may be there at once, all of these, for `slow_call_s`."
        ),
    ] = 5
    hung_after_s: Annotated[
        Seconds,
        Field(
            description="Seconds those calls have waited, with no answer at all in between, where less is known of the "
            "core. 1: a hung core is noticed long before the first time limit ends."
        ),
    ] = 1.0
    hung_early_share: Annotated[
        Share,
        Field(
            description="Share of `hung_after_s` that is enough at a core whose habit is known, and far quicker: the "
            "calls all began after its last answer, the first so long ago, the last longer than its usual worst. 0.5: with "
            "ten payments a second it is noticed within a second. 1: nothing is enough but `hung_after_s`."
        ),
    ] = 0.5
    hung_factor: Annotated[
        Annotated[float, Field(ge=1, le=1000)],
        Field(
            description="So many times the core's usual worst its silence must last to be enough. 2: one answer in a "
            "hundred takes longer than that worst, never five in a row. Pauses it came back from are kept in mind too."
        ),
    ] = 2.0
    open_for_s: Annotated[
        Seconds,
        Field(description="Seconds a route stays open at least, the first time. 1: a restart of the core is longer."),
    ] = 1.0
    open_for_max_s: Annotated[
        Seconds,
        Field(description="Longest of these; each relapse doubles it. 60: a recovered core waits a minute at most."),
    ] = 60.0
    relapse_decay_s: Annotated[
        Seconds,
        Field(description="Seconds of health that undo one doubling. 60: an old outage doesn't lengthen a new one."),
    ] = 60.0
    trials_needed: Annotated[
        Some,
        Field(description="Real payments in a row that must be answered well to close the route. 3: one is luck."),
    ] = 3
    trial_deadline_s: Annotated[
        Seconds,
        Field(
            description="Seconds after which a trial that told nothing has failed. 60: above every core's own time "
            "limit, which speaks first; this one only keeps a lost trial from wedging the route."
        ),
    ] = 60.0
    trial_reserved_s: Annotated[
        Seconds,
        Field(
            description="While entries wait, seconds for which a free trial is left to them before a live payment "
            "may take it. 2: the oldest entry goes first, and a lane that can't move wedges nothing."
        ),
    ] = 2.0
    trial_pause_s: Annotated[
        Seconds,
        Field(description="Seconds between trials when one was throttled and no Retry-After says more. 1."),
    ] = 1.0
    probe_interval_s: Annotated[
        Seconds,
        Field(description="Seconds between probes of an open route; doubled by each relapse. 0.5: two small requests."),
    ] = 0.5
    probe_interval_max_s: Annotated[
        Seconds,
        Field(description="Longest interval between probes of an open route. 10."),
    ] = 10.0
    probe_deadline_s: Annotated[
        Seconds,
        Field(description="Seconds after which a probe without an answer has failed. 5."),
    ] = 5.0
    idle_probe_interval_s: Annotated[
        Seconds,
        Field(
            description="Seconds without any answer from the core after which a closed route is probed. 5: with the "
            "probes below, a core that dies at night is known dead in about six seconds."
        ),
    ] = 5.0
    probes_failed_in_a_row: Annotated[
        Some,
        Field(description="Failed probes in a row, no payment answered meanwhile, that open an idle route. 3."),
    ] = 3
    probe_distrust_s: Annotated[
        Seconds,
        Field(
            description="When probes reach the core and still fail for so long, a real payment is tried anyway: a "
            "health page has no last word either way. 300. Never done while the core can't be reached at all."
        ),
    ] = 300.0
    watch_interval_s: Annotated[
        Seconds,
        Field(description="Seconds between looks at waiting calls, deadlines and expiries. 0.1."),
    ] = 0.1
    forced_max_s: Annotated[
        Annotated[float, Field(gt=0, le=31 * 86_400)],
        Field(description="Longest time a person may force a route for. 604800, a week: forced and forgotten ends."),
    ] = 604_800.0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        pairs = (
            ("minimum_calls", "window_calls"),
            ("open_for_s", "open_for_max_s"),
            ("probe_interval_s", "probe_interval_max_s"),
        )
        wrong = [f"{low} must not exceed {high}" for low, high in pairs if getattr(self, low) > getattr(self, high)]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self
