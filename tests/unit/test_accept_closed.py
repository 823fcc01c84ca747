"""What channels are told while the spool isn't open yet."""

from adapters.payment import Answer, AnswerKind, Check, Inquiry, Payment, Reversal
from gateway.accept.closed import Closed


async def test_what_can_t_be_known_before_the_spool_is_open_is_not_guessed() -> None:
    """Keys may have been taken before: they are neither denied nor believed."""
    closed, told = Closed(), list[Answer]()
    payment = Payment(channel="kiosk", key="1", account="100", amount=1000, currency="TJS")
    closed.pay(payment, 0.0, 0.0, told.append)
    reversal = Reversal(channel="kiosk", key="2", payment_key="1")
    back = await closed.reverse(reversal, 0.0, 0.0)
    check = await closed.check(Check(channel="kiosk", key="3", account="100", amount=1, currency="TJS"), 0.0)
    inquiry = await closed.inquire(Inquiry(channel="kiosk", key="1"))
    await closed.known(reversal)

    assert [(each.kind, each.key) for each in (*told, back)] == [
        (AnswerKind.IN_PROGRESS, "1"),
        (AnswerKind.IN_PROGRESS, "2"),
    ]
    assert (check.kind, inquiry.kind) == (AnswerKind.TRY_LATER, AnswerKind.TRY_LATER)
