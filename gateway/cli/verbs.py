"""What the verbs do: ask the admin side, or, while the service is stopped, look at its spool; then show it."""

import asyncio
import contextlib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec
from rich.live import Live

from gateway.admin.asks import LIMIT_MAX, WORD_MAX_S
from gateway.admin.state.shown import RouteShown, Status
from gateway.admin.views import EntryPage, EntryRow, EntryShown, VerdictShown, moment, pace_words
from gateway.cli import tables
from gateway.cli.client import VERIFY_TIMEOUT_S, AdminClient, NotRunning, TlsFiles, Told, admin_client, peek
from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Reach, Scope
from gateway.clock import Clock, SystemClock

if TYPE_CHECKING:
    from gateway.config.model import Config

API: Final = "/admin/v1"
WATCH_S: Final = 2.0
US: Final = 1_000_000
_SPAN: Final = re.compile(r"([0-9]{1,7})([smhd]?)", re.ASCII)
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}

T = TypeVar("T")
Ask = Callable[[AdminClient], T]


def told_of(scope: Scope, now_us: int) -> dict[str, str]:
    """What was given, as parameters of the admin side; ages count back from `now_us`."""
    found = {
        each.name: getattr(scope, each.name)
        for each in fields(scope)
        if each.name not in {"state", "why", "older", "younger"} and getattr(scope, each.name)
    }
    for given, name in ((scope.older, "accepted_before"), (scope.younger, "accepted_from")):
        if given and name in found:
            raise Failure("name an age or a time, and not both", Exit.UNFIT)
        if given:
            found[name] = moment(now_us - seconds_of(given) * US)
    if scope.why:
        found["reason"] = scope.why
    return {**found, "state": ",".join(scope.state)} if scope.state else found


def client_of(reach: Reach) -> AdminClient:
    """The admin side that is meant."""
    files = TlsFiles(ca=reach.ca_file, cert=reach.cert_file, key=reach.key_file)
    return admin_client(reach.url, reach.token_file, reach.config, files)


def asked(reach: Reach, ask: Ask[T], look: "Callable[[Config], T]") -> T:
    """What the service says; what its spool says when it isn't running and its file is here."""
    try:
        return ask(client_of(reach))
    except NotRunning:
        if reach.url:
            raise
        from gateway.cli import offline  # noqa: PLC0415 - it knows every engine: only for a service that is stopped

        config = peek(reach.config)
        if not offline.is_there(config):
            raise
        sys.stderr.write("nightsafe: the service is not running: this is what its spool says\n")
        return look(config)


# Looking


def status(reach: Reach, *, json: bool, watch: bool) -> int:
    """How everything stands; with `watch` again and again, with rates."""
    if watch:
        before: list[tuple[float, Status]] = []

        def look(client: AdminClient, at: float) -> Any:
            now = client.get(f"{API}/status", Status)
            words = rates(before[0][1], now, at - before[0][0]) if before else ""
            before[:] = [(at, now)]
            return tables.status_view(now, words)

        asyncio.run(watch_on(reach, SystemClock(), look))
        return Exit.DONE
    found = asked(reach, lambda client: client.get(f"{API}/status", Status), _status_on_disk)
    tell(found, tables.status_view, json=json)
    return Exit.DONE


def _status_on_disk(config: "Config") -> Status:
    from gateway.cli import offline  # noqa: PLC0415 - as above

    return offline.status(config)


async def watch_on(reach: Reach, clock: Clock, look: Callable[[AdminClient, float], Any]) -> None:
    """Show what `look` gives until interrupted; a service that is away for a while is shown as away.

    On a terminal each look takes the place of the one before, in a pipe it follows it.
    """
    is_seen = sys.stdout.isatty()
    with Live(auto_refresh=False, screen=False) if is_seen else contextlib.nullcontext() as live:
        while True:
            try:
                shown = look(client_of(reach), clock.monotonic())
            except NotRunning as away:
                shown = tables.plain(str(away))
            if live is None:
                tables.show(shown)
                sys.stdout.flush()
            else:
                live.update(shown, refresh=True)
            await clock.sleep(WATCH_S)


