"""Reading the configuration: every fault at once, each with its line and what to write instead, and no secret shown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from gateway.clock import ManualClock
from gateway.config.fault import ConfigUnfit, Fault
from gateway.config.load import check, load
from gateway.config.model import Config
from gateway.config.path import config_path
from gateway.config.surroundings import unusable
from spool.masters import make_key_file

GOOD = """\
[spool]
engine = "memory"

[listen.channels]
port = 8080

[listen.admin]
port = 8081

[admin.tokens.ops]
role = "operator"
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"

[channels.kiosk]
protocol = "osmp"
currency = "RUB"
allow = ["127.0.0.1/32"]

[channels.bank]
protocol = "json"
currency = "RUB"
tokens_sha256 = ["2222222222222222222222222222222222222222222222222222222222222222"]

[cores.billing]
protocol = "osmp"
url = "http://127.0.0.1:8090/osmp"
level = "A"

[routes.main]
core = "billing"
currency = "RUB"
channels = ["kiosk", "bank"]

[routes.main.forward]
attempt_timeout_s = 20

[routes.main.standin]
payment_max = "5000.00"
"""
"""A configuration without faults; the tests spoil it."""


@pytest.fixture(autouse=True)
def _key_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory has a key where it is by default."""
    monkeypatch.chdir(tmp_path)
    make_key(tmp_path / "var/keys/nightsafe.key")


