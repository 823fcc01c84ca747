"""Completion of verbs and options in shells, by typer's own scripts."""

import sys
from typing import Final

from typer import completion

from gateway.cli.exits import Exit, Failure

PROGRAM: Final = "nightsafe"
ASKED: Final = "_NIGHTSAFE_COMPLETE"
"""Set by the script when the shell asks what may come next."""

SHELLS: Final = ("bash", "zsh", "fish")

get_ready: Final = completion.completion_init  # type: ignore[attr-defined]  # pyright: ignore[reportPrivateImportUsage]  # there is no other door
"""Have the command answer such questions."""


def script(shell: str) -> int:
    """Print the script of a shell.

    Raises:
        Failure: there is none for it.
    """
    if shell not in SHELLS:
        raise Failure(f"there is completion for: {', '.join(SHELLS)}", Exit.UNFIT)
    told = {"prog_name": PROGRAM, "complete_var": ASKED, "shell": shell}
    made: str = completion.get_completion_script(**told)  # type: ignore[attr-defined]  # pyright: ignore[reportPrivateImportUsage]  # as above
    sys.stdout.write(made + "\n")
    return Exit.DONE
