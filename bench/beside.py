"""Taking a payment, beside what else one might build it with: each durable on disk before it answers.

Cases: B (`bench.bare`), Nightsafe in health and in an outage, and the peers of `bench/peers`, all in one run, each with
64 connections, its servers and all they lean on (databases, queues) on one core. Each round runs every case once, in an
order that rotates; ratios are taken inside one round. The peers' fronts authenticate nobody, check nothing and encrypt
nothing: Nightsafe does. The run ends with an error when a store holds less than was answered.
"""

import argparse
from collections.abc import Sequence
from typing import Final

from bench.accept import bare, passing_through, standing_in
from bench.case import Case
from bench.installation import TOKEN
from bench.peers import dbos, nats, nginx, postgres, redis, restate
from bench.peers.peer import Missing, Peer
from bench.rig import tell
from bench.rounds import Result, insist, rounds
from bench.table import spread, table

PEERS: Final = (*postgres.PEERS, *redis.PEERS, *nats.PEERS, *restate.PEERS, *dbos.PEERS, *nginx.PEERS)

BARE: Final = "B: bare aiohttp"
HEALTH: Final = "Nightsafe in health, passed through"
OUTAGE: Final = "Nightsafe in an outage, durable accept"


def ours() -> list[Case]:
    """B and Nightsafe."""
    script = ("json", "v4", "full", TOKEN)
    return [
        Case(name=BARE, setting=bare, script=script),
        Case(name=OUTAGE, setting=standing_in, script=script),
        Case(name=HEALTH, setting=passing_through, script=script),
    ]


def case_of(peer: Peer) -> Case:
    """A peer as a case: the same requests, to where it takes them."""
    return Case(name=peer.name, setting=peer.setting, script=("json", "v4", "full", TOKEN, peer.path))


def versions(peers: Sequence[Peer]) -> tuple[dict[str, str], dict[str, str]]:
    """By peer's name: the version of what is installed, and why what isn't can't be measured."""
    found, missing = dict[str, str](), dict[str, str]()
    for peer in peers:
        try:
            found[peer.name] = peer.version()
        except Missing as error:
            missing[peer.name] = str(error)
            tell(f"NOT MEASURED: {peer.name}: {error}")
    return found, missing


class Beside:
    """The results of all rounds, compared with Nightsafe's durable accept of the same round."""

    def __init__(self, results: Sequence[Result]) -> None:
        """Of one run."""
        self._results = results
        self._ours = {each.round: each for each in results if each.case == OUTAGE}

    def of(self, name: str) -> list[Result]:
        """One case's."""
        return [each for each in self._results if each.case == name]

    def by_rate(self, name: str) -> list[float]:
        """How many times what the case takes a second we take, by round."""
        return [self._ours[each.round].per_s / each.per_s for each in self.of(name) if each.round in self._ours]

    def by_cpu(self, name: str) -> list[float]:
        """How many times our CPU a payment costs the case, by round."""
        return [each.cpu_us / self._ours[each.round].cpu_us for each in self.of(name) if each.round in self._ours]


def speeds(results: Sequence[Result], wanted: dict[str, float | None]) -> str:
    """The table of figures, in the order of the names in `wanted`."""
    beside = Beside(results)
    rows = [_speed(beside, name, least) for name, least in wanted.items() if beside.of(name)]
    head = (
        "case", "req/s", "CPU µs/req", "ours / its req/s", "its / our CPU", "wanted", "p50 ms", "p99 ms", "MiB",
        "s to ready", "failed",
    )  # fmt: skip
    return table(head, rows)


def _speed(beside: Beside, name: str, wanted: float | None) -> list[str]:
    found = beside.of(name)
    return [
        name,
        spread([each.per_s for each in found], 0),
        spread([each.cpu_us for each in found], 1),
        spread(beside.by_rate(name), 2),
        spread(beside.by_cpu(name), 2),
        "" if wanted is None else f"{wanted:g}",
        spread([each.p50_ms for each in found], 1),
        spread([each.p99_ms for each in found], 1),
        spread([each.memory_mib for each in found], 0),
        spread([each.ready_s for each in found], 2),
        str(sum(each.failed for each in found)),
    ]


def words(peers: Sequence[Peer], found: dict[str, str], missing: dict[str, str]) -> str:
    """The table of what each peer is."""
    rows = [
        [peer.name, found.get(peer.name, f"not measured: {missing.get(peer.name)}"), peer.does, peer.keeps]
        for peer in peers
    ]
    return table(("peer", "version", "does", "what is on disk when it answers"), rows, words=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each case in each round")
    parser.add_argument("--only", default="", help="peers whose name holds this, beside B and ours")
    parser.add_argument("--allow-missing", action="store_true", help="a peer that isn't installed is no error")


def run(told: argparse.Namespace) -> None:
    """Measure, print both tables.

    Raises:
        Trouble: peers are missing, and that was not allowed; or a case could not be measured in some round.
    """
    peers = [peer for peer in PEERS if told.only in peer.name]
    found, missing = versions(peers)
    cases = [*ours(), *(case_of(peer) for peer in peers if peer.name in found)]
    results, troubles = rounds("peers", cases, told.rounds, told.seconds)
    wanted = {BARE: None, HEALTH: None, OUTAGE: None} | {peer.name: peer.wanted for peer in peers}
    print(speeds(results, wanted), words(peers, found, missing), sep="\n\n")
    if missing and not told.allow_missing:
        troubles.append(f"not here: {', '.join(missing)} (make bench-peers, or --allow-missing)")
    insist(troubles)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench peers", description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
