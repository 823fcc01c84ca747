"""A bad network, at the core's side and at the channels' side: slow, lossy, cut, and half open.

Over a real cable (`wire`) between two network namespaces, with the real service and the scripted core as processes.
"""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from adapters.channels.scripted.crowd import Crowd, Habits
from adapters.channels.scripted.diary import Diary
from adapters.core import Level
from gateway.clock import SystemClock
from gateway.demo.actor import Actor
from gateway.demo.scene import CorePart, Scene
from tests.acceptance.stage import WAIT_S, Stage
from tests.contracts.ports import SCENES, share_of
from tests.faults import wire as cable
from tests.faults.wire import HERE, THERE, Wire, wired

pytestmark = pytest.mark.process

CORE: Final = "billing"
PATIENCE_S: Final = 16.0
"""Twice as long as the gateway has for an answer: whoever hangs up was left hanging, however busy the machine."""


class FarGateway(Scene):
    """A gateway that is far from its channels; its core is with it, and nobody steers it."""

    def listening(self, text: str) -> str:
        """The configuration of a gateway that listens at the far end."""
        for port in (self.port, self.admin_port):
            text = text.replace(f"port = {port}\n", f'port = {port}\nhost = "{THERE}"\n')
        text = text.replace(f"port = {self.admin_port}\n", f"port = {self.admin_port}\nallow_plain = true\n")
        return text.replace('allow = ["127.0.0.0/8"]', f'allow = ["{HERE}/32"]')

    @property
    def url(self) -> str:
        """Where payments go."""
        return f"http://{THERE}:{self.port}"

    @property
    def admin_url(self) -> str:
        """Where operators go."""
        return f"http://{THERE}:{self.admin_port}"


@contextlib.asynccontextmanager
async def played(scene: Scene, gateway: Actor, core: Actor) -> AsyncGenerator[Stage]:
    """Everything started, and stopped at the end."""
    async with aiohttp.ClientSession() as client:
        try:
            await core.start()
            await gateway.start()
            yield Stage(scene, gateway, {CORE: core}, client)
        finally:
            for actor in (gateway, core):
                await (actor.stop() if actor.is_running else actor.wait())


def far_core(scene: Scene, wire: Wire, host: str) -> Actor:
    """The scripted core, at the far end."""
    (part,) = scene.cores
    port, control_port = scene.core_ports(CORE)
    what = ("--ledger", str(scene.ledger(CORE)), "--level", part.level.value)
    ports = ("--host", host, "--port", str(port), "--control-port", str(control_port))
    return Actor(
        "core",
        (*wire.within(), sys.executable, "-m", "adapters.cores.scripted", *what, *ports),
        is_ready=lambda line: line.startswith("listening on "),
        log=scene.folder / "core.log",
    )


def far_gateway(scene: Scene, wire: Wire) -> Actor:
    """The gateway, at the far end."""
    return Actor(
        "gateway",
        (*wire.within(), sys.executable, "-m", "gateway", "serve", "--config", str(scene.config)),
        is_ready=lambda line: '"listening"' in line and '"channels"' in line,
        log=scene.folder / "gateway.log",
    )


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """A good cable, to begin with."""
    if cable.missing():
        pytest.skip(cable.missing())
    async with wired(random.Random(11)) as made:  # noqa: S311 - repeatable on purpose
        yield made


@pytest.fixture
async def core_side(wire: Wire, tmp_path: Path) -> AsyncIterator[tuple[Stage, Wire]]:
    """A core at level B at the far end of the cable; gateway and senders are here."""
    scene = Scene(tmp_path, [CorePart(name=CORE, level=Level.B)], SystemClock(), ports=share_of(SCENES))
    here, there = scene.core_url(CORE), scene.core_url(CORE).replace("127.0.0.1", THERE)
    scene.config.write_text(scene.config.read_text().replace(here, there))
    async with played(scene, scene.gateway(), far_core(scene, wire, THERE)) as stage:
        yield stage, wire


