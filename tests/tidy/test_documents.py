"""What is written for people: links lead somewhere, each page has one title, nothing tells of one machine."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.tidy.house import ROOT, documents, files

FENCE: Final = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)

LINK: Final = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")

HOMES: Final = "root|work|home/[a-z]+|Users/[A-Za-z]+"

HOSTS: Final = r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|deb\.debian\.org"

ONE_MACHINE: Final = re.compile(rf"(?<![\w.:/-])/(?:{HOMES})/|\b(?:{HOSTS})\b")


def prose(page: Path) -> str:
    """The page without its examples."""
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """What a link into the page may name: its headings, as hosts of repositories spell them."""
    headings = re.findall(r"^#+ +(.+?)\s*$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether a link within the house has a target; what lies outside is not asked."""
    if re.match(r"[a-z]+:", link):
        return True
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def name(path: Path) -> str:
    """Its path in the house."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", documents(), ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A reader who follows one in the night must not end at nothing."""
    assert [link for link in LINK.findall(prose(page)) if not leads_somewhere(page, link)] == []


@pytest.mark.parametrize("page", documents(), ids=name)
def test_every_page_has_one_title(page: Path) -> None:
    """It says what the page is."""
    assert len(re.findall(r"^# ", prose(page), re.MULTILINE)) == 1


def test_every_page_is_in_the_index() -> None:
    """A page that no list names is not found."""
    index = ROOT / "docs/README.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(index))}
    pages = {page for page in documents() if page.is_relative_to(ROOT / "docs")}
    assert sorted(name(page) for page in pages - listed - {index, ROOT / "docs/decisions/template.md"}) == []


def test_nothing_tells_of_one_machine() -> None:
    """Paths of somebody's home and hosts of packages are the machine's to say."""
    found = [f"{name(path)}: {hit}" for path in files() for hit in ONE_MACHINE.findall(path.read_text("utf-8"))]
    assert found == []
