"""How the command ends: codes for programs, sentences for people."""

import enum


class Exit(enum.IntEnum):
    """Exit codes, the same for every verb."""

    DONE = 0
    """As asked; the answer is yes."""
    NO = 1
    """The answer is no: verification found something off, nothing was found, something did not change."""
    UNFIT = 2
    """The command line or the configuration has faults."""
    CANNOT_START = 3
    """The service can't start: the spool is held or unfit, the key is not the spool's, a port is in use."""
    NOT_REACHED = 4
    """The service isn't running, can't be reached, or doesn't let us in."""


CODES = """Exit codes: 0 as asked; 1 the answer is no (something is off, not found, or did not change);
2 the command line or the configuration has faults; 3 the service can't start; 4 it can't be reached, or says no."""
"""For the help."""


class Failure(Exception):
    """The command ends here, with a sentence that says what to mend."""

    def __init__(self, sentence: str, code: Exit) -> None:
        super().__init__(sentence)
        self.exit = code
