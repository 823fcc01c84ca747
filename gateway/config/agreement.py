"""Do the parts of a configuration agree with each other? Pure rules over parts that are each right by themselves.

Where a part has faults of its own, the rules leave it out: its faults are told already, and its values aren't known.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from adapters.amount import BadAmount, UnknownCurrency, scale
from adapters.core import Level
from gateway.config.advice import nearest
from gateway.config.fault import Finding, written
from gateway.config.lines import Place
from gateway.config.model import Config, RouteSettings, is_hash, is_loopback
from gateway.config.tree import leaves
from gateway.http.settings import ListenerSettings
from gateway.telling.settings import HttpSmsSinkSettings, SmppSinkSettings, SmtpSinkSettings, tells_events

RETENTION_DAYS_MIN: Final = 30
"""No payment is forgotten sooner, however an operator errs."""

KEYED: Final = ("cores", "channels", "routes")
"""Tables whose parts have names: a fault in one leaves the others standing."""

_WITHIN: Final = ("breaker", "forward", "standin", "order")
"""Parts of a route that have defaults: a fault in one leaves the rest of the route standing."""

ReachingSinks: Final = (SmtpSinkSettings, SmppSinkSettings, HttpSmsSinkSettings)
"""Sinks by which one person can be told."""

_WITH_PASSWORD: Final = re.compile(r"://[^/?#@]*:[^/?#@]*@")
"""An address that names a user and a password (RFC 3986, 3.2.1)."""

_SECRET_HEADER: Final = re.compile(r"authori[sz]ation|cookie|token|secret|password|api-?key", re.IGNORECASE)
"""Headers that hold secrets, by what is in their names."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What could be read of a configuration."""

    #: Its parts that are right by themselves; the others are left at their defaults or out.
    config: Config
    #: The others: `("spool",)`, `("cores", "billing")`, `("routes", "main", "forward")`.
    broken: frozenset[Place] = frozenset()

    def names(self, table: str) -> frozenset[str]:
        """Every name written in a keyed table, broken or not."""
        right: Mapping[str, Any] = getattr(self.config, table)
        return frozenset(right) | {str(place[1]) for place in self.broken if place[0] == table and len(place) > 1}

    def whole(self, table: str) -> bool:
        """Is everything in this table known, at least in outline?"""
        return not any(place[0] == table and place[2:] == () for place in self.broken)


def disagreements(parts: Parts) -> list[Finding]:
    """Everything about which the parts disagree."""
    rules = (
        _listeners,
        _alone,
        _engine,
        _retention,
        _shared_keys,
        _nothing_to_do,
        _unserved,
        _shared_services,
        _routes,
        _tokens,
        _certificates,
        _issuers,
        _passwords,
        _secret_headers,
        _payers,
        _channel_sinks,
    )
    return [finding for rule in rules for finding in rule(parts)]


def unit_of(place: Place) -> Place:
    """The smallest part that a fault in a place leaves unknown."""
    if place[:1] == ("routes",) and place[2:3] and place[2] in _WITHIN:
        return place[:3]
    return place[: 2 if place and place[0] in KEYED else 1]


def _found(place: Place, found_kind: str, what_to_write: str) -> Finding:
    return Finding(place=place, found_kind=found_kind, what_to_write=what_to_write)


def _listeners(parts: Parts) -> Iterator[Finding]:
    if not parts.whole("listen"):
        return
    channels, admin = parts.config.listen.channels, parts.config.listen.admin
    if channels.port == admin.port != 0:
        yield _found(("listen", "admin", "port"), "the channels' port too", "give each listener a port of its own")
    if not (is_loopback(admin.host) or _has_tls(admin) or admin.allow_plain):
        yield _found(
            ("listen", "admin", "host"),
            "plain HTTP beyond this machine",
            'write host = "127.0.0.1", or add tls = { cert_file = "...", key_file = "..." },'
            " or allow_plain = true where something in front of it does the TLS",
        )


