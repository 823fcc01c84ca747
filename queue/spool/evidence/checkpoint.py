"""Signed heads of a log, in the form that witnesses of transparency logs read.

A checkpoint (C2SP tlog-checkpoint) is a text of three lines: the log's origin, its size, its root in base64. Signed, it is
a note (C2SP signed-note): the text, an empty line, and a line for each signature:

```
nightsafe.example/node-1/1
4217
n2lPCwSvBaBD8ZqVBVV9I6O0w4dLBrfEn9VT5sBWvVI=

— nightsafe.example/node-1/1 q7s0Hx0y...
```

A signature is Ed25519 (RFC 8032) over the text with its last newline, and is written as base64 of the key's four-byte id
and the 64 bytes. An origin ends in the spool's epoch, which each restore raises: what a restored spool goes on with is
another log.
"""

import base64
import binascii
import hashlib
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from spool.errors import KeysUnfit
from spool.private_file import read_private, write_private

NAME: Final = "evidence key"
"""What the file is called in messages."""

NOTE_BYTES_MAX: Final = 4096
"""Longer texts are no checkpoints of ours."""

_ED25519: Final = b"\1"
_SIGNATURE: Final = "— "


class NoteUnfit(Exception):
    """A text is no checkpoint, or isn't signed by the key; says which."""


class Checkpoint(msgspec.Struct, frozen=True):
    """A head of a log."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class CheckpointKey:
    """The key that signs a log's heads. Shows nothing of itself."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        """Sign with this."""
        self._private = private
        self.public: Final = private.public_key()

    def __repr__(self) -> str:
        return "CheckpointKey()"

    def pem(self) -> bytes:
        """All of it, for the file it is kept in."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, checkpoint: Checkpoint) -> str:
        """The note of a checkpoint."""
        text = checkpoint.text()
        signature = key_id(checkpoint.origin, self.public) + self._private.sign(text.encode())
        return f"{text}\n{_SIGNATURE}{checkpoint.origin} {base64.b64encode(signature).decode()}\n"


def key_id(origin: str, public: Ed25519PublicKey) -> bytes:
    """Four bytes by which a signature's line says whose it is."""
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(origin.encode() + b"\n" + _ED25519 + raw).digest()[:4]


def read_note(note: str, public: Ed25519PublicKey) -> Checkpoint:
    """The checkpoint of a note, if this key signed it.

    Raises:
        NoteUnfit: it is none, or the key didn't.
    """
    text, empty, signatures = note.partition("\n\n")
    checkpoint = read_text(text + "\n")
    if not empty:
        raise NoteUnfit("the checkpoint is not signed")
    start = f"{_SIGNATURE}{checkpoint.origin} "
    for line in signatures.splitlines():
        if line.startswith(start) and _is_signed(checkpoint, line.removeprefix(start), public):
            return checkpoint
    raise NoteUnfit("the checkpoint is not signed by this key")


def read_text(text: str) -> Checkpoint:
    """The checkpoint in a note's text.

    Raises:
        NoteUnfit: it is none.
    """
    lines = text.splitlines()
    if len(text) > NOTE_BYTES_MAX or len(lines) < 3 or not lines[1].isdecimal():  # noqa: PLR2004 - origin, size, root
        raise NoteUnfit("this is no checkpoint")
    try:
        checkpoint = Checkpoint(lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True))
    except binascii.Error:
        raise NoteUnfit("the checkpoint's root is no base64") from None
    if checkpoint.text() != text:
        raise NoteUnfit("the checkpoint isn't written as one of ours")
    return checkpoint


def _is_signed(checkpoint: Checkpoint, signature: str, public: Ed25519PublicKey) -> bool:
    try:
        signed = base64.b64decode(signature, validate=True)
        public.verify(signed[4:], checkpoint.text().encode())
    except (binascii.Error, InvalidSignature):
        return False
    return signed[:4] == key_id(checkpoint.origin, public)


# Its files


def make_checkpoint_key(path: Path) -> CheckpointKey:
    """Write a new key, readable by its owner alone, and its public half beside it, as `<name>.pub`, for everybody.

    Raises:
        KeysUnfit: there is something at either place, or it can't be written.
    """
    key = CheckpointKey(Ed25519PrivateKey.generate())
    write_private(path, key.pem(), NAME)
    write_private(public_path(path), public_pem(key.public), "public evidence key")
    public_path(path).chmod(0o644)
    return key


def read_checkpoint_key(path: Path) -> CheckpointKey:
    """The key in a file.

    Raises:
        KeysUnfit: the file is missing, open to others, or holds no such key.
    """
    content = read_private(path, NAME, "put it back from where keys are kept, or make one with: nightsafe evidence key")
    try:
        private = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeysUnfit(f"the {NAME} {path} is no private key in PEM; restore it") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeysUnfit(f"the {NAME} {path} is no Ed25519 key; restore it")
    return CheckpointKey(private)


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The public half in a file.

    Raises:
        KeysUnfit: the file is missing or holds no such key.
    """
    try:
        public = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise KeysUnfit(f"the public evidence key {path} can't be read: {error.strerror}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeysUnfit(f"{path} is no public key in PEM") from None
    if not isinstance(public, Ed25519PublicKey):
        raise KeysUnfit(f"{path} is no Ed25519 key")
    return public


def public_path(path: Path) -> Path:
    """Where the public half of a key stands."""
    return path.with_name(path.name + ".pub")


def public_pem(public: Ed25519PublicKey) -> bytes:
    """The public half, as openssl reads it."""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
