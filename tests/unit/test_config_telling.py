"""What may be set about telling people, and what is refused before it runs."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
from pydantic import ValidationError

from gateway.config.agreement import Parts, disagreements
from gateway.config.model import Config
from gateway.telling.settings import HttpSmsSinkSettings, PaceSettings, PayerSettings

SMS: Final[Mapping[str, Any]] = {
    "protocol": "http_sms",
    "url": "https://sms.example/send",
    "body": "{{ to }}",
    "to": ["+992900000001"],
}
CHANNEL: Final[Mapping[str, Any]] = {"protocol": "osmp", "currency": "RUB", "allow": ["127.0.0.0/8"]}


def told(payers: Mapping[str, Any], sinks: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where the parts disagree about payers, and how."""
    config = Config.model_validate({"telling": {"payers": payers, "sinks": sinks}, "channels": {"kiosk": CHANNEL}})
    found = disagreements(Parts(config=config))
    return [(".".join(map(str, each.place)), each.found_kind) for each in found if each.place[0] == "telling"]


def test_payers_are_told_of_a_channel_there_is_by_a_sink_there_is() -> None:
    """What is mistyped would tell nobody."""
    payer = {"sink": "sms", "contact": "account"}
    assert told({"kiosk": payer}, {"sms": SMS}) == []
    assert told({"kisok": payer}, {"sms": SMS}) == [("telling.payers.kisok", "no such channel")]
    assert told({"kiosk": payer}, {"sns": SMS}) == [
        ("telling.payers.kiosk.sink", "no such sink of protocol smtp, smpp or http_sms")
    ]


def test_payers_are_not_told_by_a_sink_that_reaches_no_person() -> None:
    """A webhook and the log are for us."""
    payer = {"sink": "log", "contact": "account"}
    assert len(told({"kiosk": payer}, {"log": {"protocol": "log"}, "sms": SMS})) == 1


def test_a_channels_sink_is_of_a_channel_there_is_and_tells_somebody() -> None:
    """Else money is owed back and nobody hears."""
    assert told({}, {"theirs": {**SMS, "channel": "kiosk"}}) == []
    assert told({}, {"theirs": {**SMS, "channel": "kisok"}}) == [("telling.sinks.theirs.channel", "no such channel")]
    assert told({}, {"theirs": {**SMS, "channel": "kiosk", "to": []}}) == [
        ("telling.sinks.theirs.channel", "a channel's sink that tells nobody")
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"body": "{{ to"},
        {"body": ""},
        {"url": "ftp://sms.example"},
        {"to": ["12 34"]},
        {"secret": "in clear"},
        {"secret_header": "A\r\nB"},
        {"parts_max": 0},
    ],
)
def test_a_sink_that_could_not_work_is_refused(changes: Mapping[str, Any]) -> None:
    """Before anything opens."""
    with pytest.raises(ValidationError):
        HttpSmsSinkSettings.model_validate({**SMS, **changes})


@pytest.mark.parametrize(
    "changes", [{"accepted_text": "{% for"}, {"credited_text": "{{ a"}, {"contact": "a b"}, {"number_prefix": "992"}]
)
def test_a_text_that_could_not_be_made_is_refused(changes: Mapping[str, Any]) -> None:
    """And not found out by a payer."""
    with pytest.raises(ValidationError):
        PayerSettings.model_validate({"sink": "sms", "contact": "account", **changes})


@pytest.mark.parametrize(
    "changes", [{"time_zone": "Mars/Olympus"}, {"quiet_from": "22:00"}, {"quiet_from": "24:00", "quiet_until": "07:00"}]
)
def test_quiet_hours_have_two_ends_and_a_zone(changes: Mapping[str, Any]) -> None:
    """Half of them would be all or none."""
    with pytest.raises(ValidationError):
        PaceSettings.model_validate(changes)
