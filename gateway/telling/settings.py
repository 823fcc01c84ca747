"""What an operator may set about telling people: `[telling]` and its sinks."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import TemplateError
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from adapters.secret import SecretRef
from gateway.telling.words.speech import Language, sandbox

SETTINGS: Final = ConfigDict(
    extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True, validate_default=False
)

DAY_S: Final = 86_400

Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2000)]
Host = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9.:_-]+$")]
Number = Annotated[str, Field(pattern=r"^\+?[0-9]{3,20}$")]
Mailbox = Annotated[str, Field(pattern=r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+$", max_length=254)]
Hour = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Template = Annotated[str, Field(min_length=1, max_length=4000)]
Text = Annotated[str, Field(max_length=1000)]
NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"


def is_template(text: str | None) -> str | None:
    """A template that can be read, where there is one.

    Raises:
        ValueError: it can't.
    """
    try:
        sandbox().from_string(text or "")
    except TemplateError as error:
        raise ValueError(f"no template: {str(error)[:100]}") from None
    return text


class PaceSettings(BaseModel):
    """When a sink is told, and how often: `[telling.sinks.<name>.pace]`."""

    model_config = SETTINGS

    gather_s: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description="Seconds in which events gather for one message; the first of them waits so long.",
        ),
    ] = 5.0
    interval_s: Annotated[
        float, Field(ge=0, le=DAY_S, description="Seconds between two messages at least: what a storm can cost.")
    ] = 0.0
    events_max: Annotated[
        int, Field(ge=1, le=200, description="Events written out in one message; what is beyond them is counted.")
    ] = 40
    quiet_from: Annotated[
        Hour | None,
        Field(
            description="Hour from which only critical events are told, and the rest waits for the end of it; without it, never.",
            examples=["22:00"],
        ),
    ] = None
    quiet_until: Annotated[Hour | None, Field(description="Hour until which it is so.", examples=["07:00"])] = None
    time_zone: Annotated[str, Field(description="Zone of these hours, by its IANA name.")] = "UTC"
    timeout_s: Annotated[
        float, Field(ge=0.1, le=300, description="Seconds one try may take; nobody but this sink waits for it.")
    ] = 15.0
    retry_first_s: Annotated[
        float,
        Field(ge=0.1, le=3600, description="Longest wait before the second try; it doubles with each that fails."),
    ] = 2.0
    retry_max_s: Annotated[float, Field(ge=0.1, le=DAY_S, description="Longest wait between two tries.")] = 300.0

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no such time zone: write one as Asia/Dushanbe") from None
        return name

    @model_validator(mode="after")
    def _quiet_has_two_ends(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValueError("quiet_from and quiet_until come together")
        return self


class SinkSettings(BaseModel):
    """What every sink has."""

    model_config = SETTINGS

    least: Annotated[
        Literal["info", "warning", "critical"],
        Field(
            description="The least urgent thing it is told; announcements of planned windows are told to every sink but a channel's."
        ),
    ] = "warning"
    language: Annotated[Language, Field(description="The language of its texts.")] = "en"
    channel: Annotated[
        str | None,
        Field(
            pattern=NAME_PATTERN,
            description="The channel whose sink this is: it is told of money that this channel has to give back, and of nothing else; without it, the sink is your own people's.",
            examples=["kiosk"],
        ),
    ] = None
    pace: Annotated[PaceSettings, Field(description="When it is told, and how often.")] = PaceSettings()


class LogSinkSettings(SinkSettings):
    """The service's own log: `[telling.sinks.<name>]` with `protocol = "log"`."""

    model_config = SETTINGS

    protocol: Annotated[Literal["log"], Field(description="The service's own log.")]


class WebhookSinkSettings(SinkSettings):
    """A server that is sent signed events (Standard Webhooks): `[telling.sinks.<name>]` with `protocol = "webhook"`."""

    model_config = SETTINGS

    protocol: Annotated[
        Literal["webhook"], Field(description="Events as JSON, by POST, signed as Standard Webhooks says.")
    ]
    url: Annotated[
        Url,
        Field(
            description="Where they are sent; any 2xx says that they were taken.",
            examples=["https://ops.example/nightsafe"],
        ),
    ]
    secrets: Annotated[
        list[SecretRef],
        Field(
            min_length=1,
            max_length=4,
            description="Secrets that sign, each as whsec_ and base64; while one is replaced by another, both.",
            examples=[[{"file": "/run/credentials/webhook"}]],
        ),
    ]


