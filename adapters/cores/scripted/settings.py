"""What a scripted core is told at its start."""

import tomllib
from pathlib import Path

import msgspec

from adapters.amount import UnknownCurrency, scale
from adapters.core import Level
from adapters.cores.scripted.books import Accounts
from adapters.cores.scripted.faults import Fault


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One scripted core."""

    #: The ledger's file; made where there is none, taken up again where there is one.
    ledger: Path
    #: How it protects from booking a payment twice.
    level: Level = Level.A
    host: str = "127.0.0.1"
    #: 0: any free one.
    port: int = 0
    #: A second listener that stays up whatever the faults do; None: there is none, 0: any free port.
    control_port: int | None = None
    #: ISO 4217 code meant where a request names none.
    currency: str = "RUB"
    accounts: Accounts = Accounts()
    #: Every answer waits so long after the booking, in seconds: how fast a well core is.
    answer_delay_s: float = 0.0
    #: Where the faults' chance begins.
    seed: int = 1
    #: Faults that are set when it starts.
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        try:
            scale(self.currency)
        except UnknownCurrency as error:
            raise ValueError(f"currency: {error}") from error
        if self.answer_delay_s < 0:
            raise ValueError("answer_delay_s isn't negative")


def fault_from(text: str) -> Fault:
    """A fault as written on a command line: its kind, then what it is told: `hang,operation=pay,count=3`.

    Raises:
        ValueError: it can't be understood; the message says why (msgspec's validation errors are `ValueError`s).
    """
    kind, *told = text.split(",")
    fields = {"kind": kind}
    for each in told:
        name, equals, value = each.partition("=")
        if not equals:
            raise ValueError(f"{each!r}: write name=value")
        fields[name] = value
    return msgspec.convert(fields, Fault, strict=False)


def faults_in(path: Path) -> tuple[Fault, ...]:
    """The script of faults in a file: TOML with `[[fault]]` tables, or JSON with a list under `fault`.

    Raises:
        OSError: it can't be read.
        ValueError: it can't be understood; the message says why.
    """
    text = path.read_text(encoding="utf-8")
    script = msgspec.json.decode(text) if path.suffix == ".json" else tomllib.loads(text)
    return msgspec.convert(script, _Script).fault


class _Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fault: tuple[Fault, ...]
