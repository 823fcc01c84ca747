"""A payment and its reversal that ended each other here are told apart, so that nobody looks for them at billing."""

from io import StringIO

from rich.console import Console, RenderableType

from gateway.admin.views import entry_shown, is_netted, netted_of
from gateway.cli.tables import entry_view
from gateway.outages.record import figures_of
from spool.lifecycle import State
from tests.unit.heart import ROUTE, Heart
from tests.unit.test_outages import recorder_of


def said(view: RenderableType) -> str:
    """A view as a terminal shows it, in one line."""
    out = StringIO()
    Console(file=out, width=200).print(view)
    return " ".join(out.getvalue().split())


async def test_both_are_shown_as_netted_and_counted_once(heart: Heart) -> None:
    """What was given back to its channel, and what billing undid, are not."""
    heart.open_route()
    await heart.pay("k1")
    await heart.undo("r1", "k1")
    await heart.pay("k2", account="200")
    heart.close_route()
    await heart.forwards(3)
    await heart.undo("r2", "k2")
    await heart.forwards(3)
    entries = {each.key: each for each in await heart.entries()}
    assert {key for key, each in entries.items() if is_netted(each)} == {"k1", "r1"}
    assert entries["k1"].state is State.CANCELLED
    (netted,) = netted_of(heart.store.tally.cells())
    assert (netted.entries, netted.amount, netted.currency) == (1, "10.00", "RUB")
    shown = said(entry_view(entry_shown(entries["r1"], [])))
    assert "netted set off against its reversal before anything was sent: billing has neither" in shown
    assert "netted" not in said(entry_view(entry_shown(entries["k2"], [])))


async def test_the_report_of_an_outage_says_how_many_were_netted_in_it(heart: Heart) -> None:
    """Not those of before it."""
    recorder = recorder_of(heart)
    heart.open_route()
    await heart.pay("k0", account="0")
    await heart.undo("r0", "k0")
    await recorder.open()
    await recorder.look()
    await heart.pay("k1")
    await heart.undo("r1", "k1")
    heart.close_route()
    await recorder.look()
    await recorder.look()
    (report,) = await recorder.reports()
    assert (report.netted, report.cancelled) == ((1, 1_000), (1, 1_000))
    assert figures_of(heart.store.tally.cells(), ROUTE, "RUB").netted == (2, 2_000)
