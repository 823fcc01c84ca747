"""Since when an outage lasts: it begins when a route opens and ends when it is well again, with every trial between."""

from gateway.route.zone import PASSING, Zone


class Outage:
    """One route's present outage. Told of every change of zone."""

    def __init__(self) -> None:
        """None yet."""
        #: When it began, microseconds since 1970 in UTC; 0 while there is none.
        self.began_us = 0

    def changed(self, new: Zone, now_us: int) -> None:
        """The route is in another zone. A trial that fails begins no new outage."""
        if new in PASSING:
            self.began_us = 0
        elif not self.began_us:
            self.began_us = now_us

    def went_on(self, began_us: int) -> None:
        """It had begun before this process did, and isn't over."""
        if self.began_us:
            self.began_us = min(self.began_us, began_us)

    def lasts_s(self, now_us: int) -> float:
        """Seconds since it began; 0 while there is none. A clock set back makes none shorter than nothing."""
        return max(0, now_us - self.began_us) / 1_000_000 if self.began_us else 0.0
