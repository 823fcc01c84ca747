"""Secrets come by reference, from a file or the environment, and never show themselves."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class SecretMissing(ValueError):
    """The file or variable a secret is said to be in isn't there."""


class SecretRef(BaseModel):
    """Where a secret is: `{ file = "/run/credentials/token" }` or `{ env = "BILLING_TOKEN" }`; never its text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[Path | None, Field(description="File holding the secret; one trailing newline is dropped.")] = None
    env: Annotated[str | None, Field(description="Environment variable holding the secret.")] = None

    @model_validator(mode="before")
    @classmethod
    def _by_reference_only(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError('a secret is never written here: use { file = "path" } or { env = "NAME" }')  # noqa: TRY004 - pydantic turns ValueError into a fault of the file
        return value

    @model_validator(mode="after")
    def _one_place(self) -> "SecretRef":
        if (self.file is None) == (self.env is None):
            raise ValueError('name one place: { file = "path" } or { env = "NAME" }')
        return self

    def read(self) -> SecretStr:
        """The secret itself.

        Raises:
            SecretMissing: there is no such file or variable, or it is empty; the message says which.
        """
        if self.file is not None:
            try:
                text = self.file.read_text(encoding="utf-8").removesuffix("\n")
            except OSError as error:
                raise SecretMissing(f"secret file {self.file}: {error.strerror}") from error
            where = f"secret file {self.file}"
        else:
            text = os.environ.get(self.env or "", "")
            where = f"environment variable {self.env}"
        if not text:
            raise SecretMissing(f"{where} is empty or not set")
        return SecretStr(text)
