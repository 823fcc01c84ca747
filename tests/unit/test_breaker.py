"""The contract of our breaker under asyncio, point by point against what pybreaker's own ways were measured to do."""

import asyncio

import pytest

from gateway.clock import ManualClock
from gateway.route.breaker import Breaker, Permit
from gateway.route.evidence import Evidence
from gateway.route.record import BreakerRecord, Forced, KeptInMemory
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Trip, Zone

SETTINGS = BreakerSettings()
BAD = [Evidence.DID_NOT_REACH, Evidence.NO_ANSWER, Evidence.FAULT]


@pytest.fixture
def clock() -> ManualClock:
    """Time that goes on only when told."""
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> Breaker:
    """A closed breaker that somebody probes for."""
    return Breaker("billing", SETTINGS, clock, probed=True)


def permit_of(breaker: Breaker) -> Permit:
    """A permit that must be there."""
    permit = breaker.admit() or breaker.trial()
    assert permit is not None
    return permit


def zone_of(breaker: Breaker) -> Zone:
    """Its zone, asked anew (a type checker would believe the last answer)."""
    return breaker.zone


def call(breaker: Breaker, *told: Evidence) -> None:
    """Calls one after another, with what each of them said."""
    for evidence in told:
        breaker.report(permit_of(breaker), evidence)


def open_up(breaker: Breaker) -> None:
    """Open it as a dead core does."""
    call(breaker, *[Evidence.DID_NOT_REACH] * 3)


async def bring_to_trial(breaker: Breaker, clock: ManualClock) -> None:
    """Open, wait, and let a probe pass."""
    open_up(breaker)
    await clock.advance(SETTINGS.open_for_s)
    breaker.probe_passed(breaker.epoch)
    assert zone_of(breaker) is Zone.TRIAL


def word(clock: ManualClock, zone: Zone, for_s: float = 60.0) -> Forced:
    """A person's word."""
    return Forced(zone=zone, until_us=clock.now_us() + round(for_s * 1e6), actor="anna", reason="core moves house")


# Opening


def test_three_calls_in_a_row_that_reach_nobody_open_it_at_once(breaker: Breaker) -> None:
    """Under load that is milliseconds after the core's death."""
    call(breaker, *[Evidence.GOOD] * 100, *[Evidence.DID_NOT_REACH] * 2)
    assert zone_of(breaker) is Zone.CLOSED
    call(breaker, Evidence.DID_NOT_REACH)
    assert (breaker.zone, breaker.trip) == (Zone.OPEN, Trip.UNREACHED)
    assert breaker.admit() is None


@pytest.mark.parametrize("bad", [Evidence.NO_ANSWER, Evidence.FAULT])
def test_eighty_percent_failures_with_every_fifth_call_good_open_it(breaker: Breaker, bad: Evidence) -> None:
    """Pybreaker alone never opens on these: it only counts failures in a row."""
    call(breaker, *[bad, bad, bad, bad, Evidence.GOOD] * 2)
    assert zone_of(breaker) is Zone.CLOSED
    call(breaker, bad)
    assert (breaker.zone, breaker.trip) == (Zone.OPEN, Trip.FAILURE_RATE)


def test_failures_in_a_row_open_a_route_of_few_payments(breaker: Breaker) -> None:
    """Five without an answer are enough, though no window ever fills."""
    call(breaker, *[Evidence.NO_ANSWER] * 5)
    assert (breaker.zone, breaker.trip) == (Zone.OPEN, Trip.FAILING)


def test_one_refusal_of_our_credentials_opens_it(breaker: Breaker) -> None:
    """Every payment would fail the same way."""
    call(breaker, Evidence.MISCONFIGURED)
    assert (breaker.zone, breaker.trip) == (Zone.OPEN, Trip.MISCONFIGURED)


def test_slow_answers_open_it_by_their_share(breaker: Breaker) -> None:
    """They are answers, but payers wait for them."""
    call(breaker, *[Evidence.GOOD] * 5, *[Evidence.SLOW] * 5)
    assert (breaker.zone, breaker.trip) == (Zone.OPEN, Trip.SLOW_RATE)


