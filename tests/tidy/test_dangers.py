"""No line of the product does what `dangers.py` forbids; each rule is shown a line that does."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.tidy import dangers
from tests.tidy.house import PRODUCT, Source, sources

Rule = Callable[[Source], Iterator[str]]

PLACES: Final[dict[Rule, str]] = {
    dangers.secrets_compared: "",
    dangers.xml_unguarded: "",
    dangers.requests_logged: "",
    dangers.input_asserted: "adapters/channels/",
    dangers.code_from_data: "",
}
"""Beginning of the paths where each rule holds."""

SCRIPTED: Final = "/scripted/"
"""Rehearsal partners read only what we ourselves send."""


EXCEPTIONS: Final[dict[tuple[Rule, str], str]] = {
    (
        dangers.secrets_compared,
        "adapters/channels/json_v1.py",
    ): "two channels' configured digests, when they are opened",
}
"""Files that may, and why. The list may get shorter."""


@pytest.mark.parametrize("rule", PLACES, ids=lambda rule: rule.__name__)
def test_the_product_does_not(rule: Rule) -> None:
    """Nowhere."""
    found = [each for each in sources(*PRODUCT) if each.path.startswith(PLACES[rule]) and SCRIPTED not in each.path]
    held = [each for each in found if (rule, each.path) not in EXCEPTIONS]
    assert held
    assert [finding for source in held for finding in rule(source)] == []


BROKEN: Final[list[tuple[Rule, str]]] = [
    (dangers.secrets_compared, "ok = token == sent"),
    (dangers.secrets_compared, "ok = sent != self._bearer_token"),
    (dangers.secrets_compared, "import hmac\nok = hmac.new(k, m, h).hexdigest() == sent"),
    (dangers.secrets_compared, "ok = key.check_value == found"),
    (dangers.xml_unguarded, "from xml.etree import ElementTree as ET\nET.fromstring(body)"),
    (dangers.xml_unguarded, "from xml.etree.ElementTree import XMLParser\nXMLParser()"),
    (dangers.xml_unguarded, "import xml.parsers.expat\nxml.parsers.expat.ParserCreate()"),
    (dangers.xml_unguarded, "from lxml import etree\netree.fromstring(body)"),
    (dangers.requests_logged, "log.info('x', body=body)"),
    (dangers.requests_logged, "log.info(f'{request.headers}')"),
    (dangers.requests_logged, "log.warning('x', account=payment.account[:3])"),
    (dangers.input_asserted, "assert amount > 0"),
    (dangers.code_from_data, "import pickle\npickle.loads(body)"),
    (dangers.code_from_data, "eval(text)"),
    (dangers.code_from_data, "import yaml\nyaml.load(text)"),
    (dangers.code_from_data, "import subprocess\nsubprocess.run(text, shell=True)"),
    (dangers.code_from_data, "import os\nos.system(text)"),
    (dangers.code_from_data, "import asyncio\nasyncio.create_subprocess_shell(text)"),
]


@pytest.mark.parametrize(("rule", "text"), BROKEN)
def test_a_danger_is_found(rule: Rule, text: str) -> None:
    """A guard that no test has seen failing is not yet tested."""
    assert len(list(rule(Source("adapters/example.py", text)))) == 1


KEPT: Final[list[tuple[Rule, str]]] = [
    (dangers.secrets_compared, "import hmac\nok = hmac.compare_digest(token, sent)"),
    (dangers.secrets_compared, "missing = token == ''"),
    (dangers.secrets_compared, "ok = len(digest) == size"),
    (dangers.xml_unguarded, "from defusedxml.ElementTree import fromstring\nfromstring(body, forbid_dtd=True)"),
    (dangers.xml_unguarded, "from xml.etree.ElementTree import Element, tostring\ntostring(Element('a'))"),
    (dangers.requests_logged, "log.info('x', bytes=len(body), route=route.name, error=type(error).__name__)"),
    (dangers.requests_logged, "store.write(body)"),
    (dangers.code_from_data, "import subprocess\nsubprocess.run(['ls'], shell=False)"),
    (dangers.code_from_data, "model.eval()"),
]


@pytest.mark.parametrize(("rule", "text"), KEPT)
def test_what_is_no_danger_is_left_in_peace(rule: Rule, text: str) -> None:
    """A rule that cries wolf is soon switched off."""
    assert list(rule(Source("adapters/example.py", text))) == []
