"""What each answer is in OSMP: one table of result codes, with *final* and *come again* kept apart.

A code that is not final makes the channel send the same `txn_id` again for up to 24 hours; a final one makes it fail the
payment for good. Source: QIWI provider protocol, errors (1, 4, 5, 7, 31, 79); its wider family as used by Optima Bank
(90, 241, 242, 300), Rapida (10) and PegasPay (251).
"""

from collections.abc import Mapping
from typing import Final

from adapters.payment import Answer, AnswerKind, Refusal

WRONG_EXTRA: Final = "extra"
"""Name in the table for a parameter beyond the protocol's own that can't be taken."""

CHECK_LATER: Final = "check_later"
"""Name in the table for a check that can't be answered now. It moves no money, so its code may be a final one."""

RESULTS: Final[Mapping[str, int]] = {
    AnswerKind.POSTED.value: 0,
    AnswerKind.PROVISIONAL.value: 0,
    AnswerKind.TRY_LATER.value: 1,
    # QIWI's own list has no 90; a channel whose contract knows it says so by `in_progress_code`.
    AnswerKind.IN_PROGRESS.value: 1,
    AnswerKind.CONFLICT.value: 300,
    AnswerKind.INVALID.value: 300,
    WRONG_EXTRA: 31,
    # "Cannot check the state of the account."
    CHECK_LATER: 243,
    Refusal.UNKNOWN_ACCOUNT.value: 5,
    Refusal.ACCOUNT_FORMAT.value: 4,
    Refusal.ACCOUNT_INACTIVE.value: 79,
    Refusal.AMOUNT_TOO_SMALL.value: 241,
    Refusal.AMOUNT_TOO_LARGE.value: 242,
    Refusal.FORBIDDEN.value: 7,
    Refusal.ALREADY_PAID.value: 10,
    Refusal.CURRENCY.value: 31,
    Refusal.NO_ROUTE.value: 7,
    # As ABillS answers a cancel of a payment it does not know.
    Refusal.NOT_FOUND.value: 79,
    Refusal.NOT_REVERSIBLE.value: 251,
    # No dialect has a code of its own for a payment that was cancelled.
    Refusal.REVERSED.value: 300,
    Refusal.OTHER.value: 300,
}
"""Answer kind or refusal -> result code."""

COME_AGAIN: Final = frozenset((1, 90))
"""Codes after which the channel sends the same request again; all others but 0 are final."""

COMMENTS: Final[Mapping[int, str]] = {
    0: "OK",
    1: "Temporary error, repeat later",
    4: "Wrong format of the account",
    5: "Account not found",
    7: "Payment forbidden by the provider",
    8: "Payment forbidden for technical reasons",
    10: "Already paid",
    31: "Wrong extra parameter",
    79: "Account or payment not active",
    90: "Payment not completed yet",
    241: "Sum too small",
    242: "Sum too large",
    243: "Account cannot be checked now",
    251: "Cancel impossible",
    300: "Request refused",
}
"""Words for a code. They depend on nothing else, so that a repeated answer is the same to the byte."""

_RETRYABLE: Final = (AnswerKind.TRY_LATER.value, AnswerKind.IN_PROGRESS.value)


_FINAL_NOES: Final = (
    frozenset(RESULTS) - {AnswerKind.POSTED.value, AnswerKind.PROVISIONAL.value, CHECK_LATER} - frozenset(_RETRYABLE)
)


def faults(results: Mapping[str, int], come_again: frozenset[int]) -> list[str]:
    """What is wrong with a channel's own codes; empty when nothing is.

    A no as "come again" would be repeated for a day; a "come again" as a no would fail a payment that is booked later.
    """
    found = [f"{name}: no such answer; there are {', '.join(RESULTS)}" for name in results if name not in RESULTS]
    for name, code in results.items():
        if name == AnswerKind.POSTED.value and code != 0:
            found.append("posted: booked is 0 in every dialect")
        elif name == AnswerKind.PROVISIONAL.value and code and code not in come_again:
            found.append("provisional: 0, or a code after which the channel asks again")
        elif name in _RETRYABLE and code not in come_again:
            found.append(f"{name}: {code} is final, but the payment may still be booked")
        elif name == CHECK_LATER and not code:
            found.append("check_later: 0 would be a yes")
        elif name in _FINAL_NOES and (not code or code in come_again):
            found.append(f"{name}: {code} is not final, but the answer is")
    return found


def name_of(answer: Answer) -> str:
    """The answer's name in the table."""
    if answer.kind is AnswerKind.REFUSED:
        return (answer.refusal or Refusal.OTHER).value
    return answer.kind.value