async def test_a_core_that_hangs_is_noticed_while_its_calls_still_wait(breaker: Breaker, clock: ManualClock) -> None:
    """After a second of silence, long before the first time limit ends, whatever was good before."""
    call(breaker, *[Evidence.GOOD] * 100)
    waiting = [breaker.admit() for _ in range(5)]
    await clock.advance(0.9)
    breaker.watch()
    breaker.watch()
    assert zone_of(breaker) is Zone.CLOSED
    await clock.advance(0.1)
    breaker.watch()
    assert (breaker.zone, breaker.trip) == (Zone.OPEN, Trip.HUNG)
    assert None not in waiting


async def test_trouble_began_with_the_first_call_that_met_it(breaker: Breaker, clock: ManualClock) -> None:
    """Not with what came of it: a core that hangs, or answers late, was down while the payers waited."""
    began_us = clock.now_us()
    waiting = [breaker.admit() for _ in range(5)]
    await clock.advance(0.9)
    breaker.watch()
    await clock.advance(0.2)
    breaker.watch()
    assert (zone_of(breaker), breaker.trouble_us, len(waiting)) == (Zone.OPEN, began_us, 5)


@pytest.mark.parametrize(("kind", "trip"), [(Evidence.NO_ANSWER, Trip.FAILING), (Evidence.SLOW, Trip.SLOW_RATE)])
async def test_so_it_did_where_they_ended_after_a_while(
    breaker: Breaker, clock: ManualClock, kind: Evidence, trip: Trip
) -> None:
    """By rules of a row and of a share alike; an old error among good answers isn't where it began."""
    call(breaker, Evidence.FAULT, *[Evidence.GOOD] * 30)
    await clock.advance(SETTINGS.window_s + 1)
    began_us = clock.now_us()
    permits = [permit_of(breaker) for _ in range(12)]
    await clock.advance(0.4)
    ended = [breaker.report(permit, kind) for permit in permits]
    assert (breaker.trip, breaker.trouble_us, ended[0]) == (trip, began_us, True)


async def test_what_a_person_opens_met_no_trouble(breaker: Breaker, clock: ManualClock) -> None:
    """Nor what was opened for trouble of earlier."""
    await bring_to_trial(breaker, clock)
    call(breaker, *[Evidence.GOOD] * SETTINGS.trials_needed)
    assert breaker.trouble_us > 0
    breaker.force(word(clock, Zone.OPEN))
    assert breaker.trouble_us == 0


async def test_a_relapse_is_of_the_same_trouble(breaker: Breaker, clock: ManualClock) -> None:
    """It is told by the call that met it first."""
    began_us = clock.now_us()
    await bring_to_trial(breaker, clock)
    call(breaker, Evidence.NO_ANSWER)
    assert (breaker.trip, breaker.trouble_us) == (Trip.TRIAL_FAILED, began_us)


async def test_a_core_that_says_for_how_long_it_is_away_is_believed(breaker: Breaker, clock: ManualClock) -> None:
    """Held back so long, no second call could say so; and it is left alone as it asked, whatever its health page says."""
    call(breaker, *[Evidence.GOOD] * 30)
    breaker.report(permit_of(breaker), Evidence.FAULT, wait_s=SETTINGS.window_s + 5)
    assert (zone_of(breaker), breaker.trip) == (Zone.OPEN, Trip.AWAY)
    await clock.advance(SETTINGS.window_s + 4.9)
    breaker.probe_passed(breaker.epoch)
    assert zone_of(breaker) is Zone.OPEN
    await clock.advance(0.1)
    breaker.probe_passed(breaker.epoch)
    assert zone_of(breaker) is Zone.TRIAL
    breaker.report(permit_of(breaker), Evidence.FAULT, wait_s=3600.0)
    await clock.advance(SETTINGS.open_for_max_s - 0.1)
    breaker.probe_passed(breaker.epoch)
    assert zone_of(breaker) is Zone.OPEN
    await clock.advance(0.1)
    breaker.probe_passed(breaker.epoch)
    assert zone_of(breaker) is Zone.TRIAL