def _certificates(parts: Parts) -> Iterator[Finding]:
    """Who comes with a certificate is known by one name, and the listener asks for it."""
    if not parts.whole("listen"):
        return
    admin, known = parts.config.listen.admin, parts.config.admin.certificates
    if admin.client_ca_file is not None and admin.tls is None:
        yield _found(("listen", "admin", "client_ca_file"), "no TLS to ask for certificates in", "add tls")
    seen = dict[str, str]()
    for name, each in known.items():
        place = ("admin", "certificates", name)
        if admin.client_ca_file is None:
            yield _found(place, "nobody asks for it", "write listen.admin.client_ca_file, and tls")
        if name in parts.config.admin.tokens:
            yield _found(place, "a token's name too", "a person has one name: choose another")
        if each.role == "core":
            yield _found((*place, "role"), "core", "teams of cores come with tokens")
        if each.common_name in seen:
            yield _found((*place, "common_name"), f"that of {seen[each.common_name]} too", "one name for each person")
        seen[each.common_name] = name


def _issuers(parts: Parts) -> Iterator[Finding]:
    """A token names its issuer by one address, so each address has one name here."""
    seen = dict[str, str]()
    for name, each in parts.config.admin.issuers.items():
        if each.issuer in seen:
            place = ("admin", "issuers", name, "issuer")
            yield _found(place, f"that of {seen[each.issuer]} too", "give each issuer one table")
        seen[each.issuer] = name


def _engine(parts: Parts) -> Iterator[Finding]:
    """The engine postgres has a database, and one name for the log that its nodes have in common."""
    if ("spool",) in parts.broken or parts.config.spool.engine != "postgres":
        return
    if parts.config.spool.postgres is None:
        advice = 'add it: [spool.postgres] with url = { file = "..." }, where the URL is'
        yield _found(("spool", "postgres"), "missing table", advice)
    evidence = parts.config.evidence
    if ("evidence",) not in parts.broken and evidence.key_file is not None and not evidence.origin:
        yield _found(("evidence", "origin"), "missing", "name the log, the same for every node on this database")


def _retention(parts: Parts) -> Iterator[Finding]:
    """A key is known longer than any channel repeats."""
    days = parts.config.spool.retention_days
    if ("spool",) not in parts.broken and 0 < days < RETENTION_DAYS_MIN:
        advice = f"write at least {RETENTION_DAYS_MIN}, or 0: a repeat of what was forgotten is taken as a new payment"
        yield _found(("spool", "retention_days"), "too short", advice)


def _shared_keys(parts: Parts) -> Iterator[Finding]:
    """A key that one node makes is every node's."""
    if not parts.broken.isdisjoint({("spool",), ("keys",)}):
        return
    keys, spool = parts.config.keys, parts.config.spool
    several = spool.engine == "postgres" and spool.postgres is not None and spool.postgres.nodes_max > 1
    if keys.store_file is not None and keys.store_url is None and several:
        advice = "leave it out, or name store_url, so that every node has the keys of all; or write nodes_max = 1"
        yield _found(("keys", "store_file"), "a file of one node", advice)


def _has_tls(listener: ListenerSettings) -> bool:
    return listener.tls is not None


def _nothing_to_do(parts: Parts) -> Iterator[Finding]:
    for table, example in (("channels", "kiosk"), ("cores", "billing"), ("routes", "main")):
        if not parts.names(table) and parts.whole(table):
            yield _found((table,), "missing table", f"add at least one, as [{table}.{example}]")


def _alone(parts: Parts) -> Iterator[Finding]:
    """What one person may move or close alone is an amount in every currency there is."""
    second = parts.config.admin.second_person
    for key, limit in (("close_alone_max", second.close_alone_max), ("act_alone_max", second.act_alone_max)):
        for currency in sorted({route.currency for route in parts.config.routes.values()}):
            try:
                scale(currency).read(limit)
            except UnknownCurrency:
                continue
            except BadAmount as error:
                yield _found(("admin", "second_person", key), f"no amount in {currency}", str(error))


def _unserved(parts: Parts) -> Iterator[Finding]:
    if not parts.whole("routes"):
        return
    served = {(channel, route.currency) for route in parts.config.routes.values() for channel in route.channels}
    for channel in sorted(parts.names("channels") - {channel for channel, _ in served}):
        yield _found(("channels", channel), "on no route", f'add "{channel}" to the channels of a route')
    for channel, settings in parts.config.channels.items():
        moneys = settings.moneys()
        for currency in moneys if len(moneys) > 1 and any(name == channel for name, _ in served) else ():
            if (channel, currency) not in served:
                own = currency == settings.currency
                place = ("channels", channel, "currency") if own else ("channels", channel, "currencies", currency)
                advice = f'add "{channel}" to the channels of a route with currency = "{currency}"'
                yield _found(place, f"{currency} is on no route", advice)


