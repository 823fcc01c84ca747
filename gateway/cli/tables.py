"""What the command shows to people: tables by rich. Everything foreign is shown as plain text, never as markup."""

import sys
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.admin.state.shown import (
    ChannelShown,
    DiagnosisShown,
    EndpointShown,
    EstimateShown,
    EvidenceShown,
    Exposure,
    RouteShown,
    SlowedShown,
    Status,
)
from gateway.admin.views import (
    Conservation,
    EntryPage,
    EntryShown,
    Money,
    TurnShown,
    TurnWhy,
    VerdictShown,
    pace_words,
)
from gateway.page.verdict import verdict
from gateway.route.zone import Operation, Use, Zone
from spool.lifecycle import WAITING

PIPE_COLUMNS: Final = 200
WHOLE: Final = {"number", "id", "accepted", "at", "since", "oldest", "state", "zone"}
"""Columns that are never broken."""

ZONE_STYLES: Final = {"closed": "green", "soft": "yellow", "trial": "yellow", "open": "red"}
TONE_STYLES: Final = {"well": "bold green", "busy": "bold yellow", "warn": "bold yellow", "alarm": "bold red"}
STAGE_STYLES: Final = {"late": "yellow", "overdue": "red"}
STATE_STYLES: Final = {
    "posted": "green",
    "refused": "yellow",
    "in_doubt": "yellow",
    "held": "magenta",
    "parked": "red",
    "quarantined": "red",
}

TURNS: Final = {
    TurnWhy.RULE: "rule {rule} of its route's order says that it goes {goes}",
    TurnWhy.NO_RULE: "no rule of its route's order speaks of it",
    TurnWhy.BEFORE: "what stood before it in its account kept it there, or it was taken under other rules",
    TurnWhy.UNDOES: "it goes as the payment that it undoes",
    TurnWhy.UNREADABLE: "what it is for can't be read",
}
USES: Final = {
    Use.IN_USE.value: "is asked first",
    Use.STANDS_BY.value: "stands by",
    Use.ON_TRIAL.value: "is on trial",
    Use.LEFT_OUT.value: "is left out",
}


def show(*what: RenderableType) -> None:
    """Print to standard output; into a file or a pipe with room for whole lines."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
    for each in what:
        console.print(each)


def status_view(status: Status, rates: str = "") -> RenderableType:
    """The first screen: is billing up, why not, since when, how much waits, is anything lost."""
    head = Text()
    if status.running:
        head.append(f"{status.node}: ", "bold")
        head.append("taking payments" if status.ready else "not taking payments", "green" if status.ready else "red")
        head.append(f", started {brief(status.started)}")
    else:
        head.append(f"{status.node}: the service is not running; its spool holds", "bold")
    parts: list[RenderableType] = [_headline(status), head] if status.running else [head]
    if status.routes:
        parts.append(_routes(status.routes))
        parts += [
            _diagnosis(route)
            for route in status.routes
            if route.diagnosis or route.forced or route.slowed or route.overrun_since
        ]
        parts.append(_exposures(status.routes))
    parts.append(_states(status))
    parts += [_conserved(line) for line in status.conservation]
    parts += _duties(status)
    parts += [_nonsense(channel) for channel in status.channels if channel.rejected]
    parts.append(_spool(status))
    if status.evidence is not None:
        parts.append(_evidence(status.evidence))
    if rates:
        parts.append(plain(rates))
    return Group(*parts)


def _headline(status: Status) -> Text:
    """How billing stands, in the words of the page's first screen."""
    from gateway.page.words import say  # noqa: PLC0415 - a tenth of a second of reading, for this word alone

    found = verdict(status)
    words = f"{say('en', f'mood.{found.mood}')}. {say('en', f'happens.{found.mood}')}"
    return Text(words, TONE_STYLES[found.tone])