def test_a_core_that_sheds_a_call_is_not_away(breaker: Breaker) -> None:
    """One that asks for a second is heard again within the window."""
    breaker.report(permit_of(breaker), Evidence.FAULT, wait_s=1.0)
    breaker.report(permit_of(breaker), Evidence.NOTHING, wait_s=60.0)
    assert zone_of(breaker) is Zone.CLOSED


async def test_calls_that_wait_long_beside_others_that_end_are_no_hang(breaker: Breaker, clock: ManualClock) -> None:
    """Some accounts are slow; while the core answers anybody, it isn't hung."""
    waiting = [breaker.admit() for _ in range(5)]
    await clock.advance(0.5)
    breaker.watch()
    call(breaker, Evidence.GOOD)
    await clock.advance(0.5)
    breaker.watch()
    assert zone_of(breaker) is Zone.CLOSED
    assert None not in waiting


async def test_a_look_after_we_stood_still_ourselves_is_not_believed(breaker: Breaker, clock: ManualClock) -> None:
    """The answers may lie unread in our own sockets; the next look tells."""
    permits = [permit_of(breaker) for _ in range(5)]
    await clock.advance(20.0)
    breaker.watch()
    assert zone_of(breaker) is Zone.CLOSED
    answered = [breaker.report(permit, Evidence.GOOD) for permit in permits]
    breaker.watch()
    assert answered == [True] * 5
    assert zone_of(breaker) is Zone.CLOSED


def test_throttling_records_nothing(breaker: Breaker) -> None:
    """Pybreaker counts what is excluded as a success, which breaks the streak; here it says nothing."""
    call(breaker, Evidence.DID_NOT_REACH, Evidence.DID_NOT_REACH, *[Evidence.NOTHING] * 50)
    assert zone_of(breaker) is Zone.CLOSED
    assert breaker.figures().calls == 2
    call(breaker, Evidence.DID_NOT_REACH)
    assert zone_of(breaker) is Zone.OPEN


# Cancellation


async def test_cancelled_calls_say_nothing_and_stay_cancelled(breaker: Breaker) -> None:
    """Clients that hang up must not open the route, and their tasks must end as cancelled."""

    async def pay() -> None:
        permit = permit_of(breaker)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            breaker.withdraw(permit)
            raise

    tasks = [asyncio.create_task(pay()) for _ in range(100)]
    await asyncio.sleep(0)
    hung_up = [task.cancel() for task in tasks]
    await asyncio.wait(tasks)
    assert hung_up == [True] * 100
    assert [task.cancelled() for task in tasks] == [True] * 100
    assert (breaker.zone, breaker.waiting, breaker.figures().calls) == (Zone.CLOSED, 0, 0)


async def test_a_cancelled_trial_gives_its_permit_back_and_says_nothing(breaker: Breaker, clock: ManualClock) -> None:
    """With `CancelledError` excluded, pybreaker would close on it."""
    await bring_to_trial(breaker, clock)
    call(breaker, Evidence.GOOD, Evidence.GOOD)
    breaker.withdraw(permit_of(breaker))
    assert zone_of(breaker) is Zone.TRIAL
    call(breaker, Evidence.GOOD)
    assert zone_of(breaker) is Zone.CLOSED


# Trials


async def test_of_a_hundred_callers_one_is_the_trial(breaker: Breaker, clock: ManualClock) -> None:
    """Pybreaker lets all hundred through to a core that has just come back."""
    await bring_to_trial(breaker, clock)
    gate, sent = asyncio.Event(), list[Permit]()

    async def pay() -> None:
        permit = breaker.admit() or breaker.trial()
        if permit is None:
            return
        sent.append(permit)
        await gate.wait()
        breaker.report(permit, Evidence.GOOD)

    tasks = [asyncio.create_task(pay()) for _ in range(100)]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks)
    assert len(sent) == 1
    assert zone_of(breaker) is Zone.TRIAL


