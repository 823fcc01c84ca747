"""What is counted and timed: a handful of Prometheus metrics with bounded labels, never an account or an id."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from adapters.payment import AnswerKind

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Meter:
    """The service's own metrics. Children are kept, as looking one up costs more than counting."""

    def __init__(self) -> None:
        """Begin at nothing, in a registry of our own."""
        self.registry = CollectorRegistry(auto_describe=True)
        self._answers = Counter(
            "nightsafe_answers", "Answers given to channels.", ("channel", "kind"), registry=self.registry
        )
        self._answer_seconds = Histogram(
            "nightsafe_answer_seconds",
            "Time from a request's arrival to its answer.",
            ("channel",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._rejected = Counter(
            "nightsafe_rejected_requests",
            "Requests rejected before anything was stored, by reason.",
            ("channel", "reason"),
            registry=self.registry,
        )
        self._turned_away = Counter(
            "nightsafe_turned_away_payments",
            "Payments answered try later, by what stood in the way.",
            ("route", "channel", "why"),
            registry=self.registry,
        )
        self._attempts = Counter(
            "nightsafe_attempts",
            "Attempts and inquiries at cores, by outcome; live tells payments passed through from the backlog.",
            ("route", "operation", "live", "outcome"),
            registry=self.registry,
        )
        self._attempt_seconds = Histogram(
            "nightsafe_attempt_seconds",
            "Time a core took for an attempt or inquiry.",
            ("route", "operation"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._kept: dict[tuple[str, ...], Counter] = {}
        self._kept_seconds: dict[tuple[str, ...], Histogram] = {}

    def answered(self, channel: str, kind: AnswerKind, seconds: float) -> None:
        """A channel got its answer."""
        self._count(self._answers, "answers", channel, kind.value)
        self._time(self._answer_seconds, "answers", channel, seconds=seconds)

    def rejected(self, channel: str, reason: str) -> None:
        """A request was not taken, and nothing stored; `channel` is empty where it isn't known."""
        self._count(self._rejected, "rejected", channel, reason)

    def turned_away(self, route: str, channel: str, why: str) -> None:
        """A payment got try later."""
        self._count(self._turned_away, "turned_away", route, channel, why)

    def attempted(self, route: str, operation: str, outcome: str, seconds: float, *, live: bool) -> None:
        """A core was asked; `operation` is post, reverse, inquire or check."""
        self._count(self._attempts, "attempts", route, operation, "yes" if live else "no", outcome)
        self._time(self._attempt_seconds, "attempts", route, operation, seconds=seconds)

    def _count(self, metric: Counter, *key: str) -> None:
        child = self._kept.get(key)
        if child is None:
            child = self._kept[key] = metric.labels(*key[1:])
        child.inc()

    def _time(self, metric: Histogram, *key: str, seconds: float) -> None:
        child = self._kept_seconds.get(key)
        if child is None:
            child = self._kept_seconds[key] = metric.labels(*key[1:])
        child.observe(seconds)
