"""The state of the session store's model, and how a snapshot of a session bears on it.

Positions of the plain data are those of `history.layout`. Written from the contract, apart from
the store's own rules, so that the two can disagree.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, cast

from ...history.layout import CallerData, SessionData

__all__ = [
    "LIVE",
    "Entry",
    "State",
    "admits",
    "find",
    "may_follow",
    "replaced",
    "seen_as",
    "unknown_above",
    "written",
]

LIVE = frozenset({"initializing", "active", "shutting-down"})

_ENDS = frozenset({"closed", "failed", "timed-out"})
_FOLLOWING = {
    "initializing": frozenset({"active"}) | _ENDS,
    "active": frozenset({"shutting-down"}) | _ENDS,
    "shutting-down": _ENDS,
}


class Entry(NamedTuple):
    """One session. What no reply has told yet is left open until one does."""

    id: str
    caller: CallerData
    revision: int
    """Below zero: not known, but above -(it + 1)."""
    created_at: float | None
    ended_at: float | None
    log: int
    last_seq: int
    dropped: int
    """Frames up to this number are gone."""


class State(NamedTuple):
    """The highest revision known to have been given, and the sessions in order of creation."""

    high: int
    entries: tuple[Entry, ...]


Report: TypeAlias = "SessionData | None"


def find(state: State, session_id: str) -> Entry | None:
    """Return the session's entry."""
    for entry in state.entries:
        if entry.id == session_id:
            return entry
    return None


def replaced(state: State, old: Entry, new: Entry, high: int | None = None) -> State:
    """Return the state with another entry in an entry's place."""
    entries = state.entries
    high = state.high if high is None else max(high, state.high)
    if len(entries) == 1:
        return State(high, (new,))
    return State(high, tuple(new if entry is old else entry for entry in entries))


def unknown_above(high: int) -> int:
    """Return the mark for a revision that is not known but above `high`."""
    return -high - 1


def admits(entry: Entry, revision: int) -> bool:
    """Whether the entry's revision may be this one."""
    if entry.revision >= 0:
        return entry.revision == revision
    return revision >= -entry.revision


def seen_as(state: State, entry: Entry, data: SessionData) -> State | None:
    """Return the state after a snapshot of the entry as it is, None if it is not like that.

    The state is the same unless the snapshot told what was open.
    """
    _, caller, revision, frame_count, last_seq, created_at, _, ended_at = data
    if (
        caller != entry.caller
        or last_seq != entry.last_seq
        or frame_count != last_seq - entry.dropped
        or not admits(entry, revision)
        or (ended_at is None) != (caller[1] in LIVE)
        or entry.created_at not in (None, created_at)
        or entry.ended_at not in (None, ended_at)
    ):
        return None
    if (revision, created_at, ended_at) == (entry.revision, entry.created_at, entry.ended_at):
        return state
    known = entry._replace(revision=revision, created_at=created_at, ended_at=ended_at)
    return replaced(state, entry, known, revision)


def written(state: State, entry: Entry, caller: CallerData, report: Report) -> State | None:
    """Return the state after a write of the caller's fields, None if the report is wrong.

    Without a report, the new revision is left open.
    """
    new = entry._replace(caller=caller, revision=unknown_above(state.high))
    after = replaced(state, entry, new)
    return after if report is None else seen_as(after, new, report)


def may_follow(before: CallerData, after: CallerData) -> bool:
    """Whether these caller's fields may come after those: state and protocol versions."""
    if after[1] != before[1] and after[1] not in _FOLLOWING.get(cast("str", before[1]), ()):
        return False
    _, negotiated, _ = cast("tuple[str | None, str | None, str | None]", before[6])
    _, agreed, transport = cast("tuple[str | None, str | None, str | None]", after[6])
    if negotiated is not None and agreed != negotiated:
        return False
    return agreed is None or transport in (None, agreed)
