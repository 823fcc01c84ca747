"""Speaking to the admin side from the command line: plain HTTP by the standard library, which starts fast.

Where it is comes from the command line, else from the configuration; its token from a file or the environment, never from
an argument, as arguments are seen by every user of the machine.
"""

import http.client
import os
import ssl
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from gateway.admin.http.problem import Problem
from gateway.cli.exits import Exit, Failure
from gateway.config.path import config_path
from gateway.http.settings import AdminListenerSettings

if TYPE_CHECKING:
    from gateway.config.model import Config

TIMEOUT_S: Final = 30.0
TOKEN_VARIABLE: Final = "NIGHTSAFE_TOKEN"  # noqa: S105 - its name
VERIFY_TIMEOUT_S: Final = 24 * 3600.0
"""A verification reads all there is."""

T = TypeVar("T")


class NotRunning(Failure):
    """Nobody listens where the admin side should be."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"the service can't be reached at {url} ({why}): is it running?", Exit.NOT_REACHED)


class Told(Failure):
    """The admin side answered with a problem."""

    def __init__(self, problem: Problem, *, named: bool = False) -> None:
        """`named` where a token was sent along."""
        known = ": nobody has the one that was sent, or its time is over" if named else ""
        hint = f"{known}; name its file by --token-file, or a certificate by --cert-file"
        if problem.status != http.client.UNAUTHORIZED:
            hint = ""
        super().__init__(
            problem.title + (f": {problem.detail}" if problem.detail else "") + hint, _exit_of(problem.status)
        )


def _exit_of(status: int) -> Exit:
    if status == http.client.BAD_REQUEST:
        return Exit.UNFIT
    if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN} or status >= http.client.INTERNAL_SERVER_ERROR:
        return Exit.NOT_REACHED
    return Exit.NO


def _why(error: Exception) -> str:
    """The system's own words where it has some, without their number."""
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What TLS to the admin side goes by; all PEM."""

    #: Authorities to trust instead of the system's.
    ca: Path | None = None
    #: Who we are, and its key where that isn't in the same file.
    cert: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """The terms of a connection.

        Raises:
            Failure: a file can't be read or holds something else.
        """
        if self.cert is None and self.key is not None:
            raise Failure("--key-file is the key of a certificate: name that by --cert-file", Exit.UNFIT)
        try:
            made = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise Failure(f"the file {self.ca} can't be used: PEM certificates are needed", Exit.UNFIT) from error
        if self.cert is not None:
            try:
                made.load_cert_chain(self.cert, self.key, password=_no_password)
            except (OSError, ValueError) as error:
                named = f"{self.cert} and {self.key}" if self.key else str(self.cert)
                words = f"{named} can't be used: a certificate and its own key are needed, PEM, without a password"
                raise Failure(words, Exit.UNFIT) from error
        return made


def _no_password() -> str:
    raise ValueError("the key has a password")


class AdminClient:
    """One service's admin side."""

    def __init__(self, url: str, token: str, files: "TlsFiles | None" = None) -> None:
        """Speak to `url` as whoever has `token`, or the client certificate of `files`.

        Raises:
            Failure: the files can't be used.
        """
        self.url = url.rstrip("/")
        self._token = token
        self._context = (files or TlsFiles()).context() if self.url.startswith("https:") else None

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> bytes:
        """The body of the answer to one request.

        Raises:
            NotRunning: nobody is there.
            Told: the answer is a problem.
        """
        connection = self._connection(timeout_s)
        sent = None if body is None else msgspec.json.encode(body)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            connection.request(method, path + (f"?{urlencode(query)}" if query else ""), sent, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotRunning(self.url, _why(error)) from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise Told(_problem(answer.status, content), named=bool(self._token))
        return content

    def get(self, path: str, kind: type[T], query: dict[str, str] | None = None) -> T:
        """What a path shows, as `kind`. Errors: see `raw`."""
        return msgspec.json.decode(self.raw("GET", path, query=query), type=kind)

    def post(self, path: str, kind: type[T], body: Any) -> T:
        """What an act answers, as `kind`. Errors: see `raw`."""
        return msgspec.json.decode(self.raw("POST", path, body), type=kind)

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        if self._context is not None:
            return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=self._context)
        return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)


def _problem(status: int, content: bytes) -> Problem:
    try:
        return msgspec.json.decode(content, type=Problem)
    except msgspec.DecodeError:
        return Problem(type="about:blank", title=f"HTTP {status}", status=status, code="")


def peek(given: Path | None) -> "Config":
    """As much of the configuration as can be read, whatever else is wrong with it, and whoever asks.

    Raises:
        ConfigUnfit: it can't be read at all.
    """
    from gateway.config.load import examine, load  # noqa: PLC0415 - every protocol comes with it

    path = config_path(given)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return load(path)
    return examine(raw)[0].config


def _listener_of(given: Path | None) -> AdminListenerSettings:
    """Where the admin side listens: of the configuration that table alone is read, which takes no second.

    Raises:
        ConfigUnfit: it can't be read at all.
    """
    try:
        raw = tomllib.loads(config_path(given).read_text(encoding="utf-8"))
        return AdminListenerSettings.model_validate(raw.get("listen", {}).get("admin", {}))
    except (OSError, ValueError, AttributeError):
        return peek(given).listen.admin


def admin_client(
    url: str | None, token_file: Path | None, given: Path | None, files: TlsFiles | None = None
) -> AdminClient:
    """The admin side that is meant.

    Who comes with a certificate comes with a token only where one is named: a token that counts for nothing isn't made good
    by the certificate beside it.

    Raises:
        Failure: it can't be told where it is, or the token or a file can't be read.
    """
    token = _token_of(token_file, given, has_certificate=files is not None and files.cert is not None)
    if url:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise Failure("an address is written http://127.0.0.1:8081", Exit.UNFIT)
        return AdminClient(url, token, files)
    admin = _listener_of(given)
    if not admin.port:
        raise Failure("the configuration lets the admin side take any free port: name it by --url", Exit.UNFIT)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(admin.host, admin.host)  # noqa: S104 - where all are listened on, we ask ourselves
    host = f"[{host}]" if ":" in host else host
    return AdminClient(f"{'https' if admin.tls else 'http'}://{host}:{admin.port}", token, files)


def _token_of(file: Path | None, given: Path | None, *, has_certificate: bool) -> str:
    if file is None and (text := os.environ.get(TOKEN_VARIABLE, "")):
        return _read(text, f"the variable {TOKEN_VARIABLE}")
    if file is None and has_certificate:
        return ""
    return _token(file or config_path(given).parent / "secrets/admin.token", told=file is not None)


def _token(path: Path, *, told: bool) -> str:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        if told:
            raise Failure(f"the token file {path} can't be read", Exit.UNFIT) from error
        return ""
    return _read(text, f"the file {path}")


def _read(text: str, where: str) -> str:
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise Failure(f"{where} holds no token", Exit.UNFIT)
    return text
