"""What a thief sends: payments that nobody vouches for, as bytes, each under a key that must never be seen in the spool."""

from dataclasses import dataclass
from typing import Final

from tests.hostile.targets import CORPUS, WORDS

ACCOUNT: Final = "79001234567"
PATH: Final = "/v1/payments"
BODY: Final = b'{"account":"79001234567","amount":"10.00","currency":"RUB"}'
TIME: Final = "20260115120133"


def request(first: str, *lines: str, body: bytes = b"", host: str = "Host: h") -> bytes:
    """A request of these lines, with its length unless it says something of that itself."""
    told = any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines)
    length = () if told or not body else (f"Content-Length: {len(body)}",)
    return "\r\n".join([line for line in (first, host, *lines, *length) if line] + ["", ""]).encode("latin-1") + body


def bearer(token: str) -> str:
    """The header of a token."""
    return f"Authorization: Bearer {token}"


def json_pay(key: str, *lines: str, body: bytes = BODY, first: str = f"POST {PATH} HTTP/1.1") -> bytes:
    """A payment by JSON; `lines` are further headers, credentials among them."""
    return request(first, f"Idempotency-Key: {key}", "Content-Type: application/json", *lines, body=body)


def osmp_query(key: str) -> str:
    """A payment's parameters by OSMP."""
    return f"command=pay&txn_id={key}&txn_date={TIME}&account={ACCOUNT}&sum=10.00"


def osmp_pay(channel: str, key: str, *lines: str) -> bytes:
    """A payment by OSMP."""
    return request(f"GET /osmp/{channel}?{osmp_query(key)} HTTP/1.1", *lines)


def osmp_form(channel: str, key: str, *lines: str) -> bytes:
    """The same by POST."""
    body = osmp_query(key).encode()
    return request(
        f"POST /osmp/{channel} HTTP/1.1", "Content-Type: application/x-www-form-urlencoded", *lines, body=body
    )


