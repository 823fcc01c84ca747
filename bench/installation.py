"""A Nightsafe to be measured: a folder with keys, a configuration and a spool of its own, and the process on it."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

import msgspec

from adapters.channels.json_headers import token_digest
from bench.rig import OUT, SERVER_CORE, Server, free_port, python, server
from spool.masters import make_key_file

TOKEN: Final = "bench-" + "0123456789abcdef" * 2
"""No secret: it opens nothing but a spool in a scratch folder."""

_TEMPLATE: Final = """\
[log]
level = "warning"

[spool]
path = "{folder}/spool.db"
key_file = "{folder}/nightsafe.key"

# The audit in the background reads all there is, for minutes, at a pace of its own: not what is measured here.
[evidence]
audit_every_s = 0

[listen.channels]
port = {port}

[listen.admin]
port = {admin_port}

[channels.kiosk]
protocol = "osmp"
currency = "RUB"
allow = ["127.0.0.0/8"]
deadline_s = {deadline_s}

[channels.bank]
protocol = "json"
currency = "RUB"
deadline_s = {deadline_s}
tokens_sha256 = ["{digest}"]

[cores.billing]
protocol = "json"
url = "{core}"
level = "A"
connections_max = {connections}

[routes.main]
core = "billing"
currency = "RUB"
channels = ["kiosk", "bank"]

[routes.main.forward]
in_flight_max = {in_flight}
explore_after_s = 0

# Limits that are counted for each payment and never reached.
[routes.main.standin]
payment_max = "15000"
exposure_sum_max = "900000000000"
exposure_count_max = 100000000
"""


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """One folder with everything in it."""

    folder: Path
    port: int

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.folder / "nightsafe.toml"

    @property
    def spool(self) -> Path:
        """Its spool's file."""
        return self.folder / "spool.db"

    @property
    def key_file(self) -> Path:
        """Its keys."""
        return self.folder / "nightsafe.key"


def install(folder: Path, core_port: int, *, in_flight: int = 32, deadline_s: float = 10.0) -> Installation:
    """Make one in a folder (or take up the keys and spool that are there), with its core on this port."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Installation(folder=folder, port=free_port())
    if not made.key_file.exists():
        make_key_file(made.key_file, time.time_ns() // 1000)
    made.config.write_text(
        _TEMPLATE.format(
            folder=folder,
            port=made.port,
            admin_port=free_port(),
            digest=token_digest(TOKEN),
            core=f"http://127.0.0.1:{core_port}",
            in_flight=in_flight,
            connections=max(64, in_flight),
            deadline_s=float(deadline_s),
        )
    )
    return made


@contextlib.contextmanager
def scratch() -> Generator[Path]:
    """An empty folder on the disk that is measured, gone with the block."""
    OUT.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=OUT))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def running(made: Installation) -> Generator[Server]:
    """The service as its users run it, on the servers' core."""
    command = python("-m", "gateway", "serve", "--config", str(made.config))
    with server(command, made.port, SERVER_CORE, made.folder / "serve.log") as process:
        yield process
