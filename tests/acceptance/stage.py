"""The stage of the acceptance tests: the real commands as processes, the crowd of senders, and the judge."""

import asyncio
import contextlib
import json
import os
import random
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from adapters.channels.scripted.crowd import Crowd, Habits
from adapters.channels.scripted.diary import Diary
from adapters.cores.scripted.ledger import read_bookings
from adapters.judge.verdict import Verdict
from gateway.clock import SystemClock
from gateway.demo.actor import Actor
from gateway.demo.count import verdict_of
from gateway.demo.scene import CorePart, Scene
from tests.acceptance.fork_server import forked, run_forked
from tests.contracts.ports import SCENES, share_of

WAIT_S: Final = 60.0
"""Whatever is waited for longer than that will not come."""

MOMENT_S: Final = 0.02

SEED: Final = "NIGHTSAFE_SEED"
"""Environment variable: play this seed again."""


def seed() -> int:
    """A new seed each run, or the one asked for; printed, so that a failing run can be repeated as far as chance goes."""
    chosen = int(os.environ.get(SEED, "0")) or SystemClock().chance(31)
    sys.stdout.write(f"{SEED}={chosen}\n")
    return chosen


async def moment() -> None:
    """Between two looks: whoever looks without a pause takes the machine from what he waits for."""
    await SystemClock().sleep(MOMENT_S)


