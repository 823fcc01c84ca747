"""The admin side's part for reports: of a day, shown, and written out for other programs."""

import asyncio
import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final, Literal

from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.entries.exporting import harmless
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.http.share import aside
from gateway.admin.reports.day import Day, DayShown, count, day_of, shown, today_of
from gateway.admin.reports.sheet import Sheet
from gateway.admin.views import Money

AsOf = Literal["end", "now"]
"""States at the day's end (or now, where it isn't over), or now."""

HEAD: Final = (
    "day", "zone", "as_of", "channel", "route", "kind", "currency",
    *(f"{name}_{each}" for name in ("taken", "posted", "refused", "owed", "returned", "cancelled", "waiting", "in_doubt")
      for each in ("count", "sum")),
)  # fmt: skip


class ReportSide:
    """Makes reports."""

    def __init__(self, desk: Desk) -> None:
        """Count what is on the desk, in the page's zone."""
        self._desk = desk
        self._zone = desk.config.admin.page.time_zone
        #: One is made at a time: each reads a whole day.
        self._making = asyncio.Lock()

    async def day(self, call: Call) -> DayShown:
        """The report of a day."""
        return await self.of(call.query)

    async def of(self, query: str) -> DayShown:
        """The report that a query string asks for.

        Raises:
            Trouble: it asks for no day, or for one that has not begun. Errors: see `Store.page`.
        """
        day, as_of_us = self._asked(query)
        # Whoever waits for another's report stands in no queue's way meanwhile, least of all in that of whoever makes it.
        async with aside():
            await self._making.acquire()
        try:
            return shown(day, await count(self._desk.shelf, self._desk.clock, day, as_of_us), as_of_us)
        finally:
            self._making.release()

    def _asked(self, query: str) -> tuple[Day, int]:
        told = asks.parameters(query)
        if set(told) - {"day", "as_of"} or any(len(values) > 1 for values in told.values()):
            raise Trouble(Code.INVALID, "a report of a day takes day and as_of alone")
        now_us = self._desk.clock.now_us()
        day = day_of(_date(told.get("day", [""])[0]) or today_of(now_us, self._zone), self._zone)
        if day.begins_us > now_us:
            raise Trouble(Code.INVALID, f"the day {day.date} has not begun yet")
        match told.get("as_of", ["end"])[0]:
            case "end":
                return day, min(now_us, day.ends_us)
            case "now":
                return day, now_us
            case _:
                raise Trouble(Code.INVALID, "as_of is end or now")

    async def written(self, query: str, form: Literal["csv", "xlsx"]) -> bytes:
        """A report for another program. Raises: as `of`."""
        report = await self.of(query)
        if form == "csv":
            text = io.StringIO()
            lines = csv.writer(text, lineterminator="\r\n")
            lines.writerow(HEAD)
            lines.writerows([harmless(str(cell)) for cell in row] for row in rows_of(report))
            return text.getvalue().encode()
        now_us = self._desk.clock.now_us()
        sheet = Sheet(f"day {report.day}", HEAD, datetime.fromtimestamp(now_us / 1_000_000, UTC))
        for row in rows_of(report):
            sheet.add(row)
        return await sheet.written()


def rows_of(report: DayShown) -> Iterator[tuple[str | int, ...]]:
    """Rows of a report as a table: counts as numbers, sums as text."""
    for row in report.rows:
        figures: tuple[Money, ...] = (
            row.taken, row.posted, row.refused, row.owed, row.returned, row.cancelled, row.waiting, row.in_doubt
        )  # fmt: skip
        cells = (cell for each in figures for cell in (each.entries, each.amount))
        yield (report.day, report.zone, report.as_of, row.channel, row.route, row.kind, row.taken.currency, *cells)


def _date(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Trouble(Code.INVALID, "a day is written 2026-01-15") from None
