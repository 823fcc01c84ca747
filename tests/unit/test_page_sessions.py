"""How long one stays signed in, and what a session gives away."""

import pytest

from gateway.admin.access.tokens import Person
from gateway.page.sessions import SESSIONS_MAX, Sessions
from gateway.page.settings import PageSettings

ANNA = Person(name="anna", role="operator")
WALL = Person(name="wall", role="viewer")


@pytest.fixture
def sessions() -> Sessions:
    """A shift of eight hours, an idle half hour."""
    return Sessions(PageSettings(session_s=28_800, idle_s=1_800))


def test_a_session_that_is_used_lasts_a_shift(sessions: Sessions) -> None:
    """And not a second more, whatever one does."""
    id_ = sessions.begin(ANNA, 0.0)
    used = [sessions.find(id_, now) is not None for now in range(1_000, 28_800, 1_000)]
    assert all(used)
    assert sessions.find(id_, 28_799) is not None
    assert sessions.find(id_, 28_800) is None
    assert sessions.find(id_, 28_799) is None


def test_a_session_that_nobody_uses_ends(sessions: Sessions) -> None:
    """Half an hour after the last page."""
    id_ = sessions.begin(ANNA, 0.0)
    assert sessions.find(id_, 1_799) is not None
    assert sessions.find(id_, 3_598) is not None
    assert sessions.find(id_, 5_398) is None


def test_looking_on_keeps_only_those_signed_in_who_may_do_nothing(sessions: Sessions) -> None:
    """A screen on a wall stays; an operator's page that was left open does not."""
    wall, anna = sessions.begin(WALL, 0.0), sessions.begin(ANNA, 0.0)
    seen = [
        [sessions.find(id_, now, looks_on=True) is not None for id_ in (wall, anna)] for now in (1_000, 2_000, 3_000)
    ]
    assert seen == [[True, True], [True, False], [True, False]]


def test_a_session_is_found_by_its_own_id_alone(sessions: Sessions) -> None:
    """Each has another, long enough that nobody guesses it; and what is kept is not what opens."""
    ids = {sessions.begin(ANNA, 0.0) for _ in range(100)}
    assert {len(id_) for id_ in ids} == {43}
    assert len(ids) == 100
    assert sessions.find("", 0.0) is None
    assert [id_ for id_ in ids if id_.encode() in sessions._known] == []


def test_a_session_says_nothing_of_its_secrets(sessions: Sessions) -> None:
    """Neither its repr nor a form's wrong guess."""
    session = sessions.find(sessions.begin(ANNA, 0.0), 0.0)
    assert session is not None
    assert repr(session) == "Session(anna)"
    assert session.is_own(session.csrf)
    assert not session.is_own("")
    assert not session.is_own("\u0436")


def test_there_is_an_end_to_how_many_sign_in(sessions: Sessions) -> None:
    """The one that was used longest ago makes room."""
    first, second = sessions.begin(ANNA, 0.0), sessions.begin(ANNA, 0.0)
    assert sessions.find(first, 1.0) is not None
    for _ in range(SESSIONS_MAX - 1):
        sessions.begin(ANNA, 2.0)
    assert len(sessions) == SESSIONS_MAX
    assert sessions.find(second, 2.0) is None
    assert sessions.find(first, 2.0) is not None


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"idle_s": 100, "session_s": 99}, "idle_s must not exceed session_s"),
        ({"time_zone": "Mars/Olympus"}, "no time zone of this name"),
        ({"time_zone": "../etc/passwd"}, "no time zone of this name"),
    ],
)
def test_settings_that_make_no_sense_are_refused(table: dict[str, object], fault: str) -> None:
    """With words that help."""
    with pytest.raises(ValueError, match=fault):
        PageSettings.model_validate(table)
