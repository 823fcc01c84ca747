"""Every parser that reads bytes from outside, as a function of bytes that raises nothing but its bugs.

What a parser declares it raises is swallowed here, so whatever comes out is a finding. Hypothesis and atheris feed the
same functions (`test_parsers.py`, `fuzz.py`); `EXAMPLES` has sound input to begin from, `WORDS` what such parsers trip
over.
"""

import asyncio
import atexit
import contextlib
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from adapters.amount import BadAmount, scale
from adapters.channel import HEADERS_KNOWN, Channel, Inbound, Rejected, Reply
from adapters.channels.json_headers import token_digest
from adapters.channels.json_v1 import JsonDoor
from adapters.channels.registry import ChannelSettings, open_channel
from adapters.cores.http_answer import HttpAnswer, retry_after_s
from adapters.cores.json_answer import JsonReader
from adapters.cores.json_mapping import JsonCoreSettings
from adapters.cores.json_rules import at, parsed, text_at
from adapters.cores.osmp_answer import CODES, doubt_of, flat_tags, meaning_of, outcome_of, read_answer
from adapters.cores.sums import same_sum
from adapters.outcome import NotSent, Posted, Refused
from adapters.payment import Answer, AnswerKind, Request
from gateway import content
from gateway.admin import asks
from gateway.admin.http.problem import Trouble
from gateway.admin.jobs.side import JobBody
from gateway.admin.state.kept_trend import TrendInFile
from gateway.admin.state.trend import Trend
from gateway.clock import ManualClock
from gateway.config.fault import ConfigUnfit
from gateway.config.load import examine, load
from gateway.http.connection import Asked, Connection
from gateway.http.listener import Listener
from gateway.http.settings import ChannelListenerSettings
from gateway.page.chart import charts
from gateway.route.kept import KeptInFile
from spool.errors import KeysUnfit
from spool.keystore import KeyStore
from spool.masters import read_key_file
from tests.contracts.core_examples import core_of, delivery_of
from tests.hostile.admission_targets import EXAMPLES as ADMISSION
from tests.hostile.admission_targets import key_set, page_cookie, signed_claims, signed_token
from tests.hostile.core_targets import WIRE_ANSWER, core_wire
from tests.hostile.sink import Sink

Target = Callable[[bytes], None]

CORPUS: Final = Path(__file__).parent / "corpus"
"""A folder for each target: inputs that once reached new code."""

TOKEN: Final = "token"
NONE: Final[Mapping[str, str]] = {}
_SETTINGS: Final[TypeAdapter[Any]] = TypeAdapter(ChannelSettings)
_OSMP: Final = open_channel(
    "kiosk",
    _SETTINGS.validate_python(
        {
            "protocol": "osmp",
            "currency": "KZT",
            "allow": ["127.0.0.1"],
            "commands": ["getInfo", "check", "pay", "status", "cancel"],
        }
    ),
)
_JSON: Final[Any] = open_channel(
    "bank",
    _SETTINGS.validate_python({"protocol": "json", "currency": "KZT", "tokens_sha256": [token_digest(TOKEN)]}),
)
_DOOR: Final = JsonDoor([_JSON])
_ANSWERS: Final = [Answer(kind=kind, number=9, amount=100, currency="KZT", key="5") for kind in AnswerKind]
_CORE_SETTINGS: Final = JsonCoreSettings.model_validate({"url": "http://127.0.0.1:1", "protocol": "json", "level": "A"})
_READER: Final = JsonReader(_CORE_SETTINGS)
_CORE: Final = core_of("json", "http://127.0.0.1:1")
_DELIVERY: Final = delivery_of(_CORE)
# In memory where there is such a place: a disk's file is opened a hundred times more slowly.
_PLACE: Final = next(each for each in (Path("/dev/shm"), Path(tempfile.gettempdir())) if each.is_dir())  # noqa: S108 - a folder of its own name is made in it
_FOLDER: Final = Path(tempfile.mkdtemp(prefix="nightsafe-hostile-", dir=_PLACE))
_LOOP: Final = asyncio.new_event_loop()
atexit.register(_LOOP.close)
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)


def text_of(data: bytes) -> str:
    """Bytes as the listener hands them on in paths and queries."""
    return data.decode("utf-8", "surrogateescape")


def _inbound(
    method: str, path: str, *, query: str = "", body: bytes = b"", headers: Mapping[str, str] = NONE
) -> Inbound:
    return Inbound(method=method, path=path, query=query, headers=headers, body=body, peer="127.0.0.1")


def _reply_is_sound(reply: Reply) -> None:
    assert 200 <= reply.status < 500, "a stranger's bytes are never our failure"
    assert all(line.isascii() and line.isprintable() for line in reply.headers.values()), "a header is one line"


