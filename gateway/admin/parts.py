"""The admin side's parts, joined: each answers about one thing."""

from gateway.admin.access.entrance import Entrance
from gateway.admin.access.side import AccessSide
from gateway.admin.desk import Desk
from gateway.admin.duties.side import Duties
from gateway.admin.entries.acts import Acts
from gateway.admin.entries.inquiring import Inquiring
from gateway.admin.entries.looking import Looking
from gateway.admin.entries.reopening import Reopening
from gateway.admin.entries.shape import Shape
from gateway.admin.entries.side import EntriesSide
from gateway.admin.jobs.side import JobSide
from gateway.admin.reports.side import ReportSide
from gateway.admin.state.house_side import HouseSide
from gateway.admin.state.meter import AdminMeter
from gateway.admin.state.stuck_side import StuckSide
from gateway.admin.steering.account_book import AccountBook
from gateway.admin.steering.audit_side import AuditSide
from gateway.admin.steering.core_word import CoreWord
from gateway.admin.steering.keys import KeysSide
from gateway.admin.steering.outage_side import OutageSide
from gateway.admin.steering.peer_side import PeerSide
from gateway.admin.steering.policy_side import PolicySide
from gateway.admin.steering.telling_side import TellingSide
from gateway.admin.steering.window_side import WindowSide


class Parts:
    """Who answers."""

    def __init__(self, desk: Desk, meter: AdminMeter, entrance: Entrance) -> None:
        """Answer about, and steer, what is on the desk."""
        self.duties = Duties(desk, meter)
        self.house = HouseSide(desk, meter, self.duties.proposals)
        self.looking = Looking(desk)
        self.shape = Shape(desk)
        self.stuck = StuckSide(desk, self.shape, self.duties.proposals)
        levels = {route.name: route.core.capabilities.level for route in desk.routes}
        reopening = Reopening(desk.spool, desk.shelf, desk.clock, levels, self.duties.ending)
        inquiring = Inquiring({route.name: route.core for route in desk.routes}, desk.forwarders)
        acts = Acts(desk.spool, desk.shelf, desk.clock, desk.forwarders, reopening, unaskable=inquiring.obstacle)
        self.entries = EntriesSide(desk, meter, acts, self.duties)
        self.audit = AuditSide(desk)
        self.access = AccessSide(desk, meter, entrance)
        self.jobs = JobSide(desk, meter, acts, self.duties.proposals, self.looking.currency)
        self.keys = KeysSide(desk, meter)
        self.core_word = CoreWord(desk, meter)
        self.peers = PeerSide(desk)
        self.windows = WindowSide(desk, meter)
        self.telling = TellingSide(desk, meter)
        self.outages = OutageSide(desk)
        self.reports = ReportSide(desk)
        self.policies = PolicySide(desk, self.duties.proposals)
        self.accounts = AccountBook(desk, meter, desk.accounts)
