"""The custodian's page, walked through: its commands as they stand there, on a running service."""

import hashlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.integration.test_cli import COMMAND, WAIT_S, House, nightsafe

pytestmark = pytest.mark.process

PAGE: Final = Path(__file__).parents[2] / "docs/how-to/look-after-keys.md"
FENCE: Final = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
HOME: Final = "/var/lib/nightsafe"
OLD_MASTER: Final = "local:0123456789abcdef"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """What the page is about: an installation by init, with a custodian's token, on free ports."""
    made = House(tmp_path / "var")
    assert nightsafe("init", "--dir", made.folder).returncode == 0
    token = made.folder / "secrets/custodian.token"
    token.write_text("nightsafe_custodian_example\n", encoding="ascii")
    digest = hashlib.sha256(token.read_bytes().strip()).hexdigest()
    table = f'\n[admin.tokens.custodian]\nrole = "custodian"\nsha256 = "{digest}"\n'
    made.config.write_text(made.config.read_text().replace("port = 8080", "port = 0") + table, encoding="utf-8")
    free = subprocess.run(
        [sys.executable, "-c", "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    text = made.config.read_text().replace("port = 8081", f"port = {free}").replace("127.0.0.1:8090", "127.0.0.1:1")
    made.config.write_text(text, encoding="utf-8")
    yield made
    made.close()


def section(heading: str) -> list[list[str]]:
    """The commands of one part of the page."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    part = rest.partition("\n## ")[0]
    return [shlex.split(line) for block in FENCE.findall(part) for line in block.splitlines()]


def walk(house: House, heading: str, **names: str) -> str:
    """Type what the page says, one command after the other; what the last one said."""
    said = ""
    for _, *words in section(heading):
        arguments = [names.get(word, word.replace(HOME, str(house.folder))) for word in words]
        done = nightsafe(*arguments)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        said = done.stdout
    return said


def masters(house: House) -> set[str]:
    """Names of the masters, as the status has them."""
    said = nightsafe("keys", "status", "--config", house.config).stdout
    return set(re.findall(r"local:[0-9a-f]{16}", said))


def test_first_keys_are_made_before_the_first_start(house: House) -> None:
    """And shown, while nothing runs."""
    said = walk(house, "First keys")

    assert (house.folder / "keys/nightsafe.key.store").stat().st_mode & 0o777 == 0o600
    assert re.search(r"data 1 .* seals", said)
    assert "everything is there already" in nightsafe("keys", "init", "--config", house.config).stdout


def test_keys_are_changed_while_it_runs(house: House) -> None:
    """A payment of before is read by the next start."""
    served = house.serve()
    served.pay("1")
    before = masters(house)

    said = walk(house, "Change keys")

    assert re.search(r"data 3 .* seals", said)
    assert re.search(r"index 2 .* hashes", said)
    assert not before & masters(house)
    served.stop()
    assert house.serve().read("verify")["opened"] == 1


def test_a_day_is_forgotten(house: House) -> None:
    """Its payments are there, and who paid is not."""
    served = house.serve()
    walk(house, "Change keys")

    said = walk(house, "Let old days be forgotten")

    assert said.strip() == "key 1 is destroyed, and with it the content of 0 entries"
    assert served.read("verify")["ok"]


def test_a_lost_key_is_told_and_put_back(house: House) -> None:
    """A start without it changes nothing."""
    served = house.serve()
    served.pay("1")
    served.stop()
    store = house.folder / "keys/nightsafe.key.store"
    copy = store.read_bytes()
    store.unlink()
    refused = subprocess.run(
        [*COMMAND, "serve", "--config", str(house.config)], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert (refused.returncode, "put the key store back" in refused.stderr) == (3, True)
    store.write_bytes(copy)
    store.chmod(0o600)

    said = walk(house, "A key is lost")

    assert "data 1" in said
    assert house.serve().read("verify")["opened"] == 1


def test_a_leaked_master_is_replaced_and_dropped(house: House) -> None:
    """What comes is sealed under keys it never wrapped."""
    served = house.serve()
    (old,) = masters(house)

    walk(house, "A key leaked", **{OLD_MASTER: old})

    assert old not in masters(house)
    key_file = (house.folder / "keys/nightsafe.key").read_text(encoding="utf-8")
    assert key_file.count('"key"') == 1
    served.stop()
    assert house.serve().read("status")["running"]