def make_key(path: Path) -> None:
    """A key file and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    make_key_file(path, ManualClock().now_us())


def written(folder: Path, text: str) -> Path:
    """The text as a file."""
    path = folder / "nightsafe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str) -> Sequence[Fault]:
    """What is wrong with a text."""
    with pytest.raises(ConfigUnfit) as unfit:
        load(written(folder, text))
    return unfit.value.faults


def spoiled(*changes: tuple[str, str]) -> str:
    """The good configuration with pieces replaced, each of which must be in it."""
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def loaded(folder: Path, text: str = GOOD) -> Config:
    """The configuration in a text."""
    return load(written(folder, text))


def test_a_right_configuration_is_read(tmp_path: Path) -> None:
    """What is written counts, the rest are the defaults."""
    config = loaded(tmp_path)
    assert config.routes["main"].forward.attempt_timeout_s == 20
    assert config.routes["main"].forward.in_flight_max == 32
    assert config.channels["bank"].deadline_s == 10
    assert config.listen.channels.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("old", "new", "line", "where", "found", "advice"),
    [
        ("[spool]", "[spol]", 1, "spol", "unknown key", "write spool"),
        ("port = 8080", "prot = 8080", 5, "listen.channels.prot", "unknown key", "write port"),
        ("port = 8080", "zzz = 8080", 5, "listen.channels.zzz", "unknown key", "known here: host, port"),
        ("port = 8080", 'port = "80"', 5, "listen.channels.port", "text, not a whole number", "port = 8080"),
        ("port = 8080", "port = 80.5", 5, "listen.channels.port", "a number with a point, not a whole", "whole number"),
        ("port = 8080", "port = true", 5, "listen.channels.port", "true or false, not a whole number", "whole number"),
        ('level = "A"', 'level = "A"\nconnections_max = true', 28, "cores.billing.connections_max", "true or", "whole"),
        (
            'level = "A"',
            'level = "A"\nconnections_max = "9"',
            28,
            "cores.billing.connections_max",
            "text, not",
            "whole",
        ),
        ("port = 8080", "port = 65536", 5, "listen.channels.port", "out of bounds", "from 0 to 65535"),
        ("port = 8080", "host = 127", 5, "listen.channels.host", "a whole number, not text", 'host = "127.0.0.1"'),
        ("port = 8080", "keepalive_s = nan", 5, "listen.channels.keepalive_s", "out of bounds", "from 1 to 3600"),
        ("port = 8080", "tls = 1", 5, "listen.channels.tls", "a whole number, not a table", "write a table"),
        ('"operator"', '"opperator"', 11, "admin.tokens.ops.role", "not one of the choices", 'write "operator"'),
        ('"1111', '"x111', 12, "admin.tokens.ops.sha256", "no SHA-256", "sha256sum"),
        ("tokens.ops", "tokens.Ops", 10, "admin.tokens.Ops", "name of another form", "lower-case letters"),
        ('"127.0.0.1/32"', '"localhost"', 17, "channels.kiosk.allow[0]", "no IP network", "192.0.2.0/24"),
        ('protocol = "json"\n', "\n", 19, "channels.bank", "no protocol", 'add protocol = "osmp" or "json"'),
        ('protocol = "json"', 'protocol = "jso"', 19, "channels.bank", "unknown protocol", 'write "json"'),
        ("url =", "ulr =", 26, "cores.billing.ulr", "unknown key", "write url"),
        ("url =", "ulr =", 24, "cores.billing.url", "missing key", 'add url = "https://'),
        ('level = "A"', 'level = "D"', 27, "cores.billing.level", "not one of the choices", '"A" or "B" or "C"'),
        (
            "attempt_timeout_s = 20",
            "attempt_timeout_s = '20'",
            35,
            "routes.main.forward.attempt_timeout_s",
            "text",
            "num",
        ),
        ('["kiosk", "bank"]', '"kiosk"', 32, "routes.main.channels", "text, not a list in [ ]", 'channels = ["kiosk"]'),
        ('["kiosk", "bank"]', '["kiosk", 5]', 32, "routes.main.channels[1]", "a whole number, not text", "text"),
        ('"5000.00"', "5000.00", 38, "routes.main.standin.payment_max", "a number with a point", "payment_max = "),
        ('"5000.00"', '"5e3"', 38, "routes.main.standin.payment_max", "text of another form", "payment_max = "),
    ],
)
def test_a_fault_says_its_line_and_what_to_write(  # noqa: PLR0917 - the table's columns
    tmp_path: Path, old: str, new: str, line: int, where: str, found: str, advice: str
) -> None:
    """An operator mends the file by what the message says, without looking anything up."""
    fault = next(fault for fault in faults(tmp_path, spoiled((old, new))) if fault.where == where)
    assert fault.line == line
    assert found in fault.found_kind
    assert advice in fault.what_to_write


@pytest.mark.parametrize(
    ("changes", "line", "where", "found"),
    [
        ([("port = 8081", "port = 8080")], 8, "listen.admin.port", "the channels' port too"),
        ([("port = 8081", 'host = "0.0.0.0"')], 8, "listen.admin.host", "plain HTTP beyond this machine"),
        ([('core = "billing"', 'core = "biling"')], 30, "routes.main.core", "no such core"),
        ([('"kiosk", "bank"', '"kiosk", "bnak"')], 32, "routes.main.channels[1]", "no such channel"),
        ([('"kiosk", "bank"', '"kiosk"')], 19, "channels.bank", "on no route"),
        ([('"kiosk", "bank"', '"kiosk", "bank", "kiosk"')], 32, "routes.main.channels[2]", "kiosk without services"),
        ([('currency = "RUB"\nch', 'currency = "KZT"\nch')], 32, "routes.main.channels[0]", "another currency (RUB)"),
        ([('currency = "RUB"\nch', 'currency = "ABC"\nch')], 31, "routes.main.currency", "not an ISO 4217"),
        ([('"5000.00"', '"5000.005"')], 38, "routes.main.standin.payment_max", "no amount in RUB"),
        ([('payment_max = "5000.00"', "answer_margin_s = 10")], 38, "routes.main.standin.answer_margin_s", "of bank"),
        ([("[routes.main.standin]", "[routes.main.standin.channels.bnk]")], 37, "routes.main.standin.channels.bnk", ""),
        ([("attempt_timeout_s = 20", "backoff_first_s = 301")], 35, "routes.main.forward.backoff_first_s", "above"),
        ([("attempt_timeout_s = 20", "in_flight_max = 65")], 24, "cores.billing.connections_max", "fewer than"),
        ([("[spool]", "[spool]\nretention_days = 29")], 2, "spool.retention_days", "too short"),
        ([('level = "A"', 'level = "C"\nsettle_delay_s = 19')], 28, "cores.billing.settle_delay_s", "shorter than one"),
        (
            [('"2222', '"1111'), ("2" * 60, "1" * 60)],
            22,
            "channels.bank.tokens_sha256[0]",
            "same token as admin.tokens.ops",
        ),
    ],
)
def test_parts_that_disagree_are_found(
    tmp_path: Path, changes: list[tuple[str, str]], line: int, where: str, found: str
) -> None:
    """Each part is right by itself; together they would fail at night."""
    fault = next(fault for fault in faults(tmp_path, spoiled(*changes)) if fault.where == where)
    assert fault.line == line
    assert found in fault.found_kind
    assert fault.what_to_write


@pytest.mark.parametrize("lifetime", ["19.5", "20"])
def test_a_key_the_core_forgets_during_an_attempt_is_found(tmp_path: Path, lifetime: str) -> None:
    """Level A promises that a repeat is safe; there would be none that is in time."""
    text = spoiled(('level = "A"', f'level = "A"\nstatus_command = "status"\nkey_lifetime_s = {lifetime}'))
    assert [fault.where for fault in faults(tmp_path, text)] == ["cores.billing.key_lifetime_s"]


def test_a_core_that_forgets_keys_is_asked_and_needs_time_to_settle(tmp_path: Path) -> None:
    """Past the key's lifetime it is treated as level B."""
    text = spoiled(('level = "A"', 'level = "A"\nstatus_command = "s"\nkey_lifetime_s = 300\nsettle_delay_s = 5'))
    assert [fault.where for fault in faults(tmp_path, text)] == ["cores.billing.settle_delay_s"]


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """Faults of shape don't hide disagreements, nor one part's faults another's."""
    text = spoiled(
        ('engine = "memory"', 'engine = "memry"'),
        ("port = 8081", "port = 8080"),
        ('"operator"', '"king"'),
        ('["127.0.0.1/32"]', '["127.0.0.1/32"]\nbasic = { user = "u", password = { env = "NIGHTSAFE_TEST_UNSET" } }'),
        ('protocol = "json"', 'protocol = "jsn"'),
        ("url =", "uri ="),
        ('core = "billing"', 'core = "bling"'),
        ("attempt_timeout_s = 20", "attempt_timeout = 20"),
        ('"5000.00"', '"0.001"'),
    )
    assert [(fault.line, fault.where) for fault in faults(tmp_path, text)] == [
        (2, "spool.engine"),
        (8, "listen.admin.port"),
        (11, "admin.tokens.ops.role"),
        (18, "channels.kiosk.basic.password"),
        (20, "channels.bank"),
        (25, "cores.billing.url"),
        (27, "cores.billing.uri"),
        (31, "routes.main.core"),
        (36, "routes.main.forward.attempt_timeout"),
        (39, "routes.main.standin.payment_max"),
    ]


