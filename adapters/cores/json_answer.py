"""What a JSON core's answers mean for the money: bodies and rows into outcomes. Pure.

Nothing is believed by its status alone where more can be seen. A booking shows the core's id, its sum and account are
compared with what was sent, and a looked-up row counts only if it carries our reference: servers that don't know a
filter return everything.
"""

from typing import Final, cast

from adapters.core import Delivery
from adapters.cores.http_answer import HttpAnswer
from adapters.cores.json_mapping import JsonCheck, JsonCoreSettings, JsonLookup
from adapters.cores.json_rules import UNREADABLE, Means, Rules, Verdict, at, parsed, text_at, verdict_of
from adapters.cores.status import status_failure
from adapters.cores.sums import same_sum
from adapters.outcome import (
    Allowed,
    Cause,
    CheckOutcome,
    Conflict,
    InquiryOutcome,
    Misconfigured,
    NotFound,
    NotSent,
    Outcome,
    Pending,
    Posted,
    Refused,
    Unknown,
)
from adapters.payment import Refusal

TEXT_CHARS_MAX: Final = 500
"""Longest text of a core that is kept."""

_ACCOUNT_CHARS_MAX: Final = 1000
"""Longer than any account, so that one cut short never equals ours."""

_SERVER_FAULT: Final = 500

UNSHOWN: Final = Conflict(found="the core knows the key and shows neither amount nor account")
"""A repeat's answer that can't be compared, at a core that can't be asked: a person must look."""


