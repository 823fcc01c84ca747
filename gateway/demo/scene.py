"""A scene: a folder with a configuration, a key and tokens, and the processes that play in it.

For each billing system there are two channels, `<core>-kiosk` (OSMP) and `<core>-bank` (JSON), and a route. The times
are those of a rehearsal: outages last seconds. The core's mapping passes on `<channel>.<key>`, so that the judge can
trace each booking without asking the gateway.
"""

import contextlib
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from adapters.channels.json_headers import token_digest
from adapters.channels.scripted.speech import JsonSpeech, OsmpSpeech, Speech
from adapters.core import Level
from gateway.clock import Clock
from gateway.config.toml import toml_value
from gateway.demo.actor import Actor, Spawn, execute
from spool.masters import make_key_file

HOST: Final = "127.0.0.1"
CURRENCY: Final = "RUB"

PORTS: Final = range(10_240, 32_768)
"""Below those a system gives to callers, so that no caller holds one while its server is being restarted."""

PORT_TRIES: Final = 200
TOKEN_BITS: Final = 256


class NoPort(Exception):
    """No free port was found."""


class CorePart(msgspec.Struct, frozen=True, kw_only=True):
    """One billing system of a scene."""

    name: str = "billing"
    level: Level = Level.A
    protocol: str = "json"
    #: Further arguments of the scripted core.
    arguments: tuple[str, ...] = ()
    #: Seconds one attempt may take; also how long a core below level A is given to settle.
    attempt_timeout_s: float = 1.0


class Ports:
    """Free ports, each given once."""

    def __init__(self, clock: Clock, among: range = PORTS) -> None:
        """Chosen by the clock's chance."""
        self._clock = clock
        self._among = among
        self._given: set[int] = set()

    def take(self) -> int:
        """A port nobody listens on.

        Raises:
            NoPort: none was found.
        """
        for _ in range(PORT_TRIES):
            port = self._among[int(self._clock.fraction() * len(self._among))]
            if port not in self._given and _is_free(port):
                self._given.add(port)
                return port
        raise NoPort(f"no free port in {PORT_TRIES} tries")


def _is_free(port: int) -> bool:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
    return True


class Scene:
    """Everything in one folder. Made whole; nothing runs until its actors are started."""

    def __init__(
        self,
        folder: Path,
        cores: Sequence[CorePart],
        clock: Clock,
        *,
        spool: Mapping[str, object] | None = None,
        stop_grace_s: float = 8.0,
        ports: range = PORTS,
        spawn: Spawn = execute,
    ) -> None:
        """Write the configuration and what it needs into `folder`; `spool` has keys of its table, `spawn` starts actors.

        Raises:
            OSError, NoPort: it can't be made.
        """
        self.folder = folder
        self.cores = tuple(cores)
        self.spawn = spawn
        self._clock = clock
        self._ports = Ports(clock, ports)
        self._ids = clock.now_us()
        self.port = self._ports.take()
        self.admin_port = self._ports.take()
        self.admin_token = _token("admin", clock)
        self._bank_tokens = {part.name: _token(part.name, clock) for part in self.cores}
        self._core_ports = {part.name: (self._ports.take(), self._ports.take()) for part in self.cores}
        self.config = folder / "nightsafe.toml"
        make_key_file(folder / "nightsafe.key", clock.now_us())
        self.config.write_text(self._configuration(spool or {}, stop_grace_s), encoding="utf-8")

    @property
    def url(self) -> str:
        """Where payments go."""
        return f"http://{HOST}:{self.port}"

    @property
    def admin_url(self) -> str:
        """Where operators go."""
        return f"http://{HOST}:{self.admin_port}"

    def core_url(self, core: str) -> str:
        """Where a core books."""
        return f"http://{HOST}:{self._core_ports[core][0]}"

    def control_url(self, core: str) -> str:
        """Where a core's faults are steered, whatever they are."""
        return f"http://{HOST}:{self._core_ports[core][1]}"

    def core_ports(self, core: str) -> tuple[int, int]:
        """The ports a core books on and is steered by."""
        return self._core_ports[core]

    def bank_token(self, core: str) -> str:
        """The bearer token of a core's JSON channel."""
        return self._bank_tokens[core]

    def ledger(self, core: str) -> Path:
        """A core's ledger."""
        return self.folder / f"{core}.ledger.db"

    def diary(self, core: str) -> Path:
        """What the senders of a core's channels were told."""
        return self.folder / f"{core}.diary.jsonl"

    def speeches(self, core: str) -> list[Speech]:
        """The senders of a core's two channels."""
        return [
            OsmpSpeech(f"{core}-kiosk", first_id=self._ids),
            JsonSpeech(f"{core}-bank", self._bank_tokens[core]),
        ]

    def gateway(self, command: Sequence[str] = ("-m", "gateway", "serve", "--config")) -> Actor:
        """The gateway, by the real command."""
        return Actor(
            "gateway",
            (sys.executable, *command, str(self.config)),
            is_ready=_listens_to_channels,
            log=self.folder / "gateway.log",
            spawn=self.spawn,
        )

    def core(self, name: str) -> Actor:
        """A scripted core, by the real command."""
        (part,) = (part for part in self.cores if part.name == name)
        port, control_port = self._core_ports[name]
        arguments = ("--ledger", str(self.ledger(name)), "--level", part.level.value, *part.arguments)
        ports = ("--port", str(port), "--control-port", str(control_port))
        return Actor(
            f"core {name}",
            (sys.executable, "-m", "adapters.cores.scripted", *arguments, *ports),
            is_ready=_listens,
            log=self.folder / f"{name}.log",
            spawn=self.spawn,
        )

    def _configuration(self, spool: Mapping[str, object], stop_grace_s: float) -> str:
        keys = {"path": self.folder / "spool/nightsafe.db", "key_file": self.folder / "nightsafe.key", **spool}
        head = _HEAD.format(
            grace=toml_value(stop_grace_s),
            spool="".join(f"{key} = {toml_value(value)}\n" for key, value in keys.items()),
            port=self.port,
            admin_port=self.admin_port,
            admin=toml_value(token_digest(self.admin_token)),
        )
        return "\n".join([head, *(self._core_tables(part) for part in self.cores)])

    def _core_tables(self, part: CorePart) -> str:
        contract = _CONTRACTS[part.protocol, part.level]
        path = "/osmp" if part.protocol == "osmp" else ""
        return _CORE.format(
            core=part.name,
            bank=toml_value(token_digest(self._bank_tokens[part.name])),
            protocol=toml_value(part.protocol),
            url=toml_value(self.core_url(part.name) + path),
            level=toml_value(part.level.value),
            attempt_s=toml_value(part.attempt_timeout_s),
            contract=contract,
            mapping=_MAPPINGS[part.protocol].format(core=part.name),
        )