def test_a_part_with_faults_is_still_known_by_name(tmp_path: Path) -> None:
    """A route to a core whose own table has a fault is not told that there is no such core."""
    assert [fault.where for fault in faults(tmp_path, spoiled(('level = "A"', "level = 1")))] == ["cores.billing.level"]


def test_a_service_on_two_routes_is_found(tmp_path: Path) -> None:
    """Nobody could tell which core books it."""
    second = '[routes.{}]\ncore = "billing"\ncurrency = "RUB"\nchannels = ["kiosk"]\nservices = ["tv", "net"]\n'
    found = faults(tmp_path, GOOD + second.format("one") + second.format("two"))
    assert [(fault.where, fault.found_kind) for fault in found] == [
        ("routes.two.channels[0]", 'the service "tv" of kiosk is on route one too'),
        ("routes.two.channels[0]", 'the service "net" of kiosk is on route one too'),
    ]


DOLLARS: Final = '[channels.bank.currencies.USD]\namount_max = "500"\n'
"""What a channel of the JSON API may name beside its own currency."""

BY_DOLLARS: Final = '[routes.dollars]\ncore = "billing"\ncurrency = "USD"\nchannels = ["{}"]\n'


def test_a_channel_of_several_currencies_is_on_a_route_of_each(tmp_path: Path) -> None:
    """And on the same services of each: what they are counted against is another route's."""
    config = loaded(tmp_path, GOOD + DOLLARS + BY_DOLLARS.format("bank"))
    assert [*config.channels["bank"].moneys()] == ["RUB", "USD"]


