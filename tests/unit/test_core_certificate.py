"""Looking at a certificate that was refused, where there is nothing to be seen."""

from adapters.cores.certificate import presented, words_of


def test_what_is_no_certificate_has_no_words() -> None:
    """Whatever it is."""
    assert words_of(None) == words_of(b"no certificate") == ""


async def test_where_nobody_listens_nothing_is_seen() -> None:
    """It was there a moment ago."""
    assert await presented("127.0.0.1", 1, None) == ""
