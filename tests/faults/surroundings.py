"""A stage whose gateway runs in surroundings of its own: under limits, with a faulty clock, on a slow disk, elsewhere."""

import contextlib
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from gateway.clock import SystemClock
from gateway.demo.actor import Actor
from gateway.demo.scene import CorePart, Scene
from tests.acceptance.stage import Stage
from tests.contracts.ports import SCENES, share_of


def as_it_is(text: str) -> str:
    """The configuration of the scene, unchanged."""
    return text


@contextlib.asynccontextmanager
async def staged_within(
    before: Sequence[str],
    folder: Path,
    parts: Sequence[CorePart],
    *,
    edit: Callable[[str], str] = as_it_is,
    command: Sequence[str] = (),
    **more: Any,
) -> AsyncGenerator[Stage]:
    """Everything started; at the end whatever still runs is stopped, and killed if it won't.

    Args:
        before: a command that sets something up and then becomes the command that follows it (`env`, `prlimit`).
        folder: where the scene is made.
        parts: its cores.
        edit: changes the text of the configuration before anything is started.
        command: what serves; the real command unless another is given.
        more: for the scene.
    """
    scene = Scene(folder, parts, SystemClock(), ports=share_of(SCENES), **more)
    scene.config.write_text(edit(scene.config.read_text(encoding="utf-8")), encoding="utf-8")
    gateway = Actor(
        "gateway",
        (*before, *(command or (sys.executable, "-m", "gateway", "serve", "--config", str(scene.config)))),
        is_ready=lambda line: '"listening"' in line and '"channels"' in line,
        log=folder / "gateway.log",
    )
    cores = {part.name: scene.core(part.name) for part in parts}
    async with aiohttp.ClientSession() as client:
        try:
            for core in cores.values():
                await core.start()
            await gateway.start()
            yield Stage(scene, gateway, cores, client)
        finally:
            for actor in (gateway, *cores.values()):
                await (actor.stop() if actor.is_running else actor.wait())
