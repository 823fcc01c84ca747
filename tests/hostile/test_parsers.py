"""No bytes make a parser raise anything but what it declares, nor an answer that can't be written.

Input is sound input spoilt in a few places, so that it gets past the first check, and now and then noise. Time is
bounded by construction: every parser has its bound on length before anything else, and Hypothesis its deadline.
"""

import json
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.targets import EXAMPLES, TARGETS, WORDS

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

    @settings(max_examples=EXECUTIONS, deadline=2_000, suppress_health_check=[HealthCheck.too_slow])
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
@pytest.mark.parametrize("name", ["json_payment", "json_answer", "admin_body", "route_record", "key_file"])
def test_no_number_surprises_a_reader_of_json(name: str, number: str) -> None:
    """In any field: as long as a book, without an end, below nothing."""
    fields = json.loads(EXAMPLES[name].lstrip(b"0"))
    for field in fields:
        body = json.dumps(fields | {field: "@"}).replace('"@"', number).encode()
        TARGETS[name](b"0" + body if name == "json_answer" else body)