class SmtpSinkSettings(SinkSettings):
    """E-mail: `[telling.sinks.<name>]` with `protocol = "smtp"`."""

    model_config = SETTINGS

    protocol: Annotated[Literal["smtp"], Field(description="E-mail, by a mail server.")]
    host: Annotated[Host, Field(description="The mail server.", examples=["mail.example"])]
    port: Annotated[int, Field(ge=1, le=65_535, description="Its port.")] = 587
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Field(
            description="TLS begun on a plain connection, from the first byte, or none (a server on this machine only)."
        ),
    ] = "starttls"
    tls_ca_file: Annotated[
        Path | None,
        Field(
            strict=False,
            description="Certificates to trust, PEM; else the system's.",
            examples=["/etc/nightsafe/ca.pem"],
        ),
    ] = None
    user: Annotated[
        str | None, Field(max_length=254, description="Who we are to it; without it, nobody.", examples=["nightsafe"])
    ] = None
    password: Annotated[SecretRef | None, Field(description="Our password there.")] = None
    sender: Annotated[Mailbox, Field(description="Who the messages are from.", examples=["nightsafe@example.com"])]
    to: Annotated[
        list[Mailbox], Field(max_length=50, description="Who is told of events.", examples=[["ops@example.com"]])
    ] = []


class SmppSinkSettings(SinkSettings):
    """SMS by SMPP 3.4: `[telling.sinks.<name>]` with `protocol = "smpp"`."""

    model_config = SETTINGS

    protocol: Annotated[Literal["smpp"], Field(description="SMS, by an SMS centre that speaks SMPP 3.4.")]
    host: Annotated[
        Host,
        Field(
            description="The centre; over a network of others, behind a tunnel: SMPP has no TLS here.",
            examples=["smsc.example"],
        ),
    ]
    port: Annotated[int, Field(ge=1, le=65_535, description="Its port.")] = 2775
    system_id: Annotated[
        str, Field(min_length=1, max_length=15, description="Who we are to it.", examples=["nightsafe"])
    ]
    password: Annotated[SecretRef, Field(description="Our password there; SMPP takes eight characters.")]
    sender: Annotated[
        str,
        Field(
            pattern=r"^\+?[0-9A-Za-z]{1,20}$",
            description="What is shown as the sender: a number, or up to eleven letters.",
            examples=["Nightsafe"],
        ),
    ]
    to: Annotated[
        list[Number], Field(max_length=50, description="Who is told of events.", examples=[["+992900000001"]])
    ] = []
    parts_max: Annotated[
        int, Field(ge=1, le=10, description="Messages that one long text may take; the rest of it is cut off.")
    ] = 3


class HttpSmsSinkSettings(SinkSettings):
    """SMS by a provider's HTTP interface: `[telling.sinks.<name>]` with `protocol = "http_sms"`."""

    model_config = SETTINGS

    protocol: Annotated[Literal["http_sms"], Field(description="SMS, by a provider's HTTP interface.")]
    url: Annotated[
        Url,
        Field(
            description="Where each message is sent, by POST; any 2xx says that it was taken.",
            examples=["https://sms.example/send"],
        ),
    ]
    body: Annotated[
        Template,
        Field(
            description="The request's body, a template of Jinja2: to, text, sender and id are there, and the filter tojson.",
            examples=['{"to": {{ to | tojson }}, "text": {{ text | tojson }}}'],
        ),
    ]
    content_type: Annotated[
        str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]+(; ?charset=[a-zA-Z0-9-]+)?$", description="Its type.")
    ] = "application/json"
    secret_header: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$", description="The header that holds the secret.")
    ] = "Authorization"  # noqa: S105 - a header's name
    secret_prefix: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9 ._-]{0,32}$", description="What stands before the secret in it.")
    ] = "Bearer "  # noqa: S105 - what every such header begins with
    secret: Annotated[SecretRef | None, Field(description="What the provider knows us by.")] = None
    sender: Annotated[
        str, Field(max_length=20, description="What is shown as the sender, where the body asks for it.")
    ] = ""
    to: Annotated[
        list[Number], Field(max_length=50, description="Who is told of events.", examples=[["+992900000001"]])
    ] = []
    parts_max: Annotated[
        int, Field(ge=1, le=10, description="Messages that one long text may take; the rest of it is cut off.")
    ] = 3

    _body_is_template = field_validator("body")(is_template)


AnySinkSettings = Annotated[
    LogSinkSettings | WebhookSinkSettings | SmtpSinkSettings | SmppSinkSettings | HttpSmsSinkSettings,
    Field(discriminator="protocol"),
]


def tells_events(settings: SinkSettings) -> bool:
    """Whether somebody is told of events by it; a sink that names nobody is for payers alone."""
    return bool(getattr(settings, "to", True))


