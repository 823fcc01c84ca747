"""The screens: what each shows, asked of the admin API in the person's name, and what its forms have done there."""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from gateway.admin import asks
from gateway.admin.asks import Scope
from gateway.admin.desk import Desk
from gateway.admin.duties.views import ClosedShown, ProposalsPage, ReturnsPage
from gateway.admin.entries.reveal import RevealedShown
from gateway.admin.entries.shape import ShapeShown
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.http.server import AdminSide
from gateway.admin.jobs.side import JobShown, JobsPage
from gateway.admin.reports.day import DayShown, today_of
from gateway.admin.state.shown import Status
from gateway.admin.steering.account_book import AccountShown
from gateway.admin.steering.audit_side import DeedsPage
from gateway.admin.steering.outage_side import OutageShown
from gateway.admin.views import EntryPage, EntryShown, VerdictShown
from gateway.page.chart import charts, drained
from gateway.page.look import Look
from gateway.page.paper import name_of, paper
from gateway.page.verdict import verdict
from gateway.page.visit import Elsewhere, Kept, Shown, Visit
from gateway.page.writing import written
from spool.lifecycle import BY_PERSONS, State

API: Final = "/admin/v1"
PARTS: Final = ("clock", "verdict", "figures", "routes", "foot")
"""Pieces of the first screen that are kept fresh, each a template of its own."""

ROWS: Final = 50
NARROWING: Final[tuple[str, ...]] = Scope.__struct_fields__
TIMES: Final = ("accepted_from", "accepted_before")

Screen = Callable[["Screens", Visit], Awaitable[Shown | Elsewhere | Kept]]


