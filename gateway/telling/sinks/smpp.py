"""SMS by SMPP 3.4, over smpplib. The only module that knows it.

It blocks, so a letter is sent in a thread: connect, bind as transmitter, submit each part to each number and wait for its
answer, unbind. What it logs are bytes of messages, so it is silenced.
"""

import asyncio
import importlib
import logging
from collections.abc import Iterator
from typing import Any, Final

from adapters.secret import SecretMissing
from gateway.clock import Clock
from gateway.telling.letter import Letter
from gateway.telling.settings import SmppSinkSettings
from gateway.telling.sink import NotTold, Undeliverable, raise_worst
from gateway.telling.sinks.sms_text import Sms, sms_of

_LIBRARY: Final[Any] = importlib.import_module("smpplib.client")
_ERRORS: Final[Any] = importlib.import_module("smpplib.exceptions")

_LOGGER: Final = "gateway.telling.smpp"
_UDHI: Final = 0x40
"""esm_class: the text begins with a header (SMPP 3.4, 5.2.12)."""

_INTERNATIONAL, _NATIONAL, _ALPHANUMERIC = 1, 0, 5
_ISDN: Final = 1
_BAD_ADDRESS: Final = frozenset({0x0B, 0x50, 0x51, 0x42, 0x48, 0x49})
"""The destination, by its number or kind, is none (SMPP 3.4, 5.1.3): another try changes nothing."""


class SmppSink:
    """An SMS centre."""

    def __init__(self, settings: SmppSinkSettings, clock: Clock) -> None:
        """Send by the one of these settings; `clock` draws the numbers that join parts."""
        self._settings = settings
        self._clock = clock
        logging.getLogger(_LOGGER).disabled = True

    async def send(self, letter: Letter) -> None:
        """See `Sink`."""
        settings = self._settings
        try:
            password = settings.password.read().get_secret_value()
        except SecretMissing:
            raise NotTold("its password can't be read") from None
        sms = sms_of(letter.short, settings.parts_max)
        to = tuple(letter.to or settings.to)
        await asyncio.to_thread(self._submit, password, sms, to, self._clock.chance(8))

    def _submit(self, password: str, sms: Sms, to: tuple[str, ...], reference: int) -> None:
        settings = self._settings
        client = _LIBRARY.Client(
            settings.host,
            settings.port,
            timeout=settings.pace.timeout_s,
            logger_name=_LOGGER,
            allow_unknown_opt_params=True,
        )
        try:
            client.connect()
            client.bind_transmitter(system_id=settings.system_id, password=password)
            failures = [failure for number in to if (failure := self._submit_to(client, number, sms, reference))]
            client.unbind()
        except _ERRORS.PDUError as error:
            raise _meaning(error) from None
        except (_ERRORS.ConnectionError, OSError) as error:
            raise NotTold(f"the centre can't be reached ({type(error).__name__})") from None
        finally:
            client.disconnect()
        raise_worst(failures)

    def _submit_to(self, client: Any, number: str, sms: Sms, reference: int) -> Exception | None:
        """One number that is refused keeps it from no other."""
        try:
            for part in joined(sms, reference):
                self._submit_one(client, part, sms, number)
        except _ERRORS.PDUError as error:
            return _meaning(error)
        return None

    def _submit_one(self, client: Any, part: bytes, sms: Sms, number: str) -> None:
        source_ton, source = kind_of(self._settings.sender)
        ton, destination = kind_of(number)
        sent = client.send_message(
            source_addr_ton=source_ton,
            source_addr_npi=_ISDN if source_ton != _ALPHANUMERIC else 0,
            source_addr=source,
            dest_addr_ton=ton,
            dest_addr_npi=_ISDN,
            destination_addr=destination,
            short_message=part,
            data_coding=sms.coding,
            esm_class=_UDHI if len(sms.parts) > 1 else 0,
        )
        while True:
            answer = client.read_pdu()
            if answer.sequence == sent.sequence and answer.command in {"submit_sm_resp", "generic_nack"}:
                if answer.is_error():
                    client.error_pdu_handler(answer)
                return

    async def close(self) -> None:
        """Nothing stays open."""


def joined(sms: Sms, reference: int) -> Iterator[bytes]:
    """The parts with the header that joins them (TS 23.040, 9.2.3.24.1), where there are several."""
    if len(sms.parts) == 1:
        yield sms.parts[0]
        return
    for number, part in enumerate(sms.parts, start=1):
        yield bytes((5, 0, 3, reference, len(sms.parts), number)) + part


def kind_of(address: str) -> tuple[int, str]:
    """An address's type of number, and the address as it is sent."""
    if address.startswith("+"):
        return _INTERNATIONAL, address[1:]
    return (_NATIONAL if address.isdecimal() else _ALPHANUMERIC), address


def _meaning(error: Exception) -> Exception:
    status = error.args[1] if len(error.args) > 1 else 0
    if status in _BAD_ADDRESS:
        return Undeliverable(f"the centre refuses the number ({status:#04x})")
    return NotTold(f"the centre answered {status:#04x}")