def _asked(channel: Channel, read: Callable[[], Request]) -> None:
    """Read a request; whatever came of it, each answer to it can be written."""
    try:
        request = read()
    except Rejected as rejected:
        _reply_is_sound(rejected.reply)
        return
    for answer in _ANSWERS:
        channel.write(request, answer)


def osmp_query(data: bytes) -> None:
    """An OSMP request by GET."""
    _asked(_OSMP, lambda: _OSMP.read(_inbound("GET", "/osmp/kiosk", query=text_of(data))))


def osmp_form(data: bytes) -> None:
    """An OSMP request by POST."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    _asked(_OSMP, lambda: _OSMP.read(_inbound("POST", "/osmp/kiosk", body=data, headers=headers)))


def json_payment(data: bytes) -> None:
    """A payment by JSON."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k", "Content-Type": "application/json"}
    for path in ("/v1/payments", "/v1/checks", "/v1/payments/7/reversals"):
        inbound = _inbound("POST", path, body=data, headers=headers)
        _asked(_JSON, partial(_read_json, inbound))


def _read_json(inbound: Inbound) -> Request:
    request: Request = _DOOR.read(inbound)[1]
    return request


def json_place(data: bytes) -> None:
    """A method, a path and a query, each a line."""
    method, path, query = ([*text_of(data).split("\n"), "", ""])[:3]
    inbound = _inbound(method, "/v1/" + path, query=query, headers={"Authorization": f"Bearer {TOKEN}"})
    _asked(_JSON, partial(_read_json, inbound))


def json_headers(data: bytes) -> None:
    """A channel's headers, each a line, around a sound payment."""
    lines = data.decode("latin-1").split("\n")
    headers: dict[str, str] = dict(zip(HEADERS_KNOWN, lines, strict=False))
    body = b'{"account":"1","amount":"1.00","currency":"KZT"}'
    for sent in (headers, headers | {"Authorization": f"Bearer {TOKEN}"}):
        inbound = _inbound("POST", "/v1/payments", body=body, headers=sent)
        _asked(_JSON, partial(_read_json, inbound))
        _JSON.wait_s(inbound)


def amount(data: bytes) -> None:
    """A sum of money; what is taken is written back as the same."""
    text = text_of(data)
    for currency in ("KZT", "JPY", "KWD"):
        with contextlib.suppress(BadAmount):
            known = scale(currency)
            minor = known.read(text)
            assert known.read(known.write(minor)) == minor, "an amount survives"
            assert text.isascii(), "no other digits than these"


def osmp_answer(data: bytes) -> None:
    """What a core answers by OSMP."""
    answer = read_answer(data, ("osmp_txn_id", "txn_id"), ("name",))
    flat_tags(data)
    if answer is None:
        return
    assert answer.code.isdigit(), "an answer has a code"
    meaning = meaning_of(answer.code, CODES)
    outcome = doubt_of(answer, meaning, _DELIVERY, echo_required=True) or outcome_of(answer, meaning, 0.0)
    if isinstance(outcome, Posted | Refused | NotSent):
        assert str(_DELIVERY.number) in answer.number, "what ends or repeats a payment names it"
    assert not isinstance(outcome, Posted) or answer.code == "0", "one code books"
    assert not isinstance(outcome, NotSent) or answer.code == "1", "one code is known to have booked nothing"


def json_answer(data: bytes) -> None:
    """What a core answers by JSON; the first byte says with which status."""
    answer = HttpAnswer(status=(200, 201, 402, 404, 409, 500)[(data[:1] or b"0")[0] % 6], body=data[1:])
    outcome = _READER.delivered(answer, _CORE_SETTINGS.post.rules, _DELIVERY)
    assert not isinstance(outcome, NotSent), "none of these statuses says that nothing was booked"
    tree = parsed(data[1:])
    if isinstance(outcome, Posted):
        assert answer.status in (200, 201, 409), "no other status books"
        assert text_at(tree, _CORE_SETTINGS.answer.core_id, 500) == outcome.core_id != "", "it names the booking"
    for path in ("id", "data.0.id", "0", "data"):
        text_at(tree, path, 200)
        for minor in (True, False):
            same_sum(at(tree, path), 1045, "RUB", minor=minor)


def retry_after(data: bytes) -> None:
    """When a core says to come again."""
    assert retry_after_s({"Retry-After": data.decode("latin-1"), "Date": data.decode("latin-1")}) >= 0


def admin_query(data: bytes) -> None:
    """What operators ask for in a query or a path."""
    text = text_of(data)
    for read in (asks.listing, asks.key_asked, asks.number_asked, asks.after_asked, asks.plain, asks.shape_asked):
        with contextlib.suppress(Trouble):
            read(text)


