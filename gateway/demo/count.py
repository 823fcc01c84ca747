"""The count at the end: what senders were told, what billing booked, and what the gateway's own books say."""

import msgspec

from adapters.amount import write_amount
from adapters.cores.scripted.ledger import each_booking, read_attempts
from adapters.judge.verdict import Verdict, judge
from gateway.admin.views import VerdictShown
from gateway.demo.scene import CURRENCY, Scene


def verdict_of(scene: Scene, core: str) -> Verdict:
    """What the senders of one core were told against what it booked."""
    encode = msgspec.json.Encoder().encode
    with scene.diary(core).open(encoding="utf-8") as diary:
        return judge(
            diary,
            (encode(booking).decode() for booking in each_booking(scene.ledger(core))),
            (encode(attempt).decode() for attempt in read_attempts(scene.ledger(core))),
        )


def last_words(verdict: Verdict, books: VerdictShown | None, *, drained: bool) -> list[str]:
    """The summary, a line each. `books` is the gateway's own count, None when it didn't answer."""
    lines = [*_senders(verdict), _judged(verdict)]
    if not drained:
        lines.append("drain:    NOT everything was answered and posted in time")
    return [*lines, *_books(books)]


def _senders(verdict: Verdict) -> list[str]:
    told = f"{verdict.told_yes} answered yes, {verdict.told_no} no, {verdict.told_nothing} unknown"
    money = f"{write_amount(verdict.booked_amount, CURRENCY)} {CURRENCY}"
    return [
        f"senders:  {verdict.payments} payments in {verdict.attempts} requests; {told}",
        f"billing:  {verdict.booked} booked in its own ledger, {money}",
    ]


def _judged(verdict: Verdict) -> str:
    lost_and_doubled = {"lost", "doubled"}
    shown = {name: len(marks) for name, marks in verdict.faults().items() if marks or name in lost_and_doubled}
    return "judge:    " + ", ".join(f"{name} {count}" for name, count in shown.items())


def _books(books: VerdictShown | None) -> list[str]:
    if books is None:
        return ["verify:   NO ANSWER from the gateway"]
    lines = list[str]()
    for each in books.balances:
        sides = f"{each.posted.entries} posted + {each.refused.entries} refused + {each.waiting.entries} waiting"
        money = f"{each.accepted.amount} {each.currency}"
        lines.append(f"books:    {each.accepted.entries} {each.kind}s accepted = {sides}; {money}")
    holds = "conservation holds" if books.ok else "THE BOOKS ARE OFF"
    return [*lines, f"verify:   {holds}, {books.opened} seals opened"]
