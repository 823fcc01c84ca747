"""A spool with payments waiting: each drafted, sealed and inserted as the service does, many sharing a commit.

Accounts are drawn at random from ten million, so lanes are random; keys are random (v4) or rise with time (v7). What is
made is kept under `bench/out/preloaded` and copied for each use.
"""

import argparse
import asyncio
import hashlib
import os
import random
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from adapters.core import Core
from adapters.cores import open_core
from adapters.payment import Payment
from bench.installation import Installation, install
from bench.rig import OUT, tell
from gateway import content
from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.custody.keeper import Keeper
from gateway.custody.provider import open_chest
from spool.entry import Draft
from spool.lifecycle import Kind, State, Told
from spool.number import Numbers, id_text
from spool.spool import Spool
from spool.sqlite import SqliteStore
from spool.sqlite.statements import migrations

ROUTE: Final = "main"
CHANNEL: Final = "bank"
KEYS: Final = ("v4", "v7")
AT_ONCE: Final = 512
"""Payments that share a commit."""

TOLD_EVERY: Final = 1_000_000

STALL_S: Final = 600.0
"""Nobody waits for an answer here, so a machine that has much else to do may hang for as long."""

_ANY_PORT: Final = 9
"""The core's port, written anew for each use."""


class Drafter:
    """Makes drafts of payments as the way in makes them while it stands in."""

    def __init__(self, spool: Spool, core: Core, keys: str, seed: int) -> None:
        """Draw accounts, sums and keys (`v4` or `v7`) from a seed; ids and times are real."""
        self._spool = spool
        self._core = core
        self._random = random.Random(seed)  # noqa: S311 - repeatable payments, no secrets
        self._clock = SystemClock()
        self._numbers = Numbers()
        self._key = self._rising if keys == "v7" else self._any
        self._count = 0

    def draft(self) -> Draft:
        """The next one."""
        draw, now_us = self._random, self._clock.now_us()
        number, id_ = self._numbers.mint(now_us, draw.getrandbits(73))
        payment = Payment(
            channel=CHANNEL,
            key=self._key(),
            account=f"770{draw.randrange(10_000_000):07d}",
            amount=draw.randrange(100, 1_500_00),
            currency="RUB",
        )
        return Draft(
            number=number,
            id=id_,
            kind=Kind.PAYMENT,
            channel=CHANNEL,
            key=payment.key,
            fingerprint=draw.randbytes(16),
            route=ROUTE,
            lane=self._spool.lane_of(ROUTE, payment.account),
            amount=payment.amount,
            currency=payment.currency,
            accepted_at_us=now_us,
            state=State.READY,
            told=Told.PROVISIONAL,
            policy="0123456789ab",
            content=content.of_payment(payment, self._core.prepare(payment, number, id_text(id_))),
        )

    def _any(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _rising(self) -> str:
        self._count += 1
        head = time.time_ns() // 1_000_000 << 16 | 7 << 12 | self._count & 0xFFF
        return str(uuid.UUID(int=head << 64 | 2 << 62 | self._random.getrandbits(62)))


async def opened(made: Installation) -> tuple[Spool, Core]:
    """The spool of an installation, and its core adapter, for use in this process."""
    config, clock, spool = load(made.config), SystemClock(), Spool(SqliteStore(made.spool, stall_s=STALL_S))
    keeper = Keeper(
        chest=open_chest(config),
        spool=spool,
        shelf=spool.store,
        numbers=Numbers(),
        clock=clock,
        settings=config.keys,
    )
    await spool.open(clock.now_us(), keeper.unlock)
    return spool, open_core("billing", config.cores["billing"])


async def fill(made: Installation, count: int, keys: str) -> None:
    """Put so many payments into an empty spool."""
    spool, core = await opened(made)
    try:
        drafter = Drafter(spool, core, keys, seed=count)
        for start in range(0, count, AT_ONCE):
            drafts = [drafter.draft() for _ in range(min(AT_ONCE, count - start))]
            await asyncio.gather(*(spool.record(draft) for draft in drafts))
            if start and start // TOLD_EVERY != (start - AT_ONCE) // TOLD_EVERY:
                tell(f"{start:,} of {count:,} preloaded")
    finally:
        await spool.close()


def preloaded(count: int, keys: str, progress: Callable[[str], None] = tell) -> Path:
    """A folder with keys and a spool of so many waiting payments, made when it isn't there."""
    folder = OUT / f"preloaded/{keys}-{count}-{_layout()}"
    done = folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        progress(f"preloading {count:,} payments with {keys} keys, once")
        asyncio.run(fill(install(folder, _ANY_PORT), count, keys))
        done.touch()
    return folder


def _layout() -> str:
    """Eight digits that change with the spool's tables, so that nothing made by another layout is used."""
    return hashlib.sha256(repr(migrations()).encode()).hexdigest()[:8]


def copied(folder: Path, source: Path) -> None:
    """Copy keys, key store and spool of a preloaded folder into a scratch folder, and have them on disk before anything is measured."""
    for name in ("nightsafe.key", "nightsafe.key.store", "spool.db"):
        with Path(shutil.copy(source / name, folder / name)).open("rb") as file:
            os.fsync(file)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.preload", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--keys", choices=KEYS, default="v4")
    told = parser.parse_args()
    print(preloaded(told.count, told.keys))


if __name__ == "__main__":
    main()
