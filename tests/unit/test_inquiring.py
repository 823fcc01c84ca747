"""A person has a core asked what became of an entry: what may be asked, what comes of it, and that nothing is sent by it."""

from typing import Any

import pytest
from msgspec.structs import replace

from adapters.core import Capabilities, Level
from adapters.outcome import Conflict, Pending
from gateway.admin.entries.acts import Act, Acts, Order
from gateway.admin.entries.inquiring import Inquiring, askable, obstacle
from gateway.admin.entries.reopening import Reopening
from gateway.admin.entries.why import Why
from gateway.forward.settings import ForwardSettings
from spool import lifecycle as way
from spool.entry import Entry
from spool.lifecycle import State
from spool.store import Filter, Move
from spool.tally import Sum
from tests.unit.fake_core import SETTLE_S, SILENCE, Does, able
from tests.unit.heart import Heart, OpenHeart
from tests.unit.test_forwarder import BOOKED_SILENTLY, LOST, taken

ONCE = ForwardSettings(attempts_max=1)
PLENTY = {"RUB": Sum(1_000, 10**9)}
HOUR_S = 3_600.0


def acts_of(heart: Heart) -> Acts:
    """A person's hands on a real forwarder."""

    async def nobody() -> frozenset[str]:
        return frozenset()

    name, core = heart.route.name, heart.core
    inquiring = Inquiring({name: core}, {name: heart.forwarder})
    reopening = Reopening(heart.spool, heart.store, heart.clock, {name: core.capabilities.level}, nobody)
    return Acts(
        heart.spool,
        heart.store,
        heart.clock,
        {name: heart.forwarder},
        reopening,
        unaskable=inquiring.obstacle,
    )


async def inquired(heart: Heart, **scope: Any) -> dict[Why, int]:
    """All that passes is inquired about; why the rest stays."""
    order = Order(act=Act.INQUIRE, actor="anna", reason="a payer asks")
    return (await acts_of(heart).step(Filter(**scope), order, 100, PLENTY)).unchanged


def asked(heart: Heart) -> list[str]:
    """What the core was asked for, in order."""
    return [call.operation for call in heart.core.calls]


async def test_what_is_in_doubt_is_asked_about_now_and_not_later(open_heart: OpenHeart) -> None:
    """The core has it: the payer's question is answered in a moment, not after the core's "in an hour"."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    heart.core.will_tell(Pending(poll_after_s=HOUR_S))
    await heart.later(SETTLE_S, rounds=2)
    before = asked(heart)
    await inquired(heart)
    await heart.forwards(2)
    assert (before, asked(heart)) == (["post", "inquire"], ["post", "inquire", "inquire"])
    assert (await heart.entry("k0")).state is State.POSTED


async def test_a_question_asked_early_is_no_reason_to_send_again(open_heart: OpenHeart) -> None:
    """What was sent a moment ago may still be in work there: "not found" counts only after the settle delay."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.will(LOST)
    await heart.forwards()
    for _ in range(3):
        await inquired(heart)
        await heart.later(SETTLE_S / 4, rounds=2)
    early = asked(heart)
    await heart.later(SETTLE_S, rounds=4)
    assert early == ["post", "inquire", "inquire", "inquire"]
    assert asked(heart)[-2:] == ["inquire", "post"]
    assert list(heart.core.bookings.values()) == [1]


async def test_an_answer_that_comes_while_a_person_asks_again_is_not_lost(open_heart: OpenHeart) -> None:
    """The machine was asking at that moment: what it heard is recorded."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    heart.core.hang()
    await heart.later(SETTLE_S, rounds=2)
    await inquired(heart)
    heart.core.let_go()
    await heart.forwards(3)
    assert ((await heart.entry("k0")).state, asked(heart)) == (State.POSTED, ["post", "inquire"])


async def test_what_is_parked_unclear_is_settled_by_the_cores_answer(open_heart: OpenHeart) -> None:
    """It has it: nothing is sent."""
    heart = await open_heart(Level.B, forward=ONCE)
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    parked = (await heart.entry("k0")).state
    await inquired(heart)
    await heart.forwards(2)
    assert (parked, (await heart.entry("k0")).state) == (State.PARKED, State.POSTED)
    assert asked(heart) == ["post", "inquire"]


async def test_a_core_that_can_be_searched_and_finds_nothing_leaves_it_parked(open_heart: OpenHeart) -> None:
    """At level C its "not found" proves nothing: it is a person's affair again, and nothing is sent."""
    heart = await open_heart(capabilities=able(Level.C, lookup=True), forward=ONCE)
    await taken(heart, 1)
    heart.core.will(LOST)
    await heart.forwards()
    await inquired(heart)
    await heart.later(HOUR_S, rounds=4)
    entry = await heart.entry("k0")
    assert (entry.state, entry.reason, asked(heart)) == (State.PARKED, "core_cannot_tell", ["post", "inquire"])


async def test_a_core_that_cannot_be_asked_is_not_and_says_so(open_heart: OpenHeart) -> None:
    """Whatever a person wants: it stays where it is."""
    heart = await open_heart(Level.C)
    await taken(heart, 1)
    heart.core.will(LOST)
    await heart.forwards()
    unchanged = await inquired(heart)
    await heart.later(HOUR_S, rounds=4)
    assert (unchanged, (await heart.entry("k0")).state, asked(heart)) == ({Why.BLIND: 1}, State.PARKED, ["post"])