def _listens_to_channels(line: str) -> bool:
    return '"listening"' in line and '"channels"' in line


def _listens(line: str) -> bool:
    return line.startswith("listening on ")


def _token(name: str, clock: Clock) -> str:
    return f"nightsafe_{name}_{clock.chance(TOKEN_BITS):064x}"


_HEAD: Final = """\
[node]
stop_grace_s = {grace}

[log]
format = "json"

[spool]
{spool}
[listen.channels]
port = {port}

[listen.admin]
port = {admin_port}

[admin.tokens.admin]
role = "operator"
sha256 = {admin}
"""

_CORE: Final = """\
[channels.{core}-kiosk]
protocol = "osmp"
currency = "RUB"
allow = ["127.0.0.0/8"]
deadline_s = 8.0
commands = ["getInfo", "check", "pay", "status", "cancel"]

[channels.{core}-bank]
protocol = "json"
currency = "RUB"
deadline_s = 8.0
tokens_sha256 = [{bank}]

[cores.{core}]
protocol = {protocol}
url = {url}
level = {level}
settle_delay_s = {attempt_s}
{contract}
{mapping}
[routes.{core}]
core = "{core}"
currency = "RUB"
channels = ["{core}-kiosk", "{core}-bank"]

[routes.{core}.forward]
attempt_timeout_s = {attempt_s}
backoff_first_s = 0.2
backoff_max_s = 2.0

[routes.{core}.breaker]
open_for_s = 0.5
open_for_max_s = 2.0
probe_interval_s = 0.25
probe_interval_max_s = 1.0
probe_deadline_s = 1.0
trial_deadline_s = 5.0

[routes.{core}.standin]
exposure_count_max = 1000000
"""

_CONTRACTS: Final[Mapping[tuple[str, Level], str]] = {
    ("json", Level.A): "",
    ("json", Level.B): "not_found_is_final = true",
    ("json", Level.C): "lookup = false",
    ("osmp", Level.A): 'cancel_command = "cancel"',
    ("osmp", Level.B): (
        'not_found_is_final = true\nstatus_command = "status"\nstatus_codes = { 79 = { means = "not_found" } }\n'
        'cancel_command = "cancel"'
    ),
    ("osmp", Level.C): 'cancel_command = "cancel"',
}
"""What else a core's table says at each level; a scripted core at level B can be asked and never books late."""

_MAPPINGS: Final[Mapping[str, str]] = {
    "json": """\
[cores.{core}.post.body]
id = "{{id}}"
account = "{{account}}"
amount = "{{amount}}"
currency = "{{currency}}"
service = "{{channel}}.{{key}}"
paid_at = "{{paid_at}}"
""",
    "osmp": """\
[cores.{core}.parameters]
prv_id = "{{channel}}.{{key}}"
""",
}
"""Where the core is told by whom and under which key a payment came."""