def admin_body(data: bytes) -> None:
    """What operators send."""
    for kind in (asks.FindBody, JobBody, asks.OneBody, asks.ForceBody, asks.VerifyBody):
        with contextlib.suppress(Trouble):
            asks.body_of(data, kind)


def route_record(data: bytes) -> None:
    """The kept record of a route."""
    path = _FOLDER / "route.json"
    path.write_bytes(data)
    KeptInFile(path).load()


def charts_kept(data: bytes) -> None:
    """The kept samples of the page's charts."""
    path = _FOLDER / "charts.jsonl"
    path.write_bytes(data)
    clock = ManualClock()
    trend = Trend(clock, dict, TrendInFile(path, 1))
    for route, sample in TrendInFile(path, 1).load():
        trend.note(route, sample)
        charts(trend.of(route))


def key_file(data: bytes) -> None:
    """The key file."""
    path = _FOLDER / "keys"
    path.write_bytes(data)
    path.chmod(0o600)
    with contextlib.suppress(KeysUnfit):
        read_key_file(path)


def key_store(data: bytes) -> None:
    """The key store."""
    path = _FOLDER / "keys.store"
    path.write_bytes(data)
    path.chmod(0o600)
    with contextlib.suppress(KeysUnfit):
        KeyStore(path).read()


def sealed_content(data: bytes) -> None:
    """What a seal held."""
    with contextlib.suppress(ValueError):
        content.read(data)


def config_file(data: bytes) -> None:
    """The configuration."""
    path = _FOLDER / "nightsafe.toml"
    path.write_bytes(data)
    with contextlib.suppress(ConfigUnfit):
        load(path)


