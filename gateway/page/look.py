"""How the page writes what the admin side shows: texts, money, times and durations in one language and one time zone. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from gateway.admin.duties.views import ProposalShown
from gateway.admin.views import Money
from gateway.page.words import LANGUAGES, WORDS, Language, grouped, say

UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60))

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Ending(msgspec.Struct, frozen=True):
    """Of an order to close, what concerns the page."""

    ending: str


class Look:
    """One language, one zone, one moment."""

    def __init__(self, language: Language, zone: ZoneInfo, now_us: int) -> None:
        """Write in `language`, for `zone`, at `now_us` (microseconds since 1970 in UTC)."""
        self.language: Language = language
        self.languages = LANGUAGES
        self._zone = zone
        self._now = _EPOCH + timedelta(microseconds=now_us)

    def t(self, key: str, **fields: object) -> str:
        """A text of the catalogue."""
        return say(self.language, key, **fields)

    def word(self, group: str, code: str) -> str:
        """A bounded word of the machine's in the reader's; one that the catalogue lacks (of a newer node, say) as it is."""
        key = f"{group}.{code}"
        return say(self.language, key) if key in WORDS else code

    def deed(self, name: str) -> str:
        """What a person did: an act of its own, or a move of an entry."""
        return self.word("deed" if f"deed.{name}" in WORDS else "event", name)

    def proposed(self, proposal: ProposalShown) -> str:
        """What is proposed, in a line; an act that the catalogue lacks in the machine's own words."""
        match proposal.act:
            case "close":
                ending = msgspec.json.decode(proposal.order, type=_Ending).ending
                return self.t("proposed.close", number=proposal.subject, ending=self.word("close", ending))
            case "policy":
                return self.t("proposed.policy", route=proposal.subject)
            case "job":
                return self.t("proposed.job")
            case _:
                return proposal.summary

    def shaped(self, by: str, name: str) -> str:
        """The name of a row of a shape: a bounded word in the reader's, a name of the configuration as it is."""
        group = {"state": "state", "operation": "kind", "reason": "reason"}.get(by)
        return self.word(group, name) if group else name

    def number(self, count: int) -> str:
        """A whole number."""
        return grouped(str(count), self.language)

    def amount(self, decimal: str) -> str:
        """Decimal text."""
        return grouped(decimal, self.language)

    def money(self, money: Money) -> str:
        """A sum with its currency."""
        return f"{grouped(money.amount, self.language)}\N{NO-BREAK SPACE}{money.currency}"

    def moneys(self, sums: Iterable[Money]) -> str:
        """Sums of several currencies."""
        return " + ".join(map(self.money, sums))

    def share(self, some: str, whole: str) -> int:
        """How much of a limit is used up, in whole per cent; both are decimal text of one currency."""
        used, most = (int(each.replace(".", "")) for each in (some, whole))
        return min(100, 100 * used // most) if most else 100

    def rough(self, value: float) -> str:
        """A figure of a chart: as many digits as one can read there."""
        text = f"{value:.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits
        return grouped(text, self.language)

    def quick(self, seconds: float) -> str:
        """How long an answer takes: in milliseconds, or seconds from one on."""
        if seconds < 1:
            return self.t("span.millisecond", ms=self.rough(1000 * seconds))
        return self.t("span.short_second", s=self.rough(seconds))

    def counted(self, sums: Iterable[Money]) -> int:
        """How many entries these are together."""
        return sum(each.entries for each in sums)

    def clock(self) -> str:
        """The time now, with its zone."""
        return self._now.astimezone(self._zone).strftime("%H:%M:%S %Z")

    def at(self, moment: str) -> str:
        """A moment as people say it: the time, with its day where that isn't today; empty stays empty."""
        if not moment:
            return ""
        local, now = _read(moment).astimezone(self._zone), self._now.astimezone(self._zone)
        return local.strftime("%H:%M" if local.date() == now.date() else "%Y-%m-%d %H:%M")

    def exactly(self, moment: str) -> str:
        """A moment to the second, with its day."""
        return _read(moment).astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S") if moment else ""

    def instant(self, local: str) -> str:
        """A moment as a form has it, of the reader's zone unless it names one, as the API takes it; what is none stays."""
        try:
            read = _read(local)
        except ValueError:
            return local
        return (read if read.tzinfo else read.replace(tzinfo=self._zone)).isoformat()

    def field(self, moment: str) -> str:
        """A moment of the API's for a form's field of a local time; empty where it is none."""
        try:
            return _read(moment).astimezone(self._zone).strftime("%Y-%m-%dT%H:%M:%S")
        except ValueError:
            return ""

    def ago(self, moment: str) -> str:
        """How long ago a moment was."""
        return self.span(max(0.0, (self._now - _read(moment)).total_seconds())) if moment else ""

    def in_(self, seconds: float) -> str:
        """The time it will be after so many seconds."""
        return self.at((self._now + timedelta(seconds=seconds)).isoformat())

    def span(self, seconds: float) -> str:
        """So long, in its two largest units."""
        left, found = int(seconds), list[str]()
        if left < 60:  # noqa: PLR2004 - below a minute
            return self.t("span.moment") if left < 1 else self.t("span.second", n=left)
        for unit, size in UNITS:
            count, left = divmod(left, size)
            if count and len(found) < 2:  # noqa: PLR2004 - two units say enough
                found.append(self.t(f"span.{unit}", n=count))
            elif found:
                break
        return " ".join(found)


def _read(moment: str) -> datetime:
    return datetime.fromisoformat(moment)
