"""Of several nodes on one PostgreSQL one tells people for all, and another goes on where it dies: at least once, never by each."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web

from gateway.clock import ManualClock
from gateway.returns.settings import ReturnSettings
from gateway.route.zone import Zone
from gateway.standin.headroom import Headroom
from gateway.telling.channels import ChannelReturns
from gateway.telling.company import PASSED_ON_MAX, TELLER
from gateway.telling.condition import Condition
from gateway.telling.event import US, Kind, Severity
from gateway.telling.settings import TellingSettings
from gateway.telling.sink import NotTold
from gateway.telling.telling import MISSED_US, Telling
from gateway.telling.watch import Parts, Watch
from gateway.windows.plan import Plan
from spool.errors import SpoolError
from spool.office import Office
from spool.postgres import PostgresStore
from tests.contracts.postgres_server import SHARED
from tests.integration.house import House
from tests.integration.postgres_house import open_nodes
from tests.integration.postgres_nodes import accepts_again, expire, node, take_over, until
from tests.unit.telling import AWAY, FakeSink, settings

AWAY_HERE: Final = Condition(kind=Kind.ROUTE_OPEN, subject="main", severity=Severity.CRITICAL, facts=AWAY)
NO_KEYS: Final = Condition(kind=Kind.KEYS_TROUBLE, subject="", severity=Severity.WARNING)


class Member:
    """A node that sees what a test says, with the one sink there is."""

    def __init__(self, name: str, store: PostgresStore, clock: ManualClock, sink: FakeSink) -> None:
        self.store = store
        self.clock = clock
        self.seen = list[Condition]()
        parts = Parts(
            store=store,
            routes=[],
            plan=Plan(store, [], clock),
            headroom=Headroom(),
            clock=clock,
            returns=ReturnSettings(),
            telling=TellingSettings(),
            own=lambda: self.seen,
        )
        self.telling = Telling(
            settings=TellingSettings.model_validate({"clear_after_s": 0, "sinks": {"ops": settings().model_dump()}}),
            store=store,
            node=name,
            clock=clock,
            watch=Watch(parts),
            channels=ChannelReturns(store, clock, ReturnSettings(), ["kiosk"]),
            make=lambda _settings, _clock: sink,
        )

    async def look(self) -> None:
        """Look, and let the sink have its turn."""
        await self.telling.look()
        await self.telling.outlets["ops"].run_once()


class Scene:
    """Two nodes; the one called first came first, and tells."""

    def __init__(self, dsn: str, first: PostgresStore, second: PostgresStore) -> None:
        self.dsn = dsn
        self.clock, self.sink = ManualClock(), FakeSink()
        self.first = Member("one", first, self.clock, self.sink)
        self.second = Member("two", second, self.clock, self.sink)

    async def looks(self, rounds: int = 2) -> None:
        """Seconds in which both look, and one sees what the other let it know."""
        for _ in range(rounds):
            for member in (self.second, self.first):
                await member.look()
            await self.clock.advance(1)

    async def first_dies(self) -> None:
        """It neither looks nor writes again, and its lease runs out."""
        expire(self.dsn, "one")
        await take_over(self.second.store)

    @property
    def told(self) -> list[Mapping[str, Any]]:
        """Every event that the sink took."""
        return [each for letter in self.sink.taken for each in letter.payload["data"]["events"]]

    @property
    def types(self) -> list[str]:
        """And what they are."""
        return [each["type"] for each in self.told]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """Two nodes that are well."""
    dsn = SHARED.emptied()
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        made = Scene(dsn, one, two)
        await made.first.look()
        await made.looks()
        yield made


async def test_what_both_see_is_told_once_and_cleared_once(scene: Scene) -> None:
    """With who sees it."""
    for member in (scene.first, scene.second):
        member.seen = [AWAY_HERE]
    await scene.looks(3)
    scene.second.seen = []
    await scene.looks(3)
    scene.first.seen = []
    await scene.looks(3)
    assert scene.types == ["route.open.raised", "route.open.cleared"]
    assert scene.told[0]["facts"]["nodes"] == "one, two"


async def test_what_only_the_other_node_sees_is_told_too(scene: Scene) -> None:
    """It may be its own network, or its own key."""
    scene.second.seen = [AWAY_HERE]
    await scene.looks()
    assert scene.types == ["route.open.raised"]
    assert scene.told[0]["facts"]["nodes"] == "two"
    assert scene.first.telling.is_away_elsewhere("main")
    assert not scene.second.telling.is_away_elsewhere("main")


async def test_what_a_dead_node_did_not_tell_another_tells(scene: Scene) -> None:
    """It was in the journal, and its sink hadn't taken it. What the other sees as well isn't raised anew."""
    scene.sink.failures[:] = [NotTold("away")]
    scene.first.seen = scene.second.seen = [AWAY_HERE]
    await scene.looks(1)
    assert (scene.types, len(scene.sink.tried)) == ([], 1)
    await scene.first_dies()
    await scene.second.look()
    await scene.second.look()
    assert scene.types == ["route.open.raised"]
    assert scene.second.telling.tells
    scene.second.seen = []
    await scene.second.look()
    await scene.second.look()
    assert scene.types == ["route.open.raised", "route.open.cleared"]


async def test_what_a_dead_node_told_is_not_told_again(scene: Scene) -> None:
    """And that the node is gone is told itself, until it is there again."""
    scene.first.seen = scene.second.seen = [AWAY_HERE]
    await scene.looks()
    await scene.first_dies()
    for _ in range(40):
        await scene.second.look()
        await scene.clock.advance(1)
    assert scene.types == ["route.open.raised", "node.gone.raised"]
    assert scene.told[-1]["subject"] == "one"
    with pytest.raises(Exception, match="lost its lease"):
        await scene.first.store.remember("x", b"")
    await accepts_again(scene.first.store)
    await scene.looks()
    assert scene.types[2:] == ["node.gone.cleared"]


async def test_a_node_that_ends_in_good_order_is_not_missed(scene: Scene) -> None:
    """And another one tells at once."""
    await scene.first.telling.close()
    await scene.first.store.close()
    for _ in range(40):
        await scene.second.look()
        await scene.clock.advance(1)
    assert (scene.second.telling.tells, scene.types) == (True, [])


async def test_a_node_that_never_comes_back_is_not_missed_for_ever(scene: Scene) -> None:
    """Its machine may have been given away."""
    await scene.first_dies()
    for _ in range(40):
        await scene.second.look()
        await scene.clock.advance(1)
    await scene.clock.advance(MISSED_US / US)
    await scene.second.look()
    await scene.second.look()
    assert scene.types == ["node.gone.raised", "node.gone.repeated", "node.gone.cleared"]


async def test_a_node_that_slept_while_another_took_over_tells_nothing(scene: Scene) -> None:
    """It wakes between its look and its sink's turn: neither a letter leaves nor the journal changes."""
    scene.first.seen = scene.second.seen = [AWAY_HERE]
    await scene.first.telling.look()
    await scene.first_dies()
    await scene.second.look()
    await scene.second.look()
    before = await scene.second.store.recall_some("telling/", "", 1_000)
    scene.first.store._hold.lose()
    await scene.first.telling.outlets["ops"].run_once()
    scene.first.seen = []
    with pytest.raises(Exception, match="lost its lease"):
        await scene.first.store.remember("x", b"")
    await accepts_again(scene.first.store)
    await scene.first.telling.look()
    await scene.first.telling.outlets["ops"].run_once()
    after = await scene.second.store.recall_some("telling/", "", 1_000)
    told_of_itself = "telling/seen/one"
    assert [each for each in after if each[0] != told_of_itself] == [
        each for each in before if each[0] != told_of_itself
    ]
    assert (scene.types, scene.first.telling.tells) == (["route.open.raised"], False)