class Screens:
    """All screens."""

    def __init__(self, admin: AdminSide, desk: Desk) -> None:
        """Ask `admin`; what only looks on is read from the desk as the API reads it."""
        self._admin = admin
        self._desk = desk
        self.node = desk.config.node.name

    def answering(self, method: str, path: str) -> tuple[Screen, tuple[str, ...]]:
        """Who answers, and the parts of the path.

        Raises:
            Trouble: there is no such page, or it has no such form.
        """
        others = list[str]()
        for own, pattern, screen in SCREENS:
            if caught := pattern.fullmatch(path):
                if own == method:
                    return screen, caught.groups()
                others.append(own)
        if others:
            raise Trouble(Code.METHOD, headers={"Allow": ", ".join(others)})
        raise Trouble(Code.NO_SUCH_PATH)

    async def parts(self, look: Look) -> Mapping[str, str]:
        """The pieces of the first screen as they are now; personal to nobody."""
        fields = {"look": look, "t": look.t, **self._of_now(await self._admin.status())}
        return {name: written(f"_{name}.html", fields) for name in PARTS}

    def _of_now(self, now: Status) -> Mapping[str, Any]:
        return {
            "status": now,
            "verdict": verdict(now),
            "charts": {route.name: charts(self._desk.trend.of(route.name)) for route in now.routes},
        }

    async def _ask(self, visit: Visit, path: str, query: str = "") -> Any:
        return await self._admin.ask(visit.session.person, "GET", API + path, query, b"")

    async def _do(self, visit: Visit, path: str, **body: Any) -> Any:
        return await self._admin.ask(visit.session.person, "POST", API + path, "", msgspec.json.encode(body))

    async def _status(self, visit: Visit) -> Status:
        found: Status = await self._ask(visit, "/status")
        return found

    # Looking

    async def now(self, visit: Visit) -> Shown:
        """The first screen."""
        return Shown(template="now.html", fields=self._of_now(await self._status(visit)))

    async def queue(self, visit: Visit) -> Shown:
        """Entries that pass a filter, newest first; pages go by number."""
        told = asks.parameters(visit.query)
        wanted: dict[str, str] = {name: ",".join(filter(None, told.get(name, []))) for name in (*NARROWING, "before")}
        asked: dict[str, str] = {name: value.strip() for name, value in wanted.items() if value.strip()}
        asked |= {name: visit.look.instant(asked[name]) for name in TIMES if name in asked}
        page: EntryPage = await self._ask(visit, "/entries", urlencode({**asked, "limit": ROWS}))
        scope: dict[str, str] = {name: asked[name] for name in NARROWING if name in asked}
        now = await self._status(visit)
        return Shown(
            template="queue.html",
            fields={
                "page": page,
                "scope": scope,
                "is_later": "before" in asked,
                "older": urlencode({**scope, "before": page.next}) if page.next else "",
                "newest": urlencode(scope),
                "written": urlencode({name: value for name, value in scope.items() if value}),
                "states": [state.word for state in State],
                "chosen": set(scope.get("state", "").split(",")),
                "status": now,
            },
        )

    async def shape(self, visit: Visit) -> Shown:
        """What waits, by age."""
        by = asks.parameters(visit.query).get("by", ["route"])[0]
        shape: ShapeShown = await self._ask(visit, "/shape", urlencode({"by": by}))
        return Shown(template="shape.html", fields={"shape": shape})

    async def more(self, visit: Visit) -> Shown:  # noqa: ARG002 - what every screen gets
        """Where what isn't needed every night is found."""
        return Shown(template="more.html")

    async def stuck(self, visit: Visit) -> Shown:
        """What does not move, why, what comes next by itself, and what a person may do."""
        return Shown(template="stuck.html", fields={"found": await self._ask(visit, "/stuck")})

    async def report(self, visit: Visit) -> Shown:
        """What was taken in a day, and what became of it."""
        told = asks.parameters(visit.query)
        wanted = {name: told[name][0] for name in ("day", "as_of") if told.get(name, [""])[0]}
        report: DayShown = await self._ask(visit, "/reports/day", urlencode(wanted))
        today = today_of(self._desk.clock.now_us(), report.zone)
        day = date.fromisoformat(report.day)
        near = {"before": day - timedelta(days=1), "after": day + timedelta(days=1) if day < today else None}
        fields = {"report": report, "as_of": wanted.get("as_of", "end"), "today": today.isoformat(), "near": near}
        return Shown(template="report.html", fields=fields)

    async def keys(self, visit: Visit) -> Shown:
        """How the keys stand."""
        return Shown(template="keys.html", fields={"keys": await self._ask(visit, "/keys")})

    async def sinks(self, visit: Visit) -> Shown:
        """Ways to people, and how each stands."""
        return Shown(template="sinks.html", fields={"found": await self._ask(visit, "/sinks")})

    async def try_sink(self, visit: Visit) -> Elsewhere:
        """Have one tell a test."""
        done = await self._do(visit, f"/sinks/{visit.parts[0]}/test", reason=_reason(visit))
        return Elsewhere(path="/page/sinks", said=f"said.sink_{done.outcome}")

    async def accounts(self, visit: Visit) -> Shown:
        """How many accounts are known, and what is known of one."""
        return await self._accounts(visit, None)

    async def look_up(self, visit: Visit) -> Shown:
        """What is known of one account; its number is on nobody's screen or address afterwards."""
        body = {name: visit.form.get(name, "").strip() for name in ("route", "account")}
        return await self._accounts(visit, await self._do(visit, "/accounts/look", **body))

    async def _accounts(self, visit: Visit, shown: AccountShown | None) -> Shown:
        now, counted = await self._status(visit), await self._ask(visit, "/accounts")
        return Shown(template="accounts.html", fields={"status": now, "counted": counted, "shown": shown})

    async def find(self, visit: Visit) -> Shown | Elsewhere:
        """A payment by whatever is known of it: our number, its id, a channel's key, the core's id; or its account."""
        sought = visit.form.get("q", "").strip()
        if not sought:
            return Elsewhere(path="/page/queue")
        page: EntryPage = await self._do(visit, "/find", id=sought)
        if not page.entries:
            page = await self._do(visit, "/find", account=sought)
        if len(page.entries) == 1:
            return Elsewhere(path=f"/page/payments/{page.entries[0].number}")
        return Shown(template="found.html", fields={"page": page}, status=200 if page.entries else 404)

    async def payment(self, visit: Visit) -> Shown:
        """One payment and its story."""
        shown: EntryShown = await self._ask(visit, f"/entries/{visit.parts[0]}")
        return Shown(template="payment.html", fields={"shown": shown, "revealed": None})

    async def reveal(self, visit: Visit) -> Shown:
        """What is sealed in one payment, for a stated reason; on this answer alone."""
        number = visit.parts[0]
        revealed: RevealedShown = await self._do(visit, f"/entries/{number}/reveal", reason=_reason(visit))
        shown: EntryShown = await self._ask(visit, f"/entries/{number}")
        return Shown(template="payment.html", fields={"shown": shown, "revealed": revealed})

    async def job(self, visit: Visit) -> Shown:
        """One act on many: what it would change, or how far it is."""
        job: JobShown = await self._ask(visit, f"/jobs/{visit.parts[0]}")
        scope = {name: _said(getattr(job.filter, name)) for name in NARROWING}
        return Shown(
            template="job.html", fields={"job": job, "scope": {name: each for name, each in scope.items() if each}}
        )

    async def jobs(self, visit: Visit) -> Shown:
        """All acts on many there were; without `after`, those that have not ended."""
        after = asks.parameters(visit.query).get("after", [""])[0]
        page: JobsPage = await self._ask(visit, "/jobs", urlencode({"after": after}) if after else "")
        return Shown(template="jobs.html", fields={"page": page, "is_all": bool(after)})

    async def routes(self, visit: Visit) -> Shown:
        """Every route with what may be done to it."""
        now = await self._status(visit)
        own = {route.name: self._desk.config.routes[route.name] for route in now.routes}
        longest = {name: each.breaker.forced_max_s for name, each in own.items()}
        allowed = {name: each.forward for name, each in own.items()}
        fields = {**self._of_now(now), "forced_max_s": longest, "allowed": allowed}
        return Shown(template="steer.html", fields=fields)

    async def duties(self, visit: Visit) -> Shown:
        """What needs a person."""
        now = await self._status(visit)
        stopped = ",".join(state.word for state in sorted(BY_PERSONS))
        entries: EntryPage = await self._ask(visit, "/entries", urlencode({"state": stopped, "order": "oldest"}))
        owed: ReturnsPage = await self._ask(visit, "/returns")
        proposals: ProposalsPage = await self._ask(visit, "/proposals")
        fields = {**self._of_now(now), "entries": entries, "owed": owed, "proposals": proposals}
        return Shown(template="duties.html", fields=fields)

    async def windows(self, visit: Visit) -> Shown:
        """Planned maintenance."""
        now = await self._status(visit)
        zone = self._desk.config.admin.page.time_zone
        return Shown(
            template="windows.html", fields={"plan": await self._ask(visit, "/windows"), "status": now, "zone": zone}
        )

    async def outages(self, visit: Visit) -> Shown:
        """Outages that go on, and those that are over."""
        return Shown(template="outages.html", fields={"found": await self._ask(visit, "/outages")})

    async def outage(self, visit: Visit) -> Shown:
        """The report of one outage; it prints well."""
        report: OutageShown = await self._ask(visit, f"/outages/{visit.parts[0]}")
        return Shown(template="outage.html", fields={"report": report, "drawn": drained(report)})

    async def outage_file(self, visit: Visit) -> Kept:
        """The same as a file of its own."""
        report: OutageShown = await self._ask(visit, f"/outages/{visit.parts[0]}")
        text = paper(report, visit.look.language, self._desk.config.admin.page.time_zone)
        return Kept(name=name_of(report), text=text)

    async def policy(self, visit: Visit) -> Shown:
        """By which rules a route stands in."""
        now = await self._status(visit)
        name = visit.parts[0] if visit.parts else now.routes[0].name
        return await self._policy(visit, now, name)

    async def _policy(self, visit: Visit, now: Status, name: str, **more: Any) -> Shown:
        shown = await self._ask(visit, f"/policies/{name}")
        text = msgspec.json.format(msgspec.json.encode(shown.standin), indent=2).decode()
        fields = {"shown": shown, "text": text, "status": now, "tried": None, **more}
        return Shown(template="policy.html", fields=fields)

    async def audit(self, visit: Visit) -> Shown:
        """Who did what, and whether anything was altered."""
        return await self._audit(visit, None)

    async def _audit(self, visit: Visit, found: VerdictShown | None) -> Shown:
        told = asks.parameters(visit.query)
        after, begins = (told.get(name, [""])[0] for name in ("after", "from"))
        past: ProposalsPage = await self._ask(visit, "/proposals/all", urlencode({"after": after}) if after else "")
        deeds: DeedsPage | None = None
        if visit.can("audit"):
            deeds = await self._ask(visit, "/audit", urlencode({"from": begins}) if begins else "")
        fields = {"past": past, "deeds": deeds, "status": await self._status(visit), "found": found}
        return Shown(template="audit.html", fields=fields)

    # Doing

    async def act_on_one(self, visit: Visit) -> Elsewhere:
        """Hold, release, inquire about or retry one payment."""
        number, verb = visit.parts
        await self._do(visit, f"/entries/{number}/{verb}", reason=_reason(visit))
        return Elsewhere(path=f"/page/payments/{number}", said=f"said.{verb}")

    async def close_one(self, visit: Visit) -> Elsewhere:
        """End one payment by hand, or propose it."""
        number = visit.parts[0]
        body = {"as": visit.form.get("as", ""), "evidence": _reason(visit), "core_id": visit.form.get("core_id", "")}
        done: ClosedShown = await self._do(visit, f"/entries/{number}/close", **body)
        return Elsewhere(path=f"/page/payments/{number}", said="said.closed" if done.done else "said.proposed")

    async def order_job(self, visit: Visit) -> Elsewhere:
        """Do an act to all that pass a filter: first it is only counted; once that was seen, it is ordered."""
        verb, form = visit.parts[0], visit.form
        scope: dict[str, Any] = {name: form[name] for name in NARROWING if form.get(name)}
        states = [each for each in scope.pop("state", "").split(",") if each]
        wanted = {**scope, "state": states} if states else scope
        is_sure = form.get("sure") == "yes"
        job: JobShown = await self._do(
            visit,
            f"/entries/{verb}",
            reason=_reason(visit) if is_sure else visit.look.t("job.only_counted"),
            filter=wanted,
            all=not wanted,
            dry_run=not is_sure,
            per_s=_whole(form.get("per_s", "") or "0"),
        )
        return Elsewhere(path=f"/page/jobs/{job.id}", said="said.ordered" if is_sure else "")

    async def say_to_job(self, visit: Visit) -> Elsewhere:
        """Have a job wait, go on, end, or go at another speed."""
        number, word = visit.parts
        body: dict[str, Any] = {"reason": _reason(visit)}
        if word == "speed":
            body["per_s"] = _whole(visit.form.get("per_s", ""))
        await self._do(visit, f"/jobs/{number}/{word}", **body)
        return Elsewhere(path=f"/page/jobs/{number}")

    async def steer(self, visit: Visit) -> Elsewhere:
        """Stand in, pass through, or decide by the evidence."""
        name, verb = visit.parts
        body: dict[str, Any] = {"reason": _reason(visit)}
        if verb != "auto":
            body["for"] = 60 * _whole(visit.form.get("minutes", ""))
        await self._do(visit, f"/routes/{name}/{verb}", **body)
        return Elsewhere(path="/page/routes", said=f"said.route_{verb}")

    async def pace(self, visit: Visit) -> Elsewhere:
        """Have a route post slower for a while."""
        name, form = visit.parts[0], visit.form
        body: dict[str, Any] = {"reason": _reason(visit), "for": 60 * _whole(form.get("minutes", ""))}
        if form.get("at_once", "").strip():
            body["in_flight_max"] = _whole(form["at_once"])
        if form.get("per_s", "").strip():
            body["rate_max_per_s"] = _decimal(form["per_s"])
        await self._do(visit, f"/routes/{name}/pace", **body)
        return Elsewhere(path="/page/routes", said="said.route_pace")

    async def pace_auto(self, visit: Visit) -> Elsewhere:
        """Take that back."""
        await self._do(visit, f"/routes/{visit.parts[0]}/pace/auto", reason=_reason(visit))
        return Elsewhere(path="/page/routes", said="said.route_pace_auto")

    async def decide(self, visit: Visit) -> Elsewhere:
        """Say something to a proposal."""
        number, word = visit.parts
        await self._do(visit, f"/proposals/{number}/{word}", reason=_reason(visit))
        return Elsewhere(path="/page/duties", said=f"said.{word}")

    async def add_window(self, visit: Visit) -> Elsewhere:
        """Plan a window."""
        form = visit.form
        begins = form.get("begins", "")
        await self._do(
            visit,
            "/windows",
            reason=_reason(visit),
            begins=begins if begins.count(":") > 1 else f"{begins}:00",
            duration_s=60 * _whole(form.get("minutes", "")),
            route=form.get("route", ""),
            time_zone=form.get("time_zone", ""),
            rule=form.get("rule", "").strip(),
            lead_s=60 * _whole(form.get("lead", "") or "0"),
        )
        return Elsewhere(path="/page/windows", said="said.window")

    async def cancel_window(self, visit: Visit) -> Elsewhere:
        """Take a window out of the plan."""
        await self._do(visit, f"/windows/{visit.parts[0]}/cancel", reason=_reason(visit))
        return Elsewhere(path="/page/windows", said="said.window_cancelled")

    async def change_policy(self, visit: Visit) -> Shown | Elsewhere:
        """Try a policy on past payments, or propose it."""
        name, verb = visit.parts
        text = visit.form.get("standin", "")
        try:
            standin = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
        except (msgspec.DecodeError, RecursionError):
            raise Trouble(Code.INVALID, "a policy is written as JSON") from None
        if verb == "try":
            tried = await self._do(visit, f"/policies/{name}/try", standin=standin)
            return await self._policy(visit, await self._status(visit), name, text=text, tried=tried)
        await self._do(visit, f"/policies/{name}", reason=_reason(visit), standin=standin)
        return Elsewhere(path="/page/duties", said="said.proposed")

    async def verify(self, visit: Visit) -> Shown:
        """Count everything anew and hold it against the evidence."""
        found: VerdictShown = await self._do(visit, "/verify", seals=visit.form.get("seals") == "yes")
        return await self._audit(visit, found)

    async def accept_gap(self, visit: Visit) -> Elsewhere:
        """Accept that the spool lacks what was witnessed."""
        await self._do(visit, "/gap", reason=_reason(visit))
        return Elsewhere(path="/page/", said="said.gap")


