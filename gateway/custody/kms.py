"""A master in AWS KMS, by botocore (the extra `nightsafe[kms]`), whose calls run in a thread: there are few of them.

`Encrypt` and `Decrypt` with an encryption context, which KMS binds as associated data and writes into its own log. The
key is always named when something is opened: a wrapped key that another key of the account could open is none of ours.
"""

import asyncio
import functools
import importlib
from collections.abc import Callable
from typing import Any, Final

from gateway.custody.settings import KmsMasterSettings
from spool.errors import KeysUnfit, MasterUnreachable
from spool.wrapping import Wrapped

_PREFIX: Final = "kms:"
_AWAY: Final = frozenset(
    {
        "DependencyTimeoutException",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
    }
)
"""What KMS says when it will answer otherwise soon."""


class KmsMaster:
    """A `KeyProvider` over one symmetric key of KMS. KMS changes its material by itself, under the same ARN."""

    renewable: bool = False

    def __init__(self, settings: KmsMasterSettings) -> None:
        """Connects with the first request.

        Raises:
            KeysUnfit: the extra isn't installed.
        """
        self._settings = settings
        self.place: Final = f"the key {settings.key_id} of AWS KMS in {settings.region}"
        try:
            self._errors: Any = importlib.import_module("botocore.exceptions")
            self._session: Any = _session()
            self._configs: Any = importlib.import_module("botocore.config")
        except ImportError as error:
            raise KeysUnfit("AWS KMS needs a package more: pip install 'nightsafe[kms]'") from error
        self._client: Any = None
        #: The key's ARN, once KMS told.
        self._arn = settings.key_id if settings.key_id.startswith("arn:") and ":key/" in settings.key_id else ""

    def __repr__(self) -> str:
        return f"KmsMaster({self._settings.key_id})"

    async def wrap(self, key: bytes, context: bytes) -> Wrapped:
        """Have a key wrapped. Errors: see `KeyProvider.wrap`."""
        found = await self._ask(
            lambda client: client.encrypt(
                KeyId=self._settings.key_id, Plaintext=key, EncryptionContext=_context_of(context)
            )
        )
        self._arn = found["KeyId"]
        return Wrapped(_PREFIX + self._arn, found["CiphertextBlob"])

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """Have it opened. Errors: see `KeyProvider.unwrap`."""
        if not self._arn:
            await self.look()
        if not self.knows(wrapped.master):
            raise KeysUnfit(f"what {wrapped.master} wrapped is not for {self.place}")
        if not wrapped.blob:
            raise KeysUnfit(f"{self.place} is asked to open nothing: the key store was edited")
        found = await self._ask(
            lambda client: client.decrypt(
                KeyId=self._arn, CiphertextBlob=wrapped.blob, EncryptionContext=_context_of(context)
            )
        )
        key: bytes = found["Plaintext"]
        return key

    def knows(self, master: str) -> bool:
        """Is it this key's ARN?"""
        return bool(self._arn) and master == _PREFIX + self._arn

    def is_newest(self, master: str) -> bool:
        """One key has one name; until KMS told it, any is taken for it."""
        return not self._arn or self.knows(master)

    async def look(self) -> None:
        """Ask which key the id or alias means now. Needs `kms:DescribeKey`."""
        found = await self._ask(lambda client: client.describe_key(KeyId=self._settings.key_id))
        self._arn = found["KeyMetadata"]["Arn"]

    async def renew(self, now_us: int) -> None:
        """Not from here: KMS changes a key's material by itself, and a new key is made there."""
        raise KeysUnfit(f"{self.place} can't renew itself (at {now_us}); KMS rotates it, or make another key there")

    async def close(self) -> None:
        """Close connections."""
        if self._client is not None:
            await asyncio.to_thread(self._client.close)
            self._client = None

    async def _ask(self, call: Callable[[Any], Any]) -> Any:
        return await asyncio.to_thread(self._asked, call)

    def _asked(self, call: Callable[[Any], Any]) -> Any:
        """One request, in a thread; foreign errors end here."""
        errors = self._errors
        try:
            if self._client is None:
                self._client = self._connected()
            return call(self._client)
        except errors.ClientError as error:
            raise self._told(error) from None
        except (errors.NoCredentialsError, errors.PartialCredentialsError, errors.ParamValidationError) as error:
            raise KeysUnfit(f"{self.place} can't be asked: {type(error).__name__}") from None
        except errors.BotoCoreError as error:
            raise MasterUnreachable(f"{self.place} does not answer ({type(error).__name__})") from None

    def _told(self, error: Any) -> KeysUnfit:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in _AWAY or status >= 500:  # noqa: PLR2004 - the server's own trouble
            return MasterUnreachable(f"{self.place} can't answer now ({code or status})")
        return KeysUnfit(f"{self.place} refuses: {code or status}")

    def _connected(self) -> Any:
        settings = self._settings
        config = self._configs.Config(
            connect_timeout=settings.timeout_s, read_timeout=settings.timeout_s, retries={"total_max_attempts": 2}
        )
        return self._session.create_client(
            "kms", region_name=settings.region, endpoint_url=settings.endpoint_url or None, config=config
        )


@functools.cache
def _session() -> Any:
    """One for the process: it reads what AWS offers from files, which takes a second."""
    return importlib.import_module("botocore.session").get_session()


def _context_of(context: bytes) -> dict[str, str]:
    """KMS takes pairs of texts, none of them empty."""
    return {"nightsafe": context.decode() or "-"}
