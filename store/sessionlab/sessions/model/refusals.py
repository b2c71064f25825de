"""What a refusal shows about the state: it is an observation like a read, and changes nothing."""

from __future__ import annotations

import re
from typing import cast

from ...linearizability.history.exact import exact
from ...linearizability.history.operation import Operation, Plain
from ..layout import EffectData
from .state import (
    LIVE,
    Entry,
    ModelState,
    admits,
    find,
    learn_revision,
    match_incarnation,
    match_snapshot,
    may_follow,
    read_options,
)

__all__ = ["CHECKED", "refuse"]

CHECKED = frozenset(
    {
        "SessionNotFound",
        "SessionExists",
        "SessionClosed",
        "RevisionConflict",
        "SequenceConflict",
        "InvalidTransition",
        "ChangeRaised",
    }
)
"""The refusals that the model checks. It trusts those about limits, versions and the store's
health."""

_OPTIONS_AT = {"read_frames": 4, "trim_frames": 2, "remove_frames": 2}
"""Where the options begin in the argument of a call that may name an incarnation."""
_INCARNATION = re.compile(r"[0-9a-f]{16}")


def refuse(  # noqa: PLR0911 - a table of cases
    state: ModelState, operation: Operation
) -> tuple[ModelState, ...]:
    """Return the state if the refusal is true in it, with what the refusal showed."""
    name, *values = cast("tuple[Plain, ...]", exact(operation.result))
    if name == "ChangeRaised":
        return _raised(state, operation)
    if name == "ValueError":
        return _refuse_numbers(state, operation)
    entry = find(state, cast("str", values[0]))
    if name == "SessionNotFound":
        return () if entry is not None and not _may_be_another(entry, operation) else (state,)
    if entry is None:
        return ()
    if name == "RevisionConflict":
        expected, current = cast("list[int]", values[1:])
        if expected == current or not admits(entry, current):
            return ()
        return (learn_revision(state, entry, current)[0],)
    if name == "SequenceConflict":
        expected, current = cast("list[int]", values[1:])
        # The store reports an ended session first.
        true = entry.caller[1] in LIVE and expected != current == entry.last_seq
    elif name == "SessionClosed":
        true = entry.caller[1] == values[1] and values[1] not in LIVE
    elif name == "InvalidTransition":
        _, from_state, to_state = values
        after = (entry.caller[0], to_state, *entry.caller[2:])
        true = entry.caller[1] == from_state and not may_follow(entry.caller, after)
        if operation.name == "put_session":  # it would replace an ended one
            true = true and entry.caller[1] in LIVE
    else:
        true = name == "SessionExists"
    return (state,) if true else ()


def _may_be_another(entry: Entry, operation: Operation) -> bool:
    """Whether a call named an incarnation that is not, or may not be, the session's."""
    wanted = _wanted_incarnation(operation)
    return wanted is not None and wanted != entry.incarnation


def _wanted_incarnation(operation: Operation) -> str | None:
    start = _OPTIONS_AT.get(operation.name)
    if start is None:
        return None
    options = read_options(cast("tuple[Plain, ...]", operation.argument)[start:])
    return cast("str | None", options.get("incarnation"))


def _refuse_numbers(state: ModelState, operation: Operation) -> tuple[ModelState, ...]:
    """Check that `remove_frames` named something that is no number of a frame yet."""
    argument = cast("tuple[Plain, ...]", exact(operation.argument))
    session_id, seqs = cast("tuple[str, tuple[Plain, ...]]", argument[:2])
    wanted = _wanted_incarnation(operation)
    if any(type(seq) is not int or seq < 1 for seq in seqs) or not _may_name(wanted):
        return (state,)  # wrong use, of which the store does not look at the session
    entry = find(state, session_id)
    if entry is None or not any(cast("int", seq) > entry.last_seq for seq in seqs):
        return ()
    # The store looks first which session it is.
    seen = (state, entry) if wanted is None else match_incarnation(state, entry, wanted)
    return () if seen is None else (seen[0],)


def _may_name(incarnation: str | None) -> bool:
    return incarnation is None or _INCARNATION.fullmatch(incarnation) is not None


def _raised(state: ModelState, operation: Operation) -> tuple[ModelState, ...]:
    """Check a change that saw the current session and then raised."""
    argument = cast("tuple[Plain, ...]", exact(operation.argument))
    session_id, effect = cast("str", argument[0]), cast("EffectData", argument[-1])
    if effect is None:
        return (state,)
    entry = find(state, session_id)
    if entry is not None and operation.name == "add_frames":
        # The store reports an ended session and a longer log before the change runs.
        expected = cast("int | None", argument[2])
        if entry.caller[1] not in LIVE or expected not in (None, entry.last_seq):
            return ()
    seen = None if entry is None else match_snapshot(state, entry, effect[0])
    return () if seen is None else (seen,)