def page_view(page: EntryPage) -> RenderableType:
    """Entries, one a line."""
    table = table_of("number", "kind", "state", "reason", "route", "channel", "key", "amount", "accepted")
    for entry in page.entries:
        state = Text(entry.state, STATE_STYLES.get(entry.state, ""))
        amount = f"{entry.amount} {entry.currency}"
        told = (entry.route, entry.channel, entry.key, amount, brief(entry.accepted_at))
        table.add_row(
            plain(entry.number), plain(entry.kind), state, plain(entry.reason), *(plain(text) for text in told)
        )
    more = [plain(f"there is more: go on with --before {page.next} (or --after, oldest first)")] if page.next else []
    return Group(table, *more) if page.entries else plain("no entries")


def entry_view(shown: EntryShown) -> RenderableType:
    """One entry, and everything that happened to it."""
    entry = shown.entry
    facts = Table.grid(padding=(0, 2))
    pairs = [(name, getattr(entry, name)) for name in entry.__struct_fields__]
    for name, value in pairs:
        if value != "":
            facts.add_row(Text(name.replace("_", " "), "dim"), plain(str(value)))
    history = table_of("at", "what", "from", "to", "attempt", "reason", "by", "why")
    for event in shown.history:
        told = (brief(event.at), event.name, event.source, event.target, str(event.attempt or ""), event.reason)
        history.add_row(*(plain(text) for text in (*told, event.actor, event.note)))
    if shown.content == "destroyed":
        facts.add_row(
            Text("content", "dim"), plain("destroyed with its day's key: account and content are gone for good")
        )
    if shown.turn and entry.state in {state.word for state in WAITING}:
        facts.add_row(Text("why so", "dim"), plain(_turn(shown.turn)))
    if shown.netted:
        facts.add_row(
            Text("netted", "dim"), plain("set off against its reversal before anything was sent: billing has neither")
        )
    may = f"a person may: {', '.join(shown.may)}" if shown.may else "nobody need do anything by hand"
    return Group(facts, history, plain(may))


def _turn(turn: TurnShown) -> str:
    return TURNS[TurnWhy(turn.why)].format(goes=turn.goes, rule=turn.rule)


def verdict_view(verdict: VerdictShown) -> RenderableType:
    """What a verification found."""
    opened = f", {verdict.opened} seals opened" if verdict.opened else ""
    head = Text("sound" if verdict.ok else "SOMETHING IS OFF", "bold green" if verdict.ok else "bold red")
    head.append(f": {verdict.counted} entries counted{opened}", "")
    parts: list[RenderableType] = [head, *(_conserved(line) for line in verdict.balances)]
    if verdict.differences:
        table = table_of("route", "channel", "kind", "state", "told", "the books say", "counted")
        for each in verdict.differences:
            texts = (each.route, each.channel, each.kind, each.state, each.told)
            table.add_row(*(plain(text) for text in (*texts, _money(each.books), _money(each.counted))))
        parts.append(table)
    if verdict.shredded:
        parts.append(plain(f"of {verdict.shredded} the content is gone on purpose: their keys were destroyed"))
    if verdict.damaged_count:
        parts.append(plain(f"{verdict.damaged_count} records do not open: {', '.join(verdict.damaged)}"))
    parts.append(plain(f"evidence: {verdict.events} events, root {verdict.root}"))
    if verdict.findings:
        table = table_of("found", "entry", "event", "what it means")
        for found in verdict.findings:
            meaning = f"{found.meaning} ({found.detail})" if found.detail else found.meaning
            table.add_row(*(plain(text) for text in (found.fault, found.number, found.event, meaning)))
        parts.append(table)
        told, count = len(verdict.findings), sum(verdict.faults.values())
        if told < count:
            parts.append(plain(f"and {count - told} more"))
    return Group(*parts)


def _evidence(shown: EvidenceShown) -> Text:
    words = Text(f"evidence: {shown.origin}, epoch {shown.epoch}, ")
    signed = f"{shown.checkpoint_events} events signed {brief(shown.checkpoint_at)}"
    words.append(signed if shown.checkpoint_at else "no checkpoint yet")
    for witness in shown.witnesses:
        if witness.trouble:
            words.append(f"\n{witness.name} keeps no checkpoint since {brief(witness.since)}: {witness.trouble}", "red")
    if shown.gap:
        words.append(f"\nNOTHING IS TAKEN OR SENT: {shown.gap}. nightsafe evidence accept", "bold red")
    return words


