"""The line of every key, by example and against tomllib: the scanner sees the same keys the parser does."""

import textwrap
import tomllib
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.config.lines import Place, line_of, lines_of

TEXT = textwrap.dedent(
    '''\
    # a comment with [a.table] and key = 1
    top = 1
    dotted . "quoted key".'literal.key' = true

    [listen.channels]   # after a header
    host = "127.0.0.1"  # [not.a.table]
    tls = { cert = "a", nested.key = { deep = [1, { deeper = 2 }] } }
    text = """
    [not.a.table]
    key = "no key" \\""" still inside ""\\
    """""
    literal = \'\'\'
    [neither]
    \'\'\'
    when = 1979-05-27 07:32:00
    [[routes.main.serves]]
    channel = "kiosk"
    services = [
      "one", # first
      # between
      "two",
    ]
    [routes.main.serves.sub]
    key = 1
    [[routes.main.serves]]
    channel = "bank"
    [ "cores" . 'a b' ]
    '''
)

LINES: dict[Place, int] = {
    ("top",): 2,
    ("dotted",): 3,
    ("dotted", "quoted key"): 3,
    ("dotted", "quoted key", "literal.key"): 3,
    ("listen",): 5,
    ("listen", "channels"): 5,
    ("listen", "channels", "host"): 6,
    ("listen", "channels", "tls"): 7,
    ("listen", "channels", "tls", "cert"): 7,
    ("listen", "channels", "tls", "nested"): 7,
    ("listen", "channels", "tls", "nested", "key"): 7,
    ("listen", "channels", "tls", "nested", "key", "deep"): 7,
    ("listen", "channels", "tls", "nested", "key", "deep", 0): 7,
    ("listen", "channels", "tls", "nested", "key", "deep", 1): 7,
    ("listen", "channels", "tls", "nested", "key", "deep", 1, "deeper"): 7,
    ("listen", "channels", "text"): 8,
    ("listen", "channels", "literal"): 12,
    ("listen", "channels", "when"): 15,
    ("routes",): 16,
    ("routes", "main"): 16,
    ("routes", "main", "serves"): 16,
    ("routes", "main", "serves", 0): 16,
    ("routes", "main", "serves", 0, "channel"): 17,
    ("routes", "main", "serves", 0, "services"): 18,
    ("routes", "main", "serves", 0, "services", 0): 19,
    ("routes", "main", "serves", 0, "services", 1): 21,
    ("routes", "main", "serves", 0, "sub"): 23,
    ("routes", "main", "serves", 0, "sub", "key"): 24,
    ("routes", "main", "serves", 1): 25,
    ("routes", "main", "serves", 1, "channel"): 26,
    ("cores",): 27,
    ("cores", "a b"): 27,
}


def places(value: Any, above: Place = ()) -> set[Place]:
    """Every path into what tomllib gives."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {place for key, below in inside for place in ({(*above, key)} | places(below, (*above, key)))}


def test_every_way_to_write_a_key_has_its_line() -> None:
    """The operator is sent to the line, so it must be the right one."""
    assert lines_of(TEXT) == LINES


def test_the_example_is_what_tomllib_reads() -> None:
    """The table above is not made up."""
    assert places(tomllib.loads(TEXT)) == set(LINES)


def test_windows_line_ends_count_once() -> None:
    """A file edited on Windows has the same lines."""
    assert lines_of(TEXT.replace("\n", "\r\n")) == LINES


def test_a_table_written_after_its_part_has_its_own_line() -> None:
    """`[a.b]` names `a` in passing; `[a]` is where it really stands."""
    assert lines_of("[a.b]\nx = 1\n[a]\ny = 1\n")[("a",)] == 3


@pytest.mark.parametrize(
    ("place", "line"),
    [(("listen", "channels", "host"), 6), (("listen", "channels", "missing"), 5), (("missing", "key"), 0)],
)
def test_what_is_not_written_is_sought_around_its_place(place: Place, line: int) -> None:
    """A missing key is added to its table, so the table's line is the one to show."""
    assert line_of(LINES, place) == line


bare = st.text("ab1_-", min_size=1, max_size=3)
quoted = st.text(st.sampled_from("a .\"'\\#[]={}\tü"), max_size=4).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'
)
literal = st.text('a ."\\#[]={}', max_size=4).map(lambda text: f"'{text}'")
part = st.one_of(bare, quoted, literal)
key = st.lists(part, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([".", " . "]).map(lambda dot: dot.join(parts))
)
tricky = st.sampled_from(
    [
        '"""\n[t]\nk = 1 \\"""\n"""',
        '"""x"""""',
        '""""x"\\\\"""',
        "'''\n[t]\nk = 1\n'''",
        "'''x'''''",
        '"a # b ] } , \\" c"',
        "'# ] } , \\'",
        "1979-05-27T07:32:00Z",
        "1979-05-27 07:32:00.5",
        "-inf",
        "0x1F",
        "1_000.5e-3",
        "true",
        '""',
        "''",
    ]
)
gap = st.sampled_from(["", " ", "\n", " # ] } , [c]\n", "\n\n  "])


def array_of(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Arrays over several lines, with comments and sometimes a last comma."""
    item = st.tuples(gap, inner, gap).map("".join)
    return st.tuples(st.lists(item, max_size=3), st.sampled_from(["", ","])).map(
        lambda made: "[" + ",".join(made[0]) + (made[1] if made[0] else "") + "\n]"
    )


def table_of(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Tables in one line."""
    pair = st.tuples(key, st.sampled_from(["=", " = "]), inner).map("".join)
    return st.lists(pair, max_size=3).map(lambda pairs: "{ " + ", ".join(pairs) + " }")


value = st.recursive(tricky, lambda inner: st.one_of(array_of(inner), table_of(inner)), max_leaves=6)
statement = st.one_of(
    st.tuples(key, st.sampled_from(["=", " =\t"]), value).map("".join),
    key.map(lambda name: f"[{name}]"),
    key.map(lambda name: f"[[ {name} ]] # twice"),
    st.sampled_from(["", "# [comment]", "  "]),
)


@given(statements=st.lists(statement, max_size=8), ending=st.sampled_from(["\n", "\r\n"]))
@example(statements=["[[a]]", "[[a.b]]", "x=1", "[[a.b]]", "[[a]]", "[a.b]", "y=1"], ending="\n")
def test_the_scanner_sees_the_keys_that_tomllib_sees(statements: list[str], ending: str) -> None:
    """One key set, whatever mixture of headers, dotted keys, inline tables, arrays and strings."""
    text = ending.join(statements)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(condition=False)
    lines = lines_of(text)
    assert set(lines) == places(data)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
