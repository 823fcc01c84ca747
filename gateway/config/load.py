"""Reading the configuration: whole, before anything opens, with every fault at once.

One file is the whole truth. The environment says at most which file (`NIGHTSAFE_CONFIG`) and holds secrets that the
file refers to; it never overrides single keys, so what was checked is what runs.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from gateway.config.advice import findings_of, inexact
from gateway.config.agreement import KEYED, Parts, disagreements, unit_of
from gateway.config.fault import ConfigUnfit, Fault, Finding, counted, written
from gateway.config.lines import Place, line_of, lines_of
from gateway.config.model import Config
from gateway.config.path import PATH_VARIABLE
from gateway.config.surroundings import absences, absent_for_access
from gateway.config.tree import without

BYTES_MAX: Final = 1_048_576
"""A larger file is not a configuration."""

_AT_LINE: Final = re.compile(r"^(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)$")
_MARK: Final = b"\xef\xbb\xbf"


def load(path: Path) -> Config:
    """The configuration in `path`, checked whole: shape, agreement of its parts, and what it refers to.

    Raises:
        ConfigUnfit: with every fault at once, each with its line. Nothing was opened or made.
    """
    text = _text(path)
    try:
        parts, findings = examine(_data(path, text))
        faults = located(text, findings + absences(parts))
    except RecursionError:
        raise _unreadable(path, "nested too deeply", "name a configuration") from None
    if faults:
        raise ConfigUnfit(path, faults)
    return parts.config


def load_outline(path: Path) -> Config:
    """The same without looking at what it refers to, for who is to make that.

    Raises:
        ConfigUnfit: it has faults of its own.
    """
    text = _text(path)
    try:
        parts, findings = examine(_data(path, text))
    except RecursionError:
        raise _unreadable(path, "nested too deeply", "name a configuration") from None
    if findings:
        raise ConfigUnfit(path, located(text, findings))
    return parts.config


def load_access(path: Path) -> Config:
    """The same as far as it says who may use the admin side: of what it refers to only that is looked at.

    A running service holds the rest in its hands, and looking at a security module, say, would disturb it.

    Raises:
        ConfigUnfit: it has faults of its own, or what its table `admin` refers to isn't there.
    """
    text = _text(path)
    try:
        parts, findings = examine(_data(path, text))
        faults = located(text, [*findings, *absent_for_access(parts)])
    except RecursionError:
        raise _unreadable(path, "nested too deeply", "name a configuration") from None
    if faults:
        raise ConfigUnfit(path, faults)
    return parts.config


def examine(raw: Mapping[str, Any]) -> tuple[Parts, list[Finding]]:
    """What can be read of a configuration's data, and all that is wrong in it. Pure: looks at no file."""
    findings: list[Finding] = []
    try:
        parts = Parts(config=Config.model_validate(raw))
    except ValidationError as unfit:
        findings = findings_of(Config, unfit.errors())
        parts = salvaged(raw, frozenset(unit_of(finding.place) for finding in findings))
    known = {finding.place for finding in findings}
    findings += [finding for finding in inexact(Config, dict(raw)) if finding.place not in known]
    return parts, findings + disagreements(parts)


def salvaged(raw: Mapping[str, Any], broken: frozenset[Place]) -> Parts:
    """The parts that are right by themselves, so that their own disagreements are told with the others' faults."""
    return Parts(config=Config.model_validate(without(raw, broken)), broken=broken)


def located(text: str, findings: list[Finding]) -> list[Fault]:
    """Findings with the lines they stand on; what is missing altogether may go at the end of the file."""
    lines, last = lines_of(text), text.count("\n") + 1
    return [
        Fault(
            line=line_of(lines, finding.place) or last,
            where=written(finding.place),
            found_kind=finding.found_kind,
            what_to_write=finding.what_to_write,
        )
        for finding in findings
    ]


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(
            path, f"{error.strerror}", f"make one with `nightsafe init`, or name another by --config or {PATH_VARIABLE}"
        ) from error
    if len(content) > BYTES_MAX:
        raise _unreadable(path, f"larger than {BYTES_MAX} bytes", "name a configuration")
    if content.startswith(_MARK):
        raise _unreadable(path, "byte order mark", "save it as UTF-8 without one", line=1)
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, "not UTF-8", "save it as UTF-8", line=line) from None


def _data(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.match(str(error))
        what, line = (at["what"], int(at["line"])) if at else (str(error), text.count("\n") + 1)
        advice = "mend this line; the rest is checked once it can be read" + (f" (column {at['column']})" if at else "")
        raise _unreadable(path, f"bad TOML: {_without_values(what)}", advice, line=line) from None


def _without_values(what: str) -> str:
    """Some of tomllib's messages repeat a character or a key; none a value. Cut to be short all the same."""
    return what[:80]


def _unreadable(path: Path, found_kind: str, what_to_write: str, line: int = 0) -> ConfigUnfit:
    fault = Fault(line=line, where=str(path), found_kind=found_kind, what_to_write=what_to_write)
    return ConfigUnfit(path, [fault])


def check(path: Path) -> str:
    """A report in words for `nightsafe config check`: what the configuration joins, or every fault in it.

    Raises:
        ConfigUnfit: there are faults; its text is the report.
    """
    config = load(path)
    routes = [
        f"  route {name}: {', '.join(route.channels)} -> {route.core}, {route.currency}, stand-in "
        + (f"on, policy {route.standin.version}" if route.standin.enabled else "off")
        for name, route in config.routes.items()
    ]
    counts = (counted(len(getattr(config, table)), table[:-1]) for table in KEYED)
    return "\n".join([f"{path}: no faults ({', '.join(counts)})", *routes])