async def test_three_good_trials_in_a_row_close_it(breaker: Breaker, clock: ManualClock) -> None:
    """Two may be luck."""
    await bring_to_trial(breaker, clock)
    call(breaker, Evidence.GOOD, Evidence.GOOD)
    assert zone_of(breaker) is Zone.TRIAL
    call(breaker, Evidence.GOOD)
    assert zone_of(breaker) is Zone.CLOSED


@pytest.mark.parametrize("bad", BAD)
async def test_one_failed_trial_opens_it_again(breaker: Breaker, clock: ManualClock, bad: Evidence) -> None:
    """And two good ones before it don't count any more."""
    await bring_to_trial(breaker, clock)
    call(breaker, Evidence.GOOD, Evidence.GOOD, bad)
    assert (breaker.zone, breaker.trip) == (Zone.OPEN, Trip.TRIAL_FAILED)
    await clock.advance(2.0)
    breaker.probe_passed(breaker.epoch)
    call(breaker, Evidence.GOOD, Evidence.GOOD)
    assert zone_of(breaker) is Zone.TRIAL


async def test_slow_trials_keep_it_on_trial(breaker: Breaker, clock: ManualClock) -> None:
    """The core books, one at a time, until it is quick again; closing on them would only flap."""
    await bring_to_trial(breaker, clock)
    call(breaker, Evidence.GOOD, Evidence.GOOD, Evidence.SLOW, Evidence.GOOD, Evidence.GOOD)
    assert zone_of(breaker) is Zone.TRIAL
    call(breaker, Evidence.GOOD)
    assert zone_of(breaker) is Zone.CLOSED


async def test_answered_questions_never_close_it(breaker: Breaker, clock: ManualClock) -> None:
    """An inquiry may be the trial's first step; it proves no booking."""
    await bring_to_trial(breaker, clock)
    call(breaker, *[Evidence.ALIVE] * 10)
    assert zone_of(breaker) is Zone.TRIAL


async def test_a_throttled_trial_pauses_the_trials_as_the_core_asked(breaker: Breaker, clock: ManualClock) -> None:
    """It proves nothing, and asking again at once would be rude."""
    await bring_to_trial(breaker, clock)
    breaker.report(permit_of(breaker), Evidence.NOTHING, wait_s=7.0)
    await clock.advance(6.9)
    assert breaker.trial() is None
    await clock.advance(0.2)
    assert breaker.trial() is not None


async def test_a_lost_trial_fails_at_its_deadline(breaker: Breaker, clock: ManualClock) -> None:
    """resilience4j waits for ever here by default, and its half-open state wedges."""
    await bring_to_trial(breaker, clock)
    permit = permit_of(breaker)
    await clock.advance(SETTINGS.trial_deadline_s)
    breaker.watch()
    breaker.watch()
    assert (breaker.zone, breaker.trip) == (Zone.OPEN, Trip.TRIAL_LOST)
    assert not breaker.report(permit, Evidence.GOOD)
    assert zone_of(breaker) is Zone.OPEN


# Late results


async def test_late_failures_of_an_old_epoch_do_not_open_it_again(breaker: Breaker, clock: ManualClock) -> None:
    """Calls that hung through the outage end after it; the core they speak of is the one of then."""
    slow = [permit_of(breaker) for _ in range(20)]
    await bring_to_trial(breaker, clock)
    call(breaker, *[Evidence.GOOD] * 3)
    counted = [breaker.report(permit, Evidence.NO_ANSWER) for permit in slow]
    assert counted == [False] * 20
    assert (breaker.zone, breaker.figures().calls) == (Zone.CLOSED, 0)


async def test_a_late_good_trial_does_not_close_what_opened_again(breaker: Breaker, clock: ManualClock) -> None:
    """Pybreaker closes on it."""
    await bring_to_trial(breaker, clock)
    permit = permit_of(breaker)
    breaker.force(word(clock, Zone.OPEN))
    assert not breaker.report(permit, Evidence.GOOD)
    assert zone_of(breaker) is Zone.OPEN


async def test_a_late_good_probe_of_an_old_epoch_moves_nothing(breaker: Breaker, clock: ManualClock) -> None:
    """It was asked before the relapse and saw the core of then."""
    open_up(breaker)
    old = breaker.epoch
    await clock.advance(1.0)
    breaker.probe_passed(old)
    call(breaker, Evidence.FAULT)
    await clock.advance(60.0)
    breaker.probe_passed(old)
    assert zone_of(breaker) is Zone.OPEN


