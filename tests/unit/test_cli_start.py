"""How much a verb loads before it does anything: a person at night waits for it each time."""

import subprocess
import sys
from typing import Final

import pytest

HEAVY: Final = "aiohttp", "gateway.config.model", "gateway.service", "spool.sqlite.connection", "cryptography.x509"
"""The configuration's model knows every protocol, and each of these takes about as long as all of a verb should."""

LOADED: Final = "import importlib, sys; importlib.import_module(sys.argv[1]); print(*sys.modules)"


@pytest.mark.parametrize(
    "module",
    [
        "gateway.cli",
        "gateway.cli.verbs",
        "gateway.cli.looking",
        "gateway.cli.jobs",
        "gateway.cli.duties",
        "gateway.cli.windows",
        "gateway.cli.outages",
        "gateway.cli.reporting",
    ],
)
def test_a_verb_that_asks_the_service_does_not_load_what_the_service_is_made_of(module: str) -> None:
    """Shapes of answers stand apart from what makes them."""
    done = subprocess.run([sys.executable, "-c", LOADED, module], capture_output=True, text=True, check=True)
    assert set(HEAVY) & set(done.stdout.split()) == set()
