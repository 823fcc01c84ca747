"""A process on the stage: started, watched by its output, stopped or killed."""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

LINES_KEPT: Final = 40
"""Last lines of output kept for saying what went wrong; the file has them all."""

START_TIMEOUT_S: Final = 60.0
"""A process that isn't ready by then won't be."""

LINE_BYTES_MAX: Final = 2**20


class Process(Protocol):
    """What an actor must know of its process: asyncio's has it all."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it hasn't."""
        ...

    @property
    def stdout(self) -> asyncio.StreamReader | None:
        """All it writes, complaints included."""
        ...

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal.

        Raises:
            ProcessLookupError: it has ended.
        """
        ...

    async def wait(self) -> int:
        """Wait until it has ended; how."""
        ...


Spawn = Callable[[Sequence[str], Mapping[str, str] | None], Awaitable[Process]]
"""Starts a command, in this environment or in ours."""


async def execute(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Process:
    """Start a command as a shell does."""
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        limit=LINE_BYTES_MAX,
    )


class DidNotStart(Exception):
    """A process ended or said nothing before it was ready; the message has its last words."""


class Actor:
    """One command, run as often as need be; all its output goes to one file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        is_ready: Callable[[str], bool],
        log: Path,
        environment: Mapping[str, str] | None = None,
        spawn: Spawn = execute,
    ) -> None:
        """Nothing runs yet. `is_ready` tells by a line of output that the process is ready; `spawn` starts it."""
        self.name = name
        self.log = log
        self._command = tuple(command)
        self._is_ready = is_ready
        self._environment = None if environment is None else {**os.environ, **environment}
        self._spawn = spawn
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        #: The line that said so.
        self.ready_line = ""
        #: The last lines of output.
        self.last: Final[deque[str]] = deque(maxlen=LINES_KEPT)
        #: How often it was started and killed.
        self.starts = 0
        self.kills = 0

    @property
    def is_running(self) -> bool:
        """It was started and has not ended, as far as we know."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            DidNotStart: it ended first, or takes too long.
        """
        await self.launch()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._ready_or_over()
        except TimeoutError:
            await self.kill()
            raise DidNotStart(f"{self.name} is not ready after {START_TIMEOUT_S:g} s:\n{self.last_words()}") from None
        if not self._ready.is_set():
            code = await self.wait()
            raise DidNotStart(f"{self.name} ended with {code} before it was ready:\n{self.last_words()}")

    async def launch(self) -> None:
        """Start it without waiting."""
        assert not self.is_running, f"{self.name} runs already"
        self._ready.clear()
        self._process = await self._spawn(self._command, self._environment)
        self.starts += 1
        assert self._process.stdout is not None, "it was asked for"
        self._reading = asyncio.create_task(self._read(self._process.stdout), name=f"output of {self.name}")

    async def _ready_or_over(self) -> None:
        assert self._reading is not None, "it was started"
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait([ready, self._reading], return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()

    async def _read(self, output: asyncio.StreamReader) -> None:
        with self.log.open("ab", buffering=0) as log:
            async for line in output:
                log.write(line)
                text = line.decode("utf-8", "replace").rstrip("\n")
                self.last.append(text)
                if not self._ready.is_set() and self._is_ready(text):
                    self.ready_line = text
                    self._ready.set()

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal_number)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.is_running:
            self.kills += 1
            self.send(signal.SIGKILL)
        await self.wait()

    async def stop(self, within_s: float = 20.0) -> int:
        """SIGTERM; its exit code. SIGKILL when it has not ended in time, and then minus nine."""
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                return await self.wait()
        except TimeoutError:
            await self.kill()
            return -signal.SIGKILL

    async def wait(self) -> int:
        """Wait until it has ended and its output is read; its exit code, 0 when it was never started."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        if self._reading is not None:
            await self._reading
        return code

    def last_words(self) -> str:
        """The last lines of its output."""
        return "\n".join(self.last)