def test_a_result_told_twice_counts_once(breaker: Breaker) -> None:
    """A permit is given back once; the second time it is nobody's."""
    permit = permit_of(breaker)
    assert breaker.report(permit, Evidence.FAULT)
    assert not breaker.report(permit, Evidence.FAULT)
    assert breaker.figures().calls == 1


# Probes and time


async def test_a_probe_leads_to_trial_and_never_to_closed(breaker: Breaker, clock: ManualClock) -> None:
    """A health page has not the last word."""
    open_up(breaker)
    await clock.advance(1.0)
    for _ in range(20):
        breaker.probe_passed(breaker.epoch)
    assert zone_of(breaker) is Zone.TRIAL


async def test_a_probed_route_does_not_try_by_time_alone(breaker: Breaker, clock: ManualClock) -> None:
    """While the probe says no, no payment is risked."""
    open_up(breaker)
    await clock.advance(3600.0)
    breaker.watch()
    assert zone_of(breaker) is Zone.OPEN


async def test_a_route_without_probe_tries_when_its_opening_is_over(clock: ManualClock) -> None:
    """Somebody has to go first; it is one real payment."""
    breaker = Breaker("blind", SETTINGS, clock)
    open_up(breaker)
    breaker.watch()
    assert zone_of(breaker) is Zone.OPEN
    await clock.advance(1.0)
    breaker.watch()
    assert zone_of(breaker) is Zone.TRIAL


async def test_each_relapse_opens_for_twice_as_long_up_to_the_cap(breaker: Breaker, clock: ManualClock) -> None:
    """A core that falls over at the first payment isn't kicked every second."""
    open_up(breaker)
    stays = list[float]()
    for _ in range(8):
        stays.append(breaker.open_for_s)
        await clock.advance(breaker.open_for_s - 0.001)
        breaker.probe_passed(breaker.epoch)
        assert zone_of(breaker) is Zone.OPEN
        await clock.advance(0.001)
        breaker.probe_passed(breaker.epoch)
        call(breaker, Evidence.FAULT)
    assert stays == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


async def test_health_undoes_the_doublings_one_by_one(breaker: Breaker, clock: ManualClock) -> None:
    """An old outage doesn't lengthen a new one."""
    await bring_to_trial(breaker, clock)
    call(breaker, Evidence.FAULT)
    await clock.advance(2.0)
    breaker.probe_passed(breaker.epoch)
    call(breaker, *[Evidence.GOOD] * 3)
    await clock.advance(SETTINGS.relapse_decay_s)
    open_up(breaker)
    assert breaker.open_for_s == 2.0
    await clock.advance(2.0)
    breaker.probe_passed(breaker.epoch)
    call(breaker, *[Evidence.GOOD] * 3)
    await clock.advance(2 * SETTINGS.relapse_decay_s)
    open_up(breaker)
    assert breaker.open_for_s == 1.0


async def test_a_health_page_that_is_wrong_for_long_is_overruled_by_a_payment(
    breaker: Breaker, clock: ManualClock
) -> None:
    """It is reached and says no for five minutes; perhaps only the page is broken."""
    open_up(breaker)
    breaker.probe_failed(breaker.epoch, Evidence.FAULT)
    await clock.advance(SETTINGS.probe_distrust_s - 1)
    breaker.probe_failed(breaker.epoch, Evidence.FAULT)
    assert zone_of(breaker) is Zone.OPEN
    await clock.advance(1.0)
    breaker.probe_failed(breaker.epoch, Evidence.FAULT)
    assert zone_of(breaker) is Zone.TRIAL


async def test_a_probe_that_reaches_nobody_is_believed_for_ever(breaker: Breaker, clock: ManualClock) -> None:
    """Nothing would be gained by sending a payment there."""
    open_up(breaker)
    breaker.probe_failed(breaker.epoch, Evidence.DID_NOT_REACH)
    await clock.advance(30 * 86_400)
    breaker.probe_failed(breaker.epoch, Evidence.DID_NOT_REACH)
    assert zone_of(breaker) is Zone.OPEN


