"""The example alert rules and the dashboard: right by promtool, tested, and about metrics there are."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.tidy.house import ROOT

FOLDER: Final = ROOT / "docs/reference/monitoring"
PROMTOOL: Final = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool isn't installed (Debian: prometheus)")


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it where the rules are."""
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)


def alerts() -> list[str]:
    """Names of the rules."""
    return re.findall(r"- alert: (\w+)", (FOLDER / "alerts.yml").read_text(encoding="utf-8"))


@needs_promtool
def test_the_rules_are_rules() -> None:
    """Prometheus would load them."""
    checked = promtool("check", "rules", "alerts.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
def test_each_rule_is_quiet_and_fires_when_it_should() -> None:
    """On series written down beside them."""
    tested = promtool("test", "rules", "alerts_test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


@needs_promtool
def test_a_rule_that_never_fires_is_found(tmp_path: Path) -> None:
    """So the test above can fail."""
    for name in ("alerts.yml", "alerts_test.yml"):
        text = (FOLDER / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("nightsafe_spool_accepting == 0", "nightsafe_spool_accepting == 2"))
    assert PROMTOOL is not None
    tested = subprocess.run(
        [PROMTOOL, "test", "rules", "alerts_test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (tested.returncode, "NightsafeSpoolRefuses" in tested.stdout + tested.stderr) == (1, True)


@pytest.mark.parametrize("alert", alerts())
def test_each_rule_has_a_test_in_which_it_fires(alert: str) -> None:
    """A new rule without one is not known to work."""
    text = (FOLDER / "alerts_test.yml").read_text(encoding="utf-8")
    assert re.search(rf"alertname: {alert}\n        exp_alerts:\n", text)
    assert re.search(rf"alertname: {alert}\n        exp_alerts: \[\]\n", text)


def test_panels_stand_beside_each_other_and_not_on_each_other() -> None:
    """Grafana would push them about."""
    dashboard: Any = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    taken = [
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
