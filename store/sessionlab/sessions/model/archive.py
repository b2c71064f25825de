"""What `archive_session` means: a live session gets the fields and the times of another."""

from __future__ import annotations

from typing import cast

from ...linearizability.history.operation import Plain
from ..layout import CallerData, SessionData
from .sessions import States
from .state import LIVE, ModelState, admits, find, learn_revision, may_follow, write_fields

__all__ = ["archive"]


def archive(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """The session has not ended, and nobody else has changed it or its log meanwhile."""
    session_id, session, expected = cast("tuple[str, SessionData, int]", argument)
    entry = find(state, session_id)
    if entry is None or entry.caller[1] not in LIVE or entry.last_seq != expected:
        return ()
    if not admits(entry, session[2]) or not _may_become(entry.caller, session[1]):
        return ()
    before, entry = learn_revision(state, entry, session[2])
    dated = entry._replace(created_at=session[5], ended_at=session[7])
    report = cast("SessionData", result) if known else None
    after = write_fields(before, entry, session[1], report, dated=dated)
    return () if after is None else (after,)


def _may_become(before: CallerData, after: CallerData) -> bool:
    # A copy that is not whole yet may become anything; its versions are checked all the same.
    state = after[1] if before[1] == "initializing" else before[1]
    return may_follow((before[0], state, *before[2:]), after)