def config_tables(data: bytes) -> None:
    """The configuration's tables, where it is TOML."""
    with contextlib.suppress(tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        examine(tomllib.loads(data.decode("utf-8")))


def http_request(data: bytes) -> None:
    """What a channel's connection gets, in two pieces; the first byte says where it is cut."""
    at_byte = (data[:1] or b"\0")[0]
    _LOOP.run_until_complete(_fed(data[1 : 1 + at_byte], data[1 + at_byte :]))


class _Heard:
    """What a listener was told and asked of one connection."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.seen: list[Inbound] = []

    def handle(self, asked: Sequence[Asked]) -> None:
        for each in asked:
            self.seen.append(each.inbound)
            each.tell(Reply(status=200, content_type="text/plain", body=b""))


_HEARD: Final = _Heard()
_LISTENER: Final = Listener(
    ChannelListenerSettings(port=0, body_bytes_max=1024),
    _HEARD.handle,
    clock=ManualClock(),
    on_unfit=_HEARD.failures.append,
    grace_s=1.0,
)


async def _fed(*pieces: bytes) -> None:
    failures, seen = _HEARD.failures, _HEARD.seen
    failures.clear()
    seen.clear()
    connection, sink = Connection(_LISTENER), Sink()
    connection.connection_made(sink)
    for piece in pieces:
        connection.data_received(piece)
    connection.eof_received()
    if (ended := connection.ended()) is not None:
        await ended
    connection.connection_lost(None)
    assert "failed" not in failures, "a stranger's bytes are never our failure"
    assert b"HTTP/1.1 5" not in sink.written.replace(b"HTTP/1.1 505", b""), "nor a 5xx, but for a version nobody speaks"
    assert len(failures) <= 1, "one no is enough"
    assert all(
        set(each.headers) <= {*HEADERS_KNOWN, "Host", "Content-Length", "Transfer-Encoding", "Expect"} for each in seen
    )


TARGETS: Final[Mapping[str, Target]] = {
    each.__name__: each
    for each in (
        osmp_query,
        osmp_form,
        json_payment,
        json_place,
        json_headers,
        amount,
        osmp_answer,
        json_answer,
        retry_after,
        admin_query,
        admin_body,
        route_record,
        charts_kept,
        key_file,
        key_store,
        sealed_content,
        config_file,
        config_tables,
        http_request,
        core_wire,
        signed_token,
        signed_claims,
        key_set,
        page_cookie,
    )
}

_PAY: Final = b"command=pay&txn_id=1&txn_date=20260115120133&account=77&sum=10.00&comment=%D0%B0"
_BODY: Final = b'{"account":"77","amount":"200.00","currency":"KZT","service":"net","attributes":{"a":"b"}}'
_KEY: Final = b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="

EXAMPLES: Final[Mapping[str, bytes]] = {
    "osmp_query": _PAY,
    "osmp_form": _PAY,
    "json_payment": _BODY,
    "json_place": b"GET\npayments/7\nidempotency_key=5",
    "json_headers": b"Bearer token\napplication/json\n\nk-1\nwait=3",
    "amount": b"200.00",
    "osmp_answer": b'<?xml version="1.0" encoding="UTF-8"?><response><osmp_txn_id>140737488355329</osmp_txn_id><prv_txn>2</prv_txn>'
    b"<sum>10.45</sum><result>0</result><comment>OK</comment><fields><field1 name='n'>v</field1></fields></response>",
    "json_answer": b'0{"id":"7","core_id":"7","amount":"10.45","account":"79001234567","data":[{"id":1e3}],"code":"x"}',
    "retry_after": b"Wed, 21 Oct 2026 07:28:00 GMT",
    "admin_query": b"state=ready&route=main&account=7&after=0&limit=5&from=2026-01-15T00:00:00Z",
    "admin_body": b'{"reason":"r","filter":{"state":["ready"],"route":"main","lane":"5"},"dry_run":true,"all":true}',
    "charts_kept": b'\n["main",[1,"closed",3,10,7,9,1.5,true]]\n["main",[2,"open",4,11,7,9,1.5]]\n["main",[3,"",9,9,9,9,9]]',
    "route_record": b'{"zone":"open","level":1,"since_us":5,"forced":{"zone":"open","until_us":9,"actor":"a","reason":"b"}}',
    "key_file": b'{"version":1,"data_keys":[{"id":1,"key":"' + _KEY + b'","created":""}],'
    b'"index_key":"QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="}',
    "key_store": b'{"generation":1,"sealing":1,"hashing":1,"data_keys":[{"id":1,"made_us":1,"index_id":1,"first":1,'
    b'"master":"m","wrapped":"AAAA"}],"index_keys":[{"id":1,"made_us":1,"master":"m","wrapped":"AAAA"}]}',
    "sealed_content": b"\x98\xa177\xa0\xa0\xa0\x80\xc4\x01a",
    "config_file": b'[node]\nname = "a"\n[listen.channels]\nport = 1\n[cores.a]\nprotocol = "json"\nurl = "http://h"\n',
    "config_tables": b'[routes.a]\ncore = "a"\nchannels = ["b"]\n[channels.b]\nprotocol = "osmp"\nallow = ["::1"]\n',
    "http_request": b"\x30POST /a?b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    b"POST /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
    "core_wire": WIRE_ANSWER,
    **ADMISSION,
}

WORDS: Final = (
    *(
        b"\x00",
        b"\r\n",
        b"\n",
        b"\x1b[2J",
        b"\x7f",
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xe2\x80\xa8",
        b"\xe2\x80\xae",
    ),
    *(
        b"%00",
        b"%0d%0a",
        b"%ff",
        b"%",
        b"%zz",
        b"&",
        b"=",
        b"+",
        b"..",
        b"/",
        b"\\",
        b"'",
        b'"',
        b"\\ud800",
        b"\\u0000",
    ),
    *(
        b"NaN",
        b"Infinity",
        b"-0",
        b"1e999",
        b"1e-999",
        b"1_0",
        b"0x1",
        b"-1",
        b"+1",
        b" 1",
        b"\xd9\xa1",
        b"\xef\xbc\x91",
    ),
    *(b"9" * 19, b"9" * 400, b"9" * 5_000, b"1E" + b"9" * 9, b"0." + b"0" * 400 + b"1", b"9223372036854775808"),
    *(b"[" * 2_000, b'{"a":' * 2_000, b"{", b"}", b"]", b"null", b"true", b'"a":1,"a":2', b"\xef\xbb\xbf"),
    *(
        b'<!DOCTYPE r [<!ENTITY x "y">]>',
        b"&x;",
        b"&#0;",
        b"&#x110000;",
        b"<a>" * 2_000,
        b"<![CDATA[",
        b"<!--",
        b"<?x?>",
    ),
    *(
        b' xmlns="u"',
        b" a='1'" * 500,
        b'<?xml version="1.0" encoding="UTF-16"?>',
        b'encoding="utf-7"',
        b"<result>0</result>",
    ),
    *(
        b"Content-Length: 1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Host: h\r\n",
        b"Expect: 100-continue\r\n",
        b"GET ",
    ),
    *(
        b"Upgrade: h2c\r\n",
        b"Connection: close\r\n",
        b" HTTP/1.0\r\n",
        b" HTTP/2.0\r\n",
        b"0\r\n\r\n",
        b"A" * 9_000,
        b"A" * 300,
    ),
    *(
        b"sum=",
        b"txn_id=",
        b"account=",
        b"command=check",
        b"wait=",
        b'"amount":',
        b'"account":"',
        b"[a]\n",
        b'"""',
        b"=2026-01-01",
    ),
)
"""What parsers trip over."""
