"""What the demo shows: a live board on a terminal, plain lines anywhere else."""

from types import TracebackType
from typing import Final, Self

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table

PLAIN_EVERY_S: Final = 2.0
"""Seconds between two plain lines."""

_COLOURS: Final = {"closed": "green", "trial": "yellow", "open": "red"}


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """One look at everything."""

    #: Seconds since the beginning.
    at_s: float
    phase: str
    #: The route's zone; empty while the gateway does not answer.
    zone: str = ""
    diagnosis: str = ""
    #: Payments the senders began, and those they hold a yes for.
    begun: int = 0
    yes: int = 0
    #: Yes a second, of late.
    rate: float = 0.0
    #: By the gateway's books.
    accepted: int = 0
    posted: int = 0
    waiting: int = 0
    #: Of those, money its senders hold a provisional yes for.
    exposed: str = ""
    #: Bookings in the billing system's ledger, as last seen.
    booked: int = 0

    def line(self) -> str:
        """All of it in one line."""
        route = f"route {self.zone}" if self.zone else "gateway down"
        accepted, posted, waiting = (self.accepted, self.posted, self.waiting) if self.zone else ("-", "-", "-")
        return (
            f"{self.at_s:5.1f} s  {self.phase:<13}  {route:<13}  yes {self.yes:>5} ({self.rate:3.0f}/s)"
            f"  accepted {accepted:>5}  posted {posted:>5}  waiting {waiting:>5}  booked {self.booked:>5}"
        )


class Show:
    """Tells the story as it goes. `with Show(console) as show:`."""

    def __init__(self, console: Console) -> None:
        """Onto `console`; a live board when that is a terminal."""
        self.console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None
        self._said_at_s = -PLAIN_EVERY_S

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def tell(self, text: str) -> None:
        """Something happens."""
        self.console.print(f"[bold]>[/bold] {text}", highlight=False, soft_wrap=True)

    def look(self, board: Board) -> None:
        """How everything stands."""
        if self._live is not None:
            self._live.update(_table(board))
        elif board.at_s - self._said_at_s >= PLAIN_EVERY_S:
            self._said_at_s = board.at_s
            self.console.print(board.line(), highlight=False, soft_wrap=True, markup=False)


def _table(board: Board) -> Table:
    table = Table(title=f"{board.at_s:.0f} s - {board.phase}", title_justify="left", show_header=False, min_width=72)
    table.add_column(justify="right", style="dim")
    table.add_column()
    colour = _COLOURS.get(board.zone, "red")
    table.add_row("route to billing", f"[{colour}]{board.zone or 'gateway is down'}[/{colour}]")
    table.add_row("why", board.diagnosis or "-")
    table.add_row("terminals and banks", f"{board.begun} payments, {board.yes} answered yes, {board.rate:.0f} a second")
    table.add_row("the gateway", f"accepted {board.accepted} = posted {board.posted} + waiting {board.waiting}")
    table.add_row("provisional", board.exposed or "-")
    table.add_row("billing's ledger", f"{board.booked} bookings")
    return table
