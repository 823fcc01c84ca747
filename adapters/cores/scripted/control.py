"""The hand on the core's faults: in-process by methods, at run time by HTTP.

`GET /faults` lists, `POST /faults` sets one (`{"kind": "hang", "operation": "pay", ...}`, or `{"outage": "refuse"}` for
one that hits everything), `DELETE /faults` clears all, `DELETE /faults/{number}` one, `GET /ledger/summary` counts.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from adapters.channel import Inbound, Reply
from adapters.cores.scripted import jsonapi
from adapters.cores.scripted.faults import Fault, FaultKind, Faults, Standing
from adapters.cores.scripted.ledger import summarise

_ONE: Final = re.compile(r"/faults/([0-9]{1,9})", re.ASCII)


class _Outage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    outage: FaultKind


class Control:
    """Sets and clears faults, and has the port follow them."""

    def __init__(self, faults: Faults, now: Callable[[], float], changed: Callable[[], None]) -> None:
        """`now` is the faults' clock; `changed` is called whenever the port may have to be opened or closed."""
        self._faults = faults
        self._now = now
        self._changed = changed

    def set(self, fault: Fault) -> int:
        """From now on; a refusal has closed the port when this returns. Returns the number to clear it by."""
        number = self._faults.set(fault, self._now())
        self._changed()
        return number

    def outage(self, kind: FaultKind) -> int:
        """The fault of this kind that hits everything, until cleared."""
        return self.set(Fault(kind=kind))

    def clear(self, number: int | None = None) -> int:
        """Clear one, or all; returns how many there were. What hangs already goes on hanging."""
        cleared = self._faults.clear(number)
        self._changed()
        return cleared

    def standing(self) -> list[Standing]:
        """What is set."""
        return self._faults.standing(self._now())


async def answer(control: Control, ledger: Path, inbound: Inbound) -> Reply | None:
    """Answer a request to the controls; None when it isn't one."""
    if inbound.path == "/ledger/summary" and inbound.method == "GET":
        return jsonapi.reply(200, await asyncio.to_thread(summarise, ledger))
    match inbound.method, inbound.path:
        case "GET", "/faults":
            return jsonapi.reply(200, {"faults": control.standing()})
        case "POST", "/faults":
            return _set(control, inbound.body)
        case "DELETE", "/faults":
            return jsonapi.reply(200, {"cleared": control.clear()})
        case _:
            return _clear_one(control, inbound)


def _clear_one(control: Control, inbound: Inbound) -> Reply | None:
    one = _ONE.fullmatch(inbound.path)
    if one is None or inbound.method != "DELETE":
        return None
    cleared = control.clear(int(one[1]))
    return jsonapi.reply(200 if cleared else 404, {"cleared": cleared})


def _set(control: Control, body: bytes) -> Reply:
    try:
        number = control.set(_fault(body))
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        return jsonapi.error(400, "malformed", str(error))
    return jsonapi.reply(201, {"number": number})


def _fault(body: bytes) -> Fault:
    fields = msgspec.json.decode(body, type=dict[str, object])
    if "outage" in fields:
        return Fault(kind=msgspec.convert(fields, _Outage).outage)
    return msgspec.convert(fields, Fault)
