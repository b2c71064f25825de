"""The state of the session store's model, and what a snapshot of a session adds to it.

Positions of the plain data are those of `sessions.layout`. The model is written from the contract,
independent of the store's own rules, so that the two can disagree. All values in a state are exact
forms.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, TypeAlias, cast

from ...linearizability.history.operation import Plain
from ..layout import CallerData, SessionData

__all__ = [
    "LIVE",
    "Entry",
    "ModelState",
    "admits",
    "find",
    "may_follow",
    "with_open_revision",
    "replace_entry",
    "match_snapshot",
    "learn_revision",
    "match_incarnation",
    "read_options",
    "without",
    "write_fields",
]

LIVE = frozenset({"initializing", "active", "shutting-down"})

_ENDS = frozenset({"closed", "failed", "timed-out"})
_FOLLOWING = {
    "initializing": frozenset({"active"}) | _ENDS,
    "active": frozenset({"shutting-down"}) | _ENDS,
    "shutting-down": _ENDS,
}


NONE_ODD = (0, 0)


class Entry(NamedTuple):
    """One session. Values that no reply has shown yet are open."""

    id: str
    caller: CallerData
    revision: int
    """A negative value means: not known, but above -(value + 1)."""
    created_at: float | None
    ended_at: float | None
    log: int
    last_seq: int
    dropped: int
    """Frames up to this number were removed."""
    place: int = 0
    """While the revision is not known: its position among those above the same number."""
    below: int = 0
    """While the revision is not known: a number that was given later, 0 if none is known."""
    odd: tuple[int, int] = NONE_ODD
    """How many odd frames and how many gaps it ever had."""
    incarnation: str | None = None


Highs: TypeAlias = "int | tuple[tuple[str, int], ...]"
"""The highest revision known to have been given: by the counter of the whole store, or for each id
if it is not known which sessions share a counter."""


class ModelState(NamedTuple):
    """The highest known revision, and the sessions in order of creation."""

    high: Highs
    entries: tuple[Entry, ...]
    former: frozenset[tuple[str, str]] = frozenset()
    """Ids and incarnations of sessions that are gone: no other session may have one of them."""


Report: TypeAlias = "SessionData | None"


def highest(state: ModelState, session_id: str) -> int:
    """Return the number that the next revision of a session is above."""
    high = state.high
    if isinstance(high, int):
        return high
    return next((number for each, number in high if each == session_id), 0)


def raise_high(state: ModelState, session_id: str, revision: int | None) -> Highs:
    """Return the highest revisions, with one more revision known."""
    high = state.high
    if revision is None:
        return high
    if isinstance(high, int):
        return max(high, revision)
    known = dict(high)
    known[session_id] = max(known.get(session_id, 0), revision)
    return tuple(sorted(known.items()))


def find(state: ModelState, session_id: str) -> Entry | None:
    """Return the session's entry."""
    for entry in state.entries:
        if entry.id == session_id:
            return entry
    return None


def replace_entry(state: ModelState, old: Entry, new: Entry, high: int | None = None) -> ModelState:
    """Return the state with one entry replaced."""
    entries = state.entries
    known = raise_high(state, new.id, high)
    if len(entries) == 1:
        return ModelState(known, (new,), state.former)
    changed = tuple(new if entry is old else entry for entry in entries)
    return ModelState(known, changed, state.former)


def without(state: ModelState, gone: Collection[Entry]) -> ModelState:
    """Return the state without these entries."""
    left = tuple(entry for entry in state.entries if entry not in gone)
    former = {(entry.id, entry.incarnation) for entry in gone if entry.incarnation is not None}
    return ModelState(state.high, left, state.former.union(former))


def unknown_above(high: int) -> int:
    """Return the mark for a revision that is not known but above `high`."""
    return -high - 1


def admits(entry: Entry, revision: int) -> bool:
    """Whether the entry's revision may be this one."""
    if type(revision) is not int:
        return False  # of a faulty store: no revision
    if entry.revision >= 0:
        return entry.revision == revision
    return revision >= -entry.revision and (not entry.below or revision < entry.below)


def with_open_revision(state: ModelState, entry: Entry) -> Entry:
    """Return the entry after a write whose new revision is not known yet."""
    place = 1
    for other in state.entries:
        if other.revision < 0 and not other.below and other.place >= place:
            place = other.place + 1
    revision = unknown_above(highest(state, entry.id))
    return entry._replace(revision=revision, place=place, below=0)


