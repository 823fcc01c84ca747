"""The admin side's parts, joined: each answers about one thing."""

from gateway.admin.account_book import AccountBook
from gateway.admin.acts import Acts
from gateway.admin.audit_side import AuditSide
from gateway.admin.core_word import CoreWord
from gateway.admin.desk import Desk
from gateway.admin.duties import Duties
from gateway.admin.entries_side import EntriesSide
from gateway.admin.house_side import HouseSide
from gateway.admin.job_side import JobSide
from gateway.admin.keys import KeysSide
from gateway.admin.looking import Looking
from gateway.admin.metrics import AdminMeter
from gateway.admin.outage_side import OutageSide
from gateway.admin.peer_side import PeerSide
from gateway.admin.policy_side import PolicySide
from gateway.admin.shape import Shape
from gateway.admin.stuck_side import StuckSide
from gateway.admin.telling_side import TellingSide
from gateway.admin.window_side import WindowSide


class Parts:
    """Who answers."""

    def __init__(self, desk: Desk, meter: AdminMeter) -> None:
        """Answer about, and steer, what is on the desk."""
        self.duties = Duties(desk, meter)
        self.house = HouseSide(desk, meter, self.duties.proposals)
        self.looking = Looking(desk)
        self.shape = Shape(desk)
        self.stuck = StuckSide(desk, self.shape, self.duties.proposals)
        acts = Acts(desk.spool, desk.shelf, desk.clock, desk.forwarders)
        self.entries = EntriesSide(desk, meter, acts, self.duties)
        self.audit = AuditSide(desk)
        self.jobs = JobSide(desk, meter, acts, self.duties.proposals, self.looking.currency)
        self.keys = KeysSide(desk, meter)
        self.core_word = CoreWord(desk, meter)
        self.peers = PeerSide(desk)
        self.windows = WindowSide(desk, meter)
        self.telling = TellingSide(desk, meter)
        self.outages = OutageSide(desk)
        self.policies = PolicySide(desk, self.duties.proposals)
        self.accounts = AccountBook(desk, meter, desk.accounts)
