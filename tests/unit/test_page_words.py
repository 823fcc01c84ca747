"""The page's texts: whole in each language, every one used, every word of the machine's among them."""

import re
from collections.abc import Iterable
from typing import Final, get_args

import pytest

from adapters.outcome import Cause
from adapters.payment import Refusal
from gateway import conclude
from gateway.accept.decide import Why
from gateway.admin.access.settings import Role
from gateway.admin.access.tokens import Person, Right, may
from gateway.admin.duties.proposal import Stand
from gateway.admin.entries.acts import Act
from gateway.admin.entries.why import Why as Stays
from gateway.admin.http.problem import Code
from gateway.admin.views import TurnWhy
from gateway.page import screens
from gateway.page.verdict import Mood, Need, Stop
from gateway.page.words import LANGUAGES, WORDS, Language, Text, Unworded, catalogue, chosen, grouped, say
from gateway.page.writing import templates
from gateway.returns.duty import Stage
from gateway.route.diagnosis import OwnCause
from gateway.route.zone import Operation, Use, Zone
from spool.away.fate import ANSWERED_OTHERWISE, TAKEN_TWICE
from spool.lifecycle import TRANSITIONS, Kind, State, Told
from spool.rank import Rank
from tests.tidy.house import ROOT

FOLDER: Final = ROOT / "gateway/page"
READ: Final = "\n".join((FOLDER / "templates" / name).read_text("utf-8") for name in templates())
CODE: Final = "\n".join(path.read_text("utf-8") for path in FOLDER.glob("*.py"))


def words(group: str, vocabulary: Iterable[str]) -> list[str]:
    """The keys that a vocabulary of the machine's needs."""
    return [f"{group}.{word}" for word in vocabulary]


LATIN: Final = re.compile("^[^\\u0400-\\u04ff]*[A-Za-z][^\\u0400-\\u04ff]*$")
CYRILLIC: Final = re.compile("[\\u0400-\\u04ff]")

VOCABULARIES: Final = [
    *words("mood", Mood),
    *words("happens", Mood),
    *words("stop", Stop),
    *words("need", Need),
    *words("zone", Zone),
    *words("operation", Operation),
    *words("cause", [*Cause, *OwnCause]),
    *words(
        "reason", [*Cause, *Refusal, "by_hand", "tampered", "restored", "damaged", "pending", "not_found", "storage"]
    ),
    *words("reason", [conclude.PARKED_AS_BLIND, conclude.PARKED_AS_FINAL, conclude.PARKED_FOR_ATTEMPTS]),
    *words("reason", [conclude.PARKED_FOR_CONFLICT, conclude.ROUTE_OPENED, "nothing_to_reverse"]),
    *words("reason", [TAKEN_TWICE, ANSWERED_OTHERWISE]),
    *words("state", [state.word for state in State]),
    *words("state_means", [state.word for state in State]),
    *words("kind", [kind.word for kind in Kind]),
    *words("kinds", [kind.word for kind in Kind]),
    *words("told", [told.word for told in Told]),
    *words("goes", [rank.name.lower() for rank in Rank]),
    *words("turn", TurnWhy),
    *words("endpoint", Use),
    *words("event", ["record", *(transition.name for transition in TRANSITIONS)]),
    *words("stage", Stage),
    *words("stand", [*Stand, "expired"]),
    *words("role", [role for role in get_args(Role) if may(Person(name="anna", role=role), Right.READ)]),
    *words("trouble", [code.word for code in Code]),
    *words("scope", screens.NARROWING),
    *words("why", [why for why in Why if why]),
    *words("why_not", Stays),
    *words("many", [act.word for act in Act]),
]


@pytest.mark.parametrize("key", VOCABULARIES)
def test_a_word_of_the_machine_is_said_in_each_language(key: str) -> None:
    """A new cause or state shows up here, not on somebody's wall."""
    assert WORDS[key].keys() == LANGUAGES.keys()


def test_every_text_that_a_template_names_is_there() -> None:
    """Also those whose key is put together: their beginning is a group."""
    named = set(re.findall(r"""\bt\(["']([a-z_.]+)["'][,)]""", READ))
    begun = set(re.findall(r"""\bt\(["']([a-z_]+[._])(?:[a-z_]*)["'] ~""", READ))
    assert len(named) > 100
    assert {key for key in named if key not in WORDS} == set()
    assert {begin for begin in begun if not any(key.startswith(begin) for key in WORDS)} == set()


