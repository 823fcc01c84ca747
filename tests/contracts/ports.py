"""Ports of this worker's own: two workers that look for a free port at the same moment would both find the same."""

import os
from typing import Final

WORKERS_MAX: Final = 8

SCENES: Final = range(10_240, 20_000)
"""For the processes of a scene; servers of the tests have those above (`postgres_server.PORTS`)."""


def share_of(ports: range) -> range:
    """What of these is this worker's."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS_MAX
    size = len(ports) // WORKERS_MAX
    return ports[worker * size : (worker + 1) * size]
