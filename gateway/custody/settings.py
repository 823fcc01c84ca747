"""What an operator says of keys: `[keys]`, and one table for each kind of place a master key may be kept in."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.secret import SecretRef

SETTINGS: Final = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)

TimeoutS = Annotated[float, Field(gt=0, le=60, description="Seconds one request to it may take.")]

RECORDS_MAX: Final = 2**28
"""Records under one data key, far below the 2^32 that random nonces allow (NIST SP 800-38D, 8.3)."""


class FileMasterSettings(BaseModel):
    """A key file of its owner alone (mode 0600), made by `nightsafe init`."""

    model_config = SETTINGS

    provider: Annotated[Literal["file"], Field(description="A key file.")] = "file"
    file: Annotated[
        Path | None, Field(strict=False, description="The key file; without it the one that [spool] names.")
    ] = None


class EnvironmentMasterSettings(BaseModel):
    """An environment variable with 32 bytes in base64; several are parted by spaces or lines, the newest last."""

    model_config = SETTINGS

    provider: Annotated[Literal["environment"], Field(description="An environment variable.")]
    variable: Annotated[
        str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$", description="Its name.", examples=["NIGHTSAFE_MASTER"])
    ]


class SystemdMasterSettings(BaseModel):
    """A credential that systemd hands over (`LoadCredentialEncrypted=`), with the same text as a variable has."""

    model_config = SETTINGS

    provider: Annotated[Literal["systemd"], Field(description="A credential of systemd.")]
    credential: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_.-]{1,100}$",
            description="Its name, a file in $CREDENTIALS_DIRECTORY.",
            examples=["nightsafe-master"],
        ),
    ]


class VaultMasterSettings(BaseModel):
    """A key of HashiCorp Vault's transit engine, of a type that takes associated data (aes256-gcm96)."""

    model_config = SETTINGS

    provider: Annotated[Literal["vault"], Field(description="HashiCorp Vault, transit engine.")]
    url: Annotated[
        str, Field(pattern=r"^https?://[^\s/@]+$", description="Its address.", examples=["https://vault.example:8200"])
    ]
    key: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$", description="Name of the key.", examples=["nightsafe"])
    ]
    token: Annotated[
        SecretRef,
        Field(
            description="Where the token is, read anew for each request, so an agent may renew it.",
            examples=[{"file": "/run/nightsafe/vault.token"}],
        ),
    ]
    mount: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_./-]{1,100}$", description="Where the transit engine is mounted.")
    ] = "transit"
    namespace: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_./-]{0,100}$", description="Its namespace; empty = none.")
    ] = ""
    tls_ca_file: Annotated[
        Path | None, Field(strict=False, description="Certificates (PEM) to trust instead of the system's.")
    ] = None
    timeout_s: TimeoutS = 5.0


class KmsMasterSettings(BaseModel):
    """A symmetric key of AWS KMS; needs the extra `nightsafe[kms]`. Credentials come the way AWS's own tools find them."""

    model_config = SETTINGS

    provider: Annotated[Literal["kms"], Field(description="AWS KMS.")]
    key_id: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            description="Id or ARN of the key, or an alias.",
            examples=["alias/nightsafe"],
        ),
    ]
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,50}$", description="Its region.", examples=["eu-central-1"])]
    endpoint_url: Annotated[
        str, Field(pattern=r"^(https?://[^\s@]+)?$", description="Another address than AWS's own; empty = AWS's.")
    ] = ""
    timeout_s: TimeoutS = 5.0


class Pkcs11MasterSettings(BaseModel):
    """An AES-256 key in a token that gives it to nobody (HSM); needs the extra `nightsafe[pkcs11]`."""

    model_config = SETTINGS

    provider: Annotated[Literal["pkcs11"], Field(description="A token that speaks PKCS#11.")]
    module: Annotated[
        Path,
        Field(
            strict=False,
            description="The vendor's library.",
            examples=["/usr/lib/softhsm/libsofthsm2.so"],
        ),
    ]
    token: Annotated[str, Field(min_length=1, max_length=32, description="The token's label.", examples=["nightsafe"])]
    key: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            description="The key's label; of several with it, each opens and the one with the highest id wraps.",
            examples=["master"],
        ),
    ]
    pin: Annotated[
        SecretRef,
        Field(description="Where the user's PIN is.", examples=[{"file": "/run/credentials/nightsafe.service/pin"}]),
    ]


MasterSettings = Annotated[
    FileMasterSettings
    | EnvironmentMasterSettings
    | SystemdMasterSettings
    | VaultMasterSettings
    | KmsMasterSettings
    | Pkcs11MasterSettings,
    Field(discriminator="provider"),
]
"""One place of a master key, told apart by `provider`."""


class KeysSettings(BaseModel):
    """Keys: who keeps the master, and how long data keys live: `[keys]`."""

    model_config = SETTINGS

    store_file: Annotated[
        Path | None,
        Field(
            strict=False,
            description=(
                "The key store: data keys, wrapped by the master, changed by the service each day. Backed up apart from"
                " the spool. Without it, beside spool.key_file, with .store at its end."
            ),
        ),
    ] = None
    store_url: Annotated[
        SecretRef | None,
        Field(
            description=(
                "Where the URL is of a PostgreSQL database that keeps the key store in the place of any file, for"
                " several nodes. With the engine postgres, and neither a file nor this, it is in the spool's own database: then a"
                " destroyed key lives on in that one's backups."
            ),
            examples=[{"file": "/run/credentials/nightsafe.service/keys-database"}],
        ),
    ] = None
    master: Annotated[MasterSettings, Field(description="Who keeps the master key.")] = FileMasterSettings()
    former: Annotated[
        list[MasterSettings],
        Field(
            max_length=10,
            description="Where masters were kept before: asked only to open what they wrapped, which is then wrapped anew.",
        ),
    ] = []
    data_key_records_max: Annotated[
        int,
        Field(
            ge=1000,
            le=RECORDS_MAX,
            description="Records sealed under one data key, after which another is made; a new day makes one too.",
        ),
    ] = RECORDS_MAX
    retention_days: Annotated[
        int,
        Field(
            ge=0,
            le=36_500,
            description=(
                "Days after the last change of a day's payments, when none waits any more, until their content is made"
                " unreadable by destroying the day's key; 0 = never. Amounts, states and history stay."
            ),
        ),
    ] = 0
    reseal_per_s: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="Most records a second that are sealed anew under another key, in the background, once a custodian asks.",
        ),
    ] = 500
    check_s: Annotated[
        float,
        Field(ge=1, le=3600, description="Seconds between two looks whether the master can be asked, and what is due."),
    ] = 60.0