def _routes(routes: Iterable[RouteShown]) -> Table:
    table = table_of("route", "core", "zone", "since", "waiting", "oldest", "in hand")
    for route in routes:
        zone = Text(route.zone + (" (forced)" if route.forced else ""), ZONE_STYLES.get(route.zone, ""))
        waiting, pace = moneys_text(route.waiting) or "nothing", f"{route.in_hand} of {route.pace}"
        table.add_row(
            plain(route.name),
            plain(f"{route.core} ({route.level})"),
            zone,
            plain(brief(route.since)),
            plain(waiting),
            plain(brief(route.oldest)),
            plain(pace),
        )
    return table


def slowed_words(route: str, slowed: SlowedShown) -> str:
    """Whose word has a route post slower, and how fast it may."""
    most = pace_words(slowed.in_flight_max, slowed.rate_max_per_s)
    return f"{route}: {slowed.actor} lets it post at most {most} until {brief(slowed.until)}: {slowed.reason}"


def _diagnosis(route: RouteShown) -> Text:
    words = list[str]()
    if route.forced:
        word = route.forced
        words.append(f"{route.name}: {word.actor} keeps it {word.zone} until {brief(word.until)}: {word.reason}")
    if route.slowed:
        words.append(slowed_words(route.name, route.slowed))
    if route.estimate and route.waiting:
        words.append(f"{route.name}: {_estimate(route.estimate)}")
    if route.falls_above:
        words.append(f"{route.name}: its core fell over above {route.falls_above} at once, and gets no more")
    apart = [f"{name} {own.zone}" for name, own in route.operations.items() if own.zone != route.zone]
    if apart:
        words.append(f"{route.name}: beside its payments: {', '.join(apart)}")
    if route.zone == Zone.SOFT.value:
        words.append(f"{route.name}: {route.operations[Operation.POST.value].share:.0%} of new payments pass through")
    words += [f"{route.name}: {_endpoint(place, each)}" for place, each in enumerate(route.endpoints, start=1)]
    if route.overrun_since:
        words.append(f"{route.name}: NOT BACK from its planned window, due since {brief(route.overrun_since)}")
    if route.diagnosis and route.diagnosis.cause != "forced":
        found = route.diagnosis
        example = f" [{found.example}]" if found.example else ""
        words.append(f"{route.name}: {found.words} ({found.cause}, {how_often(found)}){example}")
    return plain("\n".join(words))


def _endpoint(place: int, each: EndpointShown) -> str:
    """`endpoint 1 (http://...) is left out, open since ...: connection refused [...]`."""
    text = f"endpoint {place} ({each.address}) {USES.get(each.use, each.use)}"
    if each.zone != Zone.CLOSED.value:
        text += f", {each.zone} since {brief(each.since)}"
    if each.diagnosis:
        example = f" [{each.diagnosis.example}]" if each.diagnosis.example else ""
        text += f": {each.diagnosis.words} ({each.diagnosis.cause}){example}"
    return text


def _estimate(found: EstimateShown) -> str:
    text = f"in {found.rate_in:g}/s, out {found.rate_out:g}/s"
    if found.empty_s is None or found.low_s is None:
        return f"{text}: no end in sight yet"
    until = f"{found.high_s:.0f} s" if found.high_s is not None else "nobody knows"
    return f"{text}: empty in about {found.empty_s:.0f} s (between {found.low_s:.0f} s and {until})"


def _exposures(routes: Iterable[RouteShown]) -> Table:
    table = table_of("taken in its place", "channel", "payments", "at most", "sum", "at most ", "full in")
    for route in routes:
        for each in route.exposure:
            table.add_row(*(plain(text) for text in (route.name, *_exposure(each))))
    return table