async def test_where_no_node_can_reach_the_spool_only_that_is_told_and_by_one(scene: Scene) -> None:
    """Nobody can be asked who tells; whoever told last says that the spool is away, and afterwards that it is back."""
    scene.first.seen = [AWAY_HERE]
    await scene.looks()
    members = (scene.first, scene.second)
    pools = [member.store._readers for member in members]
    for member in members:
        member.store._readers, member.store._trouble = None, "connecting again"
        member.seen = [NO_KEYS]
    await scene.first.look()
    with pytest.raises(SpoolError):
        await scene.second.look()
    await scene.second.telling.outlets["ops"].run_once()
    assert scene.types == ["route.open.raised", "disk.trouble.raised"]
    for member, pool in zip(members, pools, strict=True):
        member.store._readers, member.store._trouble = pool, ""
        member.seen = [AWAY_HERE]
    await scene.looks()
    assert scene.types == ["route.open.raised", "disk.trouble.raised", "disk.trouble.cleared"]


async def test_what_a_person_wants_told_at_any_node_is_told_once(scene: Scene) -> None:
    """And it is seen there what became of it; also when it was said just before the teller changed."""
    scene.second.telling.tell(Kind.TEST, "ops", Severity.INFO, {"actor": "anna"})
    await scene.looks(3)
    assert scene.types == ["test.told"]
    await scene.second.look()
    assert [(each.name, each.sent) for each in scene.second.telling.states()] == [("ops", 1)]
    await scene.first_dies()
    await scene.second.look()
    scene.second.telling.tell(Kind.TEST, "ops", Severity.INFO, {"actor": "boris"})
    await scene.second.look()
    assert [each["facts"]["actor"] for each in scene.told] == ["anna", "boris"]