def _said(value: str | list[str]) -> str:
    """A narrowing as a form carries it."""
    return value if isinstance(value, str) else ",".join(value)


def _reason(visit: Visit) -> str:
    return visit.form.get("why", "").strip()


def _whole(text: str) -> int:
    """A whole number, as a form has it.

    Raises:
        Trouble: it is none.
    """
    if not re.fullmatch(r"[0-9]{1,6}", text.strip()):
        raise Trouble(Code.INVALID, "write a whole number")
    return int(text)


def _decimal(text: str) -> float:
    """A number that may have a point (or a comma), as a form has it.

    Raises:
        Trouble: it is none.
    """
    written = text.strip().replace(",", ".")
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,4})?", written):
        raise Trouble(Code.INVALID, "write a number")
    return float(written)


_NUMBER: Final = "([0-9]{1,19})"
_ONE: Final = f"/page/payments/{_NUMBER}"
_NAME: Final = r"([A-Za-z0-9_.-]{1,64})"
_VERBS: Final = "hold|release|inquire|retry"

SCREENS: Final[tuple[tuple[str, re.Pattern[str], Screen], ...]] = tuple(
    (method, re.compile(pattern), screen)
    for method, pattern, screen in (
        ("GET", r"/page/", Screens.now),
        ("GET", r"/page/queue", Screens.queue),
        ("POST", rf"/page/queue/({_VERBS}|reopen)", Screens.order_job),
        ("GET", r"/page/shape", Screens.shape),
        ("POST", r"/page/find", Screens.find),
        ("GET", r"/page/more", Screens.more),
        ("GET", r"/page/stuck", Screens.stuck),
        ("GET", r"/page/report", Screens.report),
        ("GET", r"/page/keys", Screens.keys),
        ("GET", r"/page/sinks", Screens.sinks),
        ("POST", rf"/page/sinks/{_NAME}/test", Screens.try_sink),
        ("GET", r"/page/accounts", Screens.accounts),
        ("POST", r"/page/accounts", Screens.look_up),
        ("GET", r"/page/jobs", Screens.jobs),
        ("GET", rf"/page/jobs/{_NUMBER}", Screens.job),
        ("POST", rf"/page/jobs/{_NUMBER}/(pause|resume|stop|speed)", Screens.say_to_job),
        ("GET", _ONE, Screens.payment),
        ("POST", rf"{_ONE}/({_VERBS})", Screens.act_on_one),
        ("POST", rf"{_ONE}/close", Screens.close_one),
        ("POST", rf"{_ONE}/reveal", Screens.reveal),
        ("GET", r"/page/routes", Screens.routes),
        ("POST", rf"/page/routes/{_NAME}/(open|close|auto)", Screens.steer),
        ("POST", rf"/page/routes/{_NAME}/pace", Screens.pace),
        ("POST", rf"/page/routes/{_NAME}/pace/auto", Screens.pace_auto),
        ("GET", r"/page/duties", Screens.duties),
        ("POST", rf"/page/proposals/{_NUMBER}/(confirm|decline|withdraw)", Screens.decide),
        ("GET", r"/page/windows", Screens.windows),
        ("POST", r"/page/windows", Screens.add_window),
        ("POST", rf"/page/windows/{_NUMBER}/cancel", Screens.cancel_window),
        ("GET", r"/page/outages", Screens.outages),
        ("GET", r"/page/outages/([0-9]{1,10})", Screens.outage),
        ("GET", r"/page/outages/([0-9]{1,10})/file", Screens.outage_file),
        ("GET", r"/page/policy", Screens.policy),
        ("GET", rf"/page/policy/{_NAME}", Screens.policy),
        ("POST", rf"/page/policy/{_NAME}/(try|propose)", Screens.change_policy),
        ("GET", r"/page/audit", Screens.audit),
        ("POST", r"/page/audit/verify", Screens.verify),
        ("POST", r"/page/gap", Screens.accept_gap),
    )
)