def _shared_services(parts: Parts) -> Iterator[Finding]:
    """Each service of a channel in each currency goes by exactly one route; so do all services that none names."""
    taken: dict[tuple[str, str, str], str] = {}
    for name, route in parts.config.routes.items():
        if route.accounts:
            continue
        for index, channel in enumerate(route.channels):
            for service in route.services or [""]:
                other = taken.setdefault((channel, route.currency, service), name)
                if other != name or channel in route.channels[:index]:
                    yield _twice(("routes", name, "channels", index), channel, service, other)


def _twice(place: Place, channel: str, service: str, other: str) -> Finding:
    what = f'the service "{service}" of {channel}' if service else f"{channel} without services"
    return _found(place, f"{what} is on route {other} too", "leave it on one of them, or name other services")


def _routes(parts: Parts) -> Iterator[Finding]:
    for name, route in parts.config.routes.items():
        place = ("routes", name)
        yield from _reference((*place, "core"), route.core, parts.names("cores"), "core")
        for index, channel in enumerate(route.channels):
            yield from _reference((*place, "channels", index), channel, parts.names("channels"), "channel")
        own = parts.names("channels").intersection(route.channels)
        for channel in route.standin.channels:
            yield from _reference((*place, "standin", "channels", channel), channel, own, "channel of this route")
        for part, rules in (
            ("standin", [rule.channels for rule in route.standin.rules]),
            ("order", [rule.channels for rule in route.order.rules]),
        ):
            for number, channels in enumerate(rules):
                for index, channel in enumerate(channels):
                    at = (*place, part, "rules", number, "channels", index)
                    yield from _reference(at, channel, own, "channel of this route")
        yield from _money(place, route, parts.config)
        yield from _limits(place, route, parts.broken)
        if (*place, "standin") not in parts.broken:
            yield from _waits(place, route, parts.config)
        if (*place, "forward") not in parts.broken:
            yield from _amounts_at_once(place, route)
            yield from _timing(place, route, parts.config)


def _reference(place: Place, name: str, known: Iterable[str], what: str) -> Iterator[Finding]:
    names = sorted(known)
    if name in names:
        return
    near = nearest(name, names)
    advice = f'write "{near}"' if near else f"write one of: {', '.join(names)}" if names else f"add a {what} first"
    yield _found(place, f"no such {what}", advice)


def _money(place: Place, route: RouteSettings, config: Config) -> Iterator[Finding]:
    try:
        scale(route.currency)
    except UnknownCurrency as error:
        yield _found((*place, "currency"), str(error), 'write an ISO 4217 code, as "RUB"')
        return
    for index, channel in enumerate(route.channels):
        settings = config.channels.get(channel)
        if settings is not None and route.currency not in settings.moneys():
            yield _found(
                (*place, "channels", index),
                f"a channel of another currency ({', '.join(settings.moneys())})",
                f'write currency = "{settings.currency}" for this route, or serve the channel by a route of its own',
            )


def _limits(place: Place, route: RouteSettings, broken: Collection[Place]) -> Iterator[Finding]:
    """Every amount of the stand-in policy and of the order is one of the route's currency."""
    for limit, text in _amounts(route):
        if (*place, limit[0]) in broken:
            continue
        try:
            scale(route.currency).read(text)
        except UnknownCurrency:
            return
        except BadAmount as error:
            yield _found((*place, *limit), f"no amount in {route.currency}", str(error))


def _amounts(route: RouteSettings) -> Iterator[tuple[Place, str]]:
    """Every amount the stand-in policy and the order name."""
    standin = route.standin
    owners: Sequence[tuple[Place, Any]] = [
        (("standin",), standin),
        *((("standin", "channels", name), own) for name, own in standin.channels.items()),
        *((("standin", "rules", number), rule) for number, rule in enumerate(standin.rules)),
        *((("order", "rules", number), rule) for number, rule in enumerate(route.order.rules)),
    ]
    for place, owner in owners:
        for key in ("payment_max", "exposure_sum_max", "account_day_sum_max", "amount_min", "amount_max"):
            if (text := getattr(owner, key, None)) is not None:
                yield (*place, key), text


