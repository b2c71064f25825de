"""What scripts answer, by name, and the errors they report instead.

A script answers a list. It begins with `OK`, or with a word that names what was wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar

from ....interface.long_answers import Captured
from ....values.errors import (
    InvalidTransition,
    LimitExceeded,
    RevisionConflict,
    SequenceConflict,
    SessionClosed,
    SessionExists,
    SessionNotFound,
    VersionConflict,
)
from ....values.session import Session
from ....values.states import SessionState
from ..codec import Stored, Unreadable, decode_id, decode_session
from ..context import PlanContext

__all__ = [
    "OK",
    "ChangedReply",
    "ChangedSessionReply",
    "CreatedReply",
    "FramesReply",
    "PutReply",
    "ValueReply",
    "capture",
    "capture_sessions",
    "groups",
    "read_list",
    "read_reply",
    "read_sessions",
    "read_stored",
    "refuse",
]

R = TypeVar("R", bound=tuple[Any, ...])
T = TypeVar("T")

OK = b"OK"


class ValueReply(NamedTuple):
    """A script's one result."""

    status: bytes
    value: Any


class ChangedReply(NamedTuple):
    """What `append_change.lua` did."""

    status: bytes
    last_seq: int
    state_before: bytes
    row: Stored


class ChangedSessionReply(NamedTuple):
    """What `archive.lua` did."""

    status: bytes
    state_before: bytes
    row: Stored


class CreatedReply(NamedTuple):
    """What `create.lua` did."""

    status: bytes
    row: Stored
    evicted: Sequence[Any]
    """Ids and rows in turns."""


class PutReply(NamedTuple):
    """What `put.lua` did."""

    status: bytes
    row: Stored
    state_before: bytes
    """Of the session that was changed; empty if a new one was created."""
    replaced: Stored
    """The ended session that made way; empty if there was none."""
    evicted: Sequence[Any]
    """Ids and rows in turns."""


class FramesReply(NamedTuple):
    """What `read.lua` found in a log."""

    status: bytes
    session: bytes
    """Identifies the session even if its id is used again."""
    first: int
    ended: int
    frames: list[Any]
    proof: bytes


def read_reply(
    kind: type[R], answer: Sequence[Any], session_id: str, session: Session | None = None
) -> R:
    """Name the parts of an answer. Raises what the script reports instead.

    `session` is the one that was sent, for the error.
    """
    if answer[0] != OK:
        refuse(answer, session_id, session)
    return kind(*answer)


def read_list(answer: Sequence[Any], session_id: str = "") -> Sequence[Any]:
    """Return the results of a script that has any number of them. Raises as `read_reply`."""
    status, *results = answer
    if status != OK:
        refuse(answer, session_id)
    return results


def groups(flat: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """Split a flat list into groups of `size`."""
    each = iter(flat)
    return zip(*(each for _ in range(size)), strict=True)


def read_sessions(flat: Iterable[Any]) -> list[Session]:
    """Make sessions of ids and rows in turns. Raises `Unreadable`."""
    return _decode_sessions(read_stored(flat))


def capture(
    plan_context: PlanContext, decode: Callable[[Sequence[Any]], list[T]], stored: list[Any]
) -> Sequence[T]:
    """Return what is decoded when it is taken, by the caller.

    Taking what `decode` finds `Unreadable` raises `StoreUnavailable`.
    """

    def make(some: Sequence[Any]) -> list[T]:
        try:
            return decode(some)
        except Unreadable as found:
            raise plan_context.cannot_read(found) from None

    return Captured(make, stored)


def capture_sessions(
    plan_context: PlanContext, stored: list[tuple[str, Stored]]
) -> Sequence[Session]:
    """Capture sessions by id and row."""
    return capture(plan_context, _decode_sessions, stored)


def _decode_sessions(stored: Sequence[tuple[str, Stored]]) -> list[Session]:
    return [decode_session(*each) for each in stored]


def read_stored(flat: Iterable[Any]) -> list[tuple[str, Stored]]:
    """Return ids and rows in turns as pairs."""
    return [(decode_id(id_), row) for id_, row in groups(flat, 2)]


def refuse(answer: Sequence[Any], session_id: str, session: Session | None = None) -> NoReturn:
    """Raise the error that a script reports. The place of a session among several may follow it."""
    match answer:
        case [b"MISSING" | b"FOREIGN", *_]:
            raise SessionNotFound(session_id)
        case [b"EXISTS", *_]:
            raise SessionExists(session_id)
        case [b"CLOSED", state, *_]:
            raise SessionClosed(session_id, SessionState(state.decode()))
        case [b"SEQUENCE", current, expected, *_]:
            raise SequenceConflict(session_id, expected=int(expected), current=int(current))
        case [b"REVISION", current, *_]:
            expected = 0 if session is None else session.revision
            raise RevisionConflict(session_id, expected=expected, current=int(current))
        case [b"TRANSITION", before, after, *_]:
            states = SessionState(before.decode()), SessionState(after.decode())
            raise InvalidTransition(session_id, *states)
        case [b"VERSION", negotiated, offered, *_]:
            raise VersionConflict(negotiated=negotiated.decode(), offered=offered.decode())
        case [b"LIMIT", limit, current, maximum, bytes(field), *_]:
            counted = {"current": int(current), "maximum": int(maximum)}
            raise LimitExceeded(limit.decode(), field=field.decode(), **counted)
        case [b"LIMIT", limit, current, maximum, *_]:
            raise LimitExceeded(limit.decode(), current=int(current), maximum=int(maximum))
        case _:
            raise RuntimeError(f"a script answered {answer[0]!r}")