def chunked(body: bytes, *trailers: str) -> bytes:
    """A body in one chunk, with trailers."""
    return b"%x\r\n%b\r\n0\r\n" % (len(body), body) + "".join(f"{line}\r\n" for line in trailers).encode() + b"\r\n"


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What opens the doors, for shapes in which it lies where it opens nothing."""

    token: str
    admin_token: str
    #: Channels: open to this machine, to another only, and to who knows the password.
    kiosk: str
    far: str
    basic: str
    #: `user:password` in base64.
    password: str


def unvouched(keys: Keys) -> dict[str, bytes]:
    """Whole and sound payments without credentials, with others, or with the right ones in the wrong place."""
    good = bearer(keys.token)
    heads = {
        "none": [],
        "empty": ["Authorization:"],
        "scheme alone": ["Authorization: Bearer"],
        "another token": [bearer("nightsafe_bank_" + "0" * 64)],
        "the token, cut": [bearer(keys.token[:-1])],
        "the token and more": [bearer(keys.token + "0")],
        "the token in capitals": [bearer(keys.token.upper())],
        "the token in quotes": [bearer(f'"{keys.token}"')],
        "the token behind a hard space": [bearer("\xa0" + keys.token)],
        "another scheme": [f"Authorization: Token {keys.token}"],
        "no scheme": [f"Authorization: {keys.token}"],
        "Basic": [f"Authorization: Basic {keys.password}"],
        "Digest": [f'Authorization: Digest username="bank", response="{keys.token}"'],
        "the operator's": [bearer(keys.admin_token)],
        "twice, wrong first": [bearer("x"), good],
        "twice, right first": [good, bearer("x")],
        "twice the right one": [good, good],
        "a list": [f"Authorization: Bearer x, Bearer {keys.token}"],
        "a proxy's": [f"Proxy-Authorization: Bearer {keys.token}"],
        "a cookie": [f"Cookie: Authorization=Bearer {keys.token}"],
        "underscored": [f"X_Authorization: Bearer {keys.token}", f"Authorization_: Bearer {keys.token}"],
        "forwarded": ["X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1"],
        "of long words": [bearer("A" * 7_000)],
        "of many words": [bearer("a " * 2_000)],
        "of other letters": ["Authorization: Bearer \xff\xfe\xc0\xaf"],
    }
    coded = "Transfer-Encoding: chunked"
    shapes = {
        f"bank: {name}": json_pay(f"thief-bank-{number}", *lines) for number, (name, lines) in enumerate(heads.items())
    }
    shapes |= {
        "token in the query": json_pay("thief-query", first=f"POST {PATH}?access_token={keys.token} HTTP/1.1"),
        "token in the body": json_pay("thief-body", body=BODY[:-1] + b',"token":"%b"}' % keys.token.encode()),
        "token in a trailer": json_pay("thief-trailer", coded, body=chunked(BODY, good)),
        "token in an extension": json_pay(
            "thief-ext", coded, body=b"%x;%b\r\n%b\r\n0\r\n\r\n" % (len(BODY), good.replace(": ", "=").encode(), BODY)
        ),
        "token folded": json_pay("thief-fold", f"X: y\r\n {good}"),
        "token in the host": request(
            f"POST {PATH} HTTP/1.1", "Idempotency-Key: thief-host", body=BODY, host=f"Host: h\r\n\t{good}"
        ),
    }
    for maker in (osmp_pay, osmp_form):
        shapes |= {
            f"{maker.__name__} to {keys.far}": maker(keys.far, "901"),
            f"{maker.__name__} said to be from there": maker(
                keys.far, "902", "X-Forwarded-For: 10.9.8.7", "X-Real-IP: 10.9.8.7", "Forwarded: for=10.9.8.7"
            ),
            f"{maker.__name__} with a token": maker(keys.far, "903", good),
            f"{maker.__name__} without Basic": maker(keys.basic, "904"),
            f"{maker.__name__} another password": maker(keys.basic, "905", "Authorization: Basic a2lvc2s6eA=="),
            f"{maker.__name__} no base64": maker(keys.basic, "906", "Authorization: Basic ***"),
            f"{maker.__name__} Basic, cut": maker(keys.basic, "907", f"Authorization: Basic {keys.password[:-4]}"),
            f"{maker.__name__} Basic, twice": maker(keys.basic, "908", *[f"Authorization: Basic {keys.password}"] * 2),
            f"{maker.__name__} as Bearer": maker(keys.basic, "909", f"Authorization: Bearer {keys.password}"),
            f"{maker.__name__} to nobody": maker("nobody", "910"),
            f"{maker.__name__} to the bank": maker(keys.kiosk.replace("kiosk", "bank"), "911"),
            f"{maker.__name__} down the path": maker(f"{keys.far}/../{keys.kiosk}", "912"),
            f"{maker.__name__} by the path's other spelling": maker(keys.far + "%2f..%2f" + keys.kiosk, "913"),
            f"{maker.__name__} to a name and NUL": maker(keys.kiosk + "%00", "914"),
        }
    return shapes


def hidden(keys: Keys) -> dict[str, bytes]:
    """Payments with the right credentials, within what is another request's body, or behind what ends the connection."""
    good = bearer(keys.token)
    inner = json_pay("thief-inner", good) + osmp_pay(keys.kiosk, "920")
    ask = f"GET {PATH}?key=none HTTP/1.1"
    checks = "POST /v1/checks HTTP/1.1"
    end = b"0\r\n\r\n"
    return {
        "in a body": request(checks, good, body=inner),
        "in a body of GET": request(ask, good, body=inner),
        "in a chunk": request(checks, good, "Transfer-Encoding: chunked", body=chunked(inner)),
        "in a body nobody vouches for": request(checks, body=inner),
        "in the body of an offer": request(checks, "Connection: Upgrade", "Upgrade: h2c", body=inner),
        "in a body of HTTP/1.0": request("POST /v1/checks HTTP/1.0", body=inner),
        "behind a length and a coding": request(
            checks, good, "Content-Length: 5", "Transfer-Encoding: chunked", body=end + inner
        ),
        "behind a coding and a length": request(
            checks, good, "Transfer-Encoding: chunked", "Content-Length: 5", body=end + inner
        ),
        "behind two lengths": request(checks, good, "Content-Length: 0", "Content-Length: 5", body=inner),
        "behind two equal lengths": request(checks, good, "Content-Length: 0", "Content-Length: 0", body=inner),
        "behind a coding and another": request(checks, good, "Transfer-Encoding: chunked, x", body=end + inner),
        "behind a coding with a tab": request(checks, good, "Transfer-Encoding: \x0bchunked", body=end + inner),
        "behind a coding with a space": request(checks, good, "Transfer-Encoding : chunked", body=end + inner),
        "behind a coding in 1.0": request(
            "POST /v1/checks HTTP/1.0", good, "Transfer-Encoding: chunked", body=end + inner
        ),
        "behind a bare line feed": b"GET /v1/openapi.json HTTP/1.1\nHost: h\n\n" + inner,
        "behind a chunk longer than told": request(checks, "Transfer-Encoding: chunked", body=b"1\r\nxx\r\n" + inner),
        "behind a chunk of no number": request(checks, "Transfer-Encoding: chunked", body=b"zz\r\n" + inner),
        "behind a chunk below nothing": request(checks, "Transfer-Encoding: chunked", body=b"-1\r\n" + inner),
        "behind a chunk without an end": request(
            checks, "Transfer-Encoding: chunked", body=b"F" * 20 + b"\r\n" + inner
        ),
        "behind a last request": request(ask, good, "Connection: close") + inner,
        "behind a request of HTTP/1.0": request("GET /v1/openapi.json HTTP/1.0") + inner,
        "behind another version": request("GET / HTTP/2.0") + inner,
        "behind no host": request(ask, good, host="") + inner,
        "behind two hosts": request(ask, good, "Host: other") + inner,
        "behind too large a body": request(checks, good, "Content-Length: 9999999") + inner,
        "behind a length too long": request(checks, good, "Content-Length: " + "9" * 40) + inner,
        "behind a long head": request(ask, "X: " + "a" * 9_000) + inner,
        "behind many heads": request(ask, *(f"X{each}: a" for each in range(99))) + inner,
        "behind another expectation": request(checks, good, "Expect: cake", body=b"{}") + inner,
        "behind garbage": bytes(range(256)) + inner,
        "behind TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200) + inner,
        "behind HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + inner,
        "behind a proxy's preface": b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + inner,
    }