def rates(before: Status, now: Status, seconds: float) -> str:
    """How fast entries came and ended between two looks, and when at this rate nothing waits any more."""
    came = _total(now, "accepted") - _total(before, "accepted")
    waiting, was = _total(now, "waiting"), _total(before, "waiting")
    ended = came + was - waiting
    text = f"in {came / seconds:.1f}/s, out {ended / seconds:.1f}/s"
    if waiting and ended > came:
        text += f", empty in about {waiting * seconds / (ended - came):.0f} s"
    return text


def _total(status: Status, part: str) -> int:
    return sum(getattr(line, part).entries for line in status.conservation)


def list_entries(reach: Reach, scope: Scope, *, limit: int, order: str, after: str, before: str, json: bool) -> int:
    """A page of entries; as JSON, one a line."""
    given = {"order": order, "limit": str(min(limit, LIMIT_MAX)), "after": after, "before": before}
    query = told_of(scope, SystemClock().now_us()) | {name: value for name, value in given.items() if value}
    return entries_shown(whole_page(reach, query, limit), json=json)


def whole_page(reach: Reach, query: dict[str, str], limit: int) -> EntryPage:
    """A page that is full, or the last: what few pass is looked for on and on."""
    place = "after" if query.get("order") == "oldest" else "before"
    found = list[EntryRow]()
    while True:
        page = _one_page(reach, {**query, "limit": str(limit - len(found))})
        found += page.entries
        if not page.next or len(found) >= limit:
            return EntryPage(entries=tuple(found), next=page.next)
        query = {**query, place: page.next}


def _one_page(reach: Reach, query: dict[str, str]) -> EntryPage:
    def on_disk(config: "Config") -> EntryPage:
        from gateway.cli import offline  # noqa: PLC0415 - as above

        return offline.page(config, urlencode(query))

    return asked(reach, lambda client: client.get(f"{API}/entries", EntryPage, query), on_disk)


def entries_shown(found: EntryPage, *, json: bool) -> int:
    """Entries as a table, or one a line."""
    if json:
        sys.stdout.write("".join(msgspec.json.encode(entry).decode() + "\n" for entry in found.entries))
    else:
        tables.show(tables.page_view(found))
    return Exit.DONE


def show(reach: Reach, reference: str, channel: str, key: str, *, json: bool) -> int:
    """One entry and its history, by number, id, or channel and key."""
    if bool(reference) == bool(channel and key):
        raise Failure("name a number or id, or --channel and --key", Exit.UNFIT)
    if reference:
        path, query = f"{API}/entries/{safe(reference)}", dict[str, str]()
    else:
        path, query = f"{API}/entries/find", {"channel": channel, "key": key}

    def on_disk(config: "Config") -> EntryShown | None:
        from gateway.cli import offline  # noqa: PLC0415 - as above

        return offline.entry(config, reference) if reference else offline.entry_by_key(config, channel, key)

    found = asked(reach, lambda client: client.get(path, EntryShown, query), on_disk)
    if found is None:
        raise Failure("no such entry", Exit.NO)
    tell(found, tables.entry_view, json=json)
    return Exit.DONE


def verify(reach: Reach, *, seals: bool, json: bool) -> int:
    """Count everything anew; exit 1 when something is off."""

    def ask(client: AdminClient) -> VerdictShown:
        body = client.raw("POST", f"{API}/verify", {"seals": seals}, timeout_s=VERIFY_TIMEOUT_S)
        return msgspec.json.decode(body, type=VerdictShown)

    def on_disk(config: "Config") -> VerdictShown:
        from gateway.cli import offline  # noqa: PLC0415 - as above

        return offline.verify(config, seals=seals)

    found = asked(reach, ask, on_disk)
    tell(found, tables.verdict_view, json=json)
    return Exit.DONE if found.ok else Exit.NO


def export(given: Path | None, scope: Scope, *, csv: bool, xlsx: Path | None = None) -> int:
    """Every entry of the spool that passes the filter, with its history, one line of JSON each; or as CSV or spreadsheet."""
    from gateway.cli import offline  # noqa: PLC0415 - as above

    query = urlencode(told_of(scope, SystemClock().now_us()) | {"order": "oldest"})
    if xlsx is not None:
        keep(xlsx, offline.export_sheet(peek(given), query))
        return Exit.DONE
    offline.export(peek(given), query, sys.stdout.buffer.write, csv=csv)
    return Exit.DONE


