"""SMS by a provider's HTTP interface, whatever it looks like: the request's body is a template."""

from jinja2 import TemplateError

from adapters.secret import SecretMissing
from gateway.telling.letter import Letter
from gateway.telling.settings import HttpSmsSinkSettings
from gateway.telling.sink import NotTold, Undeliverable, raise_worst
from gateway.telling.sinks.calling import Caller
from gateway.telling.sinks.sms_text import sms_of
from gateway.telling.words.speech import sandbox


class HttpSmsSink:
    """A provider of SMS."""

    def __init__(self, settings: HttpSmsSinkSettings) -> None:
        """Send by the one of these settings."""
        self._settings = settings
        self._body = sandbox().from_string(settings.body)
        self._caller = Caller(settings.pace.timeout_s)

    async def send(self, letter: Letter) -> None:
        """See `Sink`. To several, one after another; where one of them was not told, all are tried again."""
        settings = self._settings
        headers = {"Content-Type": settings.content_type}
        if settings.secret is not None:
            try:
                headers[settings.secret_header] = settings.secret_prefix + settings.secret.read().get_secret_value()
            except SecretMissing:
                raise NotTold("its secret can't be read") from None
        text = sms_of(letter.short, settings.parts_max).text
        failures = [
            failure for to in letter.to or settings.to if (failure := await self._send_one(letter, to, text, headers))
        ]
        raise_worst(failures)

    async def _send_one(self, letter: Letter, to: str, text: str, headers: dict[str, str]) -> Exception | None:
        """One number that is refused keeps it from no other."""
        try:
            body = self._body.render(to=to, text=text, sender=self._settings.sender, id=letter.id)
            await self._caller.post(self._settings.url, body.encode(), headers, gives_up=True)
        except TemplateError as error:
            return Undeliverable(f"its body can't be made ({type(error).__name__})")
        except (NotTold, Undeliverable) as error:
            return error
        return None

    async def close(self) -> None:
        """See `Sink`."""
        await self._caller.close()
