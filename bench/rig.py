"""What every measurement stands on: servers on one core, load on another, CPU and memory from the kernel's books.

A server's CPU is user plus system time of its process, all threads and children, from `/proc/PID/stat` (a tick of
10 ms: measure for seconds). It moves far less than requests per second when others use the machine too, so ratios are
made of it.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).resolve().parents[1]
OUT: Final = ROOT / "bench/out"
"""Raw results and scratch files; not kept in git."""

_CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = _CORES[0]
LOAD_CORE: Final = _CORES[-1]

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_IS_ROOT: Final = os.geteuid() == 0
_PRIORITY: Final = -10
"""As root the measured processes go before others; without, a busy machine shows in every figure."""

START_S_MAX: Final = 120.0
STOP_S_MAX: Final = 30.0
REST_S: Final = 1.0
REST_SHARE_MAX: Final = 0.03
"""A process that uses less than this share of a core for so long is at rest, apart from its probes."""


class Trouble(Exception):
    """A measurement that can't be trusted or made."""


def pinned(command: Sequence[str], core: int) -> list[str]:
    """A command that runs on one core only."""
    command = ["taskset", "-c", str(core), *command]
    if not _IS_ROOT:
        return command
    more = _PRIORITY - os.getpriority(os.PRIO_PROCESS, 0)
    return ["nice", "-n", str(more), *command]


def pin_this_process() -> None:
    """Have this process send its load from the load's core."""
    os.sched_setaffinity(0, {LOAD_CORE})
    if _IS_ROOT:
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)


def python(*arguments: str) -> list[str]:
    """A command of this Python."""
    return [sys.executable, *arguments]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def dead_port() -> Generator[int]:
    """A port that refuses connections for as long as the block lasts: bound, never listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


class Server:
    """A process under measurement."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, ready_s: float) -> None:
        """Hold on to a process that listens on `port` since `ready_s` after its start."""
        self._process = process
        self.port = port
        #: Seconds from its start to the first connection it took.
        self.ready_s = ready_s

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def cpu_s(self) -> float:
        """Seconds of CPU it and its children have used so far."""
        return cpu_of(self.pid)

    def rested_s(self) -> float:
        """Wait until it does nothing any more; seconds of CPU it used up to there since its start."""
        used = self.cpu_s()
        while True:
            time.sleep(REST_S)
            now = self.cpu_s()
            if now - used <= REST_SHARE_MAX * REST_S:
                return now
            used = now

    def memory_mib(self, field: str = "VmRSS") -> float:
        """Memory of it and its children by a field of `/proc/PID/status`: VmRSS now, VmHWM the most ever."""
        return sum(_status_kib(pid, field) for pid in family(self.pid)) / 1024

    def shared_out_mib(self) -> float:
        """Memory of it and its children now, each page divided by the processes that share it (PSS)."""
        return sum(_rollup_kib(pid) for pid in family(self.pid)) / 1024


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    return found


def cpu_of(pid: int) -> float:
    """Seconds of CPU a process and its descendants have used so far."""
    return sum(_cpu_s(each) for each in family(pid))


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    # Its own user and system time, then that of children it has waited for.
    return sum(int(each) for each in fields[11:15]) / _TICKS_PER_S


def _status_kib(pid: int, field: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def _rollup_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


@contextlib.contextmanager
def server(command: Sequence[str], port: int, core: int, log: Path) -> Generator[Server]:
    """Run a server on one core for the length of a block; it is ready when it takes a connection.

    Raises:
        Trouble: it ended or did not listen in time; its log says why.
    """
    # As where it is installed: compiled once, not at each start.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    with log.open("ab") as out:
        process = subprocess.Popen(
            pinned(command, core),
            cwd=ROOT,
            env=env,
            stdout=out,
            stderr=out,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
    try:
        _await_port(process, port, log)
        yield Server(process, port, time.monotonic() - began)
    finally:
        _stop(process)


def _await_port(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + START_S_MAX
    while time.monotonic() < until:
        if process.poll() is not None:
            raise Trouble(f"the server ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.005)
    raise Trouble(f"nothing listens on {port} after {START_S_MAX:.0f} s; see {log}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the load generator saw: times in microseconds."""

    requests: int
    us: int
    not_2xx: int
    socket_errors: int
    timeouts: int
    p50: int
    p99: int
    p999: int
    max: int

    @property
    def per_s(self) -> float:
        """Requests answered a second."""
        return self.requests / (self.us / 1e6)


def wrk(port: int, seconds: float, connections: int, *script: str) -> Load:
    """Ask as fast as answers come over keep-alive connections, from the load's core, for whole seconds.

    `script` goes to `load.lua`: protocol, kind of keys, body, token, path.

    Raises:
        Trouble: wrk is missing or said nothing.
    """
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "20s",
        "-s",
        str(ROOT / "bench/load.lua"),
    ]
    command = pinned([*command, f"http://127.0.0.1:{port}", "--", *script], LOAD_CORE)
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in said.stdout.splitlines():
        if line.startswith("LOAD "):
            return msgspec.json.decode(line[5:], type=Load)
    raise Trouble(f"wrk said nothing: {said.stdout[-500:]}{said.stderr[-500:]}")


RUN: Final = f"{time.time_ns() // 1000:x}-{os.getpid():x}"
"""Names this run among the raw results: only what was measured in one run is compared."""


def keep(name: str, result: Mapping[str, Any]) -> None:
    """Add a raw result to `bench/out/<name>.jsonl`."""
    OUT.mkdir(parents=True, exist_ok=True)
    stamp = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "run": RUN}
    with (OUT / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps({**stamp, **result}) + "\n")


def kept(name: str, folder: Path = OUT) -> list[dict[str, Any]]:
    """The raw results of the newest run of a name; none if it never ran."""
    path = folder / f"{name}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [each for each in found if each.get("run") == found[-1].get("run")]


def tell(line: str) -> None:
    """Progress, to standard error, so that standard output is the report alone."""
    print(line, file=sys.stderr, flush=True)
