"""The admin side's part for what does not move: gathers the facts, and has `stuck` say what they mean."""

from collections.abc import Callable, Iterable
from typing import Final

from gateway.admin.desk import Desk
from gateway.admin.duties.proposals import Proposals
from gateway.admin.duties.views import owed_cells
from gateway.admin.entries.inquiring import askable
from gateway.admin.entries.shape import Shape
from gateway.admin.http.call import Call
from gateway.admin.state.status import owed_since_us
from gateway.admin.state.stuck import US, RouteFacts, Stuck, StuckShown, persons_first, route_stuck, states_stuck
from gateway.admin.views import by_currency, moment, moneys, pace_words
from gateway.route.record import Forced, Slowed
from gateway.route.route import Route
from spool.lifecycle import WAITING, State
from spool.store import Aged, Filter

STILL: Final = frozenset({State.IN_DOUBT, State.HELD, State.PARKED, State.QUARANTINED})


class StuckSide:
    """Says what does not move."""

    def __init__(self, desk: Desk, shape: Shape, proposals: Proposals) -> None:
        """Look at what is on the desk; entries are counted by `shape`."""
        self._desk = desk
        self._shape = shape
        self._proposals = proposals

    async def stuck(self, _call: Call) -> StuckShown:
        """Everything that does not move."""
        found = [*await self._service(), *await self._routes(), *await self._duties()]
        return StuckShown(at=moment(self._desk.clock.now_us()), stuck=persons_first(found))

    async def _service(self) -> list[Stuck]:
        """What keeps the whole service from its work."""
        desk, found = self._desk, list[Stuck]()
        if not desk.evidence.epoch.accepted:
            found.append(
                Stuck(
                    what="evidence",
                    route="",
                    why="the spool lacks what was witnessed",
                    next="",
                    verbs=("evidence accept",),
                    explained=(
                        "Nothing is taken or sent until a person has accepted what is missing: an older copy of the spool"
                        " was put in its place. Look for the newer one first."
                    ),
                )
            )
        health = await desk.spool.store.health()
        if not health.accepting:
            found.append(
                Stuck(
                    what="spool",
                    route="",
                    why=f"the spool takes nothing new: {health.trouble}",
                    next="tries to open it again, and goes on by itself when it can",
                    explained=(
                        "Payments get 'try later', and nothing is sent, as nothing can be written down. What was taken is"
                        " on disk. Free or repair the disk; nothing else need be done."
                    ),
                )
            )
        if health.alone or health.beside:
            found.append(
                Stuck(
                    what="database",
                    route="",
                    why=f"{health.beside} payments are yet to be brought into the database: {health.trouble or 'it is back'}",
                    next="brings them over by itself when the database is back",
                    explained=(
                        "They are on this node's disk alone, and are not sent before they are in the database. Bring the"
                        " database back; do not throw this node's disk away."
                    ),
                )
            )
        custody = desk.keeper.custody()
        if custody.trouble:
            found.append(
                Stuck(
                    what="keys",
                    route="",
                    since=moment(custody.troubled_since_us),
                    why=f"the master key can't be asked: {custody.trouble}",
                    next="asks again",
                    verbs=("keys status",),
                    explained="The keys in use serve on; only new keys and a restart need the master.",
                )
            )
        return found

    async def _routes(self) -> list[Stuck]:
        found = list[Stuck]()
        counted = (await self._shape.count()).by_route
        for route in self._desk.routes:
            found += route_stuck(self._facts(route))
        for name, aged in counted.items():
            due_us = await self._desk.spool.store.next_due_us(name)
            since = {(state, reason): await self._since(name, state, reason) for state, reason in _still(aged)}
            found += states_stuck(name, aged, since, due_us, self._asking(name))
        return found

    def _asking(self, name: str) -> Callable[[State, str], bool]:
        """Of which of its entries a route's core can be asked at a person's word; none of a route that is no more."""
        route = self._desk.route(name)
        return lambda state, reason: route is not None and askable(state, reason, route.core.capabilities)

    async def _since(self, route: str, state: State, reason: str) -> int:
        """When the oldest of them was accepted."""
        first = await self._desk.shelf.page(Filter(route=route, states=frozenset({state}), reason=reason), 1)
        return first[0].accepted_at_us if first else 0

    def _facts(self, route: Route) -> RouteFacts:
        desk, health = self._desk, route.health
        cells = desk.spool.store.tally.cells()
        waiting = [(cell, total) for cell, total in cells if cell.route == route.name and cell.state in WAITING]
        diagnosis, forced = health.diagnosis, health.forced
        now_us, slowed = desk.clock.now_us(), health.pace.slowed
        return RouteFacts(
            name=route.name,
            zone=health.zone,
            since_us=health.since_us,
            waiting=by_currency(waiting),
            diagnosis="" if diagnosis is None else diagnosis.words,
            forced_by=_who(forced),
            forced_until_us=0 if forced is None else forced.until_us,
            slowed_by=_who(slowed),
            slowed_to="" if slowed is None else pace_words(slowed.in_flight_max, slowed.rate_max_per_s),
            slowed_until_us=0 if slowed is None else slowed.until_us,
            next_try_us=now_us + round(health.next_try_s * US),
            full=tuple(self._full(route)),
        )

    def _full(self, route: Route) -> Iterable[str]:
        """Scopes whose limit of exposure is reached."""
        ceilings = {channel: policy.channel for channel, policy in route.policies.items()}
        for policy in list(route.policies.values())[:1]:
            ceilings[""] = policy.route
        for channel, ceiling in sorted(ceilings.items()):
            exposed = self._desk.spool.store.tally.exposure(route.name, channel)
            lasts_s = self._desk.headroom.full_in_s(
                (route.name, channel), self._desk.clock.monotonic(), exposed, ceiling
            )
            if lasts_s == 0:
                yield channel

    async def _duties(self) -> list[Stuck]:
        """What waits for a person and is no unfinished entry."""
        found = list[Stuck]()
        store = self._desk.spool.store
        for route, cells in sorted(owed_cells(store.tally.cells()).items()):
            found.append(
                Stuck(
                    what="returns",
                    route=route,
                    waiting=moneys(by_currency(cells)),
                    since=moment(await owed_since_us(store, route)),
                    why="the core refused what its payer was told yes for: the money is owed back",
                    next="",
                    verbs=("returns", "reopen", "close"),
                    explained=(
                        "Give the money back outside, then close the payment as returned with what shows it. `nightsafe"
                        " returns` lists them, longest owed first. Where the no was a fault of the core's, reopen them"
                        " instead: two persons have them sent again."
                    ),
                )
            )
        waiting = await self._proposals.waiting()
        if waiting:
            found.append(
                Stuck(
                    what="proposals",
                    route="",
                    since=moment(waiting[0].made_at_us),
                    why=f"{len(waiting)} wait for a second person",
                    next="",
                    verbs=("proposals list", "proposals confirm", "proposals decline"),
                    explained="An approver other than whoever proposed it looks at each and confirms or declines it.",
                )
            )
        return found


def _still(aged: Iterable[Aged]) -> set[tuple[State, str]]:
    return {(each.state, "" if each.state is State.IN_DOUBT else each.reason) for each in aged if each.state in STILL}


def _who(word: Forced | Slowed | None) -> str:
    return "" if word is None else f"{word.actor} ({word.reason})"
