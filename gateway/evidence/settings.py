"""What an operator may set about evidence."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from adapters.secret import SecretRef

SETTINGS = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)

ORIGIN_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._/-]*$"

PeerName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]

FilePath = Annotated[Path, Field(strict=False, examples=["/mnt/elsewhere/nightsafe.checkpoint"])]


class WebhookSettings(BaseModel):
    """A witness that is told over HTTP: `[evidence.webhooks.<name>]`."""

    model_config = SETTINGS

    url: Annotated[
        str,
        Field(
            pattern=r"^https?://[^\s]+$",
            max_length=2000,
            description="Where checkpoints are sent, by POST, as text; any 2xx says that it was kept.",
            examples=["https://witness.example/nightsafe"],
        ),
    ]
    token: Annotated[SecretRef | None, Field(description="A bearer token to send along.")] = None
    asked: Annotated[
        bool,
        Field(
            description=(
                "The same address answers GET with the newest checkpoint it kept, as another Nightsafe does: it is asked when"
                " the service starts, and by verify."
            )
        ),
    ] = False
    tls_ca_file: Annotated[
        Path | None, Field(strict=False, description="Certificates (PEM) to trust instead of the system's.")
    ] = None


class PeerSettings(BaseModel):
    """Another installation, whose checkpoints are kept here: `[evidence.peers.<name>]`."""

    model_config = SETTINGS

    origin: Annotated[
        str,
        Field(
            pattern=ORIGIN_PATTERN,
            max_length=200,
            description="Its log's name: its evidence.origin, or else its node's name.",
            examples=["nightsafe.example/node-2"],
        ),
    ]
    public_key_file: Annotated[
        Path,
        Field(
            strict=False,
            description="The public half of its evidence key (PEM): what it didn't sign is not kept.",
            examples=["/etc/nightsafe/node-2.evidence.pub"],
        ),
    ]


class EvidenceSettings(BaseModel):
    """Signed heads of the log, and who keeps them: `[evidence]`.

    The log itself is always kept. Without a key nothing is signed, and a spool that is put back to an older copy can't be
    told from one that never went on.
    """

    model_config = SETTINGS

    key_file: Annotated[
        Path | None,
        Field(
            strict=False,
            description=(
                "The Ed25519 key that signs checkpoints; mode 0600, made by `nightsafe init` or `nightsafe evidence key`."
                " Its public half stands beside it, for whoever checks."
            ),
            examples=["var/keys/evidence.key"],
        ),
    ] = None
    origin: Annotated[
        str,
        Field(
            pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._/-]*$",
            max_length=200,
            description="The log's name in checkpoints, like a URL without its scheme; empty takes the node's name.",
            examples=["nightsafe.example/node-1"],
        ),
    ] = ""
    checkpoint_every_s: Annotated[
        float,
        Field(
            ge=1,
            le=86_400,
            description="Seconds between checkpoints, when anything happened; routes that open or close have one at once.",
        ),
    ] = 60.0
    audit_every_s: Annotated[
        float,
        Field(
            ge=0,
            le=31_622_400,
            description=(
                "Seconds between audits in the background, the first when the service starts; entries that something speaks"
                " against are quarantined. 0: none."
            ),
        ),
    ] = 86_400.0
    witness_timeout_s: Annotated[
        float, Field(ge=0.1, le=300, description="Seconds a witness may take; nobody but its checkpoint waits for it.")
    ] = 10.0
    witness_files: Annotated[
        list[FilePath],
        Field(
            max_length=8,
            description="Files that keep the newest checkpoint; on another machine's disk, out of reach of whoever has the spool.",
        ),
    ] = []
    webhooks: Annotated[
        dict[str, WebhookSettings], Field(max_length=8, description="Witnesses told over HTTP, by name.")
    ] = {}
    peers: Annotated[
        dict[PeerName, PeerSettings],
        Field(max_length=32, description="Other installations that this one is a witness of, by name."),
    ] = {}
    to_log: Annotated[bool, Field(description="Write each checkpoint into the service's log as well.")] = True
