"""Asking a core at a person's word what became of an entry: where that can be, and where not, why. See docs/decisions/0080.

A word of a person makes nothing sent that the machine wouldn't send by itself: what is in doubt has its next step now and not
later, and what is parked is asked about where asking is all that follows.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from adapters.core import Capabilities, Core, Level
from gateway.admin.entries.why import Why
from gateway.conclude import PARKED_AS_BLIND, PARKED_FOR_ATTEMPTS, may_inquire
from spool.entry import Entry
from spool.lifecycle import State

UNCLEAR: Final = frozenset({PARKED_AS_BLIND, PARKED_FOR_ATTEMPTS})
"""Reasons of what is parked because nobody knows what became of it."""

SAID: Final[Mapping[Why, str]] = {
    Why.CLEAR: "no unheard answer keeps it here, so that there is nothing to ask: show says why it is parked; retry or close it",
    Why.BLIND: "this core can't be asked what became of a payment: look there by account, sum and time, and close it by what you find",
    Why.SENDS: "this core is asked by sending it the same again, which it knows for a double: that is retry",
}
"""Why one can't be inquired about, to the person who asked for it."""


class Sending(Protocol):
    """What is asked of a route's forwarder."""

    def may_resend(self, entry: Entry) -> bool:
        """An attempt that begins now reaches a core that still knows the key."""
        ...


class Inquiring:
    """What stands in the way of a question."""

    def __init__(self, cores: Mapping[str, Core], forwarders: Mapping[str, Sending]) -> None:
        """Both by route; of a route that is no more there is neither."""
        self._cores = cores
        self._forwarders = forwarders

    def obstacle(self, entry: Entry) -> Why | None:
        """Why nobody can have it asked about now; None where one may. Only of what is in doubt or parked."""
        core, forwarder = self._cores.get(entry.route), self._forwarders.get(entry.route)
        if core is None or forwarder is None:
            return Why.BLIND
        return obstacle(entry, core.capabilities, resends=forwarder.may_resend(entry))


def obstacle(entry: Entry, capabilities: Capabilities, *, resends: bool) -> Why | None:
    """The same by what is known; `resends` says that the machine would send it again, as its core dedupes."""
    if entry.state is State.IN_DOUBT:
        return None if resends or may_inquire(capabilities) else Why.BLIND
    if entry.reason not in UNCLEAR:
        return Why.CLEAR
    if resends:
        return Why.SENDS
    return None if may_inquire(capabilities) else Why.BLIND


def askable(state: State, reason: str, capabilities: Capabilities) -> bool:
    """Whether a person is told of this verb for entries like these; single ones may have an obstacle of their own."""
    if state is State.IN_DOUBT:
        return may_inquire(capabilities) or capabilities.level is Level.A
    parked = state is State.PARKED and reason in UNCLEAR
    return parked and may_inquire(capabilities) and capabilities.level is not Level.A
