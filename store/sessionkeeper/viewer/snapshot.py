"""The data of a page that is a file: some sessions with all their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from ..values.errors import SessionNotFound
from .feed import read_log
from .frame_fields import frame_fields
from .reports import read_context, read_problems, read_runs
from .rows import Row
from .session_row import session_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..interface.atomic_store import AtomicSessionStore
    from ..values.session import Session

__all__ = ["LARGEST", "TooLarge", "read_snapshot"]

LARGEST = 100_000_000
"""Bytes of messages; a browser still opens a file of this size."""
_NOTE = (
    "This file contains the complete messages of these sessions."
    " Look through it before you send it."
)

_OUTCOME, _ERRORS = 8, ("error", "tool-error")


class _Log(TypedDict):
    """What the page needs to show one session."""

    calls: list[Row]
    marks: list[Row]
    frames: list[dict[str, object]]


class TooLarge(Exception):
    """The messages are more than a page may hold."""


async def read_snapshot(
    store: AtomicSessionStore,
    sessions: Sequence[Session],
    name: str,
    *,
    on_session: Callable[[], object] = lambda: None,
) -> dict[str, object]:
    """Return what a page needs to show these sessions without a server.

    A session that is deleted meanwhile is left out. `on_session` is called after each. Memory is
    bounded by `LARGEST`. Not atomic. Raises `TooLarge`, `StoreUnavailable`.
    """
    rows: list[dict[str, object]] = []
    logs: dict[str, _Log] = {}
    kept: list[Session] = []
    room = LARGEST
    for session in sessions:
        try:
            log, size = await _read_session(store, session, room)
        except SessionNotFound:
            continue
        room -= size
        row = session_row(session, None)
        rows.append({**row, **_counts(log["calls"]), "live": False})
        logs[session.incarnation] = log
        kept.append(session)
        on_session()
    return {
        "store": {"name": name, "note": _NOTE},
        "sessions": rows,
        "logs": logs,
        "problems": await read_problems(store, kept),
        "context": await read_context(store, kept),
        "runs": await read_runs(store, kept),
    }


async def _read_session(store: AtomicSessionStore, session: Session, room: int) -> tuple[_Log, int]:
    calls: dict[object, Row] = {}
    log = _Log(calls=[], marks=[], frames=[])
    size = 0
    async for frames, batch in read_log(store, session):
        for row in batch.calls:
            # As in the page: a later row of a call replaces an earlier one, but for its arguments.
            key = row[0], row[2], row[5], type(row[5])
            before = calls.get(key)
            calls[key] = row if before is None else (*row[:-1], row[-1] or before[-1])
        log["marks"] += batch.marks
        for frame in frames:
            size += len(frame.envelope.message)
            if size > room:
                raise TooLarge
            log["frames"].append(frame_fields(frame, whole=True))
    log["calls"] += calls.values()
    return log, size


def _counts(calls: Sequence[Row]) -> dict[str, int]:
    errors = sum(row[_OUTCOME] in _ERRORS for row in calls)
    return {"calls": len(calls), "errors": errors}
