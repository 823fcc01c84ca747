"""The service's own log, where it is taken to where people look."""

from typing import Final

from gateway.log import log
from gateway.telling.event import Severity
from gateway.telling.letter import Letter


class LogSink:
    """Writes each event as a line of the log."""

    def __init__(self) -> None:
        """Nothing to open."""

    async def send(self, letter: Letter) -> None:
        """See `Sink`."""
        write = _LEVELS[letter.severity]
        for event in letter.payload["data"]["events"]:
            write("event", type=event["type"], subject=event["subject"], id=event["id"], facts=event["facts"])

    async def close(self) -> None:
        """Nothing is open."""


_LEVELS: Final = {Severity.INFO: log.info, Severity.WARNING: log.warning, Severity.CRITICAL: log.error}
