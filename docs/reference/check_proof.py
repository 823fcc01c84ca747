# ruff: noqa: INP001 - a page by itself, to be copied from here
"""Checks a payment's proof. One page, nothing of Nightsafe's in it, so that a stranger may read it and run it alone.

    python check_proof.py proof.json evidence.key.pub

It needs Python and `cryptography`. It shows what the signed log says happened to the payment, and exits with 0 if every
line of that is in the log whose head the key has signed; else with 1, and says what doesn't fit.

The head is a C2SP tlog-checkpoint; the log is a Merkle tree as in RFC 9162, 2.1.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def head_of(note: str, key: Ed25519PublicKey) -> tuple[str, int, bytes]:
    """Origin, size and root of a signed head; raises when the key didn't sign it."""
    text, _, signatures = note.partition("\n\n")
    origin, size, root = text.split("\n")[:3]
    for line in signatures.splitlines():
        signature = base64.b64decode(line.rsplit(" ", 1)[-1])
        try:
            key.verify(signature[4:], (text + "\n").encode())
        except InvalidSignature:
            continue
        return origin, int(size), base64.b64decode(root)
    raise ValueError("the checkpoint is not signed by this key")


def root_from(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root a path leads to (RFC 9162, 2.1.3.2); empty when it leads nowhere."""
    at, last, root = index, size - 1, hashlib.sha256(b"\0" + leaf).digest()
    for step in path:
        if last == 0:
            return b""
        if at % 2 or at == last:
            root = hashlib.sha256(b"\1" + step + root).digest()
            while at % 2 == 0 and at:
                at, last = at // 2, last // 2
        else:
            root = hashlib.sha256(b"\1" + root + step).digest()
        at, last = at // 2, last // 2
    return root if last == 0 else b""


def check(proof: dict[str, Any], key: Ed25519PublicKey) -> list[str]:
    """What happened, line by line; raises when something of it isn't proven."""
    origin, size, root = head_of(proof["checkpoint"], key)
    told = [f"payment {proof['number']}, by the log {origin} of {size} events"]
    state, before = "", -1
    for event in proof["events"]:
        index, leaf = int(event["index"]), event["leaf"].encode()
        path = [bytes.fromhex(step) for step in event["path"]]
        if not before < index < size or root_from(index, size, leaf, path) != root:
            raise ValueError(f"event {index} is not in the log")
        said = json.loads(leaf)
        if str(said["number"]) != proof["number"]:
            raise ValueError(f"event {index} is about another payment")
        adopted = said.get("move") == "adopt"  # from before there was a log: taken in as it was found
        if (said["event"] == "accepted") is (before >= 0) or (said.get("source", state) != state and not adopted):
            raise ValueError(f"event {index} does not follow the one before it")
        state, before = said.get("target") or said["state"], index
        told.append(f"  event {index}: {leaf.decode()}")
    if before < 0:
        raise ValueError("it proves nothing")
    return [*told, f"so at that head it is {state}"]


def main() -> int:
    """Check the proof in the first file with the key in the second."""
    key = load_pem_public_key(Path(sys.argv[2]).read_bytes())
    assert isinstance(key, Ed25519PublicKey), "the key is an Ed25519 key"
    try:
        sys.stdout.write("\n".join(check(json.loads(Path(sys.argv[1]).read_text("utf-8")), key)) + "\n")
    except (ValueError, KeyError, TypeError) as error:
        sys.stdout.write(f"NOT PROVEN: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
