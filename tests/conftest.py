"""What holds for every test: none is timed, and in CI none is skipped unless the reason is written down here."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from typing import Final, TextIO, cast

import pytest
import structlog
from hypothesis import HealthCheck, settings

from gateway.log import log

# Whatever else is said of how examples are drawn, none is timed: a busy machine is slow, and that is no fault.
settings.register_profile(
    "untimed",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("untimed")

SKIPS_ALLOWED: Final[dict[str, str]] = {
    "tests/acceptance/test_rolling_upgrade.py": "not every checkout has the history that holds the older version",
    "tests/faults/test_database_full": "not every runner may mount a small disk",
    "tests/faults/test_database_troubles.py::test_a_full_disk": "not every runner may mount a small disk",
    "tests/faults/test_full_disk.py": "not every runner may mount a small disk",
    "tests/faults/test_network.py": "not every runner may make network namespaces",
    "tests/faults/test_node_cut_off.py": "not every runner may make network namespaces",
    "tests/powercut/test_power_cut.py::test_a_real_kernel": "not every runner may mount a loop device, or has XFS",
    "tests/faults/test_storage_faults.py::test_a_disk_that_fills_up": "not every runner may mount a small disk",
}
"""Beginning of the node id of tests that may be skipped in CI, and why."""


class SkipGuard:
    """Fails a run in which tests were skipped without leave: what should be installed was missing."""

    def __init__(self) -> None:
        """Begin with nothing skipped."""
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that was skipped; one that is expected to fail was not."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that was skipped whole."""
        if report.skipped:
            self._note(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn a green run with silent gaps red."""
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which tests these were."""
        for nodeid in self.skipped:
            terminalreporter.write_line(f"skipped in CI without leave (tests/conftest.py): {nodeid}", red=True)

    def _note(self, nodeid: str) -> None:
        if not nodeid.startswith(tuple(SKIPS_ALLOWED)):
            self.skipped.append(nodeid)


class StandardError:
    """What standard error is when something is said: a test may have put another in its place by then."""

    def write(self, text: str) -> int:
        """As a file."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """As a file."""
        sys.stderr.flush()


def pytest_configure(config: pytest.Config) -> None:
    """In CI a skipped test is a failure, at a desk a hint. The log goes where a service's goes, not among a command's words.

    A shell has what it starts in the background ignore what a keyboard sends, and that is handed down to what the tests start.
    """
    for sign, action in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(sign) is signal.SIG_IGN:
            signal.signal(sign, action)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(cast("TextIO", StandardError())))
    if os.environ.get("CI") == "true":
        config.pluginmanager.register(SkipGuard(), "skip-guard")


def pytest_collection_finish() -> None:
    """Some ten thousand collected tests live as long as the run: the garbage collector needn't walk them again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command that ran here set up the log for its process, which isn't its own: the next test would hear nothing."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    vars(log).pop("bind", None)
