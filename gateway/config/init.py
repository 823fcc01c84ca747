"""What `nightsafe init` makes: a first configuration that runs as it is, with keys and tokens of its own.

Nothing that exists is ever written over, and the configuration comes last and whole. So a run that was cut short is
simply repeated, and a key that may already seal payments is never replaced.
"""

import base64
import os
from pathlib import Path
from typing import Final

import msgspec

from adapters.channels.json_headers import token_digest
from gateway.clock import Clock
from gateway.config.toml import toml_value
from spool.evidence.checkpoint import make_checkpoint_key
from spool.masters import make_key_file

CORE_URL: Final = "http://127.0.0.1:8090"
"""Where `nightsafe core`, the scripted billing system, listens unless told otherwise."""

TOKEN_BITS: Final = 256

_TEMPLATE: Final = """\
# Made by `nightsafe init`: one terminal network, one bank and one billing system, all on this machine.
# Every key there is, explained: config.example.toml. After a change: nightsafe config check --config {here}

[log]
format = "text"

[spool]
path = {spool}
key_file = {key}

# Everything that happens is told in one log, and its head signed. Name witnesses before real money: config.example.toml
[evidence]
key_file = {evidence}

[listen.channels]
host = "127.0.0.1"
port = 8080

[listen.admin]
host = "127.0.0.1"
port = 8081

# Its token stands in {admin_file}
[admin.tokens.admin]
role = "operator"
sha256 = {admin}

# GET http://127.0.0.1:8080/osmp/kiosk?command=pay&txn_id=1&account=100&sum=10.00
[channels.kiosk]
protocol = "osmp"
currency = "RUB"
allow = ["127.0.0.0/8", "::1/128"]

# POST http://127.0.0.1:8080/v1/payments; its token stands in {bank_file}
[channels.bank]
protocol = "json"
currency = "RUB"
tokens_sha256 = [{bank}]

# The scripted billing system: nightsafe core
[cores.billing]
protocol = "json"
url = {core}
level = "A"

[routes.main]
core = "billing"
currency = "RUB"
channels = ["kiosk", "bank"]

[routes.main.standin]
payment_max = "15000"
exposure_sum_max = "50000000"
exposure_count_max = 1000000
"""


class ConfigExists(Exception):
    """There is a configuration already; it is left as it is."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists and is left as it is; name another folder, or say --if-missing")
        self.path = path


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is, whether it was made now or before."""

    config: Path
    key: Path
    evidence: Path
    bank_token: Path
    admin_token: Path
    #: What was made now, in order; empty when there was a configuration already.
    made: tuple[Path, ...] = ()


def make(folder: Path, clock: Clock, *, if_missing: bool = False) -> Made:
    """Make a configuration, and the key and tokens it refers to where there are none, in `folder`.

    With `if_missing` an existing configuration is fine and nothing is made.

    Raises:
        ConfigExists: there is one, and `if_missing` was not said.
        KeysUnfit, OSError: the folder can't be written to; what was made so far stays, and is taken up by the next try.
    """
    folder = folder.absolute()
    plan = Made(
        config=folder / "nightsafe.toml",
        key=folder / "keys/nightsafe.key",
        evidence=folder / "keys/evidence.key",
        bank_token=folder / "secrets/bank.token",
        admin_token=folder / "secrets/admin.token",
    )
    if plan.config.exists():
        if if_missing:
            return plan
        raise ConfigExists(plan.config)
    before = {path for path in _files(plan) if path.exists()}
    _make_missing(plan, clock)
    return msgspec.structs.replace(plan, made=tuple(path for path in _files(plan) if path not in before))


def _files(plan: Made) -> tuple[Path, ...]:
    return plan.key, plan.evidence, plan.bank_token, plan.admin_token, plan.config


def _make_missing(plan: Made, clock: Clock) -> None:
    for private in (plan.key.parent, plan.bank_token.parent):
        private.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not plan.key.exists():
        make_key_file(plan.key, clock.now_us())
    if not plan.evidence.exists():
        make_checkpoint_key(plan.evidence)
    digests = [token_digest(_token(path, clock)) for path in (plan.bank_token, plan.admin_token)]
    _write_new(plan.config, _text(plan, *digests))


def _text(plan: Made, bank: str, admin: str) -> str:
    return _TEMPLATE.format(
        here=toml_value(plan.config),
        spool=toml_value(plan.config.parent / "spool/nightsafe.db"),
        key=toml_value(plan.key),
        evidence=toml_value(plan.evidence),
        admin_file=toml_value(plan.admin_token),
        bank_file=toml_value(plan.bank_token),
        admin=toml_value(admin),
        bank=toml_value(bank),
        core=toml_value(CORE_URL),
    )


def _token(path: Path, clock: Clock) -> str:
    """The token in a file; drawn now where there is none."""
    if path.exists():
        return path.read_text(encoding="ascii").removesuffix("\n")
    return make_token(path, clock)


def make_token(path: Path, clock: Clock) -> str:
    """Draw a token and write it to a new file. Its name in front helps scanners for leaked secrets.

    Raises:
        FileExistsError: there is a file already.
    """
    drawn = clock.chance(TOKEN_BITS).to_bytes(TOKEN_BITS // 8, "big")
    token = f"nightsafe_{path.stem}_{base64.urlsafe_b64encode(drawn).rstrip(b'=').decode('ascii')}"
    _write_new(path, f"{token}\n")
    return token


def _write_new(path: Path, text: str) -> None:
    """Write a file that only its owner may read: whole or not at all, and on disk when this returns.

    Raises:
        FileExistsError: somebody else made one meanwhile; theirs stays.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(file, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