async def test_where_asking_would_be_sending_what_is_parked_is_not_sent_by_a_question(open_heart: OpenHeart) -> None:
    """A core that dedupes is asked by the same again: that is another verb, and whoever says it knows."""
    heart = await open_heart(Level.A, forward=ONCE)
    await taken(heart, 1)
    heart.core.will(LOST)
    await heart.forwards()
    unchanged = await inquired(heart)
    await heart.later(HOUR_S, rounds=4)
    assert (unchanged, (await heart.entry("k0")).state, asked(heart)) == ({Why.SENDS: 1}, State.PARKED, ["post"])


async def test_what_is_in_doubt_where_the_core_dedupes_has_its_next_attempt_now(open_heart: OpenHeart) -> None:
    """It is what the machine does by itself, a little sooner; and it is booked once."""
    heart = await open_heart(Level.A, forward=ForwardSettings(backoff_first_s=HOUR_S, backoff_max_s=HOUR_S))
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    await inquired(heart)
    await heart.forwards(2)
    assert (asked(heart), (await heart.entry("k0")).state) == (["post", "post"], State.POSTED)
    assert list(heart.core.bookings.values()) == [1]


async def test_what_is_parked_for_a_conflict_is_not_asked_about(open_heart: OpenHeart) -> None:
    """The core answered: "not found" after its mending would have it sent, by a question."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.will(Does(Conflict(found="another sum")))
    await heart.forwards()
    assert await inquired(heart) == {Why.CLEAR: 1}
    assert (await heart.entry("k0")).state is State.PARKED


async def test_nothing_is_asked_while_the_route_is_open(open_heart: OpenHeart) -> None:
    """A core that is down isn't asked by persons either; it is once it is back."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.will(BOOKED_SILENTLY)
    await heart.forwards()
    heart.open_route()
    await inquired(heart)
    await heart.forwards(2)
    while_open = asked(heart)
    heart.close_route()
    await heart.forwards(2)
    assert (while_open, asked(heart)) == (["post"], ["post", "inquire"])


async def test_one_of_a_route_that_is_no_more_can_t_be_asked_about(open_heart: OpenHeart) -> None:
    """There is nobody to ask."""
    heart = await open_heart(Level.B)
    await taken(heart, 1)
    heart.core.will(Does(SILENCE))
    await heart.forwards()
    assert Inquiring({}, {heart.route.name: heart.forwarder}).obstacle(await heart.entry("k0")) is Why.BLIND
    assert Inquiring({heart.route.name: heart.core}, {}).obstacle(await heart.entry("k0")) is Why.BLIND


@pytest.fixture
async def doubtful(heart: Heart) -> Entry:
    """An entry in doubt."""
    await taken(heart, 1)
    entry = await heart.entry("k0")
    for step in (way.CLAIM, way.DOUBT):
        move = Move(entry=entry, transition=step, at_us=heart.clock.now_us())
        assert await heart.spool.move([move]) == [True]
        entry = move.after()
    return entry


FORGETS = able(Level.A, lookup=False)
SEARCHED = able(Level.C, lookup=True)


@pytest.mark.parametrize(
    ("state", "reason", "core", "resends", "why"),
    [
        (State.IN_DOUBT, "timeout", able(Level.A), True, None),
        (State.IN_DOUBT, "timeout", able(Level.A), False, None),
        (State.IN_DOUBT, "timeout", FORGETS, True, None),
        (State.IN_DOUBT, "timeout", FORGETS, False, Why.BLIND),
        (State.IN_DOUBT, "timeout", able(Level.B), False, None),
        (State.IN_DOUBT, "timeout", able(Level.C), False, Why.BLIND),
        (State.PARKED, "attempts", able(Level.A), True, Why.SENDS),
        (State.PARKED, "attempts", able(Level.A), False, None),
        (State.PARKED, "attempts", FORGETS, False, Why.BLIND),
        (State.PARKED, "attempts", able(Level.B), False, None),
        (State.PARKED, "core_cannot_tell", able(Level.B), False, None),
        (State.PARKED, "core_cannot_tell", SEARCHED, False, None),
        (State.PARKED, "core_cannot_tell", able(Level.C), False, Why.BLIND),
        (State.PARKED, "conflict", able(Level.B), False, Why.CLEAR),
        (State.PARKED, "answered_otherwise", able(Level.B), False, Why.CLEAR),
        (State.PARKED, "core_cannot_undo", able(Level.B), False, Why.CLEAR),
    ],
)
async def test_what_may_be_asked_about(
    doubtful: Entry, *, state: State, reason: str, core: Capabilities, resends: bool, why: Why | None
) -> None:
    """By state, reason, and what its core can."""
    assert obstacle(replace(doubtful, state=state, reason=reason), core, resends=resends) is why


@pytest.mark.parametrize(
    ("state", "reason", "core", "is_askable"),
    [
        (State.IN_DOUBT, "", FORGETS, True),
        (State.IN_DOUBT, "", able(Level.B), True),
        (State.IN_DOUBT, "", able(Level.C), False),
        (State.PARKED, "attempts", able(Level.A), False),
        (State.PARKED, "attempts", able(Level.B), True),
        (State.PARKED, "attempts", able(Level.C), False),
        (State.PARKED, "conflict", able(Level.B), False),
        (State.HELD, "attempts", able(Level.B), False),
    ],
)
def test_of_which_a_person_is_told_that_they_may(
    *, state: State, reason: str, core: Capabilities, is_askable: bool
) -> None:
    """Where asking is possible in general; a key that its core has forgotten is one entry's own affair."""
    assert askable(state, reason, core) is is_askable