@dataclass
class Stage:
    """A gateway, its cores, and somebody who looks on."""

    scene: Scene
    gateway: Actor
    cores: dict[str, Actor]
    client: aiohttp.ClientSession

    # Steering the cores

    async def fault(self, core: str, **fault: Any) -> int:
        """Set a fault of a core; the number to clear it by."""
        async with self.client.post(f"{self.scene.control_url(core)}/faults", json=fault) as answer:
            told = await answer.json()
            assert answer.status == 201, told
            number: int = told["number"]
            return number

    async def heal(self, core: str) -> None:
        """Clear all faults of a core."""
        async with self.client.delete(f"{self.scene.control_url(core)}/faults") as answer:
            assert answer.status == 200

    async def hits(self, core: str, count: int) -> None:
        """Wait until the faults of a core have hit so many orders."""
        async with asyncio.timeout(WAIT_S):
            while await self._hits(core) < count:
                await moment()

    async def _hits(self, core: str) -> int:
        async with self.client.get(f"{self.scene.control_url(core)}/faults") as answer:
            return sum(each["hits"] for each in (await answer.json())["faults"])

    def booked(self, core: str) -> list[str]:
        """The marks a core has booked, in order."""
        return [booking.service for booking in read_bookings(self.scene.ledger(core))]

    # Looking at the gateway

    async def status(self) -> Any:
        """What operators see."""
        return await self._admin("GET", "/admin/v1/status")

    async def verify(self) -> Any:
        """The count of everything, from disk, seals included."""
        return await self._admin("POST", "/admin/v1/verify", {"seals": True})

    async def _admin(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.scene.admin_token}"}
        url = self.scene.admin_url + path
        async with self.client.request(method, url, headers=headers, json=body) as answer:
            told = await answer.json()
            assert answer.status == 200, told
            return told

    async def waiting(self) -> int:
        """Entries that are not finished, by what is on disk."""
        return sum(balance["waiting"]["entries"] for balance in (await self.verify())["balances"])

    async def drained(self) -> None:
        """Wait until nothing waits any more."""
        async with asyncio.timeout(WAIT_S):
            while await self.waiting():
                await moment()

    async def entries(self, core: str, state: str) -> list[Any]:
        """All entries of a core's route in a state, oldest first."""
        found, after = list[Any](), ""
        while True:
            query = f"route={core}&state={state}&order=oldest&limit=500" + (f"&after={after}" if after else "")
            page = await self._admin("GET", f"/admin/v1/entries?{query}")
            found += page["entries"]
            after = page["next"]
            if not after:
                return found

    async def quiet(self, core: str, crowd: Crowd) -> None:
        """Wait until nothing of a core's route moves any more: all is finished, parked, or waits behind what is parked.

        And until nobody is left without an answer but for those.
        """
        restless: list[Any] = []
        try:
            async with asyncio.timeout(WAIT_S) as limit:
                while still := await self._restless(core, crowd):
                    if still != restless:
                        # A busy machine is slow; a backlog that stands still is not.
                        restless = still
                        limit.reschedule(asyncio.get_running_loop().time() + WAIT_S)
                    await moment()
        except TimeoutError:
            raise AssertionError(f"nothing moved for {WAIT_S:.0f} s: {restless}, {await self.status()}") from None

    async def _restless(self, core: str, crowd: Crowd) -> list[Any]:
        """Entries that will move, and keys of senders who will ask again."""
        under_way = await self.entries(core, "in_flight,in_doubt")
        parked, ready = await self.entries(core, "parked"), await self.entries(core, "ready")
        lanes = {entry["lane"] for entry in parked}
        keys = {(entry["channel"], entry["key"]) for entry in parked + ready}
        return [*under_way, *(entry for entry in ready if entry["lane"] not in lanes), *(crowd.unheard - keys)]

    async def zone(self, zone: str) -> None:
        """Wait until every route stands so."""
        async with asyncio.timeout(WAIT_S):
            while {route["zone"] for route in (await self.status())["routes"]} != {zone}:
                await moment()

    async def restart(self) -> None:
        """SIGKILL and a new start."""
        await self.gateway.kill()
        await self.gateway.start()

    async def stop(self) -> None:
        """An end in good order."""
        assert await self.gateway.stop() == 0, self.gateway.last_words()

    def events(self) -> list[dict[str, Any]]:
        """Everything the gateway logged in all its lives."""
        lines = self.scene.folder.joinpath("gateway.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def blunders(self) -> list[dict[str, Any]]:
        """What it logged as errors: our own bugs."""
        return [event for event in self.events() if event["level"] in ("error", "critical")]

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run the real command with this configuration; its exit code and output."""
        code, said = await run_python("-m", "gateway", *arguments, "--config", str(self.scene.config))
        return code, said.decode()

    # Sending

    @contextlib.asynccontextmanager
    async def crowd(
        self,
        core: str,
        rate: float,
        chance: random.Random,
        *,
        address: Callable[[], str] | None = None,
        **more: Any,
    ) -> AsyncGenerator[tuple[Crowd, Diary]]:
        """Senders by both protocols to one core, and their diary; `more` are further habits."""
        habits = {"accounts": 40, "pause_min_s": 0.2, "pause_max_s": 0.8} | more
        with Diary(self.scene.diary(core)) as diary:
            async with Crowd.gather(
                address or (lambda: self.scene.url),
                self.scene.speeches(core),
                diary=diary,
                chance=chance.random,
                habits=Habits(rate=rate, **habits),
            ) as crowd:
                yield crowd, diary

    @contextlib.asynccontextmanager
    async def traffic(
        self, cores: Sequence[str], rate: float, chance: random.Random, **habits: Any
    ) -> AsyncGenerator[Diary]:
        """Senders to these cores at work, and the diary of the first's; at the end all have their answers, and nothing waits."""
        calm = asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            crowds = [await stack.enter_async_context(self.crowd(core, rate, chance, **habits)) for core in cores]
            sending = [asyncio.create_task(crowd.send(calm)) for crowd, _ in crowds]
            yield crowds[0][1]
            calm.set()
            await asyncio.gather(*sending)
            for core, (crowd, _) in zip(cores, crowds, strict=True):
                await self.quiet(core, crowd)

    def verdict(self, core: str) -> Verdict:
        """What the senders of a core were told against what it booked."""
        return verdict_of(self.scene, core)

    async def history(
        self, core: str, *, blind: bool = False, several: bool = False, forgotten: Path | None = None
    ) -> tuple[int, Any]:
        """What the judge says, as a command over files: of senders, core, and the spool's export of this route."""
        folder = self.scene.folder
        ledger, export = folder / f"{core}.ledger.jsonl", folder / f"{core}.export.jsonl"
        for path, command in (
            (ledger, ("-m", "adapters.cores.scripted.ledger", str(self.scene.ledger(core)), "--json", "--attempts")),
            (export, ("-m", "gateway", "export", "--route", core, "--config", str(self.scene.config))),
        ):
            code, said = await run_python(*command)
            assert code == 0, said
            path.write_bytes(said)
        asked = (
            str(self.scene.diary(core)),
            str(ledger),
            str(export),
            "--json",
            *(["--blind"] if blind else []),
            *(["--several"] if several else []),
            *(["--forgotten", str(forgotten)] if forgotten else []),
        )
        code, said = await run_python("-m", "adapters.judge", *asked)
        return code, json.loads(said)


async def run_python(*arguments: str) -> tuple[int, bytes]:
    """Run one of our programs with these arguments of Python; its exit code, and what it printed (with what it complained of, if it failed)."""
    code, said, complained = await run_forked((sys.executable, *arguments))
    return code, said + (complained if code else b"")


@contextlib.asynccontextmanager
async def staged(folder: Path, parts: Sequence[CorePart], **more: Any) -> AsyncGenerator[Stage]:
    """Everything started; at the end whatever still runs is stopped, and killed if it won't.

    `spawn` starts the processes: by a fork unless something else is said among `more`, which is for the scene.
    """
    scene = Scene(folder, parts, SystemClock(), ports=share_of(SCENES), **{"spawn": forked, **more})
    gateway, cores = scene.gateway(), {part.name: scene.core(part.name) for part in parts}
    async with aiohttp.ClientSession() as client:
        try:
            for core in cores.values():
                await core.start()
            await gateway.start()
            yield Stage(scene, gateway, cores, client)
        finally:
            for actor in (gateway, *cores.values()):
                await (actor.stop() if actor.is_running else actor.wait())
