"""The admin side's part for outages: those that go on, and the reports of those that are over."""

import msgspec

from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.views import Money, moment, money
from gateway.outages.answers import Answers, answers_of
from gateway.outages.record import US, Outage, Part, Report
from spool.tally import Sum


class OngoingShown(msgspec.Struct, frozen=True, kw_only=True):
    """An outage that isn't settled yet."""

    number: int
    route: str
    began: str
    #: When the route was well again; empty while it isn't.
    ended: str
    cause: str
    planned: bool
    relapses: int
    peak: Money


class EstimateJudged(msgspec.Struct, frozen=True, kw_only=True):
    """What the estimate said when half was drained, and what came."""

    estimate_s: int
    took_s: int
    #: How far it was off, in per cent of what it took; absent where that was less than a second.
    error_percent: int | None


class Waited(msgspec.Struct, frozen=True, kw_only=True):
    """A point of the curve of what waited for billing."""

    #: Seconds since the outage began.
    after_s: float
    entries: int
    #: Their sum, in the outage's currency.
    amount: str


class AwayShown(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which billing was away."""

    began: str
    ended: str


class OutageShown(msgspec.Struct, frozen=True, kw_only=True):
    """The report of an outage: `carried + taken = posted + refused + returned + cancelled + left`."""

    number: int
    node: str
    route: str
    began: str
    ended: str
    drained: str
    away_s: int
    drain_s: int
    #: From the cause's first sighting to standing in.
    detection_s: float
    cause: str
    #: By cause, for how many seconds it was the one named.
    causes: dict[str, float]
    planned: bool
    relapses: int
    carried: Money
    taken: Money
    channels: dict[str, Money]
    posted: Money
    refused: Money
    returned: Money
    cancelled: Money
    #: Of these, what reversals ended before anything was sent: billing was told of neither.
    netted: Money
    left: Money
    peak: Money
    #: Absent where it was drained too quickly for one.
    estimate: EstimateJudged | None
    #: When billing was away; more than once where it fell over again before all was settled.
    away: tuple[AwayShown, ...]
    #: How quickly its channels were answered.
    answers: Answers
    #: Payments that got try later, by what stood in the way.
    turned_away: dict[str, int]
    #: What waited, from the beginning until nothing did.
    curve: tuple[Waited, ...]


class OutagesShown(msgspec.Struct, frozen=True, kw_only=True):
    """What goes on, and what is over, newest first."""

    ongoing: tuple[OngoingShown, ...]
    outages: tuple[OutageShown, ...]


class OutageSide:
    """Answers about outages."""

    def __init__(self, desk: Desk) -> None:
        """Show the desk's."""
        self._desk = desk

    async def list(self, _call: Call) -> OutagesShown:
        """All of them."""
        recorder = self._desk.outages
        currencies = {route.name: route.currency for route in self._desk.routes}
        return OutagesShown(
            ongoing=tuple(ongoing_shown(each, currencies[each.route]) for each in recorder.current.values()),
            outages=tuple(outage_shown(each) for each in await recorder.reports()),
        )

    async def show(self, call: Call) -> OutageShown:
        """One report by its number."""
        number = int(call.parts[0])
        found = next((each for each in await self._desk.outages.reports() if each.number == number), None)
        if found is None:
            raise Trouble(Code.NO_SUCH_OUTAGE)
        return outage_shown(found)


def ongoing_shown(outage: Outage, currency: str) -> OngoingShown:
    """An outage that isn't settled, as it is shown."""
    return OngoingShown(
        number=outage.number,
        route=outage.route,
        began=moment(outage.began_us),
        ended=moment(outage.ended_us),
        cause=outage.cause,
        planned=outage.planned,
        relapses=outage.relapses,
        peak=money(currency, Sum(*outage.peak)),
    )


def outage_shown(report: Report) -> OutageShown:
    """A report as it is shown."""

    def written(pair: tuple[int, int]) -> Money:
        return money(report.currency, Sum(*pair))

    estimate = None
    if report.estimate_s is not None and report.took_s is not None:
        estimate = EstimateJudged(
            estimate_s=report.estimate_s, took_s=report.took_s, error_percent=report.error_percent
        )
    return OutageShown(
        number=report.number,
        node=report.node,
        route=report.route,
        began=moment(report.began_us),
        ended=moment(report.ended_us),
        drained=moment(report.drained_us),
        away_s=(report.ended_us - report.began_us) // US,
        drain_s=(report.drained_us - report.ended_us) // US,
        detection_s=round(report.detection_us / US, 3),
        cause=report.cause,
        causes={cause: round(us / US, 1) for cause, us in report.causes.items()},
        planned=report.planned,
        relapses=report.relapses,
        carried=written(report.carried),
        taken=written(report.taken),
        channels={name: written(pair) for name, pair in report.channels.items()},
        posted=written(report.posted),
        refused=written(report.refused),
        returned=written(report.returned),
        cancelled=written(report.cancelled),
        netted=written(report.netted),
        left=written(report.left),
        peak=written(report.peak),
        estimate=estimate,
        away=tuple(AwayShown(began=moment(began), ended=moment(ended)) for began, ended in report.away),
        answers=answers_of(report.part or Part(number=report.number)),
        turned_away=report.part.turned_away if report.part else {},
        curve=tuple(
            Waited(
                after_s=round((at_us - report.began_us) / US, 1),
                entries=entries,
                amount=money(report.currency, Sum(entries, minor)).amount,
            )
            for at_us, entries, minor in report.curve
        ),
    )