class JsonReader:
    """Reads the answers of one core, as its settings map them."""

    def __init__(self, settings: JsonCoreSettings) -> None:
        """Read as `settings.answer` says."""
        self._at = settings.answer
        self._minor = settings.amount_form == "minor"
        self._unavailable_is_not_sent = settings.unavailable_is_not_sent

    def delivered(self, answer: HttpAnswer, rules: Rules, delivery: Delivery) -> Outcome | None:
        """What became of a payment; None when the core knows it already, and doesn't show what it knows."""
        tree = self._tree(answer)
        verdict = self._verdict(answer, rules, tree)
        if not isinstance(verdict, Verdict):
            return verdict
        if verdict.means not in (Means.POSTED, Means.ALREADY):
            return self._said(answer, verdict, tree)
        return self._booked(tree, delivery, already=verdict.means is Means.ALREADY)

    def reversed(self, answer: HttpAnswer, rules: Rules, attempt: int) -> Outcome:
        """What became of a reversal. Its call names the booking, so there is nothing to compare.

        "Can't be undone" said of a repeat may be what an earlier attempt did: a person must look.
        """
        tree = self._tree(answer)
        verdict = self._verdict(answer, rules, tree)
        if not isinstance(verdict, Verdict):
            return verdict
        if attempt > 1 and verdict.refusal in (Refusal.NOT_REVERSIBLE, Refusal.REVERSED):
            return Conflict(found="can't be undone, and perhaps was by an earlier attempt")
        if verdict.means not in (Means.POSTED, Means.ALREADY):
            return self._said(answer, verdict, tree)
        if tree is UNREADABLE and (answer.body or answer.too_long):
            return _unreadable("the answer isn't JSON, or is too long")
        return self._posted(tree, already=verdict.means is Means.ALREADY)

    def looked_up(
        self, answer: HttpAnswer, lookup: JsonLookup, reference: str, delivery: Delivery, *, undone: bool
    ) -> InquiryOutcome:
        """What the core holds under `reference`; with `undone`, whether it has undone that."""
        tree = self._tree(answer)
        verdict = verdict_of(lookup.rules, answer.status, tree, self._at.refusal, self._at.refusals)
        if verdict is not None:
            return NotFound() if verdict.means is Means.NOT_FOUND else self._said(answer, verdict, tree)
        failure = status_failure(answer, unavailable_is_not_sent=self._unavailable_is_not_sent)
        if failure is not None:
            return failure
        rows = _rows(tree, lookup.rows)
        if rows is None:
            return _unreadable("no bookings in the answer")
        ours = [row for row in rows if text_at(row, lookup.match, _ACCOUNT_CHARS_MAX) == reference]
        if not ours and rows and not lookup.is_complete:
            return Unknown(
                cause=Cause.CONTRACT, detail="bookings of others and none of ours: the lookup doesn't filter"
            )
        if not ours:
            return NotFound()
        if len(ours) > 1:
            return Conflict(found=f"{len(ours)} bookings under one reference")
        return self._row(answer, lookup, ours[0], delivery, undone=undone)

    def allowed(self, answer: HttpAnswer, check: JsonCheck) -> CheckOutcome:
        """Whether an account may be paid."""
        tree = self._tree(answer)
        verdict = self._verdict(answer, check.rules, tree)
        if not isinstance(verdict, Verdict):
            return verdict
        if verdict.means is Means.ALLOWED:
            shown = ((label, text_at(tree, path, TEXT_CHARS_MAX)) for label, path in check.shown.items())
            return Allowed(fields_shown=tuple((label, text) for label, text in shown if text))
        said = self._said(answer, verdict, tree)
        assert isinstance(said, Refused | NotSent | Unknown | Misconfigured), "the settings allow nothing else"
        return said

    def probed(self, answer: HttpAnswer) -> Outcome:
        """Any 2xx is well."""
        return status_failure(answer, unavailable_is_not_sent=self._unavailable_is_not_sent) or Posted()

    def _tree(self, answer: HttpAnswer) -> object:
        return UNREADABLE if answer.too_long else parsed(answer.body)

    def _verdict(self, answer: HttpAnswer, rules: Rules, tree: object) -> Verdict | NotSent | Unknown | Misconfigured:
        verdict = verdict_of(rules, answer.status, tree, self._at.refusal, self._at.refusals)
        if verdict is not None:
            return verdict
        failure = status_failure(answer, unavailable_is_not_sent=self._unavailable_is_not_sent)
        return failure or Unknown(cause=Cause.CONTRACT, detail=f"no rule for this answer of status {answer.status}")

    def _said(self, answer: HttpAnswer, verdict: Verdict, tree: object) -> Outcome:
        detail = f"status {answer.status}"
        match verdict.means:
            case Means.PENDING:
                return Pending(poll_after_s=answer.retry_after_s) if answer.retry_after_s else Pending()
            case Means.REFUSED:
                return Refused(
                    refusal=verdict.refusal or Refusal.OTHER,
                    code=text_at(tree, self._at.refusal, TEXT_CHARS_MAX),
                    text=text_at(tree, self._at.text, TEXT_CHARS_MAX),
                )
            case Means.NOT_SENT:
                return NotSent(cause=Cause.MAINTENANCE, retry_after_s=answer.retry_after_s, detail=detail)
            case Means.CONFLICT:
                return Conflict(found=f"the core says so ({detail})")
            case Means.MISCONFIGURED:
                return Misconfigured(cause=Cause.CONTRACT, detail=detail)
            case _:
                cause = Cause.SERVER_ERROR if answer.status >= _SERVER_FAULT else Cause.CONTRACT
                return Unknown(cause=cause, detail=detail, retry_after_s=answer.retry_after_s)

    def _booked(self, tree: object, delivery: Delivery, *, already: bool) -> Outcome | None:
        mapped = self._at
        if tree is UNREADABLE and (mapped.core_id or mapped.amount or mapped.account):
            return _unreadable("the answer isn't JSON, or is too long")
        posted = self._posted(tree, already=already)
        if mapped.core_id and not posted.core_id:
            return None if already else _unreadable("a booking without the core's id")
        shows = at(tree, mapped.amount) is not None or at(tree, mapped.account) is not None
        if already and not shows:
            return None
        return self._doubt(tree, delivery) or posted

    def _row(
        self, answer: HttpAnswer, lookup: JsonLookup, row: object, delivery: Delivery, *, undone: bool
    ) -> InquiryOutcome:
        mapped = self._at
        verdict = verdict_of(lookup.row_rules, answer.status, row, mapped.refusal, mapped.refusals)
        means = Means.POSTED if verdict is None else verdict.means
        if undone:
            return self._posted(row, already=True) if means is Means.REVERSED else NotFound()
        if verdict is not None and means not in (Means.POSTED, Means.REVERSED):
            return NotFound() if means is Means.NOT_FOUND else self._said(answer, verdict, row)
        if any(path and at(row, path) is None for path in (mapped.amount, mapped.account)):
            return _unreadable("a booking without its amount or account")
        return self._doubt(row, delivery) or self._posted(row, already=False)

    def _doubt(self, tree: object, delivery: Delivery) -> Unknown | Conflict | None:
        """Why what the core shows isn't what we sent; None when all that is shown agrees."""
        shown = at(tree, self._at.amount)
        if shown is not None:
            same = same_sum(shown, delivery.amount, delivery.currency, minor=self._minor)
            if same is None:
                return _unreadable("an amount that can't be read")
            if not same:
                return Conflict(found="the core holds another amount")
        if at(tree, self._at.account) is not None:
            account = text_at(tree, self._at.account, _ACCOUNT_CHARS_MAX)
            if account != delivery.account:
                return Conflict(found="the core holds another account")
        return None

    def _posted(self, tree: object, *, already: bool) -> Posted:
        return Posted(
            core_id=text_at(tree, self._at.core_id, TEXT_CHARS_MAX),
            core_time=text_at(tree, self._at.core_time, TEXT_CHARS_MAX),
            duplicate=already,
        )


def _rows(tree: object, path: str) -> list[object] | None:
    found = at(tree, path) if path else tree
    if isinstance(found, dict):
        return [cast("object", found)]
    return cast("list[object]", found) if isinstance(found, list) else None


def _unreadable(detail: str) -> Unknown:
    return Unknown(cause=Cause.UNREADABLE, detail=detail)
