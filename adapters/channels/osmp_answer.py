"""OSMP's answers as XML: tags in the order of the protocol's own examples, bytes that depend on the stored entry only."""

import re
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from adapters.amount import scale, write_amount
from adapters.channel import Reply
from adapters.channels.osmp_codes import CHECK_LATER, COMMENTS, name_of
from adapters.channels.osmp_settings import OsmpChannelSettings
from adapters.payment import Answer, AnswerKind, Check, Inquiry, Payment, Request

CONTENT_TYPE: Final = "text/xml; charset=utf-8"

_OPEN: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n<response>\n'
_CLOSE: Final = b"</response>\n"
_POSITIVE: Final = (AnswerKind.POSTED, AnswerKind.PROVISIONAL)
_MAY_NOT: Final = Reply(status=403, content_type="text/plain", body=b"")
# All that XML 1.0 (2.2, Char) does not allow, and the C1 controls it discourages.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")


class OsmpAnswer:
    """Writes the answers of one channel."""

    def __init__(self, settings: OsmpChannelSettings) -> None:
        """Everything but ids and sums is made here, once."""
        results = settings.results()
        self._endings = {name: _ending(code) for name, code in results.items()}
        self._id_open = _OPEN + f"<{settings.id_tag}>".encode()
        self._id_close = f"</{settings.id_tag}>\n".encode()
        self._currency = settings.currency
        self._write_sum = scale(settings.currency).write

    def no(self, name: str, txn_id: str) -> Reply:
        """A request that could not be taken: `name` in the table of codes, and its id where it had one."""
        return _xml((*self._head(txn_id), self._endings[name], _CLOSE))

    def write(self, request: Request, answer: Answer) -> Reply:
        """Any answer to any request."""
        if answer.kind is AnswerKind.UNAUTHORISED:
            return _MAY_NOT
        ending = self._endings[name_of(answer)]
        head = self._head(_txn_id(request, answer))
        if isinstance(request, Check):
            if answer.kind is AnswerKind.TRY_LATER:
                ending = self._endings[CHECK_LATER]
            return _xml((*head, ending, _fields(answer.fields_shown), _CLOSE))
        return _xml((*head, *self._booking(request, answer), ending, _CLOSE))

    def _head(self, txn_id: str) -> tuple[bytes, ...]:
        return (self._id_open, txn_id.encode("ascii"), self._id_close) if txn_id else (_OPEN,)

    def _booking(self, request: Request, answer: Answer) -> tuple[bytes, ...]:
        """`prv_txn` and `sum` of what is held or booked; a no shows neither, lest it be taken for a yes."""
        if not answer.number or answer.kind not in _POSITIVE:
            return ()
        amount = answer.amount or (request.amount if isinstance(request, Payment) else 0)
        if not amount:
            return (b"<prv_txn>%d</prv_txn>\n" % answer.number,)
        if answer.currency in (self._currency, ""):
            text = self._write_sum(amount)
        else:
            text = write_amount(amount, answer.currency)
        return (b"<prv_txn>%d</prv_txn>\n<sum>%b</sum>\n" % (answer.number, text.encode()),)


def _txn_id(request: Request, answer: Answer) -> str:
    """The channel's own id to echo: as it sent it, or for an inquiry by our number as it sent it back then."""
    key = answer.key if isinstance(request, Inquiry) and not request.key else request.key
    text = key.removeprefix("cancel:")
    return text if text.isascii() and text.isdigit() else ""


def _ending(code: int) -> bytes:
    comment = escape(COMMENTS.get(code, ""))
    return f"<result>{code}</result>\n<comment>{comment}</comment>\n".encode()


def _fields(shown: Sequence[tuple[str, str]]) -> bytes:
    """What the terminal shows the payer; a name left empty becomes the protocol's `dispN`."""
    if not shown:
        return b""
    lines = [
        f'<field{place} name="{_safe(name) or f"disp{place}"}">{_safe(value)}</field{place}>\n'
        for place, (name, value) in enumerate(shown, start=1)
    ]
    return f"<fields>\n{''.join(lines)}</fields>\n".encode()


def _safe(text: str) -> str:
    return escape(_NOT_XML.sub("", text), {'"': "&quot;", "'": "&apos;"})


def _xml(parts: Sequence[bytes]) -> Reply:
    return Reply(status=200, content_type=CONTENT_TYPE, body=b"".join(parts))
