"""The admin side's problem details (RFC 9457): one table from a code to its status and title."""

import enum
from typing import Final

import msgspec

CONTENT_TYPE: Final = "application/problem+json"
URN: Final = "urn:nightsafe:admin:"


class Code(enum.Enum):
    """Every problem there is: status and title."""

    INVALID = (400, "The request can't be understood")
    UNAUTHORISED = (401, "A known bearer token is needed")
    FORBIDDEN = (403, "Not allowed to this role")
    FOREIGN_FORM = (403, "The form is not of this session: load the page again")
    NO_SUCH_PATH = (404, "No such resource")
    NO_SUCH_ENTRY = (404, "No such entry")
    NO_SUCH_ROUTE = (404, "No such route")
    NO_SUCH_CORE = (404, "No such core, or not this token's")
    NO_SUCH_WINDOW = (404, "No such window")
    NO_SUCH_JOB = (404, "No such job")
    NO_SUCH_OUTAGE = (404, "No such outage, or its report made room for newer ones")
    NO_SUCH_SINK = (404, "No such sink")
    NO_SUCH_PROPOSAL = (404, "No such proposal")
    NO_SUCH_PEER = (404, "No such peer, or not this token's")
    METHOD = (405, "The resource has no such method")
    WRONG_STATE = (409, "The entry is not in a state this can be done from")
    CHANGED = (409, "The entry changed meanwhile: look again")
    OPERATORS_WORD = (409, "An operator's word about the route stands: talk to each other")
    UNDECIDABLE = (409, "This can't be done now")
    KEYS_REFUSED = (409, "The keys stay as they are")
    KEYS_CHANGED = (409, "Somebody else changed the keys meanwhile: look again")
    UNDER_WAY = (409, "The same is under way already")
    GOES_BACK = (409, "A checkpoint that goes further is kept")
    FILE_UNFIT = (409, "The configuration has faults: who may come in stays as it was")
    NO_GAP = (409, "Nothing that was witnessed is missing, or it was accepted already")
    CONTENT_GONE = (410, "Its content does not open: destroyed with its key, or damaged")
    SLOWED = (429, "Too many unknown tokens came from there: wait")
    INTERNAL = (500, "A fault of the service; its log says more")
    CLOSED = (503, "The spool takes nothing now: nothing was done")
    MASTER_AWAY = (503, "The master key can't be asked now: nothing was done")
    ISSUER_AWAY = (503, "Who signed the token can't be asked for its keys now")
    UNCERTAIN = (503, "Nobody knows whether it was done: look before asking again")

    def __init__(self, status: int, title: str) -> None:
        self.status = status
        self.title = title

    @property
    def word(self) -> str:
        """The code as programs read it."""
        return self.name.lower()


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as told. Nothing of a request is echoed."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""


class Trouble(Exception):
    """A request that gets a problem for an answer."""

    def __init__(self, code: Code, detail: str = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail or code.title)
        self.code = code
        self.detail = detail
        self.headers = headers or {}

    @property
    def problem(self) -> Problem:
        """The body of the answer."""
        code = self.code
        return Problem(type=URN + code.word, title=code.title, status=code.status, code=code.word, detail=self.detail)
