"""Whatever stands in the configuration: faults with places, never a crash, and never a value repeated."""

import copy
import re
import tomllib
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.fault import ConfigUnfit, written
from gateway.config.lines import Place
from gateway.config.load import examine, load
from gateway.config.tree import leaves

_TEXT: Final = (Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8")
EXAMPLE: Final[dict[str, Any]] = tomllib.loads(re.sub(r"^#(?=[\[a-z])", "", _TEXT, flags=re.MULTILINE))
"""Every key there is."""
SECRET: Final = "hunter2hunter2"

scalars = st.one_of(
    st.just(SECRET),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.just(datetime(2027, 1, 1, tzinfo=UTC)),
    st.just(date(2027, 1, 1)),
    st.just(time(1)),
)
keys = st.one_of(
    st.sampled_from(["protocol", "file", "env", "secret", "rules", "tls", "osmp", SECRET]), st.text(max_size=4)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=5,
)
PLACES: Final = sorted({place[:end] for place, _ in leaves(EXAMPLE) for end in range(1, len(place) + 1)}, key=str)
places = st.sampled_from(PLACES)


def spoiled(place: Place, value: Any) -> dict[str, Any]:
    """The example with something else in one place."""
    data = copy.deepcopy(EXAMPLE)
    inner: Any = data
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return data


@given(place=places, value=values)
def test_anything_in_any_place_is_a_fault_or_fine(place: Place, value: Any) -> None:
    """A fault is always told near where it stands."""
    _, findings = examine(spoiled(place, value))
    assert all(finding.place and finding.found_kind and finding.what_to_write for finding in findings)


@given(place=places, key=keys, value=values)
def test_any_key_in_any_table_is_a_fault_or_fine(place: Place, key: str, value: Any) -> None:
    """Unknown keys, repeated protocols, tables where values belong."""
    _, findings = examine(spoiled((*place[:-1], key) if isinstance(place[-1], str) else place, value))
    assert all(finding.place and finding.found_kind and finding.what_to_write for finding in findings)


@pytest.mark.parametrize("place", PLACES, ids=written)
def test_a_secret_in_a_wrong_place_is_never_repeated(place: Place) -> None:
    """The report goes to logs and tickets."""
    _, findings = examine(spoiled(place, SECRET))
    assert SECRET not in "".join(f"{finding.found_kind}{finding.what_to_write}" for finding in findings)


@given(data=st.dictionaries(st.one_of(st.sampled_from(sorted(EXAMPLE)), st.text(max_size=3)), values, max_size=4))
def test_any_table_at_all_is_a_fault_or_fine(data: dict[str, Any]) -> None:
    """Not even the outline is given."""
    assert examine(data)[1]


@pytest.mark.parametrize(
    "text", ['"[key]" = 1\n', '["[key]"]\n', '[node]\n"[key]" = 1\n', '[routes."[key]"]\n"[key]" = 1\n']
)
def test_a_name_that_looks_like_a_mark_of_the_checker_is_a_fault_like_any_other(tmp_path: Path, text: str) -> None:
    """Found by fuzzing: `[key]` is how the library below marks a fault in a name; as a table's own name it got through."""
    path = tmp_path / "nightsafe.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigUnfit, match=re.escape("[key]")):
        load(path)