def span(seconds: int) -> str:
    """Seconds as people say them: `90 s`, `12 min`, `5 h`, `3 d`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _exposure(each: Exposure) -> tuple[str, str, str, str, str, str]:
    currency = each.now.currency
    return (
        each.channel or "all",
        str(each.now.entries),
        "" if each.entries_max is None else str(each.entries_max),
        f"{each.now.amount} {currency}",
        "" if each.amount_max is None else f"{each.amount_max} {currency}",
        "" if each.full_in_s is None else "FULL" if not each.full_in_s else span(each.full_in_s),
    )


def _states(status: Status) -> RenderableType:
    table = table_of("state", "entries and sum")
    for state, totals in status.states.items():
        table.add_row(Text(state, STATE_STYLES.get(state, "")), plain(moneys_text(totals)))
    if not status.states:
        return plain("the spool is empty")
    if not status.netted:
        return table
    words = f"netted: {moneys_text(status.netted)} reversed before anything was sent, so billing has neither of the two"
    return Group(table, plain(words))


def _duties(status: Status) -> list[Text]:
    """What waits for a person."""
    found = [
        Text(
            f"{each.route}: owed back {moneys_text(each.due)}, {each.stage}, the oldest since {brief(each.oldest)}:"
            " nightsafe returns",
            STAGE_STYLES.get(each.stage, ""),
        )
        for each in status.returns
    ]
    if status.proposals:
        found.append(plain(f"proposals that wait for a second person: {status.proposals}: nightsafe proposals list"))
    return found


def _nonsense(channel: ChannelShown) -> Text:
    reasons = ", ".join(f"{reason} {count}" for reason, count in channel.rejected.items())
    return plain(
        f"{channel.name}: {sum(channel.rejected.values())} requests could not be taken since the start: {reasons}"
    )


def _conserved(line: Conservation) -> Text:
    parts = [
        f"{name} {_money(total)}"
        for name, total in (
            ("posted", line.posted),
            ("refused", line.refused),
            ("returned", line.returned),
            ("cancelled", line.cancelled),
            ("waiting", line.waiting),
        )
        if total.entries or name in {"posted", "waiting"}
    ]
    return plain(f"{line.kind}s accepted {_money(line.accepted)} = {' + '.join(parts)}")


def _spool(status: Status) -> Text:
    spool = status.spool
    size, free = spool.size_bytes / 2**20, spool.free_bytes / 2**20
    text = f"spool: {spool.engine} {spool.version}, {size:.1f} MiB, {free:.0f} MiB free"
    if status.running and not spool.accepting:
        text += f"; TAKES NOTHING NEW: {spool.trouble}"
    if spool.alone or spool.beside:
        text += f"\n{'ALONE' if spool.alone else 'bringing over'}: {spool.beside} payments are yet to come into the database"
        text += f": {spool.trouble}" if spool.trouble else ""
    text += "".join(f"; key {key.id} {key.fingerprint} seals" for key in status.keys if key.seals)
    if status.custody and status.custody.trouble:
        text += f"\nKEYS IN TROUBLE since {brief(status.custody.troubled_since)}: {status.custody.trouble}"
    return plain(text)


def table_of(*columns: str, right: bool = False) -> Table:
    """An empty table of these columns; with `right` all but the first hold figures."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if right and at else "left"
        table.add_column(column, overflow="fold", no_wrap=column in WHOLE, justify=justify)
    return table


def _money(total: Money) -> str:
    return f"{total.entries} ({total.amount} {total.currency})"


def moneys_text(totals: Sequence[Money]) -> str:
    """Counts and sums, one for each currency."""
    return ", ".join(_money(total) for total in totals)


def brief(at: str) -> str:
    """A moment to the second."""
    return at[:19].replace("T", " ") + "Z" if at else ""


def plain(text: str) -> Text:
    """Text as it is; what a terminal could take for a command is made visible."""
    return Text("".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text))


def why_in_words(why: str) -> str:
    """Why a payer was turned away, as the page says it; the name itself where a newer service knows more of them."""
    from gateway.page.words import WORDS, say  # noqa: PLC0415 - as above

    key = f"why.{why}"
    return "billing said so" if not why else say("en", key) if key in WORDS else why


def how_often(found: DiagnosisShown) -> str:
    """How often something was seen, and when."""
    if found.seen == 1:
        return f"once, {brief(found.first_seen)}"
    return f"{found.seen} times since {brief(found.first_seen)}, last {brief(found.last_seen)}"
