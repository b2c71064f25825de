"""What only the operations of the session store can show of an anomaly.

Operations of other models have none of these names, and are passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import msgspec

from ..linearizability.checker.verdict import Contradiction, Counterexample
from ..linearizability.history.exact import exact
from ..linearizability.history.operation import Operation, Outcome, Plain
from ..sessions.layout import EffectData, FrameData, SessionData
from .kinds import AnomalyKind

__all__ = [
    "partial_effects",
    "find_skipped",
    "name_by_content",
    "read_by_change",
    "rename_contradiction",
    "single_reads",
]

_OF_A_SESSION = frozenset({"get_session", "get_frames", "read_frames", "count_frames"})
_COUNTS = frozenset({"count_frames", "count_sessions"})
_LOOKS_AT_FRAMES = frozenset({"get_frames", "read_frames"})
_SHORTENS = frozenset({"trim_frames", "delete_frames", "delete_session"})
_LISTS = frozenset({"list_sessions", "get_sessions_batch", "find_sessions"})
_CREATES = frozenset({"create_session", "get_or_create_session"})


def rename_contradiction(  # noqa: PLR0911 - a table of cases
    contradiction: Contradiction, operations: Sequence[Operation]
) -> AnomalyKind:
    """Name a contradiction, which the checker found without knowing what is stored."""
    kind = AnomalyKind(contradiction.kind)
    last = contradiction.operations[-1]
    if kind is AnomalyKind.STALE_READ and last.name in _COUNTS:
        return AnomalyKind.DRIFT
    if kind in (AnomalyKind.STALE_READ, AnomalyKind.DIRTY_READ) and any(
        _is_too_high(each, operations) for each in contradiction.operations
    ):
        return AnomalyKind.DRIFT
    if kind in (AnomalyKind.DIRTY_READ, AnomalyKind.GAP):
        looks = [last] if kind is AnomalyKind.DIRTY_READ else operations
        refused = _of_what_was_refused(looks, operations)
        if refused is not None:
            return refused
    if kind in (AnomalyKind.GAP, AnomalyKind.ORDER_INVERSION) and _is_there_twice(last, operations):
        return AnomalyKind.DUPLICATE
    if any(_is_apart(each, operations) for each in contradiction.operations):
        return AnomalyKind.TORN_BATCH
    if kind is AnomalyKind.DUPLICATE and last.name in _CREATES:
        # A revision given again after a deletion is harmless until somebody writes with it.
        ids = {_read_session_id(each) for each in contradiction.operations}
        if any(
            _is_of_an_earlier_session(each) for each in operations if _read_session_id(each) in ids
        ):
            return AnomalyKind.STALE_WRITE
    return kind


def _is_there_twice(found: Operation, operations: Sequence[Operation]) -> bool:
    """Whether a look at the same log shows a frame more often than anybody appended it."""
    sent = Counter(frame for each in operations for frame in _offered(each))
    return any(
        count > sent[frame] > 0
        for look in operations
        if look.name in _LOOKS_AT_FRAMES and look.outcome is Outcome.OK
        for frame, count in Counter(_read_frames(look)).items()
        if frame[0] == _identify_log(found)
    )


def _identify_log(operation: Operation) -> Plain:
    frames = _offered(operation)
    return frames[0][0] if frames else _read_session_id(operation)


def _is_too_high(count: Operation, operations: Sequence[Operation]) -> bool:
    """Whether a count is of more frames than anybody had begun to append."""
    if count.name != "count_frames" or count.returned is None or not operations:
        return False
    begun = sum(
        sum(frame[0] == _read_session_id(count) for frame in _offered(each))
        for each in operations
        if each.call < count.returned
    )
    return cast("int", count.result) > begun


def _is_apart(batch: Operation, operations: Sequence[Operation]) -> bool:
    """Whether the frames of a batch were seen with others in between, or not all of them."""
    frames = _offered(batch)
    if len(frames) < 2:
        return False
    for look in operations:
        if look.name == "get_frames" and look.outcome is Outcome.OK:
            shown = _read_frames(look)
            places = [place for place, frame in enumerate(shown) if frame in frames]
            if places and places != list(range(places[0], places[0] + len(frames))):
                return True
    return False


def _of_what_was_refused(
    looks: Sequence[Operation], operations: Sequence[Operation]
) -> AnomalyKind | None:
    """Look for who was refused of what a look at frames shows."""
    refused = [each for each in operations if each.outcome is Outcome.FAILED and _offered(each)]
    for look in looks if refused else ():
        if look.name not in _LOOKS_AT_FRAMES or look.outcome is not Outcome.OK:
            continue
        shown = set(_read_frames(look))
        for other in refused:
            if shown.isdisjoint(_offered(other)):
                continue
            if cast("tuple[Plain, ...]", other.result)[0] == "ChangeNeverRan":
                return AnomalyKind.HALF_AN_OPERATION
            if other.returned is not None and look.call > other.returned:
                return AnomalyKind.PHANTOM
    return None


def name_by_content(  # noqa: PLR0911 - a table of cases
    operation: Operation, example: Counterexample, operations: Sequence[Operation]
) -> AnomalyKind | None:
    """Name what the reply of an operation that could not come next shows by itself."""
    name, result = operation.name, operation.result
    if operation.outcome is not Outcome.OK:
        return None
    if name in _CREATES:
        if name == "get_or_create_session" and not cast("tuple[SessionData, bool]", result)[1]:
            return None
        # An id that is free can be created: only a limit speaks against it.
        free = _is_gone(operation, example, at_first=True)
        return AnomalyKind.OVERSHOOT if free else AnomalyKind.DUPLICATE
    if name in ("add_frame", "add_frames"):
        return _of_numbers(operation, example)
    if name in _OF_A_SESSION and _is_gone(operation, example):
        return AnomalyKind.RESURRECTION
    if _is_of_an_earlier_session(operation):
        return AnomalyKind.STALE_WRITE
    if name in _COUNTS:
        return AnomalyKind.DRIFT
    if name in _LOOKS_AT_FRAMES:
        argument = operation.argument
        session_id = argument if name == "get_frames" else cast("tuple[str]", argument)[0]
        frames = _read_frames(operation)
        if any(frame[0] != session_id for frame in frames):
            return AnomalyKind.CROSS_SESSION_REPLAY
        if frames and _is_inside_a_batch(frames[-1], operations or _known(example)):
            return AnomalyKind.TORN_BATCH
        if name == "read_frames" and find_skipped(operation, operations or _known(example)):
            return AnomalyKind.SKIPPED_FRAME
    return None


def single_reads(operation: Operation) -> tuple[Operation, ...]:
    """Return what a read of several sessions says of each alone; nothing for other operations."""
    if operation.outcome is not Outcome.OK or operation.name not in _LISTS:
        return ()
    reports = cast("tuple[SessionData, ...]", operation.result)
    if operation.name == "find_sessions":
        reports = cast("tuple[tuple[SessionData, ...], str | None]", operation.result)[0]
    alone = msgspec.structs.replace(operation, name="get_session")
    return tuple(
        msgspec.structs.replace(alone, argument=report[0], result=report) for report in reports
    )


def read_by_change(operation: Operation) -> Operation | None:
    """Return what a change saw of its session, as a read; None for other operations."""
    if operation.outcome is not Outcome.OK or operation.name not in (
        "modify_session",
        "add_frames",
    ):
        return None
    session_id, *_, effect = cast("tuple[str, EffectData]", operation.argument)
    if effect is None:
        return None
    return msgspec.structs.replace(
        operation, name="get_session", argument=session_id, result=effect[0]
    )


def partial_effects(operation: Operation) -> tuple[Operation, ...]:
    """Return what a call would be that does only some of its one step."""
    if operation.name != "add_frames" or operation.outcome is Outcome.FAILED:
        return ()
    session_id, frames, expected, effect = cast(
        "tuple[str, tuple[FrameData, ...], int | None, EffectData]", operation.argument
    )
    if effect is None:
        return ()
    half = msgspec.structs.replace(operation, outcome=Outcome.UNKNOWN, result=None)
    return (
        msgspec.structs.replace(half, argument=(session_id, frames, expected, None)),
        msgspec.structs.replace(half, argument=(session_id, (), expected, effect)),
    )


def _of_numbers(operation: Operation, example: Counterexample) -> AnomalyKind | None:
    first = operation.result
    last = 0
    for other in example.order:
        if other.outcome is Outcome.OK and _read_session_id(other) == _read_session_id(operation):
            if other.name == "add_frame":
                last = max(last, cast("int", other.result))
            elif other.name == "add_frames":
                last = max(last, cast("tuple[int, int]", other.result)[1] - 1)
            elif other.name == "delete_session":
                last = 0
    number = cast("int", first[0] if isinstance(first, tuple) else first)
    if number == last + 1:
        return None
    return AnomalyKind.DUPLICATE if number <= last else AnomalyKind.GAP


def _is_of_an_earlier_session(operation: Operation) -> bool:
    """Whether a write was accepted whose snapshot is of another session than the one it changed:
    the store alone says when a session was created.
    """
    if operation.name != "update_session" or operation.outcome is not Outcome.OK:
        return False
    snapshot = cast("SessionData", operation.argument)
    created = cast("SessionData", operation.result)[5]
    return bool(exact(snapshot[5]) != exact(created))


def _is_gone(operation: Operation, example: Counterexample, *, at_first: bool = False) -> bool:
    """Whether the session was deleted last, of all that the order does to its life."""
    gone = at_first
    for other in example.order:
        if other.outcome is Outcome.FAILED or _read_session_id(other) != _read_session_id(
            operation
        ):
            continue
        if other.name == "delete_session":
            gone = True
        elif other.name in _CREATES:
            gone = False
    return gone


def _is_inside_a_batch(frame: FrameData, operations: Sequence[Operation]) -> bool:
    return any(frame in _offered(other)[:-1] for other in operations if other.name == "add_frames")


def find_skipped(look: Operation, operations: Sequence[Operation]) -> tuple[int, int] | None:
    """Return a number that a look at the frames after a number passed over, and the highest shown.

    None if it passed over none that was ever given.
    """
    session_id, after, _, newest, *options = cast("tuple[Plain, ...]", look.argument)
    shown = {seq for seq, _ in cast("tuple[tuple[int, FrameData], ...]", look.result)}
    names = {each.name for each in operations if _read_session_id(each) == session_id}
    if newest or options or not shown or not names.isdisjoint(_SHORTENS):
        return None
    missing = set(range(cast("int", after) + 1, max(shown))) - shown
    given = {
        number
        for each in operations
        if _identify_log(each) == session_id
        for number in _given_numbers(each)
    }
    skipped = missing & given
    return (min(skipped), max(shown)) if skipped else None


def _given_numbers(append: Operation) -> range:
    """The numbers that an append was told."""
    if append.outcome is not Outcome.OK or not _offered(append):
        return range(0)
    if append.name == "add_frame":
        first = cast("int", append.result)
        return range(first, first + 1)
    return range(*cast("tuple[int, int]", append.result))


def _known(example: Counterexample) -> Sequence[Operation]:
    return (*example.order, *(each.operation for each in example.blocked), *example.shrunk)


def _read_frames(look: Operation) -> list[FrameData]:
    shown = cast("tuple[tuple[Plain, ...], ...]", look.result)
    numbered = look.name == "read_frames"
    return [exact(each[1] if numbered else each) for each in shown]


def _offered(operation: Operation) -> tuple[FrameData, ...]:
    """The frames of an append."""
    if operation.name == "add_frame":
        return (exact(operation.argument),)
    if operation.name == "add_frames":
        frames = cast("tuple[Plain, tuple[FrameData, ...]]", operation.argument)[1]
        return cast("tuple[FrameData, ...]", exact(frames))
    return ()


def _read_session_id(operation: Operation) -> Plain:
    argument = operation.argument
    return argument[0] if isinstance(argument, tuple) and argument else argument
