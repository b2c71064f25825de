"""States, what may follow what, and the status derived from them (Guarantees 2.4)."""

from __future__ import annotations

from itertools import product

import pytest
from sessionkeeper import (
    Direction,
    InvalidTransition,
    Session,
    SessionState,
    SessionStatus,
    TransportType,
)

S = SessionState
ENDS = {S.CLOSED, S.FAILED, S.TIMED_OUT}
FOLLOWING = {
    S.INITIALIZING: {S.ACTIVE, *ENDS},
    S.ACTIVE: {S.SHUTTING_DOWN, *ENDS},
    S.SHUTTING_DOWN: ENDS,
    S.CLOSED: set(),
    S.FAILED: set(),
    S.TIMED_OUT: set(),
}
STATUS = {
    S.CLOSED: SessionStatus.COMPLETED,
    S.FAILED: SessionStatus.FAILED,
    S.TIMED_OUT: SessionStatus.TIMEOUT,
}


@pytest.mark.parametrize(("before", "after"), [*product(S, S)])
def test_each_of_the_36_transitions(before: S, after: S) -> None:
    """Transitions as listed; staying is no transition; anything else is `InvalidTransition`."""
    allowed = after is before or after in FOLLOWING[before]
    assert before.may_become(after) is allowed
    session = Session.new(transport_type="stdio", id="a", state=before)
    following = session.model_copy(update={"state": after})
    if allowed:
        following.check_follows(session)
        return
    with pytest.raises(InvalidTransition) as refused:
        following.check_follows(session)
    assert (refused.value.session_id, refused.value.from_state, refused.value.to_state) == (
        "a",
        before,
        after,
    )
    assert str(refused.value) == f"session 'a' cannot go from {before} to {after}"


@pytest.mark.parametrize("state", S)
def test_the_status_is_derived_from_the_state(state: S) -> None:
    """So the two cannot disagree: there is no field to set."""
    session = Session.new(transport_type="stdio", state=state)
    assert session.status is state.status is STATUS.get(state, SessionStatus.ACTIVE)
    assert state.is_terminal is (state in ENDS)
    assert "status" not in Session.model_fields
    with pytest.raises(ValueError, match="status"):
        session.model_copy(update={"status": "failed"})


def test_the_words_are_the_contracts() -> None:
    """The values travel to other programs: they are part of the interface."""
    assert [*S] == ["initializing", "active", "shutting-down", "closed", "failed", "timed-out"]
    assert [*SessionStatus] == ["active", "completed", "failed", "timeout"]
    assert [*TransportType] == [
        *("stdio", "streamable-http", "sse", "in-memory", "in-process"),
    ]
    assert [*Direction] == ["client-to-server", "server-to-client"]


def test_a_direction_has_an_opposite() -> None:
    """A response goes the other way, and that is the only other one."""
    assert Direction.CLIENT_TO_SERVER.opposite is Direction.SERVER_TO_CLIENT
    assert [each.opposite.opposite for each in Direction] == [*Direction]
