"""The published tables of both protocols are the ones in the code."""

import re
from pathlib import Path

from adapters.channels.osmp_codes import COME_AGAIN, RESULTS
from adapters.channels.problem import Code
from adapters.payment import Refusal

PAGE = (Path(__file__).parents[2] / "docs/reference/channels.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """Cells of the first table under a heading, without its head."""
    section = PAGE.partition(f"### {heading}\n")[2].partition("\n#")[0]
    lines = re.findall(r"^\| (`.*) \|$", section, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def test_the_table_of_osmp_codes_is_the_code() -> None:
    """Integrators map codes from the page; one wrong line there is payments failed for nothing."""
    published = [(row[0].split("`")[1], int(row[1]), row[2]) for row in rows("Result codes of OSMP")]
    assert published == [(name, code, "no" if code in COME_AGAIN else "yes") for name, code in RESULTS.items()]


def test_the_table_of_problems_is_the_code() -> None:
    """As for OSMP."""
    published = [(row[0].strip("`"), int(row[1]), row[2]) for row in rows("Problems")]
    assert published == [(code.word, code.status, "yes" if code.final else "no") for code in Code]


def test_every_refusal_is_listed() -> None:
    """The last paragraph of the page."""
    assert re.findall(r"`(\w+)`", PAGE.rpartition("Values of `refusal`:")[2]) == [refusal.value for refusal in Refusal]