async def test_distrust_of_a_health_page_begins_anew_when_it_was_out_of_reach(
    breaker: Breaker, clock: ManualClock
) -> None:
    """What it said before the core was gone says nothing of the page now."""
    open_up(breaker)
    breaker.probe_failed(breaker.epoch, Evidence.FAULT)
    await clock.advance(SETTINGS.probe_distrust_s)
    breaker.probe_failed(breaker.epoch, Evidence.DID_NOT_REACH)
    breaker.probe_failed(breaker.epoch, Evidence.FAULT)
    breaker.probe_failed(breaker.epoch, Evidence.FAULT)
    assert breaker.zone is Zone.OPEN


def test_late_failed_probes_of_an_old_epoch_open_nothing(breaker: Breaker) -> None:
    """As with the good ones."""
    for _ in range(10):
        breaker.probe_failed(breaker.epoch - 1, Evidence.DID_NOT_REACH)
    assert breaker.zone is Zone.CLOSED


def test_throttled_probes_open_nothing(breaker: Breaker) -> None:
    """Somebody answered them."""
    for _ in range(10):
        breaker.probe_failed(breaker.epoch, Evidence.NOTHING)
    assert breaker.zone is Zone.CLOSED


@pytest.mark.parametrize("bad", BAD)
def test_failed_probes_in_a_row_open_an_idle_route(breaker: Breaker, bad: Evidence) -> None:
    """So that the night's first payer doesn't find out."""
    for _ in range(3):
        breaker.probe_failed(breaker.epoch, bad)
    assert (breaker.zone, breaker.trip) == (Zone.OPEN, Trip.PROBES)


async def test_failed_probes_do_not_open_a_route_whose_payments_are_answered(
    breaker: Breaker, clock: ManualClock
) -> None:
    """Only the page is broken then."""
    for _ in range(10):
        breaker.probe_failed(breaker.epoch, Evidence.FAULT)
        await clock.advance(0.5)
        call(breaker, Evidence.GOOD)
    assert zone_of(breaker) is Zone.CLOSED


# A person's word


async def test_forced_open_stays_open_whatever_probes_say(breaker: Breaker, clock: ManualClock) -> None:
    """The operator knows that the core books doubles tonight."""
    breaker.force(word(clock, Zone.OPEN))
    await clock.advance(59.0)
    breaker.probe_passed(breaker.epoch)
    breaker.watch()
    assert (breaker.zone, breaker.trip) == (Zone.OPEN, Trip.FORCED)
    assert breaker.admit() is None
    assert breaker.trial() is None


async def test_a_forced_route_ends_by_itself_and_proves_the_core_first(breaker: Breaker, clock: ManualClock) -> None:
    """Forced and forgotten ends; and what was open closes by a real payment only."""
    breaker.force(word(clock, Zone.OPEN))
    await clock.advance(60.0)
    breaker.watch()
    assert (breaker.forced, breaker.zone) == (None, Zone.OPEN)
    breaker.probe_passed(breaker.epoch)
    assert zone_of(breaker) is Zone.TRIAL


async def test_forced_closed_passes_everything_and_is_judged_when_released(
    breaker: Breaker, clock: ManualClock
) -> None:
    """The operator takes the blame for a while; the evidence is kept for afterwards."""
    breaker.force(word(clock, Zone.CLOSED))
    call(breaker, *[Evidence.DID_NOT_REACH] * 20, Evidence.MISCONFIGURED)
    assert zone_of(breaker) is Zone.CLOSED
    breaker.release()
    breaker.watch()
    assert (breaker.zone, breaker.trip) == (Zone.OPEN, Trip.UNREACHED)


