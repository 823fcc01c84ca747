"""A request that is being answered."""

import asyncio

from adapters.payment import Answer, Payment, Reversal
from gateway.accept import answers
from gateway.log import log


class InHand:
    """A request being answered, so that its twin can wait for the same answer."""

    __slots__ = ("answer", "bars", "request")

    def __init__(self, request: Payment | Reversal, bars: int = 0) -> None:
        """Nobody waits yet; the future is made for the first twin. `bars` as this node had heard when it came."""
        self.request = request
        self.bars = bars
        self.answer: asyncio.Future[Answer] | None = None

    def tell(self, answer: Answer) -> None:
        """Give the twins their answer."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(answer)


def failed(request: Payment | Reversal, error: Exception) -> Answer:
    """Our own bug: the channel is told to ask again, and we are told loudly."""
    log.error("answer_failed", channel=request.channel, error=type(error).__name__, exc_info=error)
    return answers.unknown(request.key)
