"""Who guesses waits, client by client; who is known doesn't."""

import pytest

from gateway.admin.access.gatekeeper import CLIENTS_MAX, FORGOTTEN_S, FREE, KNOWN_MAX, WAIT_MAX_S, Gatekeeper, client_of

GUESS, TOKEN = b"guess", b"token"


def guessed(times: int, at: float = 0.0) -> Gatekeeper:
    """A client guessed so often."""
    made = Gatekeeper()
    for _ in range(times):
        made.failed("10.0.0.1", at)
    return made


@pytest.mark.parametrize(
    ("times", "wait_s"), [(0, 0), (FREE, 0), (FREE + 1, 1), (FREE + 2, 2), (FREE + 6, 32), (FREE + 99, WAIT_MAX_S)]
)
def test_each_guess_more_doubles_the_wait(times: int, wait_s: float) -> None:
    """Up to a minute."""
    assert guessed(times).wait_s("10.0.0.1", GUESS, 0.0) == wait_s


def test_a_wait_ends() -> None:
    """Whoever mistyped is let in again."""
    made = guessed(FREE + 2)
    assert (made.wait_s("10.0.0.1", GUESS, 1.5), made.wait_s("10.0.0.1", GUESS, 2.0)) == (0.5, 0.0)


def test_others_do_not_wait() -> None:
    """It is by client."""
    assert guessed(FREE + 9).wait_s("10.0.0.2", GUESS, 0.0) == 0.0


def test_what_was_let_in_is_let_in_on() -> None:
    """A neighbour behind the same proxy locks nobody out."""
    made = Gatekeeper()
    made.passed("10.0.0.1", TOKEN)
    for _ in range(FREE + 5):
        made.failed("10.0.0.1", 0.0)
    assert made.wait_s("10.0.0.1", TOKEN, 0.0) == 0.0
    assert made.wait_s("10.0.0.1", GUESS, 0.0) > 0.0


def test_long_ago_is_forgotten() -> None:
    """Ten minutes without a guess."""
    made = guessed(FREE + 5)
    made.failed("10.0.0.1", FORGOTTEN_S + 1.0)
    assert made.wait_s("10.0.0.1", GUESS, FORGOTTEN_S + 1.0) == 0.0


def test_memory_is_bounded() -> None:
    """However many addresses somebody has; the quietest is forgotten first."""
    made = guessed(FREE + 5)
    for number in range(CLIENTS_MAX):
        made.failed(f"client {number}", 0.0)
    assert made.wait_s("10.0.0.1", GUESS, 0.0) == 0.0
    assert len(made._clients) == CLIENTS_MAX
    for number in range(KNOWN_MAX + 1):
        made.passed("10.0.0.2", bytes([number]))
    assert len(made._clients["10.0.0.2"].known) == KNOWN_MAX


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_client_is_an_address_or_the_network_of_one_customer(address: str | None, client: str) -> None:
    """Of IPv6 everybody has more addresses than there are tokens."""
    assert client_of(address) == client
