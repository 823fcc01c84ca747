"""Maker and checker: what one proposes another confirms, once, in time, whatever happens between."""

import asyncio
from collections import deque

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.duties.proposal import Proposal, Stand, Undecidable, Verdict, decided, ended
from gateway.admin.duties.proposals import OPEN_MAX, NotDone, Proposals, TooMany
from gateway.clock import ManualClock
from spool.errors import StorageUncertain
from spool.memory import MemoryStore

US = 1_000_000
EXPIRES_S = 3_600


def proposal(stand: Stand = Stand.OPEN, checker: str = "") -> Proposal:
    """Anna's proposal, made at 1000 and open until 2000."""
    return Proposal(
        id=1000,
        act="close",
        subject="7",
        summary="close payment 7",
        order=msgspec.Raw(b"{}"),
        maker="anna",
        reason="statement 17",
        made_at_us=1000,
        ends_at_us=2000,
        stand=stand,
        checker=checker,
    )


# The rules


@pytest.mark.parametrize(
    ("verdict", "person", "stand"),
    [
        (Verdict.CONFIRM, "boris", Stand.CONFIRMED),
        (Verdict.DECLINE, "boris", Stand.DECLINED),
        (Verdict.DECLINE, "anna", Stand.DECLINED),
        (Verdict.WITHDRAW, "anna", Stand.WITHDRAWN),
    ],
)
def test_an_open_proposal_is_decided_by_whom_it_may(verdict: Verdict, person: str, stand: Stand) -> None:
    """Who, why and when stand in it from then on."""
    after = decided(proposal(), verdict, person, "I looked", 1500)
    assert (after.stand, after.checker, after.word, after.decided_at_us) == (stand, person, "I looked", 1500)


@pytest.mark.parametrize(
    ("verdict", "person", "says"),
    [(Verdict.CONFIRM, "anna", "a second person"), (Verdict.WITHDRAW, "boris", "only anna")],
)
def test_some_words_are_not_for_everybody(verdict: Verdict, person: str, says: str) -> None:
    """Maker and checker differ."""
    with pytest.raises(Undecidable, match=says):
        decided(proposal(), verdict, person, "", 1500)


def test_past_its_end_nobody_confirms_it() -> None:
    """What was true yesterday is looked at anew."""
    assert proposal().has_expired(2000)
    with pytest.raises(Undecidable, match="propose it anew"):
        decided(proposal(), Verdict.CONFIRM, "boris", "", 2000)


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("stand", [Stand.DONE, Stand.FAILED, Stand.DECLINED, Stand.WITHDRAWN])
def test_what_is_decided_stays_decided(verdict: Verdict, stand: Stand) -> None:
    """Whoever says what."""
    person = {Verdict.WITHDRAW: "anna"}.get(verdict, "boris")
    with pytest.raises(Undecidable, match=f"it is {stand} already"):
        decided(proposal(stand), verdict, person, "", 1500)


def test_what_was_cut_off_after_its_confirmation_is_confirmed_again_as_it_was() -> None:
    """To finish it; its first checker's word stays, and it may be long after its end."""
    cut_off = proposal(Stand.CONFIRMED, checker="boris")
    assert decided(cut_off, Verdict.CONFIRM, "clara", "finish it", 9000) == cut_off


def test_what_is_confirmed_is_not_taken_back() -> None:
    """It may be done already."""
    with pytest.raises(Undecidable, match="it is confirmed already"):
        decided(proposal(Stand.CONFIRMED), Verdict.DECLINE, "boris", "", 1500)


@given(
    st.lists(st.tuples(st.sampled_from(Verdict), st.sampled_from(["anna", "boris", "clara"]), st.integers(1000, 3000)))
)
def test_whatever_is_said_nothing_is_confirmed_by_its_maker_or_late(said: list[tuple[Verdict, str, int]]) -> None:
    """Over every order of words."""
    now = proposal()
    for verdict, person, at_us in said:
        try:
            now = decided(now, verdict, person, "", at_us)
        except Undecidable:
            continue
    assert now.stand is not Stand.CONFIRMED or (now.checker != "anna" and now.decided_at_us < now.ends_at_us)


def test_both_persons_are_named_as_nobody_is() -> None:
    """No name has a plus sign."""
    assert ended(proposal(Stand.CONFIRMED, "boris"), done=True, outcome="").actors == "anna+boris"


# The room


