"""Paying as a channel does: asked once, answered once, in whichever way the gateway does it."""

import asyncio

from adapters.payment import Answer, Payment
from gateway.accept.acceptor import Acceptor


async def paid(acceptor: Acceptor, payment: Payment, until: float, twin_until: float) -> Answer:
    """The answer to a payment."""
    told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    more = acceptor.pay(payment, until, twin_until, told.set_result)
    return await (told if more is None else more)


async def paid_in_turn(acceptor: Acceptor, payment: Payment, until: float, twin_until: float) -> Answer:
    """The same as on a connection: what is to be run for the answer is a task, and other requests come before it begins."""
    told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    more = acceptor.pay(payment, until, twin_until, told.set_result)
    return await (told if more is None else asyncio.create_task(more))
