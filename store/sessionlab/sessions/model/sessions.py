"""The operations on sessions. Each returns the states it may lead to."""

from __future__ import annotations

from typing import cast

from ...linearizability.history.exact import exact
from ...linearizability.history.operation import Plain
from ..layout import CallerData, EffectData, SessionData
from .logs import EMPTY
from .state import (
    LIVE,
    Entry,
    ModelState,
    admits,
    find,
    learn_revision,
    match_snapshot,
    may_follow,
    with_open_revision,
    without,
    write_fields,
)

__all__ = [
    "apply_change",
    "count",
    "create",
    "delete",
    "get",
    "get_batch",
    "get_or_create",
    "list_all",
    "modify",
    "put",
    "touch",
    "update",
    "update_batch",
]

States = tuple[ModelState, ...]


def one(state: ModelState | None) -> States:
    """Return a list of this state, empty for None."""
    return () if state is None else (state,)


def create(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Create a session that does not exist."""
    session = cast("SessionData", argument)
    if find(state, session[0]) is not None:
        return ()
    return one(_created(state, session, cast("SessionData", result) if known else None))


def _created(
    state: ModelState, session: SessionData, report: SessionData | None
) -> ModelState | None:
    entry = with_open_revision(state, Entry(session[0], session[1], 0, None, None, EMPTY, 0, 0))
    after = state._replace(entries=(*state.entries, entry))
    return after if report is None else match_snapshot(after, entry, report)


def get_or_create(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Create the session if it does not exist, and report which."""
    session = cast("SessionData", argument)
    entry = find(state, session[0])
    if not known:
        return one(_created(state, session, None)) if entry is None else (state,)
    report, created = cast("tuple[SessionData, bool]", result)
    if created != exact(entry is None):
        return ()
    if entry is None:
        return one(_created(state, session, report))
    return one(match_snapshot(state, entry, report))


def put(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Create the session, change the live one, or replace the one that has ended."""
    session = cast("SessionData", argument)
    report = cast("SessionData", result) if known else None
    entry = find(state, session[0])
    if entry is None:
        return one(_created(state, session, report))
    if entry.caller[1] not in LIVE:
        return one(_created(without(state, [entry]), session, report))
    if not may_follow(entry.caller, session[1]):
        return ()
    return one(write_fields(state, entry, session[1], report))


def get(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Return a snapshot of one session."""
    entry = find(state, cast("str", argument))
    return () if entry is None else one(match_snapshot(state, entry, cast("SessionData", result)))


def get_batch(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Return snapshots in the given order, all of one moment."""
    ids = cast("tuple[str, ...]", argument)
    reports = cast("tuple[SessionData, ...]", result)
    if ids != tuple(report[0] for report in reports):
        return ()
    return one(_all_seen(state, reports))


def _all_seen(state: ModelState, reports: tuple[SessionData, ...]) -> ModelState | None:
    after: ModelState | None = state
    for report in reports:
        entry = None if after is None else find(after, report[0])
        if after is None or entry is None:
            return None
        after = match_snapshot(after, entry, report)
    return after


def list_all(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Return all sessions, in order of creation."""
    reports = cast("tuple[SessionData, ...]", result)
    if tuple(entry.id for entry in state.entries) != tuple(report[0] for report in reports):
        return ()
    return one(_all_seen(state, reports))


def count(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Return the number of sessions."""
    return (state,) if result == len(state.entries) else ()


def update(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Replace the caller's fields of a session whose revision is the snapshot's."""
    session = cast("SessionData", argument)
    return one(_updated(state, session, cast("SessionData", result) if known else None))


def _updated(
    state: ModelState, session: SessionData, report: SessionData | None
) -> ModelState | None:
    entry = find(state, session[0])
    if entry is None or not admits(entry, session[2]) or not may_follow(entry.caller, session[1]):
        return None
    # An accepted update shows the revision, if it was not known.
    before, known = learn_revision(state, entry, session[2])
    return write_fields(before, known, session[1], report)


def update_batch(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Update all sessions or none, in one step."""
    sessions = cast("tuple[SessionData, ...]", argument)
    reports: tuple[SessionData | None, ...] = (None,) * len(sessions)
    if known:
        reports = cast("tuple[SessionData, ...]", result)
        if len(reports) != len(sessions):
            return ()
    after: ModelState | None = state
    if any(type(_revision(report)) is not int for report in reports):
        return ()
    # In the order of their revisions: the contract leaves their order open.
    order = sorted(range(len(sessions)), key=lambda i: _revision(reports[i]))
    for index in order:
        if after is not None:
            after = _updated(after, sessions[index], reports[index])
    return one(after)


def _revision(report: SessionData | None) -> int:
    return 0 if report is None else report[2]


def modify(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Replace a session by the result of a change of the current session."""
    session_id, effect = cast("tuple[str, EffectData]", argument)
    entry = find(state, session_id)
    if entry is None or effect is None:
        return ()
    return one(apply_change(state, entry, effect, cast("SessionData", result) if known else None))


def apply_change(
    state: ModelState, entry: Entry, effect: tuple[SessionData, CallerData | None], report: Plain
) -> ModelState | None:
    """Return the state after a change that saw the current session."""
    given, caller = effect
    seen = match_snapshot(state, entry, given)
    now = None if seen is None else find(seen, entry.id)
    if seen is None or now is None:
        return None
    answer = cast("SessionData | None", report)
    if caller is None:
        return seen if answer is None else match_snapshot(seen, now, answer)
    return write_fields(seen, now, caller, answer) if may_follow(now.caller, caller) else None


def delete(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Delete the session and its frames."""
    entry = find(state, cast("str", argument))
    return () if entry is None else (without(state, [entry]),)


def touch(state: ModelState, argument: Plain, result: Plain, known: bool) -> States:
    """Change only a time that is not modelled; an ended session refuses this."""
    entry = find(state, cast("str", argument))
    return (state,) if entry is not None and entry.caller[1] in LIVE else ()
