"""What the example rules and the dashboard ask for, a running service tells; and what it tells, the reference names."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.integration.house import open_house
from tests.tidy.house import ROOT

FOLDER: Final = ROOT / "docs/reference/monitoring"
REFERENCE: Final = ROOT / "docs/reference/monitoring.md"


def named_in(file: str) -> set[str]:
    """Metrics that a file names."""
    return set(re.findall(r"\bnightsafe_[a-z_]+", (FOLDER / file).read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", ["alerts.yml", "alerts_test.yml", "dashboard.json"])
async def test_each_metric_that_is_asked_for_is_there(tmp_path: Path, file: str) -> None:
    """A renamed metric would leave a rule that never fires, and an empty chart."""
    async with open_house(tmp_path) as house:
        text = await house.get("/metrics")
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    there = {name for name, kind in kinds.items() if kind != "histogram"}
    there |= {
        f"{name}_{part}" for name, kind in kinds.items() if kind == "histogram" for part in ("bucket", "sum", "count")
    }
    assert named_in(file) - there == set()


async def test_the_reference_names_each_metric_in_the_services_own_words(tmp_path: Path) -> None:
    """And no other."""
    async with open_house(tmp_path) as house:
        text = await house.get("/metrics")
    told = re.findall(r"^# HELP (\w+) (.+)\n# TYPE \w+ (\w+)$", text, re.MULTILINE)
    shown = re.findall(
        r"^\| `(nightsafe_\w+)` \| (\w+) \| (.+) \|$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert shown == sorted((name, kind, words) for name, words, kind in told)
