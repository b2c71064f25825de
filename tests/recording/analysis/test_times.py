"""A session is as old as its server, which is started before the store is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sessionkeeper import Session
from sessionkeeper.recording.analysis.times import STARTED_KEY, duration_of, started_at

STORED = datetime(2026, 1, 2, 12, 0, 10, tzinfo=UTC)


def session(started: object) -> Session:
    made = Session.new(transport_type="stdio", metadata={STARTED_KEY: started})
    times = {"created_at": STORED, "last_activity": STORED + timedelta(seconds=5)}
    return made.model_copy(update=times)


def test_it_began_when_its_server_was_started() -> None:
    found = session("2026-01-02T14:00:07+02:00")
    assert started_at(found) == STORED - timedelta(seconds=3)
    assert duration_of(found) == timedelta(seconds=8)


@pytest.mark.parametrize(
    "other", ["2026-01-02T12:00:11+00:00", "yesterday", "", 7, None, "0001-01-01T00:00:00+14:00"]
)
def test_what_cannot_be_its_beginning_is_passed_over(other: object) -> None:
    assert started_at(session(other)) == STORED
    assert duration_of(session(other)) == timedelta(seconds=5)


def test_a_session_never_takes_less_than_nothing() -> None:
    found = session(None).model_copy(update={"last_activity": STORED - timedelta(seconds=1)})
    assert duration_of(found) == timedelta()