def truncated(keys: Keys) -> dict[str, bytes]:
    """Sound payments of which the end is missing, cut where each piece ends and in the midst."""
    wholes = {
        "json": json_pay("thief-cut", bearer(keys.token)),
        "chunks": json_pay("thief-chunks", bearer(keys.token), "Transfer-Encoding: chunked", body=chunked(BODY)),
        "osmp": osmp_pay(keys.kiosk, "930"),
        "form": osmp_form(keys.kiosk, "931"),
    }
    return {
        f"{name} without its last {missing}": whole[:-missing]
        for name, whole in wholes.items()
        for missing in (1, 2, 3, 4, 5, 7, 20, 70, 100, 130)
    }


def misshapen() -> dict[str, bytes]:
    """Payments nobody vouches for around everything that parsers trip over, and what fuzzing has found."""
    shapes: dict[str, bytes] = {}
    for number, word in enumerate(WORDS):
        body = BODY.replace(b"10.00", b"10.00" + word)
        shapes |= {
            f"word {number} in the body": json_pay(f"thief-word-{number}", body=body),
            f"word {number} in the head": json_pay("thief-head", "X: y").replace(b"X: y", b"X: " + word),
            f"word {number} in the credentials": json_pay("thief-name", "Authorization: Bearer x").replace(
                b"Bearer x", b"Bearer " + word
            ),
            f"word {number} in the path": json_pay("thief-path").replace(b"/payments", b"/payments" + word),
            f"word {number} in the first place": word + json_pay("thief-first"),
        }
    found = sorted((CORPUS / "http_request").iterdir())
    return shapes | {f"found {path.name}": path.read_bytes()[1:] for path in found}