@pytest.mark.parametrize(
    ("zone", "for_s"),
    [(Zone.TRIAL, 60.0), (Zone.OPEN, 0.0), (Zone.OPEN, -1.0), (Zone.CLOSED, SETTINGS.forced_max_s + 1)],
)
def test_a_word_without_a_sound_end_is_refused(breaker: Breaker, clock: ManualClock, zone: Zone, for_s: float) -> None:
    """For ever is how a forced route becomes next year's outage."""
    with pytest.raises(ValueError, match="forced"):
        breaker.force(word(clock, zone, for_s))
    assert (breaker.forced, breaker.zone) == (None, Zone.CLOSED)


async def test_a_word_for_the_zone_it_has_already_still_holds(breaker: Breaker, clock: ManualClock) -> None:
    """An open route forced open is no longer tried."""
    open_up(breaker)
    epoch = breaker.epoch
    breaker.force(word(clock, Zone.OPEN))
    await clock.advance(30.0)
    breaker.probe_passed(breaker.epoch)
    assert (breaker.zone, breaker.epoch) == (Zone.OPEN, epoch)


# Restart, listeners


async def test_an_open_breaker_is_open_after_a_restart(clock: ManualClock) -> None:
    """Else the first hundred payments after it would find the core dead again."""
    keeper = KeptInMemory()
    first = Breaker("billing", SETTINGS, clock, probed=True, keeper=keeper)
    open_up(first)
    await clock.advance(100.0)
    second = Breaker("billing", SETTINGS, clock, probed=True, keeper=keeper)
    assert (second.zone, second.trip, second.since_us) == (Zone.OPEN, Trip.RESTARTED, first.since_us)
    second.probe_passed(second.epoch)
    assert zone_of(second) is Zone.OPEN
    await clock.advance(1.0)
    second.probe_passed(second.epoch)
    assert zone_of(second) is Zone.TRIAL


async def test_a_breaker_on_trial_is_open_after_a_restart(clock: ManualClock) -> None:
    """Its trial died with the process and proved nothing."""
    keeper = KeptInMemory()
    await bring_to_trial(Breaker("billing", SETTINGS, clock, probed=True, keeper=keeper), clock)
    assert Breaker("billing", SETTINGS, clock, probed=True, keeper=keeper).zone is Zone.OPEN


def test_a_persons_word_outlives_a_restart(clock: ManualClock) -> None:
    """It had its reason."""
    keeper = KeptInMemory()
    Breaker("billing", SETTINGS, clock, keeper=keeper).force(word(clock, Zone.OPEN))
    second = Breaker("billing", SETTINGS, clock, keeper=keeper)
    assert second.forced == word(clock, Zone.OPEN)
    assert zone_of(second) is Zone.OPEN


def test_a_listener_that_raises_harms_neither_change_nor_caller(
    clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pybreaker loses the change and throws the listener's error at the payment."""

    def raising(old: Zone, new: Zone) -> None:
        raise RuntimeError(f"secret {old} {new}")

    breaker = Breaker("billing", SETTINGS, clock, told=raising)
    open_up(breaker)
    assert zone_of(breaker) is Zone.OPEN
    logged = capsys.readouterr().err
    assert "RuntimeError" in logged
    assert "secret" not in logged


def test_a_keeper_that_raises_harms_nothing(clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk is no reason to send payments to a dead core."""

    class FullDisk(KeptInMemory):
        def keep(self, record: BreakerRecord) -> None:
            raise OSError(28, f"no space for {record}")

    breaker = Breaker("billing", SETTINGS, clock, keeper=FullDisk())
    open_up(breaker)
    assert zone_of(breaker) is Zone.OPEN
    assert "OSError" in capsys.readouterr().err


def test_a_listener_may_force_the_route_from_within_a_change(clock: ManualClock) -> None:
    """It is told when everything is in place, so what it does is a change like any other."""
    changes = list[tuple[Zone, Zone]]()

    def contrary(old: Zone, new: Zone) -> None:
        changes.append((old, new))
        if new is Zone.OPEN:
            forced.force(word(clock, Zone.CLOSED))

    forced = Breaker("billing", SETTINGS, clock, told=contrary)
    open_up(forced)
    assert changes == [(Zone.CLOSED, Zone.OPEN), (Zone.OPEN, Zone.CLOSED)]
    assert zone_of(forced) is Zone.CLOSED
