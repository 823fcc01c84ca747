"""A route's record in a file: what a restart finds of an outage, and of a person's word."""

from pathlib import Path

from gateway.route.kept import KeptInFile
from gateway.route.record import BreakerRecord, Forced
from gateway.route.zone import Zone

RECORD = BreakerRecord(
    zone=Zone.OPEN,
    since_us=1_767_225_600_000_000,
    level=3,
    forced=Forced(zone=Zone.OPEN, until_us=1_767_229_200_000_000, actor="ann", reason="window"),
)


def test_a_record_is_found_by_the_next_run(tmp_path: Path) -> None:
    """A route that was forced open for maintenance must not be tried because the gateway restarted."""
    KeptInFile(tmp_path / "spool" / "route-main.json").keep(RECORD)

    assert KeptInFile(tmp_path / "spool" / "route-main.json").load() == RECORD


def test_without_a_record_a_route_begins_anew(tmp_path: Path) -> None:
    """The first run."""
    assert KeptInFile(tmp_path / "route-main.json").load() is None


def test_a_record_cut_short_is_no_record(tmp_path: Path) -> None:
    """It isn't synced, so a power cut may leave anything; no payment depends on it."""
    path = tmp_path / "route-main.json"
    path.write_bytes(b'{"zone":"op')

    assert KeptInFile(path).load() is None
