"""What stands against all being well, seen from a running route, its limits, its entries and its windows."""

from collections.abc import Sequence
from typing import Any

import pytest

from adapters.outcome import Cause, Refused, Unknown
from adapters.payment import Refusal
from gateway.returns.settings import ReturnSettings
from gateway.standin.headroom import Headroom
from gateway.standin.settings import StandinSettings
from gateway.telling.channels import ChannelReturns
from gateway.telling.condition import Condition
from gateway.telling.event import US, Kind, Severity
from gateway.telling.outlet import OutletState
from gateway.telling.settings import TellingSettings, tells_events
from gateway.telling.telling import Telling
from gateway.telling.watch import Parts, Proposed, Watch, written
from gateway.windows.plan import Plan
from spool.lifecycle import CLOSE_REFUSED, PARK
from spool.store import Move
from tests.unit.fake_core import Does
from tests.unit.heart import ROUTE, Heart, OpenHeart
from tests.unit.telling import FakeSink, settings
from tests.unit.test_windows import window

WELL = list[Condition]()


class Lookout:
    """A watch over a heart."""

    def __init__(self, heart: Heart, own: Sequence[Condition] = (), **more: Any) -> None:
        self.heart = heart
        self.plan = Plan(heart.store, [heart.route], heart.clock)
        self.telling = TellingSettings()
        parts = Parts(
            store=heart.store,
            routes=[heart.route],
            plan=self.plan,
            headroom=Headroom(),
            clock=heart.clock,
            returns=ReturnSettings(),
            telling=self.telling,
            own=lambda: own,
            **more,
        )
        self.watch = Watch(parts)

    async def sees(self) -> dict[Kind, Condition]:
        """What stands, by kind."""
        return {each.kind: each for each in await self.watch.look()}


@pytest.fixture
def lookout(heart: Heart) -> Lookout:
    """A watch over a heart that is well."""
    return Lookout(heart)


async def test_when_all_is_well_nothing_stands(lookout: Lookout) -> None:
    """With payments going through."""
    await lookout.heart.pay()
    assert await lookout.sees() == {}


async def test_a_route_that_is_open_tells_why_and_what_is_taken(lookout: Lookout) -> None:
    """Payments taken before are in what they rise from."""
    lookout.heart.open_route()
    await lookout.heart.pay("1")
    await lookout.heart.pay("2", account="200")
    found = (await lookout.sees())[Kind.ROUTE_OPEN]
    assert (found.subject, found.severity) == (ROUTE, Severity.CRITICAL)
    assert found.facts == {
        "cause": "forced",
        "example": "test",
        "waiting": 2,
        "waiting_sum": "20.00 RUB",
        "doubtful": 0,
        "currency": "RUB",
    }
    assert found.counts == {"taken": 2, "taken_minor": 2_000}


async def test_in_a_planned_window_pagers_stay_quiet(lookout: Lookout) -> None:
    """The route is open as it should be, and is tried just after it; when it should be back and isn't, they don't."""
    await lookout.plan.add(window())
    await lookout.heart.clock.advance(3_600)
    lookout.plan.look()
    found = await lookout.sees()
    assert (found[Kind.ROUTE_OPEN].severity, found[Kind.WINDOW_BEGUN].severity) == (Severity.INFO, Severity.INFO)
    assert found[Kind.WINDOW_BEGUN].facts == {"ends": "2026-01-01T02:00:00Z"}
    await lookout.heart.clock.advance(3_600)
    lookout.heart.health.watch_once()
    lookout.plan.look()
    found = await lookout.sees()
    assert {kind: each.severity for kind, each in found.items()} == {Kind.ROUTE_OPEN: Severity.INFO}
    lookout.heart.open_route()
    await lookout.heart.clock.advance(60)
    lookout.plan.look()
    found = await lookout.sees()
    assert {kind: each.severity for kind, each in found.items()} == {
        Kind.ROUTE_OPEN: Severity.CRITICAL,
        Kind.WINDOW_OVERRUN: Severity.CRITICAL,
    }


