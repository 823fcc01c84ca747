"""The verbs for bearer tokens: drawn, and hashed for the configuration. None of them asks the service."""

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, get_args

from adapters.channels.json_headers import token_digest
from gateway.admin.access.settings import Role
from gateway.cli.exits import Exit, Failure
from gateway.cli.verbs import US, seconds_of
from gateway.clock import SystemClock
from gateway.config.advice import NAME_PATTERN
from gateway.config.init import make_token
from gateway.config.toml import toml_key

TOKEN_CHARS_MIN: Final = 20
"""A shorter token was made up by a person, and its plain hash gives it away."""

ROLES: Final = tuple(role for role in get_args(Role) if role != "core")
"""Roles of persons; a core's team is written into the configuration with its cores."""


def digest_of(file: Path | None) -> int:
    """Print a token's hash.

    Raises:
        Failure: it can't be read, or is no token.
    """
    try:
        text = file.read_text(encoding="ascii") if file else sys.stdin.readline()
        token = text.removesuffix("\n")
        digest = token_digest(token)
    except (OSError, UnicodeError) as error:
        raise Failure("the token can't be read: it is one line of ASCII", Exit.UNFIT) from error
    if len(token) < TOKEN_CHARS_MIN or not token.isprintable() or " " in token:
        raise Failure(f"a token is drawn at random: {TOKEN_CHARS_MIN} visible characters or more", Exit.UNFIT)
    sys.stdout.write(digest + "\n")
    return Exit.DONE


def make(name: str, role: str, lasts: str, file: Path | None) -> int:
    """Draw a token for a name, write it to a file of its own, and print what the configuration holds of it.

    Raises:
        Failure: the name or the role is none, or there is such a file already.
    """
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise Failure("a name has lower-case letters, digits, - and _, a letter first, at most 32", Exit.UNFIT)
    if role not in ROLES:
        raise Failure(f"a role is one of: {', '.join(ROLES)}", Exit.UNFIT)
    clock, path = SystemClock(), file or Path(f"{name}.token")
    now = datetime.fromtimestamp(clock.now_us() // US, UTC)
    try:
        token = make_token(path, clock)
    except FileExistsError as error:
        raise Failure(f"{path} is there already: nothing is written over", Exit.UNFIT) from error
    except OSError as error:
        raise Failure(f"{path} can't be written: {error.strerror}", Exit.UNFIT) from error
    ends = (now + timedelta(seconds=seconds_of(lasts))).strftime("%Y-%m-%dT%H:%M:%SZ")
    sys.stderr.write(f"the token is in {path}; give it to nobody but {name}. In the configuration:\n")
    sys.stdout.write(f'[admin.tokens.{toml_key(name)}]\nrole = "{role}"\n')
    sys.stdout.write(f'sha256 = "{token_digest(token)}"\nexpires = {ends}\n')
    return Exit.DONE
