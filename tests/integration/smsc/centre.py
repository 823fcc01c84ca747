"""An SMS centre that we did not write: npm's `smpp`, run by Node."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tests.integration import npm

Centre = npm.Program


def node() -> str | None:
    """Node; None where the centre isn't installed."""
    return npm.node("smsc", "smpp")


def centre() -> AbstractAsyncContextManager[Centre]:
    """A centre on a free port."""
    return npm.program("smsc", "smpp", Path(__file__).with_name("server.mjs"))