@pytest.mark.parametrize(
    ("more", "where", "kind"),
    [
        (DOLLARS, "channels.bank.currencies.USD", "USD is on no route"),
        (BY_DOLLARS.format("bank"), "routes.dollars.channels[0]", "a channel of another currency (RUB)"),
        (DOLLARS + BY_DOLLARS.format("kiosk"), "channels.bank.currencies.USD", "USD is on no route"),
    ],
)
def test_a_currency_without_its_route_or_channel_is_found(tmp_path: Path, more: str, where: str, kind: str) -> None:
    """Payments in it could only be refused."""
    assert (where, kind) in [(fault.where, fault.found_kind) for fault in faults(tmp_path, GOOD + more)]


@pytest.mark.parametrize("code", ["RUB", "XXX", "usd"])
def test_a_currency_is_one_more_and_one_there_is(tmp_path: Path, code: str) -> None:
    """The channel's own has its limits beside it; gold and test codes have no minor units."""
    assert faults(tmp_path, GOOD + DOLLARS.replace("USD", code))


def test_an_empty_file_says_what_a_configuration_needs(tmp_path: Path) -> None:
    """A new operator's first try."""
    assert [fault.where for fault in faults(tmp_path, '[spool]\nengine = "memory"\n')] == [
        "channels",
        "cores",
        "routes",
    ]


def test_two_free_ports_are_not_one_port(tmp_path: Path) -> None:
    """Port 0 takes any free one, for each listener another."""
    assert loaded(tmp_path, spoiled(("port = 8080", "port = 0"), ("port = 8081", "port = 0"))).listen.admin.port == 0


def test_admin_beyond_loopback_may_be_plain_when_said_so(tmp_path: Path) -> None:
    """Behind something that does the TLS."""
    config = loaded(tmp_path, spoiled(("port = 8081", 'host = "0.0.0.0"\nallow_plain = true')))
    assert config.listen.admin.host == "0.0.0.0"  # noqa: S104 - read back, not bound


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("[spool]\nengine = \n", 2, "bad TOML"),
        ("[spool]\npath = 'a'\npath = 'b'\n", 3, "bad TOML"),
        ("a = [1,\n", 2, "bad TOML"),
        ("\ufeff[spool]\n", 1, "byte order mark"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path, text: str, line: int, found: str) -> None:
    """The rest can only be checked once it can be read."""
    (fault,) = faults(tmp_path, text)
    assert fault.line == line
    assert found in fault.found_kind


def test_a_file_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    """Saved by an old editor."""
    path = tmp_path / "nightsafe.toml"
    path.write_bytes(b'[node]\nname = "\xed\xee\xf7\xfc"\n')
    with pytest.raises(ConfigUnfit, match=r"line 2: .*not UTF-8"):
        load(path)