async def test_what_is_wanted_told_is_bounded(scene: Scene) -> None:
    """However long nobody takes it up."""
    for number in range(PASSED_ON_MAX + 5):
        scene.second.telling.tell(Kind.TEST, "ops", Severity.INFO, {"actor": str(number)})
    await scene.looks(3)
    assert [each["facts"]["actor"] for each in scene.told] == [str(each) for each in range(5, PASSED_ON_MAX + 5)]


async def test_a_note_of_another_version_hinders_nothing(scene: Scene) -> None:
    """While nodes are upgraded one after the other."""
    await scene.first.store.remember("telling/seen/three", b'{"sitting": 7}')
    scene.first.seen = [AWAY_HERE]
    await scene.looks()
    assert scene.types == ["route.open.raised"]


async def test_an_office_that_was_given_up_is_anybodys_and_one_that_is_held_is_not() -> None:
    """Whichever seat it was: payers are told by one, though the first seat stays empty."""
    dsn = SHARED.emptied()
    async with node(dsn, "two") as two:
        async with node(dsn, "one") as one:
            offices = [Office(store, TELLER) for store in (one, two)]
            assert [await each.is_mine(1) for each in offices] == [True, False]
            assert [each.holds() for each in offices] == [True, False]
            seat = one.seat
        assert await offices[1].is_mine(2)
        async with node(dsn, "three") as three:
            assert (three.seat, await Office(three, TELLER).is_mine(3)) == (seat, False)


# Whole services


class Receiver:
    """A server that takes webhooks, once it is told to."""

    def __init__(self) -> None:
        self.events = list[Mapping[str, Any]]()
        self.status = 500
        self.asked = 0

    async def take(self, request: web.Request) -> web.Response:
        """Take one, or not."""
        self.asked += 1
        if self.status == 204:
            self.events += json.loads(await request.read())["data"]["events"]
        return web.Response(status=self.status)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    """A receiver, and where it listens."""
    made, app = Receiver(), web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield made, f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await runner.cleanup()


def force(house: House, zone: Zone) -> None:
    """A person's word about the one route, heard by every node."""
    until_us = house.service.clock.now_us() + 600 * US
    house.service.routes[0].health.force(zone, until_us=until_us, actor="anna", reason="a drill")


def kill(house: House) -> None:
    """The node does nothing more, and leaves everything as it is."""
    for loop in house.service._loops:
        loop.cancel()
    assert isinstance(house.service.spool.store, PostgresStore)
    house.service.spool.store._closing.set()


async def test_an_outage_that_the_teller_dies_over_is_told_by_the_other_service_once(
    tmp_path: Path, receiver: tuple[Receiver, str]
) -> None:
    """Two services, one database: the first dies while its sink refuses; then each end is told once as well."""
    made, url = receiver
    (tmp_path / "key").write_text("whsec_" + "AAAA" * 8)
    sink = f'protocol = "webhook"\nurl = "{url}"\nsecrets = [{{ file = "{tmp_path}/key" }}]'
    pace = "gather_s = 0.0\nretry_first_s = 0.1\nretry_max_s = 0.2"
    more = f"[telling]\nclear_after_s = 0\n[telling.sinks.ops]\n{sink}\n[telling.sinks.ops.pace]\n{pace}"
    async with open_nodes(tmp_path, SHARED.schema(), "one", "two", more=more) as houses:
        one, two = houses
        await until(lambda: one.service.telling.tells)
        force(one, Zone.OPEN)
        await until(lambda: made.asked > 0)
        kill(one)
        made.status = 204
        await until(lambda: bool(made.events))
        force(two, Zone.CLOSED)
        await until(lambda: len(made.events) > 2)

    assert made.events[0]["type"] == "route.open.raised"
    assert sorted(each["type"] for each in made.events[1:]) == ["outage.over.told", "route.open.cleared"]
