"""Starts the program by a fork of a process that has read it once: a start costs no second of imports.

What is started is a process as any other: it has a memory, descriptors and an end of its own, takes signals, and runs the
same `main` with the same arguments. Only reading the modules is not done anew. What is to see a start from its first
instruction, or looks at a process's memory, is started by `gateway.demo.actor.execute`.
"""

import asyncio
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.demo.actor import LINE_BYTES_MAX, Process, execute

PROGRAMS: Final = {
    "gateway": "gateway.cli",
    "adapters.cores.scripted": "adapters.cores.scripted.__main__",
    "adapters.cores.scripted.ledger": "adapters.cores.scripted.ledger",
    "adapters.judge": "adapters.judge.__main__",
}
"""What `python -m` is told to start a program that is started by a fork, and the module that has its `main`."""

READ_AHEAD: Final = ("gateway.cli.serve", "gateway.cli.offline", "gateway.cli.verbs")
"""Modules that a program reads when it comes to need them."""

ORDER_BYTES_MAX: Final = 2**17
DESCRIPTORS_MAX: Final = 2**16
NAME: Final = "tests.acceptance.fork_server"


# The tests' side


async def forked(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Process:
    """Start a command by a fork where it is one of `PROGRAMS`, else as a shell does; what it writes comes as one stream."""
    if not _is_run(command):
        return await execute(command, environment)
    process, reading = await _fork(command, environment, streams=1)
    process.stdout = reading[0]
    return process


async def run_forked(command: Sequence[str]) -> tuple[int, bytes, bytes]:
    """Run a command of `PROGRAMS` to its end; its exit code, what it wrote, and what it complained of."""
    assert _is_run(command), command
    process, (out, err) = await _fork(command, None, streams=2)
    said, complained = await asyncio.gather(out.read(), err.read())
    return await process.wait(), said, complained


class Forked:
    """A process that the fork server started; it tells us of its end."""

    def __init__(self, line: socket.socket, pid: int, descriptor: int) -> None:
        """`line` tells its exit code, `descriptor` is a pidfd: no later process of the same number is ever meant."""
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: asyncio.StreamReader | None = None
        self._descriptor = descriptor
        self._ended = asyncio.create_task(self._see(line), name=f"end of {pid}")

    def send_signal(self, signal_number: int, /) -> None:
        """Send it a signal.

        Raises:
            ProcessLookupError: it has ended.
        """
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        signal.pidfd_send_signal(self._descriptor, signal_number)

    async def wait(self) -> int:
        """Wait until it has ended; its exit code, or minus the signal that ended it."""
        return await asyncio.shield(self._ended)

    async def _see(self, line: socket.socket) -> int:
        with line:
            told = await asyncio.get_running_loop().sock_recv(line, 32)
        self.returncode = int(told)
        os.close(self._descriptor)
        return self.returncode


def _is_run(command: Sequence[str]) -> bool:
    return tuple(command[:2]) == (sys.executable, "-m") and command[2] in PROGRAMS


async def _fork(
    command: Sequence[str], environment: Mapping[str, str] | None, *, streams: int
) -> tuple[Forked, list[asyncio.StreamReader]]:
    """Its process, and a reader of each of its streams: of both in one, or of each."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pipes = [os.pipe() for _ in range(streams)]
    order = {"run": list(command[2:]), "environment": dict(environment or os.environ), "folder": str(Path.cwd())}
    given = [theirs.fileno(), pipes[0][1], pipes[-1][1]]
    socket.send_fds(_server(), [json.dumps(order).encode()], given)
    theirs.close()
    for _, writing in pipes:
        os.close(writing)
    ours.setblocking(False)
    readers = [await _reader(reading) for reading, _ in pipes]
    pid, descriptor = await _told(ours)
    return Forked(ours, pid, descriptor), readers


async def _reader(descriptor: int) -> asyncio.StreamReader:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0))
    return reader


async def _told(line: socket.socket) -> tuple[int, int]:
    """The process's number and a pidfd."""
    loop, come = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(line, come.set)
    try:
        await come.wait()
    finally:
        loop.remove_reader(line)
    said, descriptors, _, _ = socket.recv_fds(line, 32, 1)
    assert said, "the fork server has ended"
    return int(said), descriptors[0]


@functools.cache
def _server() -> socket.socket:
    """The line to this worker's fork server: made once, ended with the worker."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-m", NAME, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours


# The server's side


def serve(descriptor: int) -> None:
    """Fork for each order that comes by the line, and tell of ends, until the line ends; in a child, be the command."""
    programs = {name: importlib.import_module(module).main for name, module in PROGRAMS.items()}
    for name in READ_AHEAD:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    line = socket.socket(fileno=descriptor)
    watched: dict[int, tuple[int, int]] = {}
    poll = select.poll()
    poll.register(line, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready in watched:
                poll.unregister(ready)
                _tell_end(ready, *watched.pop(ready))
                continue
            said, given, _, _ = socket.recv_fds(line, ORDER_BYTES_MAX, 3)
            if not said:
                return
            teller, out, err = given
            pid = os.fork()
            if pid == 0:
                line.detach()
                run: list[str] = _become(json.loads(said), out, err)
                sys.exit(programs[run[0]]())
            os.close(out)
            os.close(err)
            ended = os.pidfd_open(pid)
            watched[ended] = (pid, teller)
            poll.register(ended, select.POLLIN)
            with socket.socket(fileno=os.dup(teller)) as told, contextlib.suppress(OSError):
                socket.send_fds(told, [str(pid).encode()], [ended])


def _tell_end(ended: int, pid: int, teller: int) -> None:
    """Reap it; whoever started it may be gone by then."""
    _, status = os.waitpid(pid, 0)
    os.close(ended)
    with socket.socket(fileno=teller) as told, contextlib.suppress(OSError):
        told.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(order: Mapping[str, Any], out: int, err: int) -> list[str]:
    """Be what was ordered: its streams, its environment, its arguments, and nothing of the server's; what to run."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, DESCRIPTORS_MAX)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    sys.argv = order["run"]
    return sys.argv


if __name__ == "__main__":
    serve(int(sys.argv[1]))
