"""What is counted of the admin side itself."""

from prometheus_client import CollectorRegistry, Counter


class AdminMeter:
    """Counters of who was let in, and what was done."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Count in the service's registry."""
        self._denied = Counter(
            "nightsafe_admin_denied", "Admin requests not allowed, by why.", ("why",), registry=registry
        )
        self._acts = Counter(
            "nightsafe_admin_acted", "Entries changed and routes steered by persons.", ("act",), registry=registry
        )
        self._fetched = Counter(
            "nightsafe_admin_issuer_fetches",
            "Fetches of the keys of who signs tokens, by issuer and whether they were got.",
            ("issuer", "ok"),
            registry=registry,
        )

    def keys_fetched(self, issuer: str, *, ok: bool) -> None:
        """An issuer's keys were fetched, or were not."""
        self._fetched.labels(issuer, str(ok).lower()).inc()

    def denied(self, why: str) -> None:
        """A request was nobody's, or its sender's role was too small."""
        self._denied.labels(why).inc()

    def acted(self, act: str, count: int = 1) -> None:
        """A person changed so much."""
        self._acts.labels(act).inc(count)
