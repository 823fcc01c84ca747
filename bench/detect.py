"""How soon a core's death is noticed, and what payers feel of it, under a steady 200 payments a second.

The service passes payments of the JSON API through to the scripted core. Then the core dies: it refuses connections, or
it hangs (takes requests and says nothing). Counted from just before it was told to: when the first provisional answer
reached a payer, the longest any payment of the whole run waited, beside its channel's deadline, and the 99th percentile of
waits in health, in the two seconds around the death, and in the outage after them. Payments are sent by the clock, not
when answers come, so a wait hides no other.
"""

import argparse
import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
import uvloop

from bench.installation import TOKEN, Installation, install, running, scratch
from bench.rig import LOAD_CORE, free_port, keep, pin_this_process, python, server, tell
from bench.table import spread, table

DEATHS: Final = ("refuse", "hang")
WARM_UP_S: Final = 2.0
AROUND_S: Final = 2.0
FIRST_S_WANTED: Final = 1.0


class Sent(msgspec.Struct, frozen=True):
    """One payment: when it was due (monotonic seconds), how long it waited, its status (0: no answer)."""

    at: float
    took_s: float
    status: int


class Noticed(msgspec.Struct, frozen=True, kw_only=True):
    """One death in one round; times in seconds."""

    death: str
    round: int
    deadline_s: float
    payments: int
    #: From the death to the first provisional answer.
    first_s: float
    longest_s: float
    p99_health_s: float
    p99_around_s: float
    p99_outage_s: float
    #: Payments without a positive answer.
    failed: int


class Traffic:
    """Sends payments at a fixed rate."""

    def __init__(self, session: aiohttp.ClientSession, port: int, per_s: float) -> None:
        """To the service on this port."""
        self._session = session
        self._url = f"http://127.0.0.1:{port}/v1/payments"
        self._gap_s = 1 / per_s
        self._random = random.Random(port)  # noqa: S311 - accounts, no secrets
        self._under_way: set[asyncio.Task[None]] = set()
        self.sent: list[Sent] = []

    async def go_on(self, seconds: float) -> None:
        """Send for so long."""
        due = time.monotonic()
        until = due + seconds
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))  # payments come by the clock: the load is the rate
            task = asyncio.create_task(self._send(due))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            due += self._gap_s

    async def end(self) -> None:
        """Wait for every answer."""
        await asyncio.gather(*self._under_way)

    async def _send(self, due: float) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": str(uuid.uuid4())}
        body = {"account": f"770{self._random.randrange(10**7):07d}", "amount": "200.00", "currency": "RUB"}
        status = 0
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.post(self._url, json=body, headers=headers) as answer:
                await answer.read()
                status = answer.status
        self.sent.append(Sent(due, time.monotonic() - due, status))


@contextlib.contextmanager
def _scene(folder: Path, deadline_s: float) -> Generator[tuple[Installation, int]]:
    """A well core, and the service before it; the core's controls are on the port given."""
    port, control = free_port(), free_port()
    command = python("-m", "adapters.cores.scripted", "--ledger", str(folder / "ledger.db"), "--port", str(port))
    command += ["--control-port", str(control)]
    made = install(folder, port, in_flight=64, deadline_s=deadline_s)
    with server(command, port, LOAD_CORE, folder / "core.log"), running(made):
        yield made, control


async def _die(session: aiohttp.ClientSession, control: int, death: str) -> float:
    began = time.monotonic()
    async with session.post(f"http://127.0.0.1:{control}/faults", json={"outage": death}) as answer:
        answer.raise_for_status()
    return began


async def _watch(
    made: Installation, control: int, death: str, told: argparse.Namespace
) -> tuple[list[Sent], float, float]:
    """The payments, when measuring began, and when the core died."""
    timeout = aiohttp.ClientTimeout(total=3 * told.deadline)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        traffic = Traffic(session, made.port, told.per_s)
        await traffic.go_on(WARM_UP_S)
        began = time.monotonic()
        await traffic.go_on(told.seconds)
        dying = asyncio.create_task(_die(session, control, death))
        await traffic.go_on(told.seconds)
        await traffic.end()
        return traffic.sent, began, await dying


def notice(death: str, number: int, told: argparse.Namespace) -> Noticed:
    """One run."""
    with scratch() as folder, _scene(folder, told.deadline) as (made, control):
        sent, began, died = uvloop.run(_watch(made, control, death, told))
    provisional = [each.at + each.took_s - died for each in sent if each.status == 202]
    return Noticed(
        death=death,
        round=number,
        deadline_s=told.deadline,
        payments=len(sent),
        first_s=min((after for after in provisional if after > 0), default=float("inf")),
        longest_s=max(each.took_s for each in sent),
        p99_health_s=_p99(sent, began, died - AROUND_S / 2),
        p99_around_s=_p99(sent, died - AROUND_S / 2, died + AROUND_S / 2),
        p99_outage_s=_p99(sent, died + AROUND_S / 2, float("inf")),
        failed=sum(each.status not in (201, 202) for each in sent),
    )


def _p99(sent: list[Sent], begin: float, end: float) -> float:
    took = sorted(each.took_s for each in sent if begin <= each.at < end)
    return took[len(took) * 99 // 100]


def report(runs: list[Noticed]) -> str:
    """The table of all rounds."""
    rows = list[list[str]]()
    for death in DEATHS:
        mine = [run for run in runs if run.death == death]
        rows.append(
            [
                death,
                spread([run.first_s for run in mine], 3),
                spread([run.longest_s for run in mine], 2),
                f"{mine[0].deadline_s:g}",
                *(
                    spread([getattr(run, name) * 1e3 for run in mine], 1)
                    for name in ("p99_health_s", "p99_around_s", "p99_outage_s")
                ),
                f"{sum(run.failed for run in mine)} of {sum(run.payments for run in mine)}",
            ]
        )
    head = (
        "the core", "s to the first provisional answer", "longest wait s", "deadline s", "p99 ms in health",
        "p99 ms around the death", "p99 ms in the outage", "without a yes",
    )  # fmt: skip
    return table(head, rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of health, and again of outage")
    parser.add_argument("--per-s", type=float, default=200.0, help="payments a second")
    parser.add_argument("--deadline", type=float, default=10.0, help="the channel's, seconds")


def run(told: argparse.Namespace) -> None:
    """Measure, print the table."""
    pin_this_process()
    runs: list[Noticed] = []
    for number in range(told.rounds):
        for death in DEATHS:
            runs.append(one := notice(death, number, told))
            keep("detect", msgspec.to_builtins(one))
            tell(f"round {number} {one}")
    print(report(runs))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.detect", description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
