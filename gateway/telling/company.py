"""Nodes on one spool as they tell people: one of them tells for all, and the others let it know what they see.

Who tells is an office (`spool.office`). Each other node keeps a note in the spool: what stands against its own being well,
and what persons there want told. What all nodes see alike (limits, money owed back, windows) is seen by whoever tells. A
node that went without taking its note with it is missed.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from gateway.log import log
from gateway.telling.condition import Condition, News
from gateway.telling.event import Facts, Kind, Severity
from gateway.telling.outlet import OutletState
from spool.errors import SpoolError
from spool.office import Office
from spool.store import Store

TELLER: Final = "telling/teller"
NOTES: Final = "telling/seen/"
SINKS: Final = "telling/sinks"
NOTES_MAX: Final = 256
"""More than there are nodes, and names that nodes had."""

PASSED_ON_MAX: Final = 50
"""What one node wants told and whoever tells has not taken up; the oldest makes room."""

T = TypeVar("T")

OWN_KINDS: Final = frozenset(
    {Kind.ROUTE_OPEN, Kind.ROUTE_SOFT, Kind.OPERATION_OPEN, Kind.DISK_TROUBLE, Kind.KEYS_TROUBLE, Kind.EVIDENCE_TROUBLE}
)
"""What one node may see and another not."""


class PassedOn(msgspec.Struct, frozen=True, kw_only=True):
    """What a person at one node wants told."""

    #: Rises with each, within a sitting.
    number: int
    news: News


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What one node lets the others know."""

    #: Of which sitting it is; empty when the node ended in good order.
    sitting: str = ""
    seen: tuple[Condition, ...] = ()
    passed_on: tuple[PassedOn, ...] = ()


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What the other nodes see."""

    seen: Mapping[str, tuple[Condition, ...]] = {}
    news: tuple[News, ...] = ()
    #: By node, up to which of its wishes is taken up, as its sitting and a number.
    taken_up: Mapping[str, tuple[str, int]] = {}
    #: Nodes that went without a word.
    missed: tuple[str, ...] = ()


class Company:
    """This node among those on its spool."""

    def __init__(self, store: Store, node: str) -> None:
        """Speak through `store`, as `node`."""
        self._store = store
        self._node = node
        self.office = Office(store, TELLER)
        self._told = Note()
        self._passed_on: tuple[PassedOn, ...] = ()
        self._count = 0
        self._states: tuple[OutletState, ...] = ()

    @property
    def is_alone(self) -> bool:
        """Nobody else is on this spool."""
        return not self._store.nodes.shared

    # Of each of them

    async def say(self, found: Iterable[Condition], news: Sequence[News]) -> None:
        """Let whoever tells, or will, know. Errors: see `Store.remember`."""
        for each in news:
            self._count += 1
            self._passed_on = (*self._passed_on, PassedOn(number=self._count, news=each))[-PASSED_ON_MAX:]
        seen = tuple(each for each in found if each.kind in OWN_KINDS)
        note = Note(sitting=self._store.nodes.sitting.decode(), seen=seen, passed_on=self._passed_on)
        if _outline(note) != _outline(self._told):
            await self._store.remember(NOTES + self._node, msgspec.json.encode(note))
            self._told = note

    async def leave(self) -> None:
        """This node ends in good order: it isn't to be missed."""
        if not self.is_alone:
            with contextlib.suppress(SpoolError):
                await self._store.remember(NOTES + self._node, msgspec.json.encode(Note()))

    async def states(self) -> tuple[OutletState, ...]:
        """How sinks stand, as whoever tells has it. Errors: see `Store.recall`."""
        kept = await self._store.recall(SINKS)
        return () if kept is None else _read(kept, tuple[OutletState, ...]) or ()

    # Of whoever tells

    async def hear(self, taken_up: Mapping[str, tuple[str, int]]) -> Heard:
        """What the others let it know, given what was taken up before. Errors: see `Store.recall_some`."""
        if self.is_alone:
            return Heard()
        # Notes are read before who sits there: whoever has written one sits.
        kept = await self._store.recall_some(NOTES, "", NOTES_MAX)
        sitting = {each.decode() for each in await self._store.nodes.sittings()}
        notes = {name.removeprefix(NOTES): _read(value, Note) or Note() for name, value in kept}
        others = {name: note for name, note in notes.items() if name != self._node and note.sitting}
        there = {name: note for name, note in others.items() if note.sitting in sitting}
        return Heard(
            seen={name: note.seen for name, note in there.items()},
            news=tuple(
                each.news
                for name, note in there.items()
                for each in note.passed_on
                if each.number > _number(taken_up.get(name), note.sitting)
            ),
            taken_up={
                name: (note.sitting, max((each.number for each in note.passed_on), default=0))
                for name, note in there.items()
            },
            missed=tuple(name for name in others if name not in there),
        )

    async def tell_states(self, states: Sequence[OutletState]) -> None:
        """Let the others know how sinks stand. Errors: see `Store.remember`."""
        if tuple(states) != self._states:
            await self._store.remember(SINKS, msgspec.json.encode(states))
            self._states = tuple(states)

    async def give_up(self, node: str) -> None:
        """A node is missed no longer. Errors: see `Store.remember`."""
        await self._store.remember(NOTES + node, msgspec.json.encode(Note()))


def merged(node: str, own: Sequence[Condition], heard: Heard) -> list[Condition]:
    """What stands, with what other nodes see of their own: each thing once, as urgent as to whom it is most."""
    found = {each.name: each for each in own}
    if not heard.seen and not heard.missed:
        return list(found.values())
    by_whom = {each.name: [node] for each in own if each.kind in OWN_KINDS}
    for other, seen in sorted(heard.seen.items()):
        for each in seen:
            known = found.setdefault(each.name, each)
            severity = max(known.severity, each.severity)
            found[each.name] = msgspec.structs.replace(known, severity=severity)
            by_whom.setdefault(each.name, []).append(other)
    for name, nodes in by_whom.items():
        facts: Facts = {**found[name].facts, "nodes": ", ".join(nodes)}
        found[name] = msgspec.structs.replace(found[name], facts=facts)
    return [
        *found.values(),
        *(Condition(kind=Kind.NODE_GONE, subject=each, severity=Severity.WARNING) for each in heard.missed),
    ]


def _outline(note: Note) -> object:
    """What has to be written when it changes: figures change all the time, and whoever tells has its own."""
    seen = [(each.name, each.severity, each.facts.get("cause")) for each in note.seen]
    return note.sitting, seen, note.passed_on


def _number(taken_up: tuple[str, int] | None, sitting: str) -> int:
    return taken_up[1] if taken_up is not None and taken_up[0] == sitting else 0


def _read(value: bytes, of: type[T]) -> T | None:
    try:
        return msgspec.json.decode(value, type=of)
    except msgspec.DecodeError as error:
        # Of a node of another version.
        log.warning("telling_note_unreadable", error=type(error).__name__)
        return None