def _waits(place: Place, route: RouteSettings, config: Config) -> Iterator[Finding]:
    """A channel's deadline leaves time to ask the core before the margin for the provisional answer."""
    margin = route.standin.answer_margin_s
    for channel in route.channels:
        settings = config.channels.get(channel)
        if settings is not None and settings.deadline_s <= margin:
            yield _found(
                (*place, "standin", "answer_margin_s"),
                f"not below the deadline of {channel}",
                f"write less than {settings.deadline_s:g}, or give [channels.{channel}] a longer deadline_s",
            )


def _amounts_at_once(place: Place, route: RouteSettings) -> Iterator[Finding]:
    forward = route.forward
    pairs = (
        ("backoff_first_s", "backoff_max_s"),
        ("lane_entries_max", "window_entries_max"),
        ("in_flight_max", "window_entries_max"),
    )
    for low, high in pairs:
        limit = getattr(forward, high)
        if getattr(forward, low) > limit:
            yield _found((*place, "forward", low), f"above {high}", f"write at most {limit}, or raise {high}")


def _timing(place: Place, route: RouteSettings, config: Config) -> Iterator[Finding]:
    """What the core's level needs of the times (design, levels of cores)."""
    core = config.cores.get(route.core)
    if core is None:
        return
    attempt = route.forward.attempt_timeout_s
    is_apart = bool(core.endpoints) and not core.shared_ledger
    is_asked = core.level is not Level.A or core.key_lifetime_s > 0 or is_apart
    if is_asked and core.settle_delay_s < attempt:
        yield _found(
            ("cores", route.core, "settle_delay_s"),
            "shorter than one attempt",
            f"write at least {attempt:g} (attempt_timeout_s of route {place[1]}): asked sooner, a core still at work"
            ' says "not found" of a payment it then books',
        )
    if 0 < core.key_lifetime_s <= attempt:
        yield _found(
            ("cores", route.core, "key_lifetime_s"),
            "shorter than one attempt",
            f'write more than {attempt:g} (attempt_timeout_s of route {place[1]}), or level = "B":'
            " the key is forgotten before a repeat could use it",
        )
    if core.connections_max < route.forward.in_flight_max:
        yield _found(
            ("cores", route.core, "connections_max"),
            "fewer than attempts at once",
            f"write at least {route.forward.in_flight_max} (in_flight_max of route {place[1]})",
        )


def _tokens(parts: Parts) -> Iterator[Finding]:
    """A token tells who sends: no two names may have the same one."""
    places: dict[str, list[Place]] = defaultdict(list)
    for place, text in _texts(parts):
        if is_hash(place):
            places[text.lower()].append(place)
    for first, *others in places.values():
        for place in others:
            yield _found(place, f"the same token as {written(first)}", "make a token of its own for each name")


def _passwords(parts: Parts) -> Iterator[Finding]:
    for place, text in _texts(parts):
        if _WITH_PASSWORD.search(text):
            yield _found(place, "a password in an address", "take it out and give it by a secret reference")


def _secret_headers(parts: Parts) -> Iterator[Finding]:
    for place, _ in _texts(parts):
        if len(place) > 1 and place[-2] == "headers" and _SECRET_HEADER.search(str(place[-1])):
            advice = 'write { prefix = "Bearer ", secret = { file = "/run/credentials/name" } }'
            yield _found(place, "a secret in clear", advice)


def _texts(parts: Parts) -> Iterator[tuple[Place, str]]:
    return ((place, leaf) for place, leaf in leaves(parts.config.model_dump(mode="json")) if isinstance(leaf, str))


def _payers(parts: Parts) -> Iterator[Finding]:
    """Payers are told of a channel there is, by a sink that can reach one person."""
    telling = parts.config.telling
    for channel, payer in telling.payers.items():
        place = ("telling", "payers", channel)
        yield from _reference(place, channel, parts.names("channels"), "channel")
        reaching = [name for name, sink in telling.sinks.items() if isinstance(sink, ReachingSinks)]
        yield from _reference((*place, "sink"), payer.sink, reaching, "sink of protocol smtp, smpp or http_sms")


def _channel_sinks(parts: Parts) -> Iterator[Finding]:
    """A channel's sink is of a channel there is, and tells somebody."""
    for name, sink in parts.config.telling.sinks.items():
        place = ("telling", "sinks", name)
        if sink.channel is not None:
            yield from _reference((*place, "channel"), sink.channel, parts.names("channels"), "channel")
            if not tells_events(sink):
                yield _found((*place, "channel"), "a channel's sink that tells nobody", "write in `to` whom it tells")
