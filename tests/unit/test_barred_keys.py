"""Where nodes share a spool a no is told only when nothing that another one has under way can belie it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from adapters.payment import Answer, AnswerKind, Inquiry, Refusal
from gateway.clock import settle
from gateway.standin.settings import StandinSettings
from spool.entry import Draft
from spool.errors import SpoolClosed, SpoolError, StorageFull, StorageUncertain
from spool.store import Inserted, Known
from tests.contracts.spool_examples import draft, put
from tests.unit.heart import NO_STANDIN, Heart, OpenHeart
from tests.unit.test_shared_spool import SharedStore
from tests.unit.troubled_store import Trouble


class HearingStore(SharedStore):
    """One of several nodes' stores, which notes what drafts say of bars."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = list[int]()

    def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Coroutine[Any, Any, Inserted | Known]:
        """Note it."""
        self.heard.append(draft.heard)
        return super().insert(draft, key_id, sealed)


@pytest.fixture
def store() -> HearingStore:
    """One of several nodes' stores."""
    return HearingStore()


@pytest.fixture
async def heart(open_heart: OpenHeart, store: HearingStore) -> Heart:
    """A heart over it, at level A."""
    return await open_heart(store=store)


async def asked(heart: Heart, key: str = "k1") -> Answer:
    """What an inquiry is told."""
    return await heart.acceptor.inquire(Inquiry(channel="kiosk", key=key))


async def test_before_a_no_to_whoever_asks_for_it_a_key_is_barred(heart: Heart, store: HearingStore) -> None:
    """An inquiry, a reversal, and an inquiry about that reversal."""
    answers = [await asked(heart), await heart.undo(), await asked(heart, "r1")]

    assert [(each.kind, each.refusal) for each in answers] == [(AnswerKind.REFUSED, Refusal.NOT_FOUND)] * 3
    assert store.member.barred == ["k1", "k1", "r1"]


async def test_what_this_node_has_in_hand_or_on_disk_is_not_barred(heart: Heart, store: HearingStore) -> None:
    """It knows of both."""
    store.stop("insert")
    paying = asyncio.create_task(heart.pay())
    await settle()
    in_hand = [await asked(heart), await heart.undo()]
    store.go_on()
    await paying

    assert [each.kind for each in in_hand] == [AnswerKind.IN_PROGRESS] * 2
    assert ((await asked(heart)).kind, (await heart.undo()).kind) == (AnswerKind.POSTED, AnswerKind.POSTED)
    assert store.member.barred == []


async def test_what_the_bar_meets_is_there(heart: Heart, store: HearingStore) -> None:
    """Another node's commit was under way when it was looked for first."""
    late = await put(store, draft(7, channel="kiosk", key="theirs"))
    store.member.bar_ends.append(late)

    assert (await asked(heart)).number == late.number


@pytest.mark.parametrize(
    ("end", "inquiry"),
    [
        (SpoolClosed("away"), AnswerKind.TRY_LATER),
        (StorageFull("no room"), AnswerKind.TRY_LATER),
        (StorageUncertain("raised"), AnswerKind.IN_PROGRESS),
    ],
    ids=["closed", "full", "uncertain"],
)
async def test_without_a_bar_there_is_no_no(
    heart: Heart, store: HearingStore, end: SpoolError, inquiry: AnswerKind
) -> None:
    """Whoever asks is to ask again."""
    store.member.bar_ends.extend([end, end])

    assert ((await asked(heart)).kind, (await heart.undo()).kind) == (inquiry, AnswerKind.IN_PROGRESS)


async def test_a_draft_tells_what_was_heard_when_its_request_came(open_heart: OpenHeart, store: HearingStore) -> None:
    """And not when it was recorded: its sender may have been told meanwhile that it isn't there."""
    heart = await open_heart(standin=StandinSettings(account_day_count_max=5), store=store)
    heart.open_route()
    store.member.heard = 3
    store.stop("spend")
    paying = asyncio.create_task(heart.pay())
    await settle()

    store.member.heard = 4
    store.go_on()

    assert ((await paying).kind, store.heard) == (AnswerKind.PROVISIONAL, [3])


@pytest.mark.parametrize(
    ("begin", "standin"),
    [
        (Heart.close_route, NO_STANDIN),
        (Heart.open_route, StandinSettings()),
        (Heart.open_route, StandinSettings(account_day_count_max=1)),
    ],
    ids=["passed through", "stood in for", "counted for its account"],
)
async def test_a_payment_whose_key_was_barred_is_to_be_asked_for_again(
    open_heart: OpenHeart, store: HearingStore, begin: Callable[[Heart], None], standin: StandinSettings
) -> None:
    """Then its request comes after the no, and it is taken as any other; nothing it had leave for is used up by the first."""
    heart = await open_heart(standin=standin, store=store)
    begin(heart)
    store.will("insert", Trouble.KEY_BARRED)

    first = await heart.pay()
    await settle()
    second = await heart.pay()

    assert (first.kind, first.number) == (AnswerKind.IN_PROGRESS, 0)
    assert second.kind in {AnswerKind.POSTED, AnswerKind.PROVISIONAL}
    assert (len(await heart.entries()), sum(heart.health.pace.at_core)) == (1, 0)


async def test_a_reversal_whose_key_was_barred_is_to_be_asked_for_again(heart: Heart, store: HearingStore) -> None:
    """The payment stays booked until then."""
    await heart.pay()
    await settle()
    store.will("reverse", Trouble.KEY_BARRED)

    first = await heart.undo()

    assert (first.kind, (await heart.undo()).kind) == (AnswerKind.IN_PROGRESS, AnswerKind.POSTED)