class PayerSettings(BaseModel):
    """What payers of a channel are told: `[telling.payers.<channel>]`. Nothing, of a channel that has no such table.

    Only of payments that were taken in billing's place; whoever got billing's own answer knows it already. The texts are
    templates of Jinja2: amount, currency, number (the payment's) and account_end (its last four characters) are there. An
    empty one is not sent.
    """

    model_config = SETTINGS

    sink: Annotated[
        str,
        Field(
            pattern=NAME_PATTERN,
            description="By which sink: one of protocol smtp, smpp or http_sms.",
            examples=["sms"],
        ),
    ]
    contact: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_.-]{1,64}$",
            description="Where the payer's number or address is: the attribute of this name, or account where that is it.",
            examples=["payer_phone"],
        ),
    ]
    number_prefix: Annotated[
        str,
        Field(
            pattern=r"^(\+[0-9]{0,6})?$",
            description="Put before numbers that have no plus, as channels write them without the country.",
        ),
    ] = ""
    language: Annotated[Language, Field(description="The language of the texts that are not written here.")] = "en"
    accepted_text: Annotated[
        Text | None,
        Field(
            description="Accepted, will be credited; without it, the language's own text.",
            examples=["{{ amount }} {{ currency }}: accepted"],
        ),
    ] = None
    credited_text: Annotated[
        Text | None, Field(description="Credited.", examples=["{{ amount }} {{ currency }}: credited"])
    ] = None
    refused_text: Annotated[
        Text | None,
        Field(
            description="Could not be credited, to be had back.", examples=["{{ amount }} {{ currency }}: not credited"]
        ),
    ] = None
    wait_s: Annotated[
        int,
        Field(
            ge=0,
            le=3600,
            description="Seconds after which a payment that still waits is told as accepted; what is credited sooner is only told so.",
        ),
    ] = 30
    expires_s: Annotated[
        int, Field(ge=60, le=31 * DAY_S, description="Seconds after which nobody is told any more, as he knows by now.")
    ] = DAY_S

    _are_templates = field_validator("accepted_text", "credited_text", "refused_text")(is_template)


class TimesSettings(BaseModel):
    """How long something may last before people hear of it, and before it is critical: `[telling.times]`.

    As with `[returns]`, nothing happens to a payment by it. An outage, damaged records and a full disk are told at once.
    """

    model_config = SETTINGS

    operation_after_s: Annotated[
        int,
        Field(
            ge=0, le=DAY_S, description="Seconds for which checks or reversals alone don't pass before that is told."
        ),
    ] = 15
    parked_critical_after_s: Annotated[
        int,
        Field(ge=1, le=31 * DAY_S, description="Seconds after which a payment that waits for a person is critical."),
    ] = 4 * 3600
    doubtful_after_s: Annotated[
        int,
        Field(
            ge=0,
            le=DAY_S,
            description="Seconds for which payments are in doubt though billing answers, before it is told.",
        ),
    ] = 900
    doubtful_critical_after_s: Annotated[
        int, Field(ge=1, le=31 * DAY_S, description="Seconds after which that is critical.")
    ] = 4 * 3600
    keys_after_s: Annotated[
        int, Field(ge=0, le=DAY_S, description="Seconds for which the master key can't be asked, before it is told.")
    ] = 60
    keys_critical_after_s: Annotated[
        int, Field(ge=1, le=31 * DAY_S, description="Seconds after which that is critical.")
    ] = 3600
    returns_again_s: Annotated[
        int,
        Field(
            ge=0,
            le=31 * DAY_S,
            description="Seconds after which a channel is told again when it owes back more than it was told; 0: never.",
        ),
    ] = 3600
    proposals_late_after_s: Annotated[
        int,
        Field(ge=1, le=31 * DAY_S, description="Seconds after which a proposal without an answer is a warning."),
    ] = 1800

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name in ("doubtful", "keys"):
            if getattr(self, f"{name}_after_s") > getattr(self, f"{name}_critical_after_s"):
                raise ValueError(f"{name}_after_s must not exceed {name}_critical_after_s")
        return self


class TellingSettings(BaseModel):
    """Who is told of what: `[telling]`. Nobody, while there is no sink."""

    model_config = SETTINGS

    repeat_critical_s: Annotated[
        int,
        Field(
            ge=0,
            le=7 * DAY_S,
            description="Seconds after which a critical condition that lasts is told again; 0: never.",
        ),
    ] = 3600
    repeat_warning_s: Annotated[int, Field(ge=0, le=7 * DAY_S, description="The same for a warning.")] = 6 * 3600
    clear_after_s: Annotated[
        int,
        Field(
            ge=0,
            le=3600,
            description="Seconds it has to be well before that is told: what comes and goes is told once.",
        ),
    ] = 30
    limit_near_percent: Annotated[
        int, Field(ge=1, le=99, description="Share of a stand-in limit that counts as near.")
    ] = 80
    limit_near_s: Annotated[
        int,
        Field(
            ge=0,
            le=DAY_S,
            description="A limit that is full sooner than in so many seconds at the present rate is near as well.",
        ),
    ] = 900
    windows_ahead_s: Annotated[
        list[Annotated[int, Field(ge=60, le=31 * DAY_S)]],
        Field(max_length=5, description="How long before a planned window it is announced, in seconds; once for each."),
    ] = [DAY_S, 3600]
    times: Annotated[TimesSettings, Field(description="How long something may last before people hear of it.")] = (
        TimesSettings()
    )
    sinks: Annotated[
        dict[Annotated[str, Field(pattern=NAME_PATTERN)], AnySinkSettings],
        Field(max_length=20, description="Ways to people, by name."),
    ] = {}
    payers: Annotated[
        dict[Annotated[str, Field(pattern=NAME_PATTERN)], PayerSettings],
        Field(max_length=1000, description="Channels whose payers are told themselves, by name."),
    ] = {}
