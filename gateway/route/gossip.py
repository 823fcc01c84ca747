"""What nodes on one spool tell each other of their routes: openings, closings, persons' words, and the pace; within a second.

Each node has a small note for each of its routes in the spool, and reads those of the others. A node decides by its own
evidence alone, and can do so when no note can be read: an opening that another node saw opens the route here as well, a
closing has an open one probed and tried at once, and the last word of a person holds everywhere. Only what changed is
heeded, never how another node stands: one that is cut off from a core says so once, and does not keep others from it.
"""

import contextlib
from collections.abc import Iterable
from functools import partial
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.log import log
from gateway.route.health import RouteHealth
from gateway.route.record import Forced, PaceTold, Slowed
from gateway.route.word import Shared
from gateway.route.zone import PASSING, Trip, Zone
from spool.errors import SpoolError
from spool.store import Store

LOOK_S: Final = 0.25
"""How often a node tells and hears: another one knows within twice that."""

PREFIX: Final = "gossip/"
NOTES_MAX: Final = 4096
"""Notes read at once: more than all nodes have routes, in any installation there is."""

NOT_SEEN: Final = frozenset({Trip.ELSEWHERE, Trip.FORCED, Trip.DRAIN, Trip.MAINTENANCE, Trip.RESTARTED})
"""Openings that this node did not see a reason for itself."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What one node tells of one of its routes."""

    #: Of which start of the node it is: counts begin anew with each.
    run: int
    #: How often it opened the route by what it saw itself, and how often its own trials closed it.
    openings: int = 0
    closings: int = 0
    #: The last person's word (none: it was taken back; it may be over), and when it was given, µs since 1970 in UTC.
    word: Forced | None = None
    word_at_us: int = 0
    #: How it uses a core that comes back, or that fell once.
    pace: PaceTold | None = None
    #: The last person's word on how fast it goes, and when it was given or taken back.
    slowed: Slowed | None = None
    slowed_at_us: int = 0


class Gossip:
    """This node's notes, and what is made of the others'."""

    def __init__(self, store: Store, routes: Iterable[RouteHealth], clock: Clock, *, own: frozenset[str]) -> None:
        """Tell through `store`, and limit each route to this node's share. Words of `own` actors are each node's own, and not told."""
        self._store = store
        self._clock = clock
        self._routes = {route.name: route for route in routes}
        run = clock.now_us()
        #: By route: the last words of persons. Less than the settings allow is safe at every node, for however long.
        self._words = {name: Shared(route.word, partial(_go_by, route), own) for name, route in self._routes.items()}
        self._slowed = {name: Shared(route.pace.word, route.pace.say, own) for name, route in self._routes.items()}
        #: By route: what is to be told, and what was told last.
        self._notes = {name: Note(run=run) for name in self._routes}
        self._told: dict[str, Note] = {}
        #: By name of the note: what was heard last.
        self._heard: dict[str, Note] = {}
        for name, route in self._routes.items():
            self._watch(name, route)

    def _watch(self, name: str, route: RouteHealth) -> None:
        def changed(old: Zone, new: Zone, _: object) -> None:
            note = self._notes[name]
            if new is Zone.OPEN and old in PASSING and route.trip not in NOT_SEEN:
                self._notes[name] = msgspec.structs.replace(note, openings=note.openings + 1)
            elif new is Zone.CLOSED and old is Zone.TRIAL and route.forced is None:
                self._notes[name] = msgspec.structs.replace(note, closings=note.closings + 1)

        route.on_change(changed)
        route.pace.share = lambda: self._store.nodes.share

    async def run(self) -> None:
        """Tell and hear, again and again, until cancelled."""
        while True:
            with contextlib.suppress(SpoolError):
                await self.run_once()
            await self._clock.sleep(LOOK_S)

    async def run_once(self) -> None:
        """Tell what is new here, heed what is new elsewhere. Errors: see `Store.remember`."""
        for name, route in self._routes.items():
            word, slowed = self._words[name], self._slowed[name]
            word.note()
            slowed.note()
            self._notes[name] = msgspec.structs.replace(
                self._notes[name],
                pace=route.pace.told,
                word=word.word,
                word_at_us=word.at_us,
                slowed=slowed.word,
                slowed_at_us=slowed.at_us,
            )
        for name, note in self._notes.items():
            if self._told.get(name) != note:
                await self._store.remember(self._name(name), msgspec.json.encode(note))
                self._told[name] = note
        notes = dict[str, list[Note]]()
        for kept, value in await self._store.recall_some(PREFIX, "", NOTES_MAX):
            _, seat, name = kept.split("/", 2)
            if int(seat) != self._store.nodes.seat[0] and name in self._routes:
                notes.setdefault(name, []).extend(self._hear(kept, name, value))
        for name, route in self._routes.items():
            heard = notes.get(name, [])
            route.pace.hear([each.pace for each in heard if each.pace is not None])
            if heard:
                self._heed_words(name, heard)

    def _name(self, route: str) -> str:
        return f"{PREFIX}{self._store.nodes.seat[0]}/{route}"

    def _hear(self, kept: str, name: str, value: bytes) -> list[Note]:
        try:
            note = msgspec.json.decode(value, type=Note)
        except msgspec.DecodeError as error:
            # Of a node of another version.
            log.warning("gossip_unreadable", route=name, error=type(error).__name__)
            return []
        before, self._heard[kept] = self._heard.get(kept), note
        if before is not None and before.run == note.run:
            self._heed(name, before, note)
        return [note]

    def _heed(self, name: str, before: Note, note: Note) -> None:
        route = self._routes[name]
        if note.openings > before.openings:
            route.opened_elsewhere()
        if note.closings > before.closings:
            route.closed_elsewhere()

    def _heed_words(self, name: str, heard: list[Note]) -> None:
        now_us, word, slowed = self._clock.now_us(), max(heard, key=_word_at_us), max(heard, key=_slowed_at_us)
        if self._words[name].hear(word.word, word.word_at_us, now_us):
            forced = self._routes[name].forced
            log.warning(
                "route_word_heard",
                route=name,
                zone=forced.zone.value if forced else "",
                by=forced.actor if forced else "",
            )
        if self._slowed[name].hear(slowed.slowed, slowed.slowed_at_us, now_us):
            said = self._routes[name].pace.slowed
            log.warning("route_pace_heard", route=name, by=said.actor if said else "")


def _go_by(route: RouteHealth, word: Forced | None) -> None:
    """A word that was heard; one for longer than may be here is none: this node goes by its evidence."""
    if word is not None:
        with contextlib.suppress(ValueError):
            return route.force(
                word.zone, until_us=word.until_us, actor=word.actor, reason=word.reason, speaker=word.speaker
            )
    return route.release()


def _word_at_us(note: Note) -> int:
    return note.word_at_us


def _slowed_at_us(note: Note) -> int:
    return note.slowed_at_us
