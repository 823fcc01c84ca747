"""Where a channel asks what it has to give back: its own, page by page, each told for good, and nothing before its time."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest

from adapters.channel import Inbound
from adapters.channels.json_returns import PAGE_RETURNS
from gateway.admin.entries.why import Why
from gateway.returns.listed import ListedReturns
from gateway.returns.settings import ReturnSettings
from gateway.returns.word import FinalWord
from spool.entry import Entry
from spool.lifecycle import State
from spool.store import FIRST, Owed
from tests.contracts.spool_examples import draft, put_as
from tests.unit.heart import Heart
from tests.unit.test_reopening import Office
from tests.unit.troubled_store import Trouble, TroubledStore

AT_ONCE = ReturnSettings(channel_after_s=0)


class Asker:
    """A channel that asks over a heart's store, or over another."""

    def __init__(self, heart: Heart, store: TroubledStore | None = None, returns: ReturnSettings = AT_ONCE) -> None:
        self._listed = ListedReturns(store or heart.store, heart.clock, returns)

    async def asks(self, query: str = "", channel: str = "kiosk", method: str = "GET", within_s: float = 20.0) -> Any:
        """The status, and the body."""
        inbound = Inbound(method=method, path="/v1/returns", query=query, headers={}, body=b"", peer="::1")
        reply = await self._listed.answer(channel, inbound, within_s)
        return reply.status, msgspec.json.decode(reply.body)


@pytest.fixture
async def store() -> TroubledStore:
    """A store that is open."""
    made = TroubledStore()
    await made.open(0)
    return made


async def test_a_channel_sees_its_own_returns_by_its_own_keys(heart: Heart) -> None:
    """What its reconciliation wants: which, how much, since when. No account."""
    office = Office(heart)
    await office.refused("100")
    entry = await heart.entry("k0")
    status, body = await Asker(heart).asks()
    assert (status, body) == (
        200,
        {
            "returns": [
                {
                    "id": str(entry.number),
                    "key": "k0",
                    "amount": "10.00",
                    "currency": "RUB",
                    "accepted_at": "2026-01-01T00:00:00.000000Z",
                    "due_since": "2026-01-01T00:00:00.000000Z",
                    "stage": "due",
                }
            ]
        },
    )
    assert await Asker(heart).asks(channel="bank") == (200, {"returns": []})


async def test_what_a_channel_was_shown_is_never_sent_again(heart: Heart) -> None:
    """It may have given the money back."""
    office = Office(heart)
    await office.refused("100")
    await Asker(heart).asks()
    assert (await office.orders()).unchanged == {Why.TOLD: 1}


async def test_what_is_being_taken_back_or_is_owed_for_a_moment_is_not_shown(heart: Heart) -> None:
    """As in what it is told of."""
    office = Office(heart)
    await office.refused("100", "200")
    assert await Asker(heart, returns=ReturnSettings()).asks() == (200, {"returns": []})
    await FinalWord(heart.store).take([await heart.entry("k0")], 1)
    _, body = await Asker(heart).asks()
    assert [each["key"] for each in body["returns"]] == ["k1"]


async def test_all_of_them_are_found_page_by_page(heart: Heart, store: TroubledStore) -> None:
    """Each once."""
    for number in range(1, 2 * PAGE_RETURNS + 2):
        await put_as(store, draft(number), State.REFUSED)
    asker = Asker(heart, store)
    _, first = await asker.asks()
    _, second = await asker.asks(f"after={first['next']}")
    _, third = await asker.asks(f"after={second['next']}")
    found = [each["key"] for page in (first, second, third) for each in page["returns"]]
    assert found == [f"key-{number}" for number in range(1, 2 * PAGE_RETURNS + 2)]
    assert [len(page["returns"]) for page in (first, second, third)] == [PAGE_RETURNS, PAGE_RETURNS, 1]
    assert "next" not in third


@pytest.mark.parametrize("trouble", [Trouble.CLOSED, Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST])
async def test_what_can_not_be_written_down_as_told_is_not_shown(heart: Heart, trouble: Trouble) -> None:
    """Ask again."""
    await Office(heart).refused("100")
    heart.troubles.will("exchange", trouble)
    status, body = await Asker(heart).asks()
    assert (status, body["code"]) == (503, "try_later")
    assert (await Asker(heart).asks())[0] == 200


class Watched(TroubledStore):
    """A store that knows how many lists were read in it at the same time, at most, and of which channels."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = Counter[str]()
        self.most = Counter[str]()

    async def returns_due(self, route: str, limit: int, *, channel: str = "", after: Owed = FIRST) -> list[Entry]:
        """Takes a while."""
        self.reading[channel] += 1
        self.most |= self.reading + Counter({"all": self.reading.total()})
        await asyncio.sleep(0)
        self.reading[channel] -= 1
        return await super().returns_due(route, limit, channel=channel, after=after)


async def test_however_often_a_channel_asks_it_has_one_page_looked_up_at_a_time(heart: Heart) -> None:
    """And keeps nobody else from his."""
    store = Watched()
    await store.open(0)
    for number, name in enumerate(("kiosk", "bank"), start=1):
        await put_as(store, draft(number, channel=name), State.REFUSED)
    asker = Asker(heart, store)
    asked = await asyncio.gather(*(asker.asks(channel=name) for name in ("kiosk", "kiosk", "bank", "kiosk", "bank")))
    assert [len(body["returns"]) for _, body in asked] == [1] * 5
    assert dict(store.most) == {"kiosk": 1, "bank": 1, "all": 2}


async def test_nobody_waits_longer_than_his_deadline(heart: Heart) -> None:
    """A disk that hangs is none to wait for."""
    await Office(heart).refused("100")
    heart.troubles.stop("exchange")
    assert (await Asker(heart).asks(within_s=0.0))[0] == 503


@pytest.mark.parametrize(
    ("method", "query", "status"),
    [
        ("POST", "", 405),
        ("HEAD", "", 405),
        ("GET", "limit=5", 400),
        ("GET", "after=", 400),
        ("GET", "after=1", 400),
        ("GET", "after=1-2&limit=5", 400),
        ("GET", "after=1-2&after=1-2", 400),
        ("GET", "after=1-9999999999999999999", 400),
        ("GET", "after=-1-2", 400),
        ("GET", "after=%FF", 400),
        ("GET", "after=9999999999999999-9223372036854775807", 200),
    ],
)
async def test_what_is_not_agreed_is_no_question(heart: Heart, method: str, query: str, status: int) -> None:
    """It is said what is."""
    assert (await Asker(heart).asks(query, method=method))[0] == status
