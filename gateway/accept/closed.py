"""What channels are told while the spool isn't open yet: ask again, with the same key."""

from collections.abc import Callable

from adapters.payment import Answer, Check, Inquiry, Payment, Reversal
from gateway.accept import answers
from gateway.accept.decide import Why


class Closed:
    """Answers as `Acceptor` does, and takes nothing. A key may have been taken before, so it says no to none."""

    def pay(self, payment: Payment, until: float, twin_until: float, tell: Callable[[Answer], None]) -> None:  # noqa: ARG002 - as Acceptor.pay
        """Nobody knows of this key now."""
        tell(answers.unknown(payment.key))

    async def reverse(self, reversal: Reversal, until: float, twin_until: float) -> Answer:  # noqa: ARG002 - as Acceptor.reverse
        """Nobody knows of this key now."""
        return answers.unknown(reversal.key)

    async def check(self, check: Check, until: float) -> Answer:  # noqa: ARG002 - as Acceptor.check
        """Nothing could be taken."""
        return answers.try_later(Why.STORAGE)

    async def inquire(self, inquiry: Inquiry) -> Answer:  # noqa: ARG002 - as Acceptor.inquire
        """Nobody can look."""
        return answers.try_later(Why.STORAGE)

    async def known(self, request: Payment | Reversal) -> None:
        """Nobody can look: what the channel's rules are against is told so."""
