"""What the demo says of the gateway's books while nobody can ask it."""

from gateway.demo.show import Board


def test_books_that_nobody_can_read_are_not_said_to_be_empty() -> None:
    """A gateway that was killed has accepted what it has."""
    told = Board(at_s=18.6, phase="gateway down", yes=809, booked=449).line()
    assert "accepted     -  posted     -  waiting     -  booked   449" in told
    told = Board(at_s=20.9, phase="billing down", zone="open", accepted=1_049, posted=449, waiting=600).line()
    assert "accepted  1049  posted   449  waiting   600" in told