@pytest.mark.parametrize("depth", [50, 200, 400, 5000])
def test_a_file_nested_deeply_is_told_so(tmp_path: Path, depth: int) -> None:
    """Never a crash, whatever is in the file."""
    assert faults(tmp_path, f"a = {'[' * depth}{']' * depth}")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """The first start of all."""
    path = tmp_path / "none.toml"
    words = f"^{path}: 1 fault\n{path}: No such file or directory; make one with `nightsafe init`"
    with pytest.raises(ConfigUnfit, match=words):
        load(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """A limit on everything."""
    with pytest.raises(ConfigUnfit, match="larger than"):
        load(written(tmp_path, "#" * 1_048_577))


def test_lines_are_right_with_windows_line_ends(tmp_path: Path) -> None:
    """Edited on Windows."""
    text = spoiled(('engine = "memory"', "engine = 1")).replace("\n", "\r\n")
    path = tmp_path / "nightsafe.toml"
    path.write_bytes(text.encode())
    with pytest.raises(ConfigUnfit, match=r"line 2: spool\.engine"):
        load(path)


def test_a_secret_written_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """The message goes to logs and tickets; the secret must not."""
    text = spoiled(
        ('["127.0.0.1/32"]', '["127.0.0.1/32"]\nbasic = { user = "u", password = "hunter2" }'),
        ('role = "operator"', 'role = "hunter2"\nhunter3 = "hunter2"'),
        ("port = 8080", 'port = "hunter2"'),
        ("http://127", "http://user:hunter2@127"),
    )
    with pytest.raises(ConfigUnfit) as unfit:
        load(written(tmp_path, text))
    assert len(unfit.value.faults) == 5
    assert "hunter2" not in str(unfit.value)
    assert "hunter2" not in repr(unfit.value)
    assert unfit.value.__cause__ is None


JSON_CORE = """
[cores.crm]
protocol = "json"
url = "http://127.0.0.1:8090"
level = "A"
"""


@pytest.mark.parametrize(
    ("more", "where", "found"),
    [
        ("lookup = 5", "cores.crm.lookup", "a whole number"),
        ("lookup = { pth = '/x' }", "cores.crm.lookup.pth", "unknown key"),
        ("lookup = { rules = [{ status = [404], means = 'nought' }] }", "cores.crm.lookup.rules[0].means", "choices"),
        ("headers = { X-Api-Key = 'abc' }", "cores.crm.headers.X-Api-Key", "a secret in clear"),
        ("headers = { Authorization = { prefix = 'Bearer ' } }", "cores.crm.headers.Authorization.secret", "missing"),
        ("post.body = { callback = 'https://me:abc@here.example' }", "cores.crm.post.body.callback", "a password in"),
        ("post.headers = { Cookie = 'a=b' }", "cores.crm.post.headers.Cookie", "a secret in clear"),
    ],
)
def test_one_fault_is_told_once_where_several_kinds_may_stand(
    tmp_path: Path, more: str, where: str, found: str
) -> None:
    """What the other kinds would have wanted is noise, once it is clear which was meant."""
    (fault,) = faults(tmp_path, GOOD + JSON_CORE + more)
    assert fault.where == where
    assert found in fault.found_kind


def test_what_is_shown_has_references_and_no_secret(tmp_path: Path) -> None:
    """`nightsafe config show` may be pasted into a ticket."""
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    reference = f'["127.0.0.1/32"]\nbasic = {{ user = "u", password = {{ file = "{secret}" }} }}'
    config = loaded(tmp_path, spoiled(('["127.0.0.1/32"]', reference)))
    shown = config.shown()
    assert shown["channels"]["kiosk"]["basic"]["password"] == {"file": str(secret)}
    assert shown["admin"]["tokens"]["ops"]["sha256"] == "111111111111..."
    assert shown["channels"]["bank"]["tokens_sha256"] == ["222222222222..."]
    assert "hunter2" not in f"{shown}{config!r}{config}"


def test_a_file_that_is_referred_to_must_be_readable(tmp_path: Path) -> None:
    """A certificate is missed at the check, not at the first handshake."""
    text = spoiled(("port = 8080", 'tls = { cert_file = "/nowhere/cert.pem", key_file = "/nowhere/key.pem" }'))
    assert [fault.where for fault in faults(tmp_path, text)] == [
        "listen.channels.tls.cert_file",
        "listen.channels.tls.key_file",
    ]


def test_a_durable_spool_needs_its_key_and_a_folder(tmp_path: Path) -> None:
    """Both are missed before anything opens."""
    (tmp_path / "file").touch()
    spool = f'path = "{tmp_path}/file/nightsafe.db"\nkey_file = "{tmp_path}/none"'
    found = faults(tmp_path, spoiled(('engine = "memory"', spool)))
    assert [(fault.line, fault.where) for fault in found] == [(2, "spool.path"), (3, "spool.key_file")]
    assert "nightsafe init" in found[1].what_to_write


def test_a_key_is_needed_by_every_engine(tmp_path: Path) -> None:
    """Also what is only held in memory is sealed."""
    (tmp_path / "var/keys/nightsafe.key").unlink()
    assert [fault.where for fault in faults(tmp_path, GOOD)] == ["spool.key_file"]


def test_a_key_that_others_may_read_is_found(tmp_path: Path) -> None:
    """At the check, not at the first start in production."""
    (tmp_path / "var/keys/nightsafe.key").chmod(0o644)
    (fault,) = faults(tmp_path, GOOD)
    assert fault.found_kind == "unfit key file"
    assert "chmod 600" in fault.what_to_write


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """The path names the file itself."""
    (fault,) = faults(tmp_path, spoiled(('engine = "memory"', f'path = "{tmp_path}"')))
    assert fault.found_kind == "a folder, not a file"


def test_a_folder_that_may_not_be_written_to_is_found() -> None:
    """The kernel's own tables take no files, whoever asks."""
    assert "no folder" in unusable(Path("/proc/version/spool"))


def test_a_secret_that_is_no_text_is_found(tmp_path: Path) -> None:
    """A key in binary where a password belongs."""
    (tmp_path / "password").write_bytes(b"\xff\xfe")
    text = spoiled(('["127.0.0.1/32"]', '["127.0.0.1/32"]\nbasic = { user = "u", password = { file = "password" } }'))
    (fault,) = faults(tmp_path, text)
    assert (fault.where, fault.found_kind) == ("channels.kiosk.basic.password", "unreadable secret")


def test_certificates_that_are_there_are_fine(tmp_path: Path) -> None:
    """Only that they can be read is looked at; what they hold is the listener's."""
    (tmp_path / "cert.pem").touch()
    text = spoiled(("port = 8081", 'host = "::"\ntls = { cert_file = "cert.pem", key_file = "cert.pem" }'))
    assert loaded(tmp_path, text).listen.admin.tls is not None


def test_localhost_is_loopback_and_other_names_are_not(tmp_path: Path) -> None:
    """A name may lead anywhere."""
    assert loaded(tmp_path, spoiled(("port = 8081", 'host = "localhost"'))).listen.admin.host == "localhost"
    (fault,) = faults(tmp_path, spoiled(("port = 8081", 'host = "admin.example"')))
    assert fault.where == "listen.admin.host"


def test_folders_that_can_be_made_are_no_fault(tmp_path: Path) -> None:
    """They are made at start."""
    make_key(tmp_path / "key")
    spool = f'path = "{tmp_path}/a/b/nightsafe.db"\nkey_file = "{tmp_path}/key"'
    assert loaded(tmp_path, spoiled(('engine = "memory"', spool))).spool.reserve_mib == 64
    assert not (tmp_path / "a").exists()


def test_the_check_says_what_is_joined(tmp_path: Path) -> None:
    """A person sees at a glance which channel's money goes where."""
    report = check(written(tmp_path, GOOD))
    assert "no faults (1 core, 2 channels, 1 route)" in report
    assert "route main: kiosk, bank -> billing, RUB, stand-in on, policy " in report


def test_the_report_of_faults_has_one_line_each(tmp_path: Path) -> None:
    """It reads well in a terminal and in a log."""
    with pytest.raises(ConfigUnfit) as unfit:
        check(written(tmp_path, spoiled(("port = 8080", "port = -1"), ('"operator"', '"king"'))))
    roles = '"viewer" or "operator" or "approver" or "auditor" or "custodian" or "core" or "peer"'
    assert str(unfit.value).splitlines() == [
        f"{tmp_path}/nightsafe.toml: 2 faults",
        "line 5: listen.channels.port: out of bounds; write a number from 0 to 65535",
        f"line 11: admin.tokens.ops.role: not one of the choices; write {roles}",
    ]


def test_the_file_is_the_one_given_or_the_environments_or_the_one_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment says which file, and nothing else."""
    monkeypatch.delenv("NIGHTSAFE_CONFIG", raising=False)
    assert config_path() == Path("nightsafe.toml")
    monkeypatch.setenv("NIGHTSAFE_CONFIG", "/etc/nightsafe.toml")
    assert config_path() == Path("/etc/nightsafe.toml")
    assert config_path(Path("other.toml")) == Path("other.toml")


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    """What was checked is what runs."""
    with pytest.raises(ValueError, match="frozen"):
        loaded(tmp_path).spool.reserve_mib = 1


def test_a_missing_table_is_told_on_the_last_line(tmp_path: Path) -> None:
    """There it may be added."""
    text = GOOD[: GOOD.index("[cores.billing]")] + GOOD[GOOD.index("[routes.main]") :]
    found = faults(tmp_path, text)
    assert [(fault.line, fault.where) for fault in found] == [(25, "routes.main.core"), (34, "cores")]