async def test_a_window_is_announced_at_each_of_its_times(lookout: Lookout) -> None:
    """A day before, and an hour before; and as another announcement each time."""
    await lookout.plan.add(window(begins="2026-01-03T01:00:00"))
    assert await lookout.sees() == {}
    await lookout.heart.clock.advance(25 * 3_600)
    first = (await lookout.sees())[Kind.WINDOW_AHEAD]
    assert first.facts == {"route": ROUTE, "begins": "2026-01-03T01:00:00Z", "ends": "2026-01-03T02:00:00Z"}
    await lookout.heart.clock.advance(23 * 3_600)
    second = (await lookout.sees())[Kind.WINDOW_AHEAD]
    assert first.name != second.name


async def test_a_limit_is_told_before_it_is_reached_and_when_it_is(open_heart: OpenHeart) -> None:
    """So that there is time to act."""
    heart = await open_heart(standin=StandinSettings(exposure_count_max=5))
    lookout = Lookout(heart)
    heart.open_route()
    for number in range(4):
        await heart.pay(str(number), account=str(number))
    found = await lookout.sees()
    assert (found[Kind.LIMIT_NEAR].facts["share_percent"], Kind.LIMIT_REACHED in found) == (80, False)
    await heart.pay("4", account="4")
    found = await lookout.sees()
    assert (found[Kind.LIMIT_REACHED].subject, found[Kind.LIMIT_REACHED].severity) == (ROUTE, Severity.CRITICAL)
    assert found[Kind.LIMIT_REACHED].facts["held_sum"] == "50.00 RUB"


async def test_money_owed_back_is_more_urgent_the_longer_it_is(lookout: Lookout) -> None:
    """A duty has time limits."""
    heart = lookout.heart
    heart.open_route()
    await heart.pay()
    heart.core.will(Does(Refused(refusal=Refusal.UNKNOWN_ACCOUNT)))
    heart.close_route()
    await heart.forwards(3)
    severities = []
    for hours in (0, 25, 60):
        await heart.clock.advance(hours * 3_600)
        severities.append((await lookout.sees())[Kind.RETURN_DUE].severity)
    assert severities == [Severity.INFO, Severity.WARNING, Severity.CRITICAL]
    found = (await lookout.sees())[Kind.RETURN_DUE]
    assert (found.facts["count"], found.facts["sum"], found.facts["stage"]) == (1, "10.00 RUB", "overdue")


async def test_parked_payments_wait_for_a_person(lookout: Lookout) -> None:
    """Count and sum are told, no account; and it is critical by how long the oldest waits, not by how long any does."""
    heart = lookout.heart
    heart.open_route()
    since = "2026-01-01T00:00:00Z"
    for key in ("1", "2"):
        await heart.pay(key, account=key)
        await heart.spool.move([Move(entry=await heart.entry(key), transition=PARK, at_us=heart.clock.now_us())])
        await heart.clock.advance(3 * 3_600)
    both = (await lookout.sees())[Kind.ENTRIES_PARKED]
    oldest = await heart.entry("1")
    await heart.spool.move([Move(entry=oldest, transition=CLOSE_REFUSED, at_us=heart.clock.now_us(), actor="anna")])
    later = (await lookout.sees())[Kind.ENTRIES_PARKED]
    assert (both.facts, both.severity) == ({"count": 2, "sum": "20.00 RUB", "oldest": since}, Severity.CRITICAL)
    assert (later.facts["oldest"], later.severity) == ("2026-01-01T03:00:00Z", Severity.WARNING)


async def test_checks_that_do_not_pass_by_themselves_are_told(lookout: Lookout) -> None:
    """Where payments don't pass either, that is told, and no more."""
    health = lookout.heart.health
    while (permit := health.admit_check()) is not None:
        health.report(permit, Unknown(cause=Cause.ANSWER_TIMEOUT), 5.0)
    found = await lookout.sees()
    assert set(found) == {Kind.OPERATION_OPEN}
    alone = found[Kind.OPERATION_OPEN]
    assert (alone.subject, alone.severity) == (f"{ROUTE}/check", Severity.WARNING)
    assert alone.facts == {"operation": "check", "route": ROUTE}
    lookout.heart.open_route()
    assert set(await lookout.sees()) == {Kind.ROUTE_OPEN}


