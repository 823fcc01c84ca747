"""The admin side's part about itself: who may come in, and reading that anew from the configuration while running."""

import asyncio
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

import msgspec

from gateway.admin import asks
from gateway.admin.access.entrance import Entrance
from gateway.admin.access.tokens import is_over
from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.meter import AdminMeter
from gateway.config.fault import ConfigUnfit
from gateway.config.model import AdminSettings, Config
from gateway.log import log

DETAIL_MAX: Final = 1_000
FAULTS_SHOWN: Final = 5
PARTS: Final = ("tokens", "certificates", "issuers")
"""What is read anew."""


class Entrant(msgspec.Struct, frozen=True, kw_only=True):
    """A person, program or issuer that may come in."""

    #: Of issuers the name that stands before persons'.
    name: str
    #: `token`, `certificate` or `issuer`.
    by: str
    #: Of issuers each role that it may give.
    roles: tuple[str, ...]
    #: Empty where it has no end.
    expires: str
    is_over: bool


class AccessShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come in, as it is in force."""

    entrants: tuple[Entrant, ...]


class ReloadedShown(msgspec.Struct, frozen=True, kw_only=True):
    """What reading it anew has changed: names with what they come by, as `token amina`."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    #: The file says other things as well by now, which wait for a restart.
    restart_needed: bool


class AccessSide:
    """Answers about the entrance."""

    def __init__(self, desk: Desk, meter: AdminMeter, entrance: Entrance) -> None:
        """Look after this entrance."""
        self._desk = desk
        self._meter = meter
        self._entrance = entrance
        self._lock = asyncio.Lock()

    async def show(self, call: Call) -> AccessShown:
        """Who may come in."""
        del call
        settings, now_us = self._entrance.settings, self._desk.clock.now_us()
        told = [
            *(("token", name, (each.role,), each.expires) for name, each in settings.tokens.items()),
            *(("certificate", name, (each.role,), each.expires) for name, each in settings.certificates.items()),
            *(
                ("issuer", name, tuple(sorted(set(each.roles.values()))), None)
                for name, each in settings.issuers.items()
            ),
        ]
        return AccessShown(
            entrants=tuple(
                Entrant(
                    name=name,
                    by=by,
                    roles=tuple(map(str, roles)),
                    expires="" if expires is None else expires.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                    is_over=is_over(expires, now_us),
                )
                for by, name, roles, expires in told
            )
        )

    async def reload(self, call: Call) -> ReloadedShown:
        """Read anew who may come in, in a person's name."""
        reason = asks.body_of(call.body, asks.OneBody).reason
        return await self.read_anew(call.person.name, reason)

    async def read_anew(self, actor: str, reason: str) -> ReloadedShown:
        """Read anew who may come in; with a fault in the file nothing changes.

        Raises:
            Trouble: there is no file, or it has faults.
        """
        async with self._lock:
            file = await self._file()
            old, new = self._entrance.settings, file.admin
            shown = ReloadedShown(restart_needed=self._differs_elsewhere(file), **differences(old, new))
            taken = old.model_copy(update={part: getattr(new, part) for part in PARTS})
            if shown.added or shown.removed or shown.changed:
                await self._entrance.follow(taken)
                await self._tell(shown, taken, actor, reason)
            return shown

    async def _file(self) -> Config:
        reread = self._desk.reread
        if reread is None:
            raise Trouble(Code.FILE_UNFIT, "the service was not started from a file")
        try:
            return await asyncio.to_thread(reread)
        except ConfigUnfit as error:
            log.error("access_kept", faults=len(error.faults))
            shown = "; ".join(map(str, error.faults[:FAULTS_SHOWN]))
            raise Trouble(Code.FILE_UNFIT, f"{len(error.faults)} in all: {shown}"[:DETAIL_MAX]) from None

    def _differs_elsewhere(self, file: Config) -> bool:
        started = self._desk.config
        alike = {part: getattr(started.admin, part) for part in PARTS}
        return file.model_copy(update={"admin": file.admin.model_copy(update=alike)}) != started

    async def _tell(self, shown: ReloadedShown, taken: AdminSettings, actor: str, reason: str) -> None:
        detail = ", ".join(
            f"{sign}{each}"
            for sign, names in (("+", shown.added), ("-", shown.removed), ("~", shown.changed))
            for each in names
        )
        evidence = self._desk.evidence
        await evidence.note_act("access", "admin", detail[:DETAIL_MAX], actor, reason)
        await evidence.note_configuration(self._desk.config.model_copy(update={"admin": taken}))
        self._meter.acted("access")
        log.warning("admin_access", actor=actor, changes=len(shown.added) + len(shown.removed) + len(shown.changed))


def differences(old: AdminSettings, new: AdminSettings) -> Mapping[str, tuple[str, ...]]:
    """Names that one has and the other hasn't, or has otherwise."""
    before, after = _named(old), _named(new)
    return {
        "added": tuple(name for name in after if name not in before),
        "removed": tuple(name for name in before if name not in after),
        "changed": tuple(name for name in after if name in before and before[name] != after[name]),
    }


def _named(settings: AdminSettings) -> dict[str, Any]:
    return {f"{part[:-1]} {name}": each for part in PARTS for name, each in getattr(settings, part).items()}