def learn_revision(state: ModelState, entry: Entry, revision: int) -> tuple[ModelState, Entry]:
    """Return state and entry with the entry's revision known; the entry must allow it.

    With one counter this also bounds the open revisions of other sessions.
    """
    if entry.revision == revision:
        return state, entry
    known = entry._replace(revision=revision, place=0, below=0)
    after = replace_entry(state, entry, known, revision)
    if entry.revision >= 0 or not isinstance(after.high, int) or len(after.entries) == 1:
        return after, known
    gap = (entry.revision, entry.below)
    entries = tuple(
        _bound_entry(other, entry.place, revision)
        if other.revision < 0 and (other.revision, other.below) == gap
        else other
        for other in after.entries
    )
    return ModelState(after.high, entries, after.former), known


def _bound_entry(entry: Entry, place: int, revision: int) -> Entry:
    """Return an entry after the number at a position in its gap is known."""
    if entry.place < place:
        return entry._replace(below=revision)
    return entry._replace(revision=unknown_above(revision))


def match_snapshot(state: ModelState, entry: Entry, data: SessionData) -> ModelState | None:
    """Return the state after a snapshot of the entry; None if the snapshot contradicts it.

    The state changes only if the snapshot shows values that were open.
    """
    _, caller, revision, frame_count, last_seq, created_at, _, ended_at = data[:8]
    odd = data[8:10] or NONE_ODD
    incarnation = _read_incarnation(data) or entry.incarnation
    if (
        caller != entry.caller
        or last_seq != entry.last_seq
        or frame_count != last_seq - entry.dropped
        or odd != entry.odd
        or not admits(entry, revision)
        or (ended_at is None) != (caller[1] in LIVE)
        or entry.created_at not in (None, created_at)
        or entry.ended_at not in (None, ended_at)
        or entry.incarnation not in (None, incarnation)
        or (entry.id, incarnation) in state.former
    ):
        return None
    shown = (created_at, ended_at, incarnation)
    if revision == entry.revision and shown == _shown(entry):
        return state
    after, known = learn_revision(state, entry, revision)
    if shown == _shown(known):
        return after
    learned = known._replace(created_at=created_at, ended_at=ended_at, incarnation=incarnation)
    return replace_entry(after, known, learned)


def _read_incarnation(data: SessionData) -> str | None:
    more = cast("tuple[str, ...]", data[10:])
    return more[0] if more else None


def match_incarnation(
    state: ModelState, entry: Entry, incarnation: str
) -> tuple[ModelState, Entry] | None:
    """Return state and entry after a call that named the entry's incarnation; None for another."""
    if entry.incarnation == incarnation:
        return state, entry
    if entry.incarnation is not None or (entry.id, incarnation) in state.former:
        return None
    known = entry._replace(incarnation=incarnation)
    return replace_entry(state, entry, known), known


def read_options(options: tuple[Plain, ...]) -> dict[str, object]:
    """Return the options at the end of an argument by their names."""
    return dict(cast("tuple[tuple[str, object], ...]", options))


def _shown(entry: Entry) -> tuple[float | None, float | None, str | None]:
    return entry.created_at, entry.ended_at, entry.incarnation


def write_fields(
    state: ModelState,
    entry: Entry,
    caller: CallerData,
    report: Report,
    *,
    dated: Entry | None = None,
) -> ModelState | None:
    """Return the state after a write of the caller's fields, None if the report is wrong.

    Without a report, the new revision is left open. `dated` is the entry with other times.
    """
    new = with_open_revision(state, (dated or entry)._replace(caller=caller))
    after = replace_entry(state, entry, new)
    return after if report is None else match_snapshot(after, new, report)


def may_follow(before: CallerData, after: CallerData) -> bool:
    """Whether these caller's fields may follow those: state and protocol versions."""
    if after[1] != before[1] and after[1] not in _FOLLOWING.get(cast("str", before[1]), ()):
        return False
    _, negotiated, _ = cast("tuple[str | None, str | None, str | None]", before[6])
    _, agreed, transport = cast("tuple[str | None, str | None, str | None]", after[6])
    if negotiated is not None and agreed != negotiated:
        return False
    return agreed is None or transport in (None, agreed)
