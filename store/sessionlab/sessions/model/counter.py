"""What calls of the session store show about the counter that gives revisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from ...linearizability.history.operation import Operation, Outcome, Plain
from ...linearizability.models.model import CounterUse
from ..layout import EffectData, SessionData
from .state import Entry, ModelState

__all__ = ["counter_uses", "read_stamps"]


def read_stamps(operation: Operation) -> tuple[int, ...]:
    """Return the revisions that an operation was given."""
    name, result = operation.name, operation.result
    if operation.outcome is not Outcome.OK or name not in _STAMPED:
        return ()
    if name == "get_or_create_session":
        report, created = cast("tuple[SessionData, bool]", result)
        return _numbers([report[2]]) if created else ()
    if name in ("update_sessions_batch", "expire_sessions"):
        return _numbers(report[2] for report in cast("tuple[SessionData, ...]", result))
    if name == "modify_session":
        effect = cast("tuple[str, EffectData]", operation.argument)[1]
        if effect is None or effect[1] is None:
            return ()
    return _numbers([cast("SessionData", result)[2]])


_STAMPED = frozenset(
    {
        *("create_session", "get_or_create_session", "update_session", "modify_session"),
        *("update_sessions_batch", "expire_sessions", "archive_session", "put_session"),
    }
)


def _numbers(revisions: Iterable[int]) -> tuple[int, ...]:
    """Leave out values that no counter gives: the model refuses them."""
    return tuple(each for each in revisions if type(each) is int)


def counter_uses(order: Sequence[tuple[Operation, ModelState]]) -> list[CounterUse]:
    """Return how each operation of a valid order uses the counter.

    If the reply of a write does not show its revision, a later operation may show it.
    """
    given: list[int | None] = []
    reached: list[int | None] = []
    open_writes: dict[str, int] = {}
    before = ModelState(0, ())
    for index, (operation, after) in enumerate(order):
        stamps = read_stamps(operation)
        told = list(_told(operation))
        seen = {session_id for session_id, _ in told}
        given.append(min(stamps, default=None))
        reached.append(max((*stamps, *(revision for _, revision in told)), default=None))
        for session_id, revision in told:
            write = open_writes.pop(session_id, None)
            if write is not None:
                given[write] = min(revision, given[write] or revision)
                reached[write] = max(revision, reached[write] or revision)
        for session_id, old, new in _changed(before, after):
            if new is None or new.revision >= 0:
                open_writes.pop(session_id, None)
            elif old is None or session_id in seen or old.caller != new.caller:
                open_writes[session_id] = index
        before = after
    return [CounterUse(*each) for each in zip(given, reached, strict=True)]


def _changed(
    before: ModelState, after: ModelState
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Return the changed sessions: (id, entry before, entry after)."""
    if before.entries is after.entries:
        return
    left = {entry.id: entry for entry in after.entries}
    for entry in before.entries:
        new = left.pop(entry.id, None)
        if new is not entry:
            yield entry.id, entry, new
    for entry in left.values():
        yield entry.id, None, entry


def _told(operation: Operation) -> Iterator[tuple[str, int]]:
    """Return the revisions of sessions from before the operation changed them, if it did."""
    if operation.outcome is not Outcome.FAILED:
        yield from _told_by_argument(operation)
        if operation.outcome is Outcome.OK:
            yield from _told_by_reply(operation)
        return
    refusal, *values = cast("tuple[Plain, ...]", operation.result)
    if refusal == "RevisionConflict":
        yield cast("str", values[0]), cast("int", values[2])
    elif refusal == "ChangeRaised":
        yield from _told_by_argument(operation)


def _told_by_argument(operation: Operation) -> Iterator[tuple[str, int]]:
    name, argument = operation.name, operation.argument
    if name in ("modify_session", "add_frames"):
        effect = cast("tuple[EffectData]", argument)[-1]
        if effect is not None:
            yield _of(effect[0])
    elif name == "update_session":
        yield _of(argument)
    elif name == "archive_session":
        yield _of(cast("tuple[str, SessionData]", argument)[1])
    elif name == "update_sessions_batch":
        yield from map(_of, cast("tuple[SessionData, ...]", argument))


def _told_by_reply(operation: Operation) -> Iterator[tuple[str, int]]:
    name, result = operation.name, operation.result
    if name == "get_session":
        yield _of(result)
    elif name == "get_or_create_session":
        report, created = cast("tuple[SessionData, bool]", result)
        if not created:
            yield _of(report)
    elif name in ("list_sessions", "get_sessions_batch"):
        yield from map(_of, cast("tuple[SessionData, ...]", result))
    elif name == "find_sessions":
        yield from map(_of, cast("tuple[tuple[SessionData, ...]]", result)[0])
    elif name == "modify_session" and not read_stamps(operation):
        yield _of(result)


def _of(report: Plain) -> tuple[str, int]:
    session = cast("SessionData", report)
    return session[0], session[2]
