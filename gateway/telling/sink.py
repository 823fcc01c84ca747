"""The seam to a way to people: takes a letter, or says why not."""

from collections.abc import Sequence
from typing import Protocol

from gateway.telling.letter import Letter


class NotTold(Exception):
    """A letter was not taken, or nobody knows: it is tried again. The text is bounded words and holds no address."""

    def __init__(self, why: str, retry_after_s: float = 0.0) -> None:
        super().__init__(why)
        #: Not before so many seconds.
        self.retry_after_s = retry_after_s


class Undeliverable(Exception):
    """This letter will never be taken: its address is none, or its content is refused. The text as with `NotTold`."""


class Sink(Protocol):
    """One way to people."""

    async def send(self, letter: Letter) -> None:
        """Have a letter taken, by all it goes to.

        Raises:
            NotTold: try again.
            Undeliverable: don't.
        """
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


def raise_worst(failures: Sequence[Exception]) -> None:
    """Of what went wrong with some of those a letter goes to: what is worth another try stands above what isn't."""
    worst = next((each for each in failures if isinstance(each, NotTold)), next(iter(failures), None))
    if worst is not None:
        raise worst
