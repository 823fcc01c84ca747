"""What channels are told of billing: a look at routes and plan, for one channel at a time. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from adapters.channels.json_bodies import PlannedView, ServiceView, StatusView
from adapters.instant import instant
from gateway.clock import Clock
from gateway.route.route import Route
from gateway.route.zone import PASSING, Zone
from gateway.windows.plan import Plan
from gateway.windows.window import Span, concerns, following

PLANNED_MAX: Final = 5
"""Coming windows told."""


class Board:
    """The routes of each channel, and what is planned for them."""

    def __init__(self, routes: Sequence[tuple[Route, Sequence[str]]], plan: Plan, clock: Clock) -> None:
        """Tell of these routes, each with the services it is for."""
        self._by_channel: Mapping[str, list[tuple[Route, tuple[str, ...]]]] = {
            channel: [(route, tuple(services)) for route, services in routes if channel in route.channels]
            for channel in {name for route, _ in routes for name in route.channels}
        }
        self._plan = plan
        self._clock = clock

    def status(self, channel: str) -> StatusView:
        """How it stands with what a channel may pay for."""
        lines = self._by_channel.get(channel, [])
        return StatusView(services=tuple(self._line(channel, route, services) for route, services in lines))

    def _line(self, channel: str, route: Route, services: tuple[str, ...]) -> ServiceView:
        zone = route.health.zone
        return ServiceView(
            services=services,
            billing=(
                "maintenance"
                if route.name in self._plan.entered
                else "up"
                if zone is Zone.CLOSED
                else "trouble"
                if zone is Zone.SOFT
                else "down"
            ),
            payments=_payments(route, channel),
            since=instant(route.health.since_us).decode("ascii"),
            planned=tuple(
                PlannedView(begins=instant(each.begins_us).decode("ascii"), ends=instant(each.ends_us).decode("ascii"))
                for each in self._planned(route)
            ),
        )

    def _planned(self, route: Route) -> list[Span]:
        now_us = self._clock.now_us()
        windows = [each for each in self._plan.windows if concerns(each, route.name)]
        coming = sorted({span for each in windows for span in following(each, now_us, PLANNED_MAX)})
        return coming[:PLANNED_MAX]


def _payments(route: Route, channel: str) -> Literal["posted", "provisional", "try_later"]:
    """What a payment gets now, within the limits; whoever has just been told of our own disk would be told so again."""
    policy = route.policies[channel]
    if route.health.disk_fails:
        return "try_later"
    if route.health.zone in PASSING:
        return "posted"
    return "provisional" if policy.enabled and policy.terms.answer == "provisional" else "try_later"