@pytest.fixture
async def channel_side(wire: Wire, tmp_path: Path) -> AsyncIterator[tuple[Stage, Wire]]:
    """Gateway and core at the far end; the senders are here."""
    scene = FarGateway(tmp_path, [CorePart(name=CORE)], SystemClock(), ports=share_of(SCENES))
    scene.config.write_text(scene.listening(scene.config.read_text()))
    async with played(scene, far_gateway(scene, wire), far_core(scene, wire, "127.0.0.1")) as stage:
        yield stage, wire


Trouble = Callable[[Wire], None]

TROUBLES: Final[dict[str, Trouble]] = {
    "slow": lambda wire: setattr(wire, "delay_s", 0.15),
    "lossy": lambda wire: setattr(wire, "loss", 0.15),
    "cut": Wire.cut,
    "nothing arrives": lambda wire: setattr(wire, "cut_there", True),
    "nothing comes back": lambda wire: setattr(wire, "cut_here", True),
}


async def through(
    stage: Stage, wire: Wire, trouble: Trouble, during: Callable[[Crowd, Diary], Awaitable[None]], patience_s: float
) -> Crowd:
    """Senders at work who hang up after `patience_s`; in the middle of it trouble of the cable, then a good cable until each has its answer."""
    calm = asyncio.Event()
    habits = Habits(rate=25.0, accounts=40, pause_min_s=0.2, pause_max_s=0.6, patience_s=patience_s)
    with Diary(stage.scene.diary(CORE)) as diary:
        speeches, chance = stage.scene.speeches(CORE), random.Random(9)  # noqa: S311 - repeatable on purpose
        async with Crowd.gather(
            lambda: stage.scene.url, speeches, diary=diary, chance=chance.random, habits=habits
        ) as crowd:
            sending = asyncio.create_task(crowd.send(calm))
            async with asyncio.timeout(WAIT_S):
                await diary.answers.reach(15)
                trouble(wire)
                await during(crowd, diary)
                wire.heal()
                calm.set()
                await sending
                await crowd.settled()
    await stage.drained()
    return crowd


async def answers_go_on(crowd: Crowd, diary: Diary) -> None:
    """The channels' side is fine: answers must come although the core's side is not."""
    del crowd
    await diary.answers.reach(diary.answers.count + 60)


async def senders_go_on(crowd: Crowd, diary: Diary) -> None:
    """The channels' side is not fine: nothing may be expected but that people go on trying."""
    del diary
    begun = crowd.begun
    while crowd.begun < begun + 50:
        await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.05)


@pytest.mark.parametrize("kind", TROUBLES)
async def test_between_gateway_and_core(core_side: tuple[Stage, Wire], kind: str) -> None:
    """Expected: payers are answered in time whatever the cable does, and each payment is booked once at level B.

    Slow and lossy: payments pass, later. Cut, one way or both, established connections included (nobody is told that
    they are half open): the route opens, payers get provisional answers, what was under way is in doubt and asked
    about; when the cable is whole the backlog drains without anybody's help.
    """
    stage, wire = core_side
    crowd = await through(stage, wire, TROUBLES[kind], answers_go_on, PATIENCE_S)
    verdict = stage.verdict(CORE)
    assert verdict.sound, str(verdict)
    assert verdict.told_nothing == 0
    assert crowd.hung_up == 0
    assert (stage.gateway.starts, stage.blunders()) == (1, [])


@pytest.mark.parametrize("kind", ["lossy", "cut", "nothing comes back"])
async def test_between_channels_and_gateway(channel_side: tuple[Stage, Wire], kind: str) -> None:
    """Expected: who gets no answer asks again with the same key, and is booked once.

    Whatever was lost, the question or the answer: it can't be told apart by the sender, and needn't be. Connections
    that are half open end by the listener's own limits and hold up nobody.
    """
    stage, wire = channel_side
    await through(stage, wire, TROUBLES[kind], senders_go_on, PATIENCE_S / 2)
    verdict = stage.verdict(CORE)
    assert verdict.sound, str(verdict)
    assert verdict.told_nothing == 0
    assert (stage.gateway.starts, stage.blunders()) == (1, [])
