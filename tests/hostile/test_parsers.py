"""No bytes make a parser raise anything but what it declares, nor an answer that can't be written.

Input is sound input spoilt in a few places, so that it gets past the first check, and now and then noise. Time is
bounded by construction: every parser has its bound on length before anything else, and Hypothesis its deadline.
"""

import json
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.cores.osmp_answer import read_answer
from adapters.cores.settings import HttpSettings
from tests.hostile.keep import BYTES_MAX, FILES_MAX
from tests.hostile.targets import CORPUS, EXAMPLES, TARGETS, WORDS

EXECUTIONS = 150
"""For each target in each run; `make fuzz` goes on for as long as it is told."""

cuts = st.tuples(st.integers(0, 400), st.integers(0, 12), st.one_of(st.sampled_from(WORDS), st.binary(max_size=6)))


def spoilt(example: bytes) -> st.SearchStrategy[bytes]:
    """The example with a few pieces cut out and others put in."""
    return st.lists(cuts, min_size=1, max_size=4).map(lambda edits: _spoil(example, edits))


def _spoil(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for at, size, word in edits:
        place = at % (len(data) + 1)
        data = data[:place] + word + data[place + size :]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_surprise_a_parser(name: str) -> None:
    """Whatever they are."""

    @settings(max_examples=EXECUTIONS, deadline=20_000, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.one_of(spoilt(EXAMPLES[name]), st.binary(max_size=200)))
    def look(data: bytes) -> None:
        TARGETS[name](data)

    look()


@pytest.mark.parametrize("name", TARGETS)
def test_no_trip_wire_surprises_a_parser(name: str) -> None:
    """Each of them alone, before, behind and in the midst of what is sound."""
    example = EXAMPLES[name]
    half = len(example) // 2
    feed(name, WORDS)
    feed(name, (word + example for word in WORDS))
    feed(name, (example + word for word in WORDS))
    feed(name, (example[:half] + word + example[half:] for word in WORDS))


@pytest.mark.parametrize("name", TARGETS)
def test_an_example_is_where_it_begins(name: str) -> None:
    """Cut off anywhere, it is still no surprise."""
    feed(name, (EXAMPLES[name][:end] for end in range(len(EXAMPLES[name]) + 1)))


@pytest.mark.parametrize("name", TARGETS)
def test_what_fuzzing_kept_is_fed_again(name: str) -> None:
    """Inputs that once reached new code: `tests/hostile/keep.py` picks them, few and small."""
    kept = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    assert 0 < len(kept) <= FILES_MAX
    assert max(map(len, kept)) <= BYTES_MAX
    feed(name, kept)


def feed(name: str, inputs: Iterable[bytes]) -> None:
    """Feed each; a failure says which it was."""
    for data in inputs:
        try:
            TARGETS[name](data)
        except BaseException as error:
            error.add_note(f"fed {data[:300]!r}")
            raise


NUMBERS = [
    "9" * 400,
    "9" * 5_000,
    "-" + "9" * 5_000,
    "1e400",
    "1e-400",
    "1E999999999",
    "0." + "1" * 5_000,
    "-0",
    "-0.0",
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:12])
@pytest.mark.parametrize("name", ["json_payment", "json_answer", "admin_body", "route_record", "key_file", "key_store"])
def test_no_number_surprises_a_reader_of_json(name: str, number: str) -> None:
    """In any field: as long as a book, without an end, below nothing."""
    fields = json.loads(EXAMPLES[name].lstrip(b"0"))
    for field in fields:
        body = json.dumps(fields | {field: "@"}).replace('"@"', number).encode()
        TARGETS[name](b"0" + body if name == "json_answer" else body)


# What XML costs

ANSWER_MAX = HttpSettings.model_fields["answer_bytes_max"].default
MEMORY_MAX = 200
"""Bytes of memory for one of an answer, at most: a tag of four bytes becomes an element and its text."""

HEAVY = {
    "many attributes": (b"<response ", b"a%d='' ", b"/>"),
    "many elements": (b"<response>", b"<a/>", b"</response>"),
    "deep": (b"", b"<a>", b""),
    "deep, with names": (b"<response>", b"<a%d>", b""),
    "a long name": (b"<", b"a", b"/>"),
    "a long value": (b"<response a='", b"a", b"'/>"),
    "a long text": (b"<response><result>", b"0", b"</result></response>"),
    "many references": (b"<response><result>", b"&#48;", b"</result></response>"),
    "many comments": (b"<response>", b"<!---->", b"</response>"),
    "many instructions": (b"<response>", b"<?a?>", b"</response>"),
    "many name spaces": (b"<response ", b"xmlns:a%d='u' ", b"/>"),
    "many sections": (b"<response><result>", b"<![CDATA[0]]>", b"</result></response>"),
    "flat": (b"<response><result>0</result>", b"<b%d>x</b%d>", b"</response>"),
}


def heavy(before: bytes, each: bytes, behind: bytes) -> bytes:
    """As much of it as an answer may be long."""
    numbered = each.replace(b"%d", b"%05d")
    size = len(numbered % ((0,) * numbered.count(b"%05d")))
    count = (ANSWER_MAX - len(before) - len(behind)) // size
    numbers = ((number,) * numbered.count(b"%05d") for number in range(count))
    return before + b"".join(numbered % number for number in numbers) + behind


@pytest.mark.parametrize("shape", HEAVY.values(), ids=HEAVY)
def test_an_answer_by_xml_costs_in_proportion_to_its_bytes(shape: tuple[bytes, bytes, bytes]) -> None:
    """Nothing in it is expanded, and nothing counts but its length, which the connection bounds before XML is read."""
    body = heavy(*shape)
    TARGETS["osmp_answer"](body)
    tracemalloc.start()
    try:
        TARGETS["osmp_answer"](body)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ANSWER_MAX - 40 <= len(body) <= ANSWER_MAX
    assert most < MEMORY_MAX * ANSWER_MAX


ENTITIES = {
    "laughs": b'<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><response><result>0</result>&b;</response>',
    "quadratic": b'<!DOCTYPE r [<!ENTITY a "' + b"a" * 60_000 + b'">]><response><result>0</result>&a;&a;</response>',
    "external": b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/hostname">]><response><result>0</result>&a;</response>',
    "parameter": b'<!DOCTYPE r [<!ENTITY % a SYSTEM "http://127.0.0.1:1/a">%a;]><response><result>0</result></response>',
    "bare": b"<!DOCTYPE response><response><result>0</result></response>",
    "external subset": b'<!DOCTYPE response SYSTEM "http://127.0.0.1:1/a"><response><result>0</result></response>',
    "in UTF-16": '<!DOCTYPE r [<!ENTITY a "a">]><response><result>0</result></response>'.encode("utf-16"),
}


@pytest.mark.parametrize("body", ENTITIES.values(), ids=ENTITIES)
def test_an_answer_that_brings_its_own_grammar_is_none(body: bytes) -> None:
    """Refused at the declaration: no entity is made, and no place is asked for one. Without it the answer would do."""
    assert read_answer(body, ("txn_id",)) is None
    assert read_answer(b"<response><result>0</result></response>", ("txn_id",)) is not None
