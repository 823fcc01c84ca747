"""Signed heads: what openssl and other people's witnesses read, and what is refused."""

import base64
import subprocess
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spool.errors import KeysUnfit
from spool.evidence.checkpoint import (
    Checkpoint,
    CheckpointKey,
    NoteUnfit,
    make_checkpoint_key,
    public_path,
    read_checkpoint_key,
    read_note,
    read_public_key,
    read_text,
)
from spool.evidence.tree import EMPTY_ROOT

HEAD: Final = Checkpoint("nightsafe.example/node-1/1", 4217, EMPTY_ROOT)


SIGNATURE: Final = "56r26Fai1nFTKdmeOTIhZO4ktDgwuoOtewHzNX7waLVgio94wJCxrFpN2q/gL6PiPQqL0WY9DHAlbxdkpSzdSrCtmQY="


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A key's file."""
    make_checkpoint_key(tmp_path / "evidence.key")
    return tmp_path / "evidence.key"


def test_a_note_is_read_by_its_public_key(file: Path) -> None:
    """And says what was signed."""
    note = read_checkpoint_key(file).sign(HEAD)

    assert read_note(note, read_public_key(public_path(file))) == HEAD
    assert note.startswith(
        "nightsafe.example/node-1/1\n4217\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— nightsafe"
    )


def test_the_known_key_makes_the_known_signature() -> None:
    """RFC 8032, 7.1, test 1's key, over our text: the same bytes for ever, as witnesses keep them."""
    private = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )

    note = CheckpointKey(private).sign(HEAD)

    assert note.split(" ")[-1] == SIGNATURE + "\n"


def test_openssl_checks_the_signature(file: Path, tmp_path: Path) -> None:
    """Whoever doubts our program uses another."""
    note = read_checkpoint_key(file).sign(HEAD)
    text, _, signature = note.partition("\n\n")
    (tmp_path / "text").write_text(text + "\n")
    (tmp_path / "signature").write_bytes(base64.b64decode(signature.split(" ")[-1])[4:])

    told = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public_path(file), "-rawin",  # noqa: S607 - the system's own
         "-in", tmp_path / "text", "-sigfile", tmp_path / "signature"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (told.returncode, told.stdout.strip()) == (0, "Signature Verified Successfully")


def test_what_was_changed_or_signed_by_others_is_refused(file: Path, tmp_path: Path) -> None:
    """A witness that could be told anything would be none."""
    key = read_checkpoint_key(file)
    other = make_checkpoint_key(tmp_path / "other.key")
    note = key.sign(HEAD)
    unfit = [
        note.replace("4217", "4218"),
        other.sign(HEAD),
        HEAD.text(),
        HEAD.text().rstrip("\n"),
        HEAD.text() + "\n",
        note.replace("— nightsafe", "— nightwatch"),
        note[:-8] + "\n",
        note[:-8] + "!\n",
    ]

    for each in unfit:
        with pytest.raises(NoteUnfit):
            read_note(each, key.public)


@pytest.mark.parametrize(
    "text",
    ["", "a\n1\n", "a\n-1\nAAAA\n", "a\n1\n????\n", "a\n01\nAAAA\n", "a\n1\nAAAA\nmore\n", "a\n1\nAAAA\n" + "x" * 5000],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """Whatever a witness gives back."""
    with pytest.raises(NoteUnfit):
        read_text(text)


def test_a_key_is_its_owners_alone_and_is_never_overwritten(file: Path) -> None:
    """The public half is for everybody."""
    assert file.stat().st_mode & 0o777 == 0o600
    assert public_path(file).stat().st_mode & 0o777 == 0o644
    with pytest.raises(KeysUnfit, match="exists already"):
        make_checkpoint_key(file)
    file.chmod(0o644)
    with pytest.raises(KeysUnfit, match="chmod 600"):
        read_checkpoint_key(file)


def test_a_key_shows_nothing_of_itself(file: Path) -> None:
    """Not even in a traceback."""
    assert repr(read_checkpoint_key(file)) == "CheckpointKey()"


EC: Final = generate_private_key(SECP256R1())
EC_PEM: Final = EC.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
EC_PUBLIC_PEM: Final = EC.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


@pytest.mark.parametrize(("content", "match"), [(b"no key", "no private key"), (EC_PEM, "no Ed25519 key")])
def test_what_holds_no_such_private_key_is_refused(tmp_path: Path, content: bytes, match: str) -> None:
    """With words that say what to do."""
    file = tmp_path / "evidence.key"
    file.touch(0o600)
    file.write_bytes(content)

    with pytest.raises(KeysUnfit, match=match):
        read_checkpoint_key(file)


@pytest.mark.parametrize(("content", "match"), [(b"no key", "no public key"), (EC_PUBLIC_PEM, "no Ed25519 key")])
def test_what_holds_no_such_public_key_is_refused(tmp_path: Path, content: bytes, match: str) -> None:
    """The same of the other half."""
    file = tmp_path / "evidence.key.pub"
    file.write_bytes(content)

    with pytest.raises(KeysUnfit, match=match):
        read_public_key(file)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """And how to make it."""
    with pytest.raises(KeysUnfit, match="nightsafe evidence key"):
        read_checkpoint_key(tmp_path / "evidence.key")
    with pytest.raises(KeysUnfit, match="can't be read"):
        read_public_key(tmp_path / "evidence.key.pub")
