"""Workers that run at once never look among the same ports."""

import pytest

from tests.contracts.ports import SCENES, WORKERS_MAX, share_of


def test_no_two_workers_share_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is being restarted would find another worker's in its place."""
    shares = list[range]()
    for number in range(WORKERS_MAX):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        shares.append(share_of(SCENES))
    ports = [port for share in shares for port in share]
    assert len(set(ports)) == len(ports) == len(SCENES)


def test_without_workers_there_is_a_share_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One test run by itself."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    assert len(share_of(SCENES)) > 1_000