def keep(path: Path, body: bytes) -> None:
    """Make a file.

    Raises:
        Failure: it is there already, or can't be made.
    """
    try:
        with path.open("xb") as file:
            file.write(body)
    except FileExistsError:
        raise Failure(f"{path} is there already: name another file", Exit.UNFIT) from None
    except OSError as error:
        raise Failure(f"{path} can't be made: {error.strerror}", Exit.UNFIT) from error


# Acting


def act_on(reach: Reach, act: str, references: list[str], reason: str, *, json: bool) -> int:
    """Hold, release, inquire about or retry these entries, each by itself; 1 when one stayed as it was."""
    client, code = client_of(reach), Exit.DONE
    for reference in references:
        try:
            found = client.post(f"{API}/entries/{safe(reference)}/{act}", EntryShown, {"reason": reason})
        except Told as told:
            if told.exit is not Exit.NO:
                raise
            sys.stderr.write(f"nightsafe: {reference}: {told}\n")
            code = Exit.NO
        else:
            line = msgspec.json.encode(found).decode() if json else f"{found.entry.number} is {found.entry.state}"
            sys.stdout.write(line + "\n")
    return code


def steer(reach: Reach, name: str, verb: str, reason: str, span: str, *, json: bool) -> int:
    """Open or close a route for a while, or leave it to the evidence again."""
    body: dict[str, Any] = {"reason": reason}
    if verb != "auto":
        body["for"] = word_s(span)
    found = client_of(reach).post(f"{API}/routes/{safe(name)}/{verb}", RouteShown, body)
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return Exit.DONE
    until = f", kept so until {tables.brief(found.forced.until)}" if found.forced else ", decided by the evidence"
    sys.stdout.write(f"{found.name} is {found.zone}{until}\n")
    return Exit.DONE


def pace(reach: Reach, name: str, bounds: Mapping[str, float], reason: str, span: str, *, json: bool) -> int:
    """Have a route post slower for a while; without bounds, as fast again as billing bears."""
    path, body = f"{API}/routes/{safe(name)}/pace", dict[str, Any](reason=reason)
    if bounds:
        found = client_of(reach).post(path, RouteShown, {**body, **bounds, "for": word_s(span)})
    else:
        found = client_of(reach).post(f"{path}/auto", RouteShown, body)
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return Exit.DONE
    word = found.slowed
    pace_now = (
        f"at most {pace_words(word.in_flight_max, word.rate_max_per_s)} until {tables.brief(word.until)}"
        if word
        else ""
    )
    sys.stdout.write(f"{found.name} posts {pace_now or 'as fast as billing bears'}\n")
    return Exit.DONE


def word_s(span: str) -> int:
    """Seconds for which a person's word may stand.

    Raises:
        Failure: it is no such time, or too long.
    """
    seconds = seconds_of(span)
    if seconds > WORD_MAX_S:
        raise Failure(f"--for is at most {WORD_MAX_S // 86_400}d: say it again then", Exit.UNFIT)
    return seconds


def seconds_of(span: str) -> int:
    """Seconds of `90`, `90s`, `30m`, `2h`, `1d`.

    Raises:
        Failure: it is none of these.
    """
    read = _SPAN.fullmatch(span)
    if read is None or not int(read[1]):
        raise Failure("a time is written 90s, 30m, 2h or 1d", Exit.UNFIT)
    return int(read[1]) * _SECONDS[read[2]]


def safe(part: str) -> str:
    """A part of a path; what can't be a number, an id or a name is not sent."""
    if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", part, re.ASCII) is None:
        raise Failure("a number, an id or a name has letters, digits, hyphens and dots", Exit.UNFIT)
    return part


def tell(found: T, view: Callable[[T], Any], *, json: bool) -> None:
    """To programs as JSON, to people as a table."""
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        tables.show(view(found))
