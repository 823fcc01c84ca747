"""Small sound histories for the judge's tests: the three records of payments whose fates are chosen one by one."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

Line = dict[str, Any]

TURNS: Final[dict[str, tuple[str, ...]]] = {
    "live": ("record>in_flight", "post>posted"),
    "live, unclear": ("record>in_flight", "doubt>in_doubt", "resend>in_flight", "post>posted"),
    "stood in": ("record>ready", "claim>in_flight", "post>posted"),
    "not sent once": ("record>ready", "claim>in_flight", "not_sent>ready", "claim>in_flight", "post>posted"),
    "refused": ("record>in_flight", "refuse>refused"),
    "return due": ("record>ready", "claim>in_flight", "refuse>refused"),
    "waits": ("record>ready",),
    "parked, booked": ("record>in_flight", "park>parked"),
    "parked, not booked": ("record>in_flight", "park>parked"),
    "given back and taken anew": ("record>in_flight", "post>posted"),
    "netted": ("record>ready", "cancel>cancelled"),
    "undone": ("record>ready", "claim>in_flight", "post>posted"),
}
"""Every fate a payment of these histories can have, and what its entry went through."""

FATES: Final = tuple(TURNS)
_PROVISIONAL: Final = frozenset({"stood in", "not sent once", "return due", "waits", "netted", "undone"})
_UNBOOKED: Final = frozenset({"refused", "return due", "waits", "parked, not booked", "netted"})
_ANSWERS: Final = {"refused": ("no", ""), "parked, booked": ("unknown", ""), "parked, not booked": ("unknown", "")}


@dataclass
class History:
    """Three records, still as data, so that a test can plant something wrong."""

    diary: list[Line] = field(default_factory=list[Line])
    bookings: list[Line] = field(default_factory=list[Line])
    arrivals: list[Line] = field(default_factory=list[Line])
    entries: list[Line] = field(default_factory=list[Line])

    def lines(self) -> tuple[list[str], list[str], list[str], list[str]]:
        """As the judge reads them."""
        records = (self.diary, self.bookings, self.arrivals, self.entries)
        diary, bookings, arrivals, entries = ([json.dumps(line) for line in record] for record in records)
        return diary, bookings, arrivals, entries

    def entry(self, key: str) -> Line:
        """The entry under a key (the last, where a former one was given back)."""
        return [line for line in self.entries if line["entry"]["key"] == key][-1]

    # What happens to one payment

    def live_through(self, fate: str, key: str, account: str, amount: int = 1000) -> None:
        """One payment from its first request to where its fate leaves it."""
        number = 1000 + len(self.entries)
        self.asks(key, account, amount)
        if fate == "given back and taken anew":
            self.keep(number, key, account, amount, ("record>in_flight", "give_back>cancelled"), told="nothing")
            self.asks(key, account, amount)
            number += 1
        if fate not in _UNBOOKED:
            self.arrives(number, account, "booked")
            self.books(key, account, amount)
        elif fate in ("refused", "return due", "parked, not booked"):
            self.arrives(number, account, "nothing" if fate.startswith("parked") else "refused")
        self.keep(number, key, account, amount, TURNS[fate], told=_told(fate))
        kind, _ = _ANSWERS.get(fate, ("yes", ""))
        status = "" if kind != "yes" else "provisional" if fate in _PROVISIONAL else "posted"
        self.hears(key, kind, str(number), status)
        if fate in ("netted", "undone"):
            self.undo(key, account, amount, number, netted=fate == "netted")

    def undo(self, key: str, account: str, amount: int, number: int, *, netted: bool) -> None:
        """The reversal of a payment, answered yes."""
        own, undo = 1000 + len(self.entries), f"undo-{key}"
        self.asks(undo, account, amount, reverses=key)
        if not netted:
            self.arrives(own, account, "booked", operation="cancel")
            self.books(key, account, amount, kind="reversal")
        turns = ("record>cancelled",) if netted else TURNS["stood in"]
        told = "posted" if netted else "provisional"
        self.keep(own, undo, account, amount, turns, told=told, reverses=str(number))
        self.hears(undo, "yes", str(own), told)

    # The lines

    def asks(self, key: str, account: str, amount: int, reverses: str = "") -> None:
        """A sender sends."""
        content = {"account": account, "amount": amount, "currency": "RUB", "reverses": reverses}
        self.diary.append({"event": "asks", "channel": "bank", "key": key} | content)

    def hears(self, key: str, kind: str, number: str, status: str) -> None:
        """And is answered."""
        shown = number if kind == "yes" else ""
        line = {"event": "hears", "channel": "bank", "key": key, "kind": kind, "number": shown, "status": status}
        self.diary.append(line)

    def books(self, key: str, account: str, amount: int, kind: str = "payment") -> None:
        """The core moves money."""
        content = {"account": account, "amount": amount, "currency": "RUB", "kind": kind}
        self.bookings.append({"sequence": len(self.bookings) + 1, "service": f"bank.{key}"} | content)

    def arrives(self, number: int, account: str, done: str, operation: str = "pay", fault: str = "") -> None:
        """The core gets an order."""
        row = {"operation": operation, "reference": str(number), "account": account, "done": done}
        self.arrivals.append(row | {"fault": fault, "in_flight": 0})

    def keep(
        self, number: int, key: str, account: str, amount: int, turns: tuple[str, ...], *, told: str, reverses: str = ""
    ) -> None:
        """The spool has an entry."""
        steps = [turn.split(">") for turn in turns]
        sources = ["", *(target for _, target in steps)]
        state = steps[-1][1]
        entry = {
            "number": str(number), "id": f"id-{number}", "kind": "reversal" if reverses else "payment",
            "state": state, "told": told, "route": "main", "channel": "bank", "key": key, "lane": f"lane-{account}",
            "amount": f"{amount / 100:.2f}", "currency": "RUB", "reverses": reverses,
            "attempts": sum(target == "in_flight" for _, target in steps),
            "core_id": str(len(self.bookings)) if state == "posted" else "",
        }  # fmt: skip
        history = [
            {"name": name, "source": source, "target": target, "attempt": 0}
            for (name, target), source in zip(steps, sources, strict=False)
        ]
        self.entries.append({"entry": entry, "history": history})


def _told(fate: str) -> str:
    if fate in _PROVISIONAL:
        return "provisional"
    return {"refused": "refused", "parked, booked": "nothing", "parked, not booked": "nothing"}.get(fate, "posted")


def history_of(*fates: str) -> History:
    """One payment of each fate, each on an account of its own."""
    history = History()
    for place, fate in enumerate(fates):
        history.live_through(fate, f"k{place}", str(100 + place), 1000 + place)
    return history