class Work:
    """Carries out what is confirmed, and notes it."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.troubles: deque[Exception] = deque()

    async def __call__(self, proposal: Proposal) -> str:
        """Do it."""
        if self.troubles:
            raise self.troubles.popleft()
        self.done.append(proposal.id)
        return "payment 7 is posted"


class Room:
    """Proposals over a memory store."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock()
        self.work = Work()
        self.proposals = Proposals(self.store, self.clock, expires_s=EXPIRES_S, doers={"close": self.work})

    async def propose(self, subject: str = "7") -> Proposal:
        """Anna proposes."""
        return await self.proposals.propose("close", subject, "close it", b"{}", maker="anna", reason="statement 17")

    async def confirm(self, number: int, person: str = "boris") -> Proposal | None:
        """Somebody confirms."""
        return await self.proposals.decide(number, Verdict.CONFIRM, person=person, word="I looked")


@pytest.fixture
async def room() -> Room:
    """An open store without proposals."""
    made = Room()
    await made.store.open(made.clock.now_us())
    return made


async def test_what_a_second_person_confirms_is_done_and_says_so(room: Room) -> None:
    """Once, and kept with what came of it."""
    made = await room.propose()

    after = await room.confirm(made.id)

    assert after is not None
    assert (after.stand, after.outcome, after.actors) == (Stand.DONE, "payment 7 is posted", "anna+boris")
    assert (room.work.done, await room.proposals.get(made.id)) == ([made.id], after)
    assert await room.proposals.waiting() == []


async def test_what_cannot_be_done_any_more_fails_and_says_why(room: Room) -> None:
    """What it was about had changed."""
    room.work.troubles.append(NotDone("it changed"))
    after = await room.confirm((await room.propose()).id)
    assert after is not None
    assert (after.stand, after.outcome, room.work.done) == (Stand.FAILED, "it changed", [])


async def test_a_proposal_that_is_not_there_is_none(room: Room) -> None:
    """Nobody made it."""
    assert await room.confirm(17) is None


async def test_proposals_of_one_moment_have_numbers_of_their_own(room: Room) -> None:
    """Time stands still here."""
    made = [await room.propose(str(n)) for n in range(3)]
    assert len({each.id for each in made}) == 3
    assert await room.proposals.waiting() == made


async def test_of_two_who_confirm_at_once_one_does_it(room: Room) -> None:
    """The other is told, or finds it done."""
    made = await room.propose()
    both = await asyncio.gather(room.confirm(made.id, "boris"), room.confirm(made.id, "clara"), return_exceptions=True)
    assert sum(isinstance(each, Undecidable) for each in both) == 1
    assert room.work.done == [made.id]


async def test_one_who_declines_while_another_confirms_is_told(room: Room) -> None:
    """Between reading and writing somebody else was first."""
    made = await room.propose()
    other = Proposals(Overtaken(room.store, room.proposals, made.id), room.clock, expires_s=60, doers={})

    with pytest.raises(Undecidable, match="look again"):
        await other.decide(made.id, Verdict.DECLINE, person="clara", word="no")

    assert room.work.done == [made.id]


class Overtaken(MemoryStore):
    """The same values, which somebody else confirms after each look."""

    def __init__(self, store: MemoryStore, rival: Proposals, number: int) -> None:
        super().__init__()
        self._store, self._rival, self._number = store, rival, number

    async def recall(self, name: str) -> bytes | None:
        """Look, and be overtaken."""
        found = await self._store.recall(name)
        await self._rival.decide(self._number, Verdict.CONFIRM, person="boris", word="yes")
        return found

    async def exchange(self, name: str, known: bytes | None, value: bytes, at_us: int = 0) -> bool:
        """Write, if nothing changed."""
        return await self._store.exchange(name, known, value, at_us)


async def test_what_a_crash_cuts_off_waits_and_is_finished_by_confirming_again(room: Room) -> None:
    """Nobody knows whether it was done, so whoever does it must find out by himself."""
    made = await room.propose()
    room.work.troubles.append(StorageUncertain("the commit raised"))
    with pytest.raises(StorageUncertain):
        await room.confirm(made.id)
    (cut_off,) = await room.proposals.waiting()
    assert cut_off.stand is Stand.CONFIRMED

    after = await room.confirm(made.id, "clara")

    assert after is not None
    assert (after.stand, after.actors, room.work.done) == (Stand.DONE, "anna+boris", [made.id])


async def test_what_nobody_confirmed_in_time_waits_no_more_and_is_kept(room: Room) -> None:
    """As the audit's line."""
    made = await room.propose()
    await room.clock.advance(EXPIRES_S)

    assert await room.proposals.waiting() == []
    assert await room.proposals.page(0, 10) == [made]


async def test_so_many_wait_and_no_more(room: Room) -> None:
    """A limit on everything."""
    for number in range(OPEN_MAX):
        await room.propose(str(number))
    with pytest.raises(TooMany):
        await room.propose()


async def test_pages_go_on_where_the_one_before_ended(room: Room) -> None:
    """Oldest first."""
    made = [await room.propose(str(n)) for n in range(5)]
    first = await room.proposals.page(0, 3)
    assert first + await room.proposals.page(first[-1].id, 3) == made
