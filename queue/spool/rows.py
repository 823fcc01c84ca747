"""What engines that speak SQL have in common: statements in `.sql` files, and the shape of a row.

Statements are never built from what comes from outside; they are read from files that are installed with the code.
"""

import re
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any, Final

from spool.account import AccountNote
from spool.entry import Act, Entry, Event
from spool.lifecycle import Kind, State, Told
from spool.store import Aged
from spool.tally import Cell
from spool.uses import KeyUse

COLUMNS: Final = (
    "number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, state, epoch, attempts,"
    " due_at_us, changed_at_us, told, reason, policy, reverses, core_id, key_id, sealed, rank"
)
"""Columns of an entry, in the order `entry_of` takes them."""

_STATES: Final[tuple[State, ...]] = (State.READY, *State)  # the numbers begin at 1; nothing stands at 0
_KINDS: Final[tuple[Kind, ...]] = (Kind.PAYMENT, *Kind)
_TOLD: Final[tuple[Told, ...]] = tuple(Told)


PARTS: Final = ("newcomers", "entries", "clear", "recording", "filter")
"""Named in `queries.sql` as statements are, but put into those that name them; in the order in which they hold each other."""


def statements(package: str) -> dict[str, str]:
    """Every named statement of an engine's `sql/queries.sql`, with the parts they share in their places."""
    text = resources.files(package).joinpath("sql/queries.sql").read_text(encoding="utf-8")
    found = dict[str, str]()
    for part in re.split(r"^-- name: ", text, flags=re.MULTILINE)[1:]:
        name, _, body = part.partition("\n")
        lines = [line for line in body.splitlines() if not line.startswith("--")]
        found[name.strip()] = "\n".join(lines).strip().removesuffix(";").replace("/*entry*/", COLUMNS)
    for part in [name for name in PARTS if name in found]:
        shared = found.pop(part)
        found = {name: body.replace(f"/*{part}*/", shared) for name, body in found.items()}
    return found


def numbered_scripts(package: str) -> list[tuple[int, str]]:
    """Every migration of an engine as (version, script), in order."""
    folder = resources.files(package).joinpath("sql/migrations")
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [(int(name[:4]), folder.joinpath(name).read_text(encoding="utf-8")) for name in names]


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry in a row of COLUMNS."""
    # Positional, in the order of COLUMNS, which is that of the fields: it is done for every entry that is read.
    return Entry(
        row[0],
        row[1],
        _KINDS[row[2]],  # pyright: ignore[reportUnknownArgumentType]  # its index is Any
        row[3],
        row[4],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        _STATES[row[11]],  # pyright: ignore[reportUnknownArgumentType]  # its index is Any
        row[12],
        row[13],
        row[14],
        row[15],
        _TOLD[row[16]],  # pyright: ignore[reportUnknownArgumentType]  # its index is Any
        row[17],
        row[18],
        row[19],
        row[20],
        row[21],
        row[22],
        row[23],
    )


def event_row(event: Event) -> tuple[Any, ...]:
    """A line of history as the statements that insert take it."""
    return (
        event.number,
        event.at_us,
        event.name,
        +(event.source or 0),
        +event.target,
        event.attempt,
        event.reason,
        event.actor,
        event.note,
        +event.told,
        event.core_id,
        event.leaf,
    )


def new_row(entry: Entry) -> tuple[Any, ...]:
    """What every engine records of a new entry; the statements that insert work out the rest."""
    return (
        entry.number,
        entry.id,
        +entry.kind,
        entry.channel,
        entry.key,
        entry.fingerprint,
        entry.route,
        entry.lane,
        entry.amount,
        entry.currency,
        entry.accepted_at_us,
        +entry.state,
        entry.policy,
        entry.reverses,
        entry.key_id,
        +entry.told,
        entry.sealed,
    )


def row_of(entry: Entry) -> tuple[Any, ...]:
    """An entry as a row of COLUMNS."""
    return (
        entry.number,
        entry.id,
        +entry.kind,
        entry.channel,
        entry.key,
        entry.fingerprint,
        entry.route,
        entry.lane,
        entry.amount,
        entry.currency,
        entry.accepted_at_us,
        +entry.state,
        entry.epoch,
        entry.attempts,
        entry.due_at_us,
        entry.changed_at_us,
        +entry.told,
        entry.reason,
        entry.policy,
        entry.reverses,
        entry.core_id,
        entry.key_id,
        entry.sealed,
        entry.rank,
    )


def act_row(act: Act) -> tuple[Any, ...]:
    """What a person did, as `insert_act` takes it."""
    return act.leaf, act.at_us, act.name, act.subject, act.detail, act.actor, act.note


def account_of(row: Sequence[Any]) -> AccountNote:
    """The note in a row of lane, known, denied, time, key, sealed, urgent."""
    return AccountNote(
        lane=row[0],
        known=None if row[1] is None else bool(row[1]),
        denied=None if row[2] is None else bool(row[2]),
        seen_at_us=row[3],
        key_id=row[4],
        sealed=row[5],
        urgent=None if row[6] is None else bool(row[6]),
    )


def act_in(row: Sequence[Any]) -> Act:
    """The act in a row of time, name, subject, detail, actor, note, leaf."""
    return Act(
        at_us=row[0], name=row[1], subject=row[2], detail=row[3], actor=row[4], note=row[5], leaf=row[6]
    )  # fmt: skip


def deed_of(event: Event) -> Act:
    """A person's move of an entry, as an act."""
    source = "" if event.source is None else event.source.word
    return Act(
        at_us=event.at_us,
        name=event.name,
        subject=str(event.number),
        detail=f"{source} to {event.target.word}",
        actor=event.actor,
        note=event.note,
        leaf=event.leaf,
    )


def deeds_in_order(acts: Iterable[Act], moved: Iterable[Event], limit: int) -> list[Act]:
    """The first of both, in the order of the log."""
    return sorted((*acts, *map(deed_of, moved)), key=lambda act: act.leaf)[:limit]


def cell_in(row: Sequence[Any]) -> Cell:
    """The cell of the tally in a row that begins with route, channel, currency, kind, state, told."""
    return Cell(row[0], row[1], row[2], Kind(row[3]), State(row[4]), Told(row[5]))


def aged_in(row: Sequence[Any]) -> Aged:
    """What is counted in a row of a shape: channel, currency, kind, state, reason, bucket."""
    return Aged(row[0], row[1], Kind(row[2]), State(row[3]), row[4], row[5])


def event_in(number: int, row: Sequence[Any]) -> Event:
    """The event in a row of time, name, source (0 = none), target, attempt, reason, actor, note, told, core id, leaf."""
    return Event(
        number=number,
        at_us=row[0],
        name=row[1],
        source=State(row[2]) if row[2] else None,
        target=State(row[3]),
        attempt=row[4],
        reason=row[5],
        actor=row[6],
        note=row[7],
        told=Told(row[8]),
        core_id=row[9],
        leaf=row[10],
    )


def key_uses_in(rows: Iterable[Sequence[Any]]) -> dict[int, KeyUse]:
    """By data key, from rows of (key, entries, unfinished ones, when one last changed, notes of accounts)."""
    return {
        key_id: KeyUse(entries=entries, waiting=waiting, changed_at_us=changed_at_us, notes=notes)
        for key_id, entries, waiting, changed_at_us, notes in rows
    }
