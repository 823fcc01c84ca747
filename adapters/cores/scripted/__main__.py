"""`python -m adapters.cores.scripted`: a scripted core as a command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from adapters.core import Level
from adapters.cores.scripted.books import Accounts
from adapters.cores.scripted.journal import LedgerBroken, LedgerHeld
from adapters.cores.scripted.server import run
from adapters.cores.scripted.settings import Settings, fault_from, faults_in

PROG: Final = "python -m adapters.cores.scripted"


def settings_from(
    arguments: Sequence[str] | None = None, *, prog: str = PROG, ledger: Path | None = None, port: int = 0
) -> Settings:
    """The settings a command line tells; `ledger` and `port` are meant where it tells none.

    Raises:
        ValueError, OSError: it tells something that can't be; the message says what.
    """
    told = _parser(prog, ledger, port).parse_args(arguments)
    script = faults_in(told.script) if told.script else ()
    return Settings(
        ledger=told.ledger,
        level=Level(told.level),
        host=told.host,
        port=told.port,
        control_port=told.control_port,
        currency=told.currency,
        accounts=Accounts(
            format=told.account_format,
            known=told.accounts,
            inactive=frozenset(told.inactive),
            amount_min=told.amount_min,
            amount_max=told.amount_max,
        ),
        answer_delay_s=told.answer_delay_ms / 1000,
        seed=told.seed,
        faults=(*script, *(fault_from(text) for text in told.fault)),
    )


def _parser(prog: str, ledger: Path | None, port: int) -> argparse.ArgumentParser:
    usual = Settings(ledger=ledger or Path(), port=port)
    parser = argparse.ArgumentParser(prog=prog, description="A billing system to rehearse against.")
    add = parser.add_argument
    where = "the ledger's file; made where there is none"
    if ledger is None:
        add("--ledger", type=Path, required=True, help=where)
    else:
        add("--ledger", type=Path, default=ledger, help=f"{where} (%(default)s)")
    add("--level", choices=[level.value for level in Level], default=usual.level.value)
    add("--host", default=usual.host)
    add("--port", type=int, default=usual.port, help="0: any free one (%(default)s)")
    add("--control-port", type=int, help="a listener that stays up whatever the faults do; 0: any free one")
    add("--currency", default=usual.currency, help="meant where a request names none")
    add("--account-format", default=usual.accounts.format, help="pattern of well-formed accounts")
    add("--accounts", default=usual.accounts.known, help="pattern of known accounts")
    add("--inactive", action="append", default=[], help="an account that isn't active (may be repeated)")
    add("--amount-min", type=int, default=usual.accounts.amount_min, help="minor units")
    add("--amount-max", type=int, default=usual.accounts.amount_max, help="minor units")
    add("--answer-delay-ms", type=float, default=0.0, help="every answer waits so long after the booking")
    add("--seed", type=int, default=usual.seed, help="where the faults' chance begins")
    add("--script", type=Path, help="faults to begin with: TOML with [[fault]] tables, or JSON")
    add(
        "--fault",
        action="append",
        default=[],
        help="a fault to begin with: hang,operation=pay,count=3 (may be repeated)",
    )
    return parser


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None, *, prog: str = PROG, ledger: Path | None = None, port: int = 0) -> int:
    """Run until told to stop; 0, or 2 when it can't start.

    `prog` is what the help calls it; `ledger` (with its folder, made if need be) and `port` hold where none is told.
    """
    try:
        settings = settings_from(arguments, prog=prog, ledger=ledger, port=port)
        if ledger is not None and settings.ledger == ledger:
            ledger.parent.mkdir(parents=True, exist_ok=True)
        run(settings, _say)
    except (ValueError, OSError, LedgerHeld, LedgerBroken) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
