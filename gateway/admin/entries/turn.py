"""How soon an entry goes beside others, and why: its rank, and the rule of the order that gives it (`gateway.forward.order`).

A rank is kept with its entry and the rule is not, so the rule is that of today. Where today's rules give another rank, it
was kept from it by what stood before it in its account, or was taken under other rules; a core may also have said of the
account meanwhile what it hadn't by then.
"""

from adapters.payment import Payment
from gateway import content
from gateway.admin.desk import Desk
from gateway.admin.views import TurnShown, TurnWhy
from gateway.forward.order import Order
from spool.entry import Entry
from spool.errors import RecordDamaged, SpoolError
from spool.lifecycle import Kind
from spool.rank import Rank


async def turn_shown(desk: Desk, entry: Entry) -> TurnShown:
    """The turn of an entry as it is shown."""
    goes, route = Rank(entry.rank).name.lower(), desk.route(entry.route)
    if entry.kind is Kind.REVERSAL:
        return TurnShown(goes=goes, why=TurnWhy.UNDOES.value)
    try:
        payment = content.payment_of(entry, content.read(desk.spool.content(entry)))
        note = await desk.accounts.known(desk.spool.lanes_of(entry.route, payment.account))
    except (RecordDamaged, ValueError, SpoolError):
        payment, note = None, None
    if payment is None or route is None:
        return TurnShown(goes=goes, why=TurnWhy.UNREADABLE.value)
    return turn_of(entry.rank, payment, route.order, urgent=note is not None and bool(note.urgent))


def turn_of(rank: int, payment: Payment, order: Order, *, urgent: bool) -> TurnShown:
    """The turn of a payment with this rank, whose account is `urgent` by what is known now. Pure."""
    goes = Rank(rank).name.lower()
    rule = order.rule_of(payment, urgent=urgent)
    if order.rank_of(payment, urgent=urgent) != rank:
        return TurnShown(goes=goes, why=TurnWhy.BEFORE.value, rule=rule)
    return TurnShown(goes=goes, why=(TurnWhy.RULE if rule else TurnWhy.NO_RULE).value, rule=rule)
