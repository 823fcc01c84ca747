"""What is counted and timed: a handful of Prometheus metrics with bounded labels, never an account or an id.

Counting is on the path of every payment, so it is plain integers here; they become metric families when somebody asks.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from adapters.payment import AnswerKind

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histograms, in seconds."""

STEPS: Final = 6
"""Finer bounds between two of these: a figure read from them is at most a sixth too high."""

BOUNDS_S: Final = (
    BUCKETS_S[0],
    *(
        round(low * (high / low) ** (step / STEPS), 6)
        for low, high in pairwise(BUCKETS_S)
        for step in range(1, STEPS + 1)
    ),
)
"""Upper bounds as they are counted here, for whoever asks for more than Prometheus does."""


class Times:
    """A histogram: how many took up to each bound, and how long all took together."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        found, total = list[tuple[str, float]](), 0
        ends = (*range(1, len(BOUNDS_S) + 1, STEPS), len(self.counts))
        begins = (0, *ends)
        for bound, begin, end in zip((*map(str, BUCKETS_S), "+Inf"), begins, ends, strict=False):
            total += sum(self.counts[begin:end])
            found.append((bound, float(total)))
        return found


class _Counts:
    """One counter by its labels."""

    def __init__(self, name: str, says: str, *labels: str) -> None:
        self.name, self.says, self.labels = name, says, labels
        self.by_labels: dict[tuple[str, ...], int] = {}

    def add(self, *key: str) -> None:
        """One more."""
        self.by_labels[key] = self.by_labels.get(key, 0) + 1

    def family(self) -> Metric:
        """For Prometheus."""
        found = CounterMetricFamily(self.name, self.says, labels=self.labels)
        for key, count in self.by_labels.items():
            found.add_metric(key, float(count))
        return found


class _Durations:
    """One histogram by its labels."""

    def __init__(self, name: str, says: str, *labels: str) -> None:
        self.name, self.says, self.labels = name, says, labels
        self.by_labels: dict[tuple[str, ...], Times] = {}

    def add(self, seconds: float, *key: str) -> None:
        """One more."""
        times = self.by_labels.get(key)
        if times is None:
            times = self.by_labels[key] = Times()
        times.add(seconds)

    def family(self) -> Metric:
        """For Prometheus."""
        found = HistogramMetricFamily(self.name, self.says, labels=self.labels)
        for key, times in self.by_labels.items():
            found.add_metric(key, times.buckets(), times.seconds)
        return found


class Meter(Collector):
    """The service's own metrics, in a registry of their own."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._answers = _Counts("nightsafe_answers", "Answers given to channels.", "channel", "kind")
        self._answer_seconds = _Durations(
            "nightsafe_answer_seconds", "Time from a request's arrival to its answer.", "channel"
        )
        self._rejected = _Counts(
            "nightsafe_rejected_requests",
            "Requests rejected before anything was stored, by reason.",
            "channel",
            "reason",
        )
        self._turned_away = _Counts(
            "nightsafe_turned_away_payments",
            "Payments answered try later, by what stood in the way.",
            "route",
            "channel",
            "why",
        )
        self._attempts = _Counts(
            "nightsafe_attempts",
            "Attempts and inquiries at cores, by outcome; live tells payments passed through from the backlog.",
            "route",
            "operation",
            "live",
            "outcome",
        )
        self._attempt_seconds = _Durations(
            "nightsafe_attempt_seconds", "Time a core took for an attempt or inquiry.", "route", "operation"
        )
        self.registry = CollectorRegistry(auto_describe=True)
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Every metric as it stands."""
        for each in (self._answers, self._rejected, self._turned_away, self._attempts):
            yield each.family()
        for timed in (self._answer_seconds, self._attempt_seconds):
            yield timed.family()

    def answered(self, channel: str, kind: AnswerKind, seconds: float) -> None:
        """A channel got its answer."""
        counts, key = self._answers.by_labels, (channel, kind)
        counts[key] = counts.get(key, 0) + 1
        self._answer_seconds.add(seconds, channel)

    def rejected(self, channel: str, reason: str) -> None:
        """A request was not taken, and nothing stored; `channel` is empty where it isn't known."""
        self._rejected.add(channel, reason)

    def turned_away(self, route: str, channel: str, why: str) -> None:
        """A payment got try later."""
        self._turned_away.add(route, channel, why)

    def attempted(self, route: str, operation: str, outcome: str, seconds: float, *, live: bool) -> None:
        """A core was asked; `operation` is payment, reversal, inquiry or check."""
        self._attempts.add(route, operation, "yes" if live else "no", outcome)
        self._attempt_seconds.add(seconds, route, operation)

    def of_channel(self, channel: str) -> tuple[dict[str, int], dict[str, int]]:
        """What a channel was answered, by kind, and what of it was rejected before anything was stored, by reason."""
        answers = {kind: count for (name, kind), count in self._answers.by_labels.items() if name == channel}
        rejected = {reason: count for (name, reason), count in self._rejected.by_labels.items() if name == channel}
        return answers, rejected

    def answered_within(self, channels: Iterable[str]) -> list[int]:
        """How many answers these channels got, by the bounds `BOUNDS_S`, and above all of them."""
        found = [0] * (len(BOUNDS_S) + 1)
        for channel in channels:
            times = self._answer_seconds.by_labels.get((channel,))
            if times is not None:
                found = [some + more for some, more in zip(found, times.counts, strict=True)]
        return found

    def turned_away_by_why(self, route: str) -> dict[str, int]:
        """Payments of a route that got try later, by what stood in the way."""
        found: dict[str, int] = {}
        for (name, _, why), count in self._turned_away.by_labels.items():
            if name == route:
                found[why] = found.get(why, 0) + count
        return found

    def asked(self, route: str) -> tuple[int, float]:
        """How often a route's core was sent a payment, and the seconds that took together."""
        times = self._attempt_seconds.by_labels.get((route, "payment"))
        return (0, 0.0) if times is None else (sum(times.counts), times.seconds)