def test_every_text_is_used() -> None:
    """What nobody reads nobody keeps right."""
    groups = set(re.findall(r"""["']([a-z_]+)\.(?:[a-z]+_)?["'] ~""", READ)) | set(
        re.findall(r"""word\(["']([a-z_]+)""", READ)
    )
    begun = tuple(f"{group}." for group in groups)
    said = READ + CODE
    unused = [key for key in WORDS if not key.startswith(begun) and f'"{key}"' not in said and f"'{key}'" not in said]
    assert [key for key in unused if not key.startswith(("said.", "span.", "deed.", "policy.source_"))] == []


@pytest.mark.parametrize(("language", "letters"), [("en", LATIN), ("ru", CYRILLIC)])
def test_texts_are_in_their_own_letters(language: Language, letters: re.Pattern[str]) -> None:
    """A text that was forgotten stands there in the other language's; names of ours and a few signs have no language."""
    texts = {key: "".join(_forms(entry[language])) for key, entry in WORDS.items()}
    foreign = [key for key, text in texts.items() if letters.search(re.sub(r"[{][a-z]+[}]", "", text)) is None]
    assert set(foreign) == {"en": set[str](), "ru": {"payment.id", "job.by"}}[language]


def _forms(text: Text) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[a]\nb = { en = "x" }', "a.b is not in each language"),
        ('[a]\nb = { en = "{x}", ru = "y" }', "a.b has other fields in one language"),
        ('[a]\nb = { en = ["{n} x", "{n} xs"], ru = ["{n} y", "{n} z"] }', "a.b has not each plural"),
        ('[a]\nb = { en = "{n} x", ru = ["{n} y", "{n} z", "{n} z"] }', "a.b has not each plural"),
    ],
)
def test_a_catalogue_with_holes_is_not_read(text: str, fault: str) -> None:
    """It says where."""
    with pytest.raises(Unworded, match=fault):
        catalogue(text)


@pytest.mark.parametrize(
    ("count", "english", "russian"),
    [
        (0, "0 payments", "0 платежей"),
        (1, "1 payment", "1 платёж"),
        (2, "2 payments", "2 платежа"),
        (5, "5 payments", "5 платежей"),
        (11, "11 payments", "11 платежей"),
        (12, "12 payments", "12 платежей"),
        (21, "21 payments", "21 платёж"),
        (24, "24 payments", "24 платежа"),
        (1_112, "1,112 payments", "1\N{NO-BREAK SPACE}112 платежей"),
    ],
)
def test_plurals_are_each_languages_own(count: int, english: str, russian: str) -> None:
    """Unicode's rules for whole numbers."""
    assert say("en", "need.parked", n=count, about="").startswith(english)
    assert say("ru", "need.parked", n=count, about="").startswith(russian)


@pytest.mark.parametrize(
    ("decimal", "english", "russian"),
    [
        ("0", "0", "0"),
        ("999.5", "999.5", "999,5"),
        ("1000", "1,000", "1\N{NO-BREAK SPACE}000"),
        ("3841200.50", "3,841,200.50", "3\N{NO-BREAK SPACE}841\N{NO-BREAK SPACE}200,50"),
        ("-1234.00", "-1,234.00", "-1\N{NO-BREAK SPACE}234,00"),
    ],
)
def test_money_is_written_as_the_language_does(decimal: str, english: str, russian: str) -> None:
    """From text to text: no digit is made up or lost."""
    assert (grouped(decimal, "en"), grouped(decimal, "ru")) == (english, russian)


@pytest.mark.parametrize(
    ("cookie", "accepts", "language"),
    [
        ("ru", "en", "ru"),
        ("", "ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("", "de, en;q=0.5", "en"),
        ("xx", "fr", "en"),
        ("", "", "en"),
    ],
)
def test_the_language_is_the_chosen_one_then_the_browsers(cookie: str, accepts: str, language: str) -> None:
    """And English otherwise."""
    assert chosen(cookie, accepts, "en") == language
