"""What a call of the session store shows about frame numbers, and the order they suggest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias, cast

from ...linearizability.history.operation import Operation, Outcome, Plain
from ...linearizability.models.facts import (
    AppendFact,
    AttemptFact,
    ChangeFact,
    CountFact,
    Fact,
    LastNumberFact,
    ReadFact,
    RemovalFact,
    TrimFact,
)
from ...linearizability.models.model import OrderKey
from ..layout import FrameData, SessionData
from .state import read_options

__all__ = ["read_facts", "read_order_key"]

Tell: TypeAlias = Callable[[Operation], Iterator[Fact]]


def read_facts(operation: Operation) -> Iterator[Fact]:
    """Return the facts of an operation that was not refused."""
    if operation.outcome is Outcome.UNKNOWN:
        return _UNKNOWN.get(operation.name, _nothing)(operation)
    return _KNOWN.get(operation.name, _nothing)(operation)


def _nothing(operation: Operation) -> Iterator[Fact]:
    return iter(())


def _seen(operation: Operation) -> Iterator[Fact]:
    report = cast("SessionData", operation.result)
    yield LastNumberFact(report[0], report[4])


def _seen_all(operation: Operation) -> Iterator[Fact]:
    for report in cast("tuple[SessionData, ...]", operation.result):
        yield LastNumberFact(report[0], report[4])


def _page(operation: Operation) -> Iterator[Fact]:
    for report in cast("tuple[tuple[SessionData, ...], str | None]", operation.result)[0]:
        yield LastNumberFact(report[0], report[4])


def _got_or_created(operation: Operation) -> Iterator[Fact]:
    report, _ = cast("tuple[SessionData, bool]", operation.result)
    yield LastNumberFact(report[0], report[4])


def _put(operation: Operation) -> Iterator[Fact]:
    report = cast("SessionData", operation.result)
    if not report[4]:  # perhaps in the place of another
        yield RemovalFact(report[0])
    yield LastNumberFact(report[0], report[4])


def _offered_session(operation: Operation) -> Iterator[Fact]:
    yield RemovalFact(cast("SessionData", operation.argument)[0])


def _removed(operation: Operation) -> Iterator[Fact]:
    yield RemovalFact(cast("str", operation.argument))


def _purged(operation: Operation) -> Iterator[Fact]:
    yield RemovalFact(None)


def _added(operation: Operation) -> Iterator[Fact]:
    frame = cast("FrameData", operation.argument)
    yield AppendFact(frame[0], cast("int", operation.result), (frame,))


def _added_several(operation: Operation) -> Iterator[Fact]:
    session_id, frames = cast("tuple[str, tuple[FrameData, ...]]", operation.argument)[:2]
    yield AppendFact(session_id, cast("tuple[int, int]", operation.result)[0], frames)


def _offered(operation: Operation) -> Iterator[Fact]:
    frame = cast("FrameData", operation.argument)
    yield AttemptFact(frame[0], (frame,))


def _offered_several(operation: Operation) -> Iterator[Fact]:
    session_id, frames = cast("tuple[str, tuple[FrameData, ...]]", operation.argument)[:2]
    yield AttemptFact(session_id, frames)


def _got_frames(operation: Operation) -> Iterator[Fact]:
    frames = cast("tuple[FrameData, ...]", operation.result)
    yield ReadFact(cast("str", operation.argument), None, frames, to_the_end=True)


def _read_frames(operation: Operation) -> Iterator[Fact]:
    argument = cast("tuple[Plain, ...]", operation.argument)
    session_id, _, limit, newest = cast("tuple[str, int, int, bool]", argument[:4])
    options = read_options(argument[4:])
    reverse = options.get("reverse")
    numbered = cast("tuple[tuple[int, FrameData], ...]", operation.result)
    if numbered:
        if reverse:
            numbered = numbered[::-1]
        if "stream" in options:  # what lies between them was not seen
            for seq, frame in numbered:
                yield ReadFact(session_id, seq, (frame,), to_the_end=False)
            return
        frames = tuple(frame for _, frame in numbered)
        to_the_end = "before" not in options and bool(newest or reverse or len(frames) < limit)
        yield ReadFact(session_id, numbered[0][0], frames, to_the_end)


def _watched(operation: Operation) -> Iterator[Fact]:
    session_id = cast("tuple[str, int]", operation.argument)[0]
    seq, frame = cast("tuple[int, FrameData]", operation.result)
    yield ReadFact(session_id, seq, (frame,), to_the_end=False, at_once=False)


def _counted(operation: Operation) -> Iterator[Fact]:
    if isinstance(operation.argument, str):  # otherwise it is of a stream
        yield CountFact(operation.argument, cast("int", operation.result))


def _shortened(operation: Operation) -> Iterator[Fact]:
    argument = operation.argument
    yield TrimFact(cast("str", argument[0] if isinstance(argument, tuple) else argument))


def _changed(operation: Operation) -> Iterator[Fact]:
    session_id, seqs = cast("tuple[str, tuple[int, ...]]", operation.argument)[:2]
    yield ChangeFact(session_id, seqs)


_UNKNOWN: dict[str, Tell] = {
    "add_frame": _offered,
    "add_frames": _offered_several,
    "delete_session": _removed,
    "purge_sessions": _purged,
    "put_session": _offered_session,
    "delete_frames": _shortened,
    "trim_frames": _shortened,
    "remove_frames": _changed,
}
_KNOWN: dict[str, Tell] = {
    "create_session": _seen,
    "get_session": _seen,
    "update_session": _seen,
    "delete_session": _removed,
    "list_sessions": _seen_all,
    "add_frame": _added,
    "get_frames": _got_frames,
    "delete_frames": _shortened,
    "count_frames": _counted,
    "get_sessions_batch": _seen_all,
    "update_sessions_batch": _seen_all,
    "modify_session": _seen,
    "archive_session": _seen,
    "get_or_create_session": _got_or_created,
    "put_session": _put,
    "add_frames": _added_several,
    "read_frames": _read_frames,
    "trim_frames": _shortened,
    "remove_frames": _changed,
    "find_sessions": _page,
    "expire_sessions": _seen_all,
    "purge_sessions": _purged,
    "watch_frames": _watched,
}


def read_order_key(operation: Operation) -> OrderKey | None:
    """Return (last number of the log, write of a frame or not, revision, read or not).

    This is right for a session that is never deleted; for others the checker rejects the order.
    """
    name, result = operation.name, operation.result
    if operation.outcome is not Outcome.OK:
        return None
    if name == "add_frame":
        return (result, 0, 0, 0) if type(result) is int else None
    if name == "count_frames" and not isinstance(operation.argument, str):
        return None  # of a stream: it does not tell where the log ends
    key = _read_order_key(name, result)
    return None if key is None or any(type(each) is not int for each in key) else key


_WRITES = frozenset(
    {
        *("create_session", "update_session", "modify_session"),
        *("archive_session", "put_session"),
    }
)


def _read_order_key(  # noqa: PLR0911 - a table of cases
    name: str, result: Plain
) -> OrderKey | None:
    if name == "add_frames":
        return (cast("tuple[int, int]", result)[1] - 1, 0, 0, 0)
    if name in _WRITES:
        report = cast("SessionData", result)
        return (report[4], 1, report[2], 0)
    if name == "get_or_create_session":
        report, created = cast("tuple[SessionData, bool]", result)
        return (report[4], 1, report[2], int(not created))
    if name == "get_session":
        report = cast("SessionData", result)
        return (report[4], 1, report[2], 1)
    if name == "count_frames":
        return (cast("int", result), 0, 0, 1)
    if name == "get_frames":
        return (len(cast("tuple[FrameData, ...]", result)), 0, 0, 1)
    if name == "read_frames" and result:
        numbered = cast("tuple[tuple[int, FrameData], ...]", result)
        return (max(numbered[0][0], numbered[-1][0]), 0, 0, 1)
    return None