async def test_proposals_that_wait_are_told_and_become_a_warning(heart: Heart) -> None:
    """For whoever is to be the second person; who proposed what is on the page."""
    waiting = [
        Proposed(heart.clock.now_us() + at * US, heart.clock.now_us() + end * US) for at, end in ((0, 900), (9, 60))
    ]
    asked = list[int]()

    async def proposed() -> Sequence[Proposed]:
        asked.append(heart.clock.now_us())
        return waiting

    lookout = Lookout(heart, proposed=proposed)
    first = (await lookout.sees())[Kind.PROPOSALS_WAITING]
    await lookout.sees()
    assert len(asked) == 1
    assert first.severity is Severity.INFO
    assert first.facts == {"count": 2, "oldest": "2026-01-01T00:00:00Z", "ends": "2026-01-01T00:01:00Z"}
    await heart.clock.advance(1_800)
    assert (await lookout.sees())[Kind.PROPOSALS_WAITING].severity is Severity.WARNING
    waiting.clear()
    await heart.clock.advance(10)
    assert await lookout.sees() == {}


async def test_a_sink_that_fails_again_and_again_is_told_by_the_others(lookout: Lookout) -> None:
    """Once or twice is nothing."""
    state: dict[str, Any] = {
        "name": "ops",
        "protocol": "webhook",
        "waiting": 4,
        "sent_us": 0,
        "sent": 0,
        "error": "answered 500",
    }
    found = [await lookout.watch.look([OutletState(**state, error_us=1, failures=failures)]) for failures in (2, 3)]
    assert found[0] == WELL
    assert [(each.kind, each.subject, each.facts) for each in found[1]] == [
        (Kind.SINK_TROUBLE, "ops", {"trouble": "answered 500", "waiting": 4})
    ]


async def test_what_stands_against_the_house_is_told_with_the_rest(heart: Heart) -> None:
    """Keys and evidence tell themselves."""
    keys = Condition(kind=Kind.KEYS_TROUBLE, subject="", severity=Severity.WARNING)
    assert await Lookout(heart, [keys]).sees() == {Kind.KEYS_TROUBLE: keys}


async def test_an_outage_is_told_from_its_beginning_to_its_end(lookout: Lookout) -> None:
    """Looked at each second, told by a sink: one beginning, one end with totals, and a word of another room between."""
    heart, sink = lookout.heart, FakeSink()
    telling = Telling(
        settings=TellingSettings.model_validate({"sinks": {"ops": settings().model_dump()}}),
        store=heart.store,
        node="night",
        clock=heart.clock,
        watch=lookout.watch,
        channels=ChannelReturns(heart.store, heart.clock, ReturnSettings(), ()),
        make=lambda _settings, _clock: sink,
    )
    await telling.open()
    await telling.look()
    heart.open_route()
    await heart.pay()
    for _ in range(5):
        await telling.look()
        await heart.clock.advance(1)
    heart.close_route()
    await heart.forwards(3)
    telling.tell(Kind.TEST, "other", Severity.INFO, {"actor": "operator"})
    for _ in range(40):
        await telling.look()
        await telling.outlets["ops"].run_once()
        await heart.clock.advance(1)
    told = [each["type"] for letter in sink.taken for each in letter.payload["data"]["events"]]
    assert told == ["route.open.raised", "route.open.cleared"]
    cleared = sink.taken[-1].payload["data"]["events"][0]["facts"]
    assert (cleared["lasted_s"], cleared["taken"], cleared["taken_minor"]) == (5, 1, 1_000)
    await telling.close()


def test_a_sink_that_names_nobody_tells_no_events() -> None:
    """It is there for payers."""
    assert tells_events(settings())


def test_a_sum_below_nothing_is_written_with_its_sign() -> None:
    """Memory may have one for a moment; telling of everything else must not end for it."""
    assert [written(minor, currency) for minor, currency in ((-1_050, "RUB"), (5, "RUB"), (-7, "XXQ"))] == [
        "-10.50 RUB",
        "0.05 RUB",
        "-7 XXQ",
    ]
